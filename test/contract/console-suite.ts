import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditEntry } from "../../src/domain/model/audit.ts";
import type { Cause, EntityRef } from "../../src/domain/model/entities.ts";
import type { HeldItem } from "../../src/domain/model/held-change.ts";
import type { Link } from "../../src/domain/model/link.ts";
import type { ActivityQuery, GroupsQuery, PeopleQuery, SyncState } from "../../src/domain/ports/console-store.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type { UserWrite } from "../../src/domain/ports/scim-store.ts";
import type { StoreHarness } from "./store-world.ts";

const cause: Cause = { actor: "scim:okta", requestId: "r-1" };
const hour = 3_600_000;

const userWrite = (name: string, more: Partial<UserWrite> = {}): UserWrite => ({
  resource: { userName: name },
  userName: name,
  externalId: null,
  email: `${name.toLowerCase()}@example.com`,
  emails: [`${name.toLowerCase()}@example.com`],
  displayName: name,
  isActive: true,
  ...more,
});

const linkOf = (entityId: string, more: Partial<Link> = {}): Link => ({
  target: "bw",
  kind: "user",
  entityId,
  remoteId: `remote-${entityId}`,
  ownership: "created",
  appliedRev: 1,
  hasAccess: true,
  observedState: "active",
  observedSinceMs: 4,
  isSuspendedByUs: false,
  note: null,
  attempts: 0,
  attemptedRev: 1,
  retryAtMs: null,
  errorCode: null,
  errorMessage: null,
  lastSuccessAtMs: 5,
  ...more,
});

const heldItem = (entityId: string): HeldItem => ({
  key: `access:${entityId}`,
  kind: "user",
  entityId,
  reason: "budget",
  change: { op: "suspend", userId: entityId, email: "x@example.com", remoteId: "r" },
  sinceMs: 7,
  approvedAtMs: null,
  dismissedAtMs: null,
  dismissedBy: null,
});

const call = (entityId: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  actor: "reconcile",
  requestId: null,
  action: "invite",
  kind: "user",
  entityId,
  name: "x@example.com",
  target: "bw",
  rev: 1,
  detail: { outcome: "applied" },
  ...more,
});

const people: PeopleQuery = {
  targets: ["bw"],
  search: "",
  source: null,
  presence: null,
  syncStatus: null,
  groupId: null,
  cursor: null,
  limit: 50,
};
const groups: GroupsQuery = {
  targets: ["bw"],
  search: "",
  source: null,
  presence: null,
  syncStatus: null,
  cursor: null,
  limit: 50,
};
const everything: ActivityQuery = {
  entityId: null,
  target: null,
  action: null,
  actor: null,
  sinceMs: null,
  untilMs: null,
  isFailureOnly: false,
  beforeSeq: null,
  limit: 50,
};

