import { describe, expect, it } from "vitest";
import { activityQuery } from "../../src/app/queries.ts";
import type { EntityRef } from "../../src/domain/model/entities.ts";
import type { Link } from "../../src/domain/model/link.ts";
import type { ActivityQuery, PeopleQuery, SyncState } from "../../src/domain/ports/console-store.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type { UserWrite } from "../../src/domain/ports/scim-store.ts";
import { userWrite } from "../support/entities.ts";
import { groupsQuery, peopleQuery } from "../support/queries.ts";
import { call, cause, heldItem, link, type StoreHarness, useStore } from "./store-world.ts";

const hour = 3_600_000;

const people = peopleQuery(["bw"]);
const groups = groupsQuery(["bw"]);
const everything = activityQuery();

/** Everything that a store promises to the console: see `ConsoleStore`. */
export function consoleContract(name: string, harnessOf: () => Promise<StoreHarness>): void {
  describe(`what the console reads of ${name}`, () => {
    const world = useStore(harnessOf);

    const create = (name: string, more: Partial<UserWrite> = {}): Promise<string> => {
      const email = `${name.toLowerCase()}@example.com`;
      return world.hire(name, { email, emails: [email], ...more });
    };
    const put = (...links: readonly Link[]) => world.store.commit("bw", { links }, world.clock.nowMs);
    const namesOf = async (more: Partial<PeopleQuery>) => {
      const { items, total } = await world.store.people({ ...people, ...more });
      expect(total).toBe(items.length);
      return items.map((item) => item.displayName);
    };

    describe("people", () => {
      it("a list is sorted by name in any letter case, and its pages show each user once", async () => {
        for (const [place, each] of ["delta", "Alpha", "charlie", "Bravo", "alpha"].entries())
          await create(each, { userName: `${place}` });
        const seen: string[] = [];
        let cursor: string | null = null;
        do {
          const page: Awaited<ReturnType<DirectoryStore["people"]>> = await world.store.people({
            ...people,
            cursor,
            limit: 2,
          });
          expect(page.total).toBe(5);
          seen.push(...page.items.map((item) => item.displayName));
          cursor = page.nextCursor;
        } while (cursor !== null);
        expect(seen).toEqual(["Alpha", "alpha", "Bravo", "charlie", "delta"]);
      });

      it("a search finds a part of name, address or userName, or the whole id, and knows no wildcards", async () => {
        const ada = await create("Ada Lovelace", { userName: "countess", email: "ada@analytical.example" });
        await create("Bo 100%_x", { email: null, emails: [] });
        await create("Cy");
        for (const search of ["LOVE", "unTess", "@analytical", ada, "  ada "])
          expect(await namesOf({ search }), search).toEqual(["Ada Lovelace"]);
        expect(await namesOf({ search: "0%_" })).toEqual(["Bo 100%_x"]);
        for (const search of ["%", "_", "\\", "a\u0000", ada.slice(0, 20)])
          expect(await namesOf({ search }), search).toEqual(search === "%" || search === "_" ? ["Bo 100%_x"] : []);
      });

      it("a list can be limited to a source, a presence or a group", async () => {
        const ada = await create("Ada");
        await create("Bo", { isActive: false });
        const cy = await create("Cy");
        await world.store.createUser("entra", userWrite("Di"), cause);
        const options = { isNameUnique: true, unknownMembers: "skip" } as const;
        const write = { resource: {}, displayName: "Eng", externalId: null };
        const { record } = await world.store.createGroup("okta", write, [ada, cy], options, cause);
        await world.store.deleteUser("okta", cy, null, cause);
        expect(await namesOf({})).toEqual(["Ada", "Bo", "Cy", "Di"]);
        expect(await namesOf({ presence: "present" })).toEqual(["Ada", "Bo", "Di"]);
        expect(await namesOf({ presence: "inactive" })).toEqual(["Bo"]);
        expect(await namesOf({ presence: "gone" })).toEqual(["Cy"]);
        expect(await namesOf({ source: "entra" })).toEqual(["Di"]);
        expect(await namesOf({ groupId: record.id })).toEqual(["Ada"]);
        expect(await namesOf({ groupId: "none" })).toEqual([]);
      });

      it("each user has exactly one state per target, as in the counts", async () => {
        const ids = new Map<string, string>();
        for (const each of ["inSync", "pending", "failed", "held", "missing", "never", "gone"])
          ids.set(each, await create(each));
        const id = (each: string): string => ids.get(each) ?? "";
        await world.store.deleteUser("okta", id("gone"), null, cause);
        await put(
          link(id("inSync")),
          link(id("pending"), { appliedRev: 0 }),
          link(id("failed"), { appliedRev: 0, errorCode: "TARGET_REFUSED", errorMessage: "no" }),
          link(id("held")),
          link(id("missing"), { remoteId: null, note: "not-in-target", observedState: "absent" }),
          link(id("gone"), { remoteId: null, appliedRev: 2, hasAccess: false, observedState: "absent" }),
        );
        await world.hold([heldItem(id("held"))], world.clock.nowMs);
        const expected: Readonly<Record<SyncState, readonly string[]>> = {
          inSync: ["inSync"],
          pending: ["never", "pending"],
          failed: ["failed"],
          held: ["held"],
          missing: ["missing"],
        };
        const counts = await world.store.targetCounts("bw", ["user"]);
        for (const [state, names] of Object.entries(expected) as [SyncState, readonly string[]][]) {
          expect(await namesOf({ syncStatus: { by: "state", state } }), state).toEqual(names);
          expect(counts[state]).toBe(names.length);
        }
        const { items } = await world.store.people({ ...people, targets: ["bw", "op"] });
        expect(items.map((item) => item.syncStatuses.map(({ target, state }) => `${target} ${state}`))).toEqual(
          ["failed", null, "held", "inSync", "missing", "pending", "pending"].map((state) => [
            `bw ${state}`,
            "op pending",
          ]),
        );
        expect(await namesOf({ targets: ["bw", "op"], syncStatus: { by: "state", state: "inSync" } })).toEqual([
          "inSync",
        ]);
        expect(await namesOf({ targets: [], syncStatus: { by: "state", state: "inSync" } })).toEqual([]);
      });

      it("counts and lists show each commit at once, of another process too", async () => {
        const [ada, bo] = [await create("Ada"), await create("Bo")];
        const other = await world.beside();
        const told = async () => {
          const { inSync, pending } = await world.store.targetCounts("bw", ["user"]);
          return [
            inSync,
            pending,
            ...(await namesOf({ syncStatus: { by: "state", state: "inSync" } })),
            ...(await namesOf({ syncStatus: { by: "state", state: "pending" } })),
          ];
        };
        expect(await told()).toEqual([0, 2, "Ada", "Bo"]);
        expect(await told()).toEqual([0, 2, "Ada", "Bo"]);
        await put(link(ada));
        expect(await told()).toEqual([1, 1, "Ada", "Bo"]);
        await other.commit("bw", { links: [link(bo)] }, world.clock.nowMs);
        expect(await told()).toEqual([2, 0, "Ada", "Bo"]);
        const edit = () => userWrite("Ada", { displayName: "Ada B" });
        await Promise.all([
          world.store.targetCounts("bw", ["user"]),
          world.store.updateUser("okta", ada, null, edit, cause),
        ]);
        expect(await told()).toEqual([1, 1, "Bo", "Ada B"]);
      });

      it("a list can be limited to an observed state or a note", async () => {
        const [ada, bo] = [await create("Ada"), await create("Bo")];
        await put(link(ada, { observedState: "accepted", observedSinceMs: 9 }), link(bo, { note: "email-differs" }));
        expect(await namesOf({ syncStatus: { by: "seen", seen: "accepted" } })).toEqual(["Ada"]);
        expect(await namesOf({ syncStatus: { by: "note", note: "email-differs" } })).toEqual(["Bo"]);
        expect(await namesOf({ targets: ["op"], syncStatus: { by: "seen", seen: "accepted" } })).toEqual([]);
        const { items } = await world.store.people({ ...people, search: "ada" });
        expect(items[0]?.syncStatuses[0]).toMatchObject({ seenState: "accepted", seenSinceMs: 9, hasAccess: true });
      });

      it("a list of more users than one statement reads is complete and sorted", async () => {
        const count = 11_000;
        await world.importUsers(Array.from({ length: count }, (_, number) => `p${String(number).padStart(5, "0")}`));
        const page = await world.store.people({ ...people, syncStatus: { by: "state", state: "pending" }, limit: 200 });
        expect(page.total).toBe(count);
        const next = await world.store.people({
          ...people,
          syncStatus: { by: "state", state: "pending" },
          limit: 2,
          cursor: Buffer.from(JSON.stringify(["p09999", count])).toString("base64url"),
        });
        expect(next.items.map((item) => item.displayName)).toEqual(["p10000", "p10001"]);
        expect(next.total).toBe(count);
        // Among those that a search finds, whether they are few enough to be named or not.
        const given = (await world.store.people({ ...people, search: "p10007" })).items[0]?.id ?? "";
        await put(link(given));
        const totalOf = async (search: string, state: SyncState) =>
          (await world.store.people({ ...people, search, syncStatus: { by: "state", state } })).total;
        expect([await totalOf("p1", "pending"), await totalOf("p1", "inSync")]).toEqual([999, 1]);
        expect([await totalOf("p", "pending"), await totalOf("p", "inSync")]).toEqual([count - 1, 1]);
      });

      it("a filter by state combines with a search, a group and several targets", async () => {
        const [ada, bo, cy] = [await create("Ada"), await create("Bo"), await create("Cy")];
        const group = await world.found("Eng", [ada, cy]);
        await put(
          link(ada, { appliedRev: 2, observedState: null }),
          link(bo),
          link(cy, { appliedRev: 2, observedState: "active" }),
        );
        const atOp = link(ada, { target: "op", appliedRev: 2, observedState: null });
        await world.store.commit("op", { links: [atOp] }, world.clock.nowMs);
        const targets = ["bw", "op"];
        const pending = { by: "state", state: "pending" } as const;
        expect(await namesOf({ targets, syncStatus: pending })).toEqual(["Bo", "Cy"]);
        expect(await namesOf({ targets, syncStatus: pending, search: "bo" })).toEqual(["Bo"]);
        expect(await namesOf({ targets, syncStatus: pending, search: "ada" })).toEqual([]);
        expect(await namesOf({ targets, syncStatus: pending, groupId: group })).toEqual(["Cy"]);
        const inSync = { by: "state", state: "inSync" } as const;
        expect(await namesOf({ targets: ["op"], syncStatus: inSync, groupId: group })).toEqual(["Ada"]);
        const active = { by: "seen", seen: "active" } as const;
        expect(await namesOf({ targets, syncStatus: active, search: "cy" })).toEqual(["Cy"]);
        expect(await namesOf({ targets, syncStatus: active, search: "ada" })).toEqual([]);
      });

      it("the page of a user has groups, held changes and states", async () => {
        const ada = await create("Ada");
        await world.found("Eng", [ada]);
        await world.hold([heldItem(ada)], world.clock.nowMs);
        expect(await world.store.person(ada, ["bw"])).toMatchObject({
          displayName: "Ada",
          rev: 2,
          groups: [{ displayName: "Eng" }],
          held: [{ target: "bw", key: `access:${ada}` }],
          syncStatuses: [{ target: "bw", state: "held" }],
        });
        expect(await world.store.person("none", ["bw"])).toBeNull();
      });

      it("a wrong cursor starts the list from the beginning", async () => {
        await create("Ada");
        for (const cursor of ["", "x", "bnVsbA", Buffer.from('[1,"a"]').toString("base64url")])
          expect(await namesOf({ cursor })).toEqual(["Ada"]);
      });
    });

    it("groups have their number of members and their state", async () => {
      const ada = await create("Ada");
      const eng = await world.found("Eng", [ada]);
      await world.found("ops");
      await put(link(eng, { kind: "group", hasAccess: false, observedState: null, observedSinceMs: null }));
      const page = await world.store.groups(groups);
      expect(page.items.map((item) => [item.displayName, item.memberCount, item.syncStatuses[0]?.state])).toEqual([
        ["Eng", 1, "inSync"],
        ["ops", 0, "pending"],
      ]);
      expect((await world.store.groups({ ...groups, search: "EN" })).total).toBe(1);
      expect(
        (await world.store.groups({ ...groups, syncStatus: { by: "state", state: "pending" } })).items,
      ).toHaveLength(1);
      expect(await world.store.group(eng, ["bw"])).toMatchObject({ displayName: "Eng", memberCount: 1, rev: 1 });
      expect(await world.store.group("none", [])).toBeNull();
    });

    describe("activity", () => {
      const seqs = async (more: Partial<ActivityQuery>) =>
        (await world.store.activity({ ...everything, ...more })).rows.map((row) => `${row.action} ${row.name}`);

      it("activity is listed newest first, by any filter, page after page", async () => {
        const ada = await create("Ada");
        world.clock.nowMs += hour;
        const bo = await create("Bo");
        await world.store.commit(
          "bw",
          {
            audit: [
              call(ada, { name: "ada", detail: { outcome: "failed", code: "TARGET_REFUSED" } }),
              call(bo, { name: "bo", action: "suspend" }),
              call(bo, { name: "bo", action: "inviteAgain", detail: { said: '"outcome":"failed"' } }),
            ],
          },
          world.clock.nowMs,
        );
        expect(await seqs({})).toEqual([
          "inviteAgain bo",
          "suspend bo",
          "invite ada",
          "user.create bo@example.com",
          "user.create ada@example.com",
        ]);
        expect(await seqs({ entityId: ada })).toEqual(["invite ada", "user.create ada@example.com"]);
        expect(await seqs({ target: "bw", action: "suspend" })).toEqual(["suspend bo"]);
        expect(await seqs({ target: "bw" })).toHaveLength(3);
        expect(await seqs({ action: "invite" })).toEqual(["invite ada"]);
        expect(await seqs({ action: "user" })).toHaveLength(2);
        expect(await seqs({ actor: "scim:" })).toHaveLength(2);
        expect(await seqs({ isFailureOnly: true })).toEqual(["invite ada"]);
        expect(await seqs({ isFailureOnly: true, entityId: bo })).toEqual([]);
        expect(await seqs({ sinceMs: world.clock.nowMs })).toHaveLength(4);
        expect(await seqs({ untilMs: world.clock.nowMs })).toEqual(["user.create ada@example.com"]);
        expect(await seqs({ sinceMs: world.clock.nowMs + 1 })).toEqual([]);
        const first = await world.store.activity({ ...everything, limit: 3 });
        expect(first.rows).toHaveLength(3);
        const rest = await world.store.activity({ ...everything, limit: 3, beforeSeq: first.nextBeforeSeq });
        expect(rest.rows.map((row) => row.action)).toEqual(["user.create", "user.create"]);
        expect(rest.nextBeforeSeq).toBeNull();
      });

      it("a rare action is found in a long trail, also after a clock was set back", async () => {
        const { nowMs } = world.clock;
        const rows = Array.from({ length: 45_000 }, () => call("x"));
        const rare = call("x", { action: "console.signIn", name: "first" });
        const found = ["console.signIn first"];
        await world.store.commit("bw", { audit: rows.slice(3000) }, nowMs);
        // A clock that was set back: the time leaves out what is in the middle of the trail.
        await world.store.commit("bw", { audit: [rare] }, nowMs - hour);
        await world.store.commit("bw", { audit: rows }, nowMs);
        expect(await seqs({ action: "console", sinceMs: nowMs })).toEqual([]);
        expect(await seqs({ action: "console" })).toEqual(found);
        expect(await seqs({ action: "console" })).toEqual(found);
        expect(await seqs({ action: "console", beforeSeq: 42_001 })).toEqual([]);
        await world.store.commit("bw", { audit: [{ ...rare, name: "second" }, ...rows] }, nowMs);
        expect(await seqs({ action: "console" })).toEqual(["console.signIn second", ...found]);
        expect(await seqs({ action: "console", beforeSeq: 87_002 })).toEqual(found);
        expect(await seqs({ action: "approve" })).toEqual([]);
      });

      it("activity can be followed live", async () => {
        const before = await world.store.newestSeq();
        await create("Ada");
        await world.store.commit("bw", { audit: [call("x")] }, world.clock.nowMs);
        const { rows, lookedAtSeq } = await world.store.activityAfter({ ...everything, target: "bw" }, before);
        expect(rows.map((row) => row.action)).toEqual(["invite"]);
        expect(lookedAtSeq).toBe(await world.store.newestSeq());
        expect(await world.store.activityAfter(everything, lookedAtSeq)).toEqual({ rows: [], lookedAtSeq });
      });
    });

    it("hourly counts have outcomes and delivery times", async () => {
      const start = Math.floor(world.clock.nowMs / hour) * hour;
      world.clock.nowMs = start + 1000;
      const ada = await create("Ada");
      await world.store.commit(
        "bw",
        {
          audit: [call(ada), call(ada, { detail: { outcome: "failed" } })],
          delivered: [{ entityId: ada, sinceRev: 0 }],
        },
        start + 3000,
      );
      await world.store.commit("bw", { audit: [call(ada)], delivered: [{ entityId: ada, sinceRev: 1 }] }, start + hour);
      await world.store.commit("op", { audit: [call(ada)] }, start);
      const found = await world.store.hourly(["bw"], start);
      expect(found.map(({ medianMs, p95Ms, ...rest }) => rest)).toEqual([
        { target: "bw", hourMs: start, applied: 1, unconfirmed: 0, failed: 1, delivered: 1 },
        { target: "bw", hourMs: start + hour, applied: 1, unconfirmed: 0, failed: 0, delivered: 0 },
      ]);
      expect(found[0]?.medianMs).toBeGreaterThanOrEqual(2000);
      expect(found[0]?.p95Ms).toBeLessThanOrEqual(2000 * Math.SQRT2);
      expect(found[1]?.medianMs).toBeNull();
      expect(await world.store.hourly(["bw"], start + 1)).toHaveLength(1);
    });

    it("attention names the entities that wait longest, of each kind", async () => {
      const day = 24 * hour;
      const { nowMs } = world.clock;
      const [ada, bo, cy, di] = [await create("Ada"), await create("Bo"), await create("Cy"), await create("Di")];
      await put(
        link(ada, { observedState: "accepted", observedSinceMs: nowMs - 5 }),
        link(bo, { observedState: "accepted", observedSinceMs: nowMs - 9 }),
        link(cy, { observedState: "invited", observedSinceMs: nowMs - 4 * day - 1 }),
        link(di, {
          observedState: "invited",
          observedSinceMs: nowMs - 3 * day,
          attempts: 1,
          errorCode: "TARGET_REFUSED",
          errorMessage: "no seat",
        }),
      );
      await world.hold([heldItem(ada)], nowMs);
      const found = await world.store.attention(["bw", "op"], nowMs);
      expect(found.map(({ kind, count, first }) => [kind, count, first.map((item) => item.name)])).toEqual([
        ["held", 1, ["Ada"]],
        ["failing", 1, ["Di"]],
        ["accepted", 2, ["Bo", "Ada"]],
        ["invitation", 1, ["Cy"]],
      ]);
      expect(found[1]?.first[0]?.error).toBe("no seat");
      expect(found[2]?.sinceMs).toBe(nowMs - 9);
    });

    it("a requested sync makes a user due, whatever it waits for", async () => {
      const ada = await create("Ada");
      await put(link(ada, { retryAtMs: world.clock.nowMs + hour, attempts: 3, errorCode: "TARGET_REFUSED" }));
      const told: EntityRef[] = [];
      world.store.onChange((refs) => told.push(...refs));
      const dirty = { kind: "dirty", hints: null, limit: 10 } as const;
      expect((await world.store.readInput("bw", dirty, world.clock.nowMs)).users).toEqual([]);
      expect(await world.store.askSync("bw", ada, { actor: "api:operator", requestId: "r-9" }, world.clock.nowMs)).toBe(
        true,
      );
      expect((await world.store.readInput("bw", dirty, world.clock.nowMs)).users.map(({ user }) => user.id)).toEqual([
        ada,
      ]);
      expect(told).toEqual([{ kind: "user", id: ada }]);
      expect((await world.store.activity({ ...everything, entityId: ada })).rows[0]).toMatchObject({
        action: "sync.ask",
        actor: "api:operator",
        requestId: "r-9",
        target: "bw",
      });
      expect(await world.store.askSync("bw", "none", cause, world.clock.nowMs)).toBe(false);
    });

    it("a requested invitation is in the input of runs until it is answered", async () => {
      const [ada, bo] = [await create("Ada"), await create("Bo")];
      await put(link(ada, { observedState: "invited" }), link(bo, { observedState: "accepted" }));
      const { nowMs } = world.clock;
      expect(await world.store.askReinvite("bw", bo, cause, nowMs)).toBe(false);
      expect(await world.store.askReinvite("op", ada, cause, nowMs)).toBe(false);
      expect(await world.store.askReinvite("bw", ada, cause, nowMs)).toBe(true);
      const slice = await world.store.readInput("bw", { kind: "dirty", hints: null, limit: 10 }, nowMs);
      expect(slice.users.map(({ user }) => user.id)).toEqual([ada]);
      expect([...slice.reinvites]).toEqual([[ada, nowMs]]);
      // Asked once more while the run is under way: the run's answer is to the first, and the person stays due.
      await world.store.askReinvite("bw", ada, cause, nowMs + 1);
      await world.store.commit(
        "bw",
        { links: [link(ada, { observedState: "invited" })], answered: [{ userId: ada, askedAtMs: nowMs }] },
        nowMs + 2,
      );
      const again = await world.store.readInput("bw", { kind: "dirty", hints: null, limit: 10 }, nowMs + 2);
      expect(again.users.map(({ user }) => user.id)).toEqual([ada]);
      expect((await world.store.person(ada, ["bw"]))?.syncStatuses[0]?.reinviteAskedAtMs).toBe(nowMs + 1);
      await world.store.commit(
        "bw",
        { links: [link(ada, { observedState: "invited" })], answered: [{ userId: ada, askedAtMs: nowMs + 1 }] },
        nowMs + 3,
      );
      expect((await world.store.readInput("bw", { kind: "dirty", hints: null, limit: 10 }, nowMs + 3)).users).toEqual(
        [],
      );
    });
  });
}