/** What every store promises to the console: see `ConsoleStore`. */
export function consoleContract(name: string, harnessOf: () => Promise<StoreHarness>): void {
  describe(`what the console reads of ${name}`, () => {
    let harness: StoreHarness;
    let store: DirectoryStore;
    beforeEach(async () => {
      harness = await harnessOf();
      store = await harness.open();
    });
    afterEach(() => harness.close());

    const create = async (each: string, more: Partial<UserWrite> = {}): Promise<string> =>
      (await store.createUser("okta", userWrite(each, more), cause)).id;
    const put = (...links: readonly Link[]) => store.commit("bw", { links }, harness.clock.nowMs);
    const namesOf = async (more: Partial<PeopleQuery>) => {
      const { items, total } = await store.people({ ...people, ...more });
      expect(total).toBe(items.length);
      return items.map((item) => item.displayName);
    };

    describe("people", () => {
      it("come by name, whatever the letter case, page after page, each once", async () => {
        for (const [place, each] of ["delta", "Alpha", "charlie", "Bravo", "alpha"].entries())
          await create(each, { userName: `${place}` });
        const seen: string[] = [];
        let cursor: string | null = null;
        do {
          const page: Awaited<ReturnType<DirectoryStore["people"]>> = await store.people({
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

      it("are found by a part of name, address or userName, or the whole id; wildcards are letters", async () => {
        const ada = await create("Ada Lovelace", { userName: "countess", email: "ada@analytical.example" });
        await create("Bo 100%_x", { email: null, emails: [] });
        await create("Cy");
        for (const search of ["LOVE", "unTess", "@analytical", ada, "  ada "])
          expect(await namesOf({ search }), search).toEqual(["Ada Lovelace"]);
        expect(await namesOf({ search: "0%_" })).toEqual(["Bo 100%_x"]);
        for (const search of ["%", "_", "\\", "a\u0000", ada.slice(0, 20)])
          expect(await namesOf({ search }), search).toEqual(search === "%" || search === "_" ? ["Bo 100%_x"] : []);
      });

      it("are told apart by source, presence and group", async () => {
        const ada = await create("Ada");
        await create("Bo", { isActive: false });
        const cy = await create("Cy");
        await store.createUser("entra", userWrite("Di"), cause);
        const options = { isNameUnique: true, unknownMembers: "skip" } as const;
        const write = { resource: {}, displayName: "Eng", externalId: null };
        const { record } = await store.createGroup("okta", write, [ada, cy], options, cause);
        await store.deleteUser("okta", cy, null, cause);
        expect(await namesOf({})).toEqual(["Ada", "Bo", "Cy", "Di"]);
        expect(await namesOf({ presence: "present" })).toEqual(["Ada", "Bo", "Di"]);
        expect(await namesOf({ presence: "inactive" })).toEqual(["Bo"]);
        expect(await namesOf({ presence: "gone" })).toEqual(["Cy"]);
        expect(await namesOf({ source: "entra" })).toEqual(["Di"]);
        expect(await namesOf({ groupId: record.id })).toEqual(["Ada"]);
        expect(await namesOf({ groupId: "none" })).toEqual([]);
      });

      it("are in exactly one state with a target, the one that the counts tell", async () => {
        const ids = new Map<string, string>();
        for (const each of ["inSync", "pending", "failed", "held", "missing", "never", "gone"])
          ids.set(each, await create(each));
        const id = (each: string): string => ids.get(each) ?? "";
        await store.deleteUser("okta", id("gone"), null, cause);
        await put(
          linkOf(id("inSync")),
          linkOf(id("pending"), { appliedRev: 0 }),
          linkOf(id("failed"), { appliedRev: 0, errorCode: "TARGET_REFUSED", errorMessage: "no" }),
          linkOf(id("held")),
          linkOf(id("missing"), { remoteId: null, note: "not-in-target", observedState: "absent" }),
          linkOf(id("gone"), { remoteId: null, appliedRev: 2, hasAccess: false, observedState: "absent" }),
        );
        await store.commit(
          "bw",
          { held: { considered: null, items: [heldItem(id("held"))], keep: new Set() } },
          harness.clock.nowMs,
        );
        const expected: Readonly<Record<SyncState, readonly string[]>> = {
          inSync: ["inSync"],
          pending: ["never", "pending"],
          failed: ["failed"],
          held: ["held"],
          missing: ["missing"],
        };
        const counts = await store.targetCounts("bw", ["user"]);
        for (const [state, names] of Object.entries(expected) as [SyncState, readonly string[]][]) {
          expect(await namesOf({ syncStatus: { by: "state", state } }), state).toEqual(names);
          expect(counts[state]).toBe(names.length);
        }
        const { items } = await store.people({ ...people, targets: ["bw", "op"] });
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

      it("and the counts tell of each commit at once, whoever made it", async () => {
        const [ada, bo] = [await create("Ada"), await create("Bo")];
        const other = await harness.beside();
        const told = async () => {
          const { inSync, pending } = await store.targetCounts("bw", ["user"]);
          return [
            inSync,
            pending,
            ...(await namesOf({ syncStatus: { by: "state", state: "inSync" } })),
            ...(await namesOf({ syncStatus: { by: "state", state: "pending" } })),
          ];
        };
        expect(await told()).toEqual([0, 2, "Ada", "Bo"]);
        expect(await told()).toEqual([0, 2, "Ada", "Bo"]);
        await put(linkOf(ada));
        expect(await told()).toEqual([1, 1, "Ada", "Bo"]);
        await other.commit("bw", { links: [linkOf(bo)] }, harness.clock.nowMs);
        expect(await told()).toEqual([2, 0, "Ada", "Bo"]);
        const edit = () => userWrite("Ada", { displayName: "Ada B" });
        await Promise.all([store.targetCounts("bw", ["user"]), store.updateUser("okta", ada, null, edit, cause)]);
        expect(await told()).toEqual([1, 1, "Bo", "Ada B"]);
      });

      it("are found by what the target shows, and by the note", async () => {
        const [ada, bo] = [await create("Ada"), await create("Bo")];
        await put(
          linkOf(ada, { observedState: "accepted", observedSinceMs: 9 }),
          linkOf(bo, { note: "email-differs" }),
        );
        expect(await namesOf({ syncStatus: { by: "seen", seen: "accepted" } })).toEqual(["Ada"]);
        expect(await namesOf({ syncStatus: { by: "note", note: "email-differs" } })).toEqual(["Bo"]);
        expect(await namesOf({ targets: ["op"], syncStatus: { by: "seen", seen: "accepted" } })).toEqual([]);
        const { items } = await store.people({ ...people, search: "ada" });
        expect(items[0]?.syncStatuses[0]).toMatchObject({ seenState: "accepted", seenSinceMs: 9, hasAccess: true });
      });

      it("stay in order and complete when there are more than one look takes", async () => {
        const count = 11_000;
        const entry = async (number: number) => create(`p${String(number).padStart(5, "0")}`);
        await Promise.all(Array.from({ length: count }, (_, number) => entry(number)));
        const page = await store.people({ ...people, syncStatus: { by: "state", state: "pending" }, limit: 200 });
        expect(page.total).toBe(count);
        const next = await store.people({
          ...people,
          syncStatus: { by: "state", state: "pending" },
          limit: 2,
          cursor: Buffer.from(JSON.stringify(["p09999", count])).toString("base64url"),
        });
        expect(next.items.map((item) => item.displayName)).toEqual(["p10000", "p10001"]);
        expect(next.total).toBe(count);
        // Among those that a search finds, whether they are few enough to be named or not.
        const given = (await store.people({ ...people, search: "p10007" })).items[0]?.id ?? "";
        await put(linkOf(given));
        const totalOf = async (search: string, state: SyncState) =>
          (await store.people({ ...people, search, syncStatus: { by: "state", state } })).total;
        expect([await totalOf("p1", "pending"), await totalOf("p1", "inSync")]).toEqual([999, 1]);
        expect([await totalOf("p", "pending"), await totalOf("p", "inSync")]).toEqual([count - 1, 1]);
      }, 120_000);

      it("are found among those of a search or a group, with any of the targets", async () => {
        const [ada, bo, cy] = [await create("Ada"), await create("Bo"), await create("Cy")];
        const options = { isNameUnique: true, unknownMembers: "skip" } as const;
        const write = { resource: {}, displayName: "Eng", externalId: null };
        const group = (await store.createGroup("okta", write, [ada, cy], options, cause)).record.id;
        await put(
          linkOf(ada, { appliedRev: 2, observedState: null }),
          linkOf(bo),
          linkOf(cy, { appliedRev: 2, observedState: "active" }),
        );
        const atOp = linkOf(ada, { target: "op", appliedRev: 2, observedState: null });
        await store.commit("op", { links: [atOp] }, harness.clock.nowMs);
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

      it("have a page of their own", async () => {
        const ada = await create("Ada");
        const options = { isNameUnique: true, unknownMembers: "skip" } as const;
        await store.createGroup("okta", { resource: {}, displayName: "Eng", externalId: null }, [ada], options, cause);
        await store.commit(
          "bw",
          { held: { considered: null, items: [heldItem(ada)], keep: new Set() } },
          harness.clock.nowMs,
        );
        expect(await store.person(ada, ["bw"])).toMatchObject({
          displayName: "Ada",
          rev: 2,
          groups: [{ displayName: "Eng" }],
          held: [{ target: "bw", key: `access:${ada}` }],
          syncStatuses: [{ target: "bw", state: "held" }],
        });
        expect(await store.person("none", ["bw"])).toBeNull();
      });

      it("are listed from the start for a cursor that is none", async () => {
        await create("Ada");
        for (const cursor of ["", "x", "bnVsbA", Buffer.from('[1,"a"]').toString("base64url")])
          expect(await namesOf({ cursor })).toEqual(["Ada"]);
      });
    });

    it("groups tell how many are in them, and how they stand", async () => {
      const ada = await create("Ada");
      const options = { isNameUnique: true, unknownMembers: "skip" } as const;
      const make = async (each: string, members: readonly string[]) =>
        (
          await store.createGroup(
            "okta",
            { resource: {}, displayName: each, externalId: null },
            members,
            options,
            cause,
          )
        ).record.id;
      const eng = await make("Eng", [ada]);
      await make("ops", []);
      await put(linkOf(eng, { kind: "group", hasAccess: false, observedState: null, observedSinceMs: null }));
      const page = await store.groups(groups);
      expect(page.items.map((item) => [item.displayName, item.memberCount, item.syncStatuses[0]?.state])).toEqual([
        ["Eng", 1, "inSync"],
        ["ops", 0, "pending"],
      ]);
      expect((await store.groups({ ...groups, search: "EN" })).total).toBe(1);
      expect((await store.groups({ ...groups, syncStatus: { by: "state", state: "pending" } })).items).toHaveLength(1);
      expect(await store.group(eng, ["bw"])).toMatchObject({ displayName: "Eng", memberCount: 1, rev: 1 });
      expect(await store.group("none", [])).toBeNull();
    });

    describe("activity", () => {
      const seqs = async (more: Partial<ActivityQuery>) =>
        (await store.activity({ ...everything, ...more })).rows.map((row) => `${row.action} ${row.name}`);

      it("comes newest first, narrowed down by each filter, and goes on where a page ended", async () => {
        const ada = await create("Ada");
        harness.clock.nowMs += hour;
        const bo = await create("Bo");
        await store.commit(
          "bw",
          {
            audit: [
              call(ada, { name: "ada", detail: { outcome: "failed", code: "TARGET_REFUSED" } }),
              call(bo, { name: "bo", action: "suspend" }),
              call(bo, { name: "bo", action: "inviteAgain", detail: { said: '"outcome":"failed"' } }),
            ],
          },
          harness.clock.nowMs,
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
        expect(await seqs({ sinceMs: harness.clock.nowMs })).toHaveLength(4);
        expect(await seqs({ untilMs: harness.clock.nowMs })).toEqual(["user.create ada@example.com"]);
        expect(await seqs({ sinceMs: harness.clock.nowMs + 1 })).toEqual([]);
        const first = await store.activity({ ...everything, limit: 3 });
        expect(first.rows).toHaveLength(3);
        const rest = await store.activity({ ...everything, limit: 3, beforeSeq: first.nextBeforeSeq });
        expect(rest.rows.map((row) => row.action)).toEqual(["user.create", "user.create"]);
        expect(rest.nextBeforeSeq).toBeNull();
      });

      it("of a rare kind is found after parts of the trail were seen to have none", async () => {
        const { nowMs } = harness.clock;
        const rows = Array.from({ length: 45_000 }, () => call("x"));
        const rare = call("x", { action: "console.signIn", name: "first" });
        const found = ["console.signIn first"];
        await store.commit("bw", { audit: rows.slice(3000) }, nowMs);
        // A clock that was set back: the time leaves out what is in the middle of the trail.
        await store.commit("bw", { audit: [rare] }, nowMs - hour);
        await store.commit("bw", { audit: rows }, nowMs);
        expect(await seqs({ action: "console", sinceMs: nowMs })).toEqual([]);
        expect(await seqs({ action: "console" })).toEqual(found);
        expect(await seqs({ action: "console" })).toEqual(found);
        expect(await seqs({ action: "console", beforeSeq: 42_001 })).toEqual([]);
        await store.commit("bw", { audit: [{ ...rare, name: "second" }, ...rows] }, nowMs);
        expect(await seqs({ action: "console" })).toEqual(["console.signIn second", ...found]);
        expect(await seqs({ action: "console", beforeSeq: 87_002 })).toEqual(found);
        expect(await seqs({ action: "approve" })).toEqual([]);
      }, 60_000);

      it("is followed live", async () => {
        const before = await store.newestSeq();
        await create("Ada");
        await store.commit("bw", { audit: [call("x")] }, harness.clock.nowMs);
        const { rows, lookedAtSeq } = await store.activityAfter({ ...everything, target: "bw" }, before);
        expect(rows.map((row) => row.action)).toEqual(["invite"]);
        expect(lookedAtSeq).toBe(await store.newestSeq());
        expect(await store.activityAfter(everything, lookedAtSeq)).toEqual({ rows: [], lookedAtSeq });
      });
    });

    it("hours count calls, and what it took from the directory to the target", async () => {
      const start = Math.floor(harness.clock.nowMs / hour) * hour;
      harness.clock.nowMs = start + 1000;
      const ada = await create("Ada");
      await store.commit(
        "bw",
        {
          audit: [call(ada), call(ada, { detail: { outcome: "failed" } })],
          delivered: [{ entityId: ada, sinceRev: 0 }],
        },
        start + 3000,
      );
      await store.commit("bw", { audit: [call(ada)], delivered: [{ entityId: ada, sinceRev: 1 }] }, start + hour);
      await store.commit("op", { audit: [call(ada)] }, start);
      const found = await store.hourly(["bw"], start);
      expect(found.map(({ medianMs, p95Ms, ...rest }) => rest)).toEqual([
        { target: "bw", hourMs: start, applied: 1, unconfirmed: 0, failed: 1, delivered: 1 },
        { target: "bw", hourMs: start + hour, applied: 1, unconfirmed: 0, failed: 0, delivered: 0 },
      ]);
      expect(found[0]?.medianMs).toBeGreaterThanOrEqual(2000);
      expect(found[0]?.p95Ms).toBeLessThanOrEqual(2000 * Math.SQRT2);
      expect(found[1]?.medianMs).toBeNull();
      expect(await store.hourly(["bw"], start + 1)).toHaveLength(1);
    });

    it("attention names who waits longest, of each kind", async () => {
      const day = 24 * hour;
      const { nowMs } = harness.clock;
      const [ada, bo, cy, di] = [await create("Ada"), await create("Bo"), await create("Cy"), await create("Di")];
      await put(
        linkOf(ada, { observedState: "accepted", observedSinceMs: nowMs - 5 }),
        linkOf(bo, { observedState: "accepted", observedSinceMs: nowMs - 9 }),
        linkOf(cy, { observedState: "invited", observedSinceMs: nowMs - 4 * day - 1 }),
        linkOf(di, {
          observedState: "invited",
          observedSinceMs: nowMs - 3 * day,
          attempts: 1,
          errorCode: "TARGET_REFUSED",
          errorMessage: "no seat",
        }),
      );
      await store.commit("bw", { held: { considered: null, items: [heldItem(ada)], keep: new Set() } }, nowMs);
      const found = await store.attention(["bw", "op"], nowMs);
      expect(found.map(({ kind, count, first }) => [kind, count, first.map((item) => item.name)])).toEqual([
        ["held", 1, ["Ada"]],
        ["failing", 1, ["Di"]],
        ["accepted", 2, ["Bo", "Ada"]],
        ["invitation", 1, ["Cy"]],
      ]);
      expect(found[1]?.first[0]?.error).toBe("no seat");
      expect(found[2]?.sinceMs).toBe(nowMs - 9);
    });

    it("a person asked for is looked at, whatever they wait for", async () => {
      const ada = await create("Ada");
      await put(linkOf(ada, { retryAtMs: harness.clock.nowMs + hour, attempts: 3, errorCode: "TARGET_REFUSED" }));
      const told: EntityRef[] = [];
      store.onChange((refs) => told.push(...refs));
      const dirty = { kind: "dirty", hints: null, limit: 10 } as const;
      expect((await store.readInput("bw", dirty, harness.clock.nowMs)).users).toEqual([]);
      expect(await store.askSync("bw", ada, { actor: "api:operator", requestId: "r-9" }, harness.clock.nowMs)).toBe(
        true,
      );
      expect((await store.readInput("bw", dirty, harness.clock.nowMs)).users.map(({ user }) => user.id)).toEqual([ada]);
      expect(told).toEqual([{ kind: "user", id: ada }]);
      expect((await store.activity({ ...everything, entityId: ada })).rows[0]).toMatchObject({
        action: "sync.ask",
        actor: "api:operator",
        requestId: "r-9",
        target: "bw",
      });
      expect(await store.askSync("bw", "none", cause, harness.clock.nowMs)).toBe(false);
    });

    it("an invitation asked for again is on the next run's list until it is answered, not longer", async () => {
      const [ada, bo] = [await create("Ada"), await create("Bo")];
      await put(linkOf(ada, { observedState: "invited" }), linkOf(bo, { observedState: "accepted" }));
      const { nowMs } = harness.clock;
      expect(await store.askReinvite("bw", bo, cause, nowMs)).toBe(false);
      expect(await store.askReinvite("op", ada, cause, nowMs)).toBe(false);
      expect(await store.askReinvite("bw", ada, cause, nowMs)).toBe(true);
      const slice = await store.readInput("bw", { kind: "dirty", hints: null, limit: 10 }, nowMs);
      expect(slice.users.map(({ user }) => user.id)).toEqual([ada]);
      expect([...slice.reinvites]).toEqual([[ada, nowMs]]);
      // Asked once more while the run is under way: the run's answer is to the first, and the person stays due.
      await store.askReinvite("bw", ada, cause, nowMs + 1);
      await store.commit(
        "bw",
        { links: [linkOf(ada, { observedState: "invited" })], answered: [{ userId: ada, askedAtMs: nowMs }] },
        nowMs + 2,
      );
      const again = await store.readInput("bw", { kind: "dirty", hints: null, limit: 10 }, nowMs + 2);
      expect(again.users.map(({ user }) => user.id)).toEqual([ada]);
      expect((await store.person(ada, ["bw"]))?.syncStatuses[0]?.reinviteAskedAtMs).toBe(nowMs + 1);
      await store.commit(
        "bw",
        { links: [linkOf(ada, { observedState: "invited" })], answered: [{ userId: ada, askedAtMs: nowMs + 1 }] },
        nowMs + 3,
      );
      expect((await store.readInput("bw", { kind: "dirty", hints: null, limit: 10 }, nowMs + 3)).users).toEqual([]);
    });
  });
}
