import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/model/plan.ts";
import { userWrite } from "../support/entities.ts";
import { cause, dirty, heldItem, link, type StoreWorld, source } from "./store-world.ts";

/** What a run reads and writes: `SyncStore`. */
export function runs(world: StoreWorld): void {
  describe("the input of a run", () => {
    const { hire, found, rev, inputIds, put } = world;
    it("the input of a new target has all users and groups", async () => {
      const ids = [await hire("ada"), await hire("bob")];
      const eng = await found("eng");
      const slice = await world.store.readInput("brand-new", dirty, world.clock.nowMs);
      expect(slice.isComplete).toBe(false);
      expect(slice.users.map(({ user, link: known }) => [user.id, known])).toEqual(ids.map((id) => [id, null]));
      expect(slice.dirtyGroupIds).toEqual(new Set([eng]));
      await world.store.commit("bw", { links: ids.map((id) => link(id)) }, 1);
      expect(await inputIds()).toEqual([]);
      expect(await inputIds(dirty, "another")).toEqual(ids);
    });

    it("the dirty input has users who changed since the last success, the full input all users", async () => {
      const [ada, bob] = [await hire("ada"), await hire("bob")];
      await put(link(ada), link(bob));
      await world.store.updateUser(source, bob, null, () => userWrite("bob", { isActive: false }), cause);
      const slice = await world.store.readInput("bw", dirty, world.clock.nowMs);
      expect(slice.users).toMatchObject([
        { user: { id: bob, rev: 2, isActive: false }, link: link(bob), groupIds: [] },
      ]);
      expect(await world.store.readInput("bw", { kind: "all" }, world.clock.nowMs)).toMatchObject({
        isComplete: true,
        users: [{ user: { id: ada } }, { user: { id: bob } }],
      });
      await world.reopen();
      expect(await inputIds()).toEqual([bob]);
    });

    it("a user who waits for a retry is in the input when the time comes or the user changes", async () => {
      const ada = await hire("ada");
      await put(
        link(ada, {
          appliedRev: 0,
          attemptedRev: 1,
          attempts: 1,
          retryAtMs: world.clock.nowMs + 100,
          errorCode: "TARGET_REFUSED",
        }),
      );
      expect(await inputIds()).toEqual([]);
      expect(await world.store.nextRetryAtMs("bw")).toBe(world.clock.nowMs + 100);
      expect(await world.store.nextRetryAtMs("another")).toBeNull();
      await world.store.updateUser(source, ada, null, () => userWrite("ada", { isActive: false }), cause);
      expect(await inputIds()).toEqual([ada]);
      await put(link(ada, { appliedRev: 0, attemptedRev: 2, retryAtMs: world.clock.nowMs + 100 }));
      expect(await inputIds()).toEqual([]);
      world.clock.nowMs += 100;
      expect(await inputIds()).toEqual([ada]);
    });

    it("a user or group with a due retry is in the input even if it is not dirty", async () => {
      const ada = await hire("ada");
      const eng = await found("eng");
      await put(
        link(ada, { retryAtMs: world.clock.nowMs }),
        link(eng, { kind: "group", retryAtMs: world.clock.nowMs }),
      );
      expect(await inputIds()).toEqual([ada]);
      expect((await world.store.readInput("bw", dirty, world.clock.nowMs)).dirtyGroupIds).toEqual(new Set([eng]));
      expect((await world.store.readInput("bw", dirty, world.clock.nowMs - 1)).dirtyGroupIds.size).toBe(0);
    });

    it("with hints, the input has the dirty ones among them, and due retries", async () => {
      const [ada, bob, eve, due] = [await hire("ada"), await hire("bob"), await hire("eve"), await hire("due")];
      await put(link(bob), link(due, { appliedRev: 0, retryAtMs: world.clock.nowMs }));
      expect(await inputIds({ kind: "dirty", hints: [ada, bob, "nobody"], limit: 10 })).toEqual([ada, due]);
      expect(await inputIds({ kind: "dirty", hints: [], limit: 10 })).toEqual([due]);
      expect(await inputIds({ kind: "dirty", hints: null, limit: 10 })).toEqual([ada, eve, due]);
      expect(await inputIds({ kind: "dirty", hints: null, limit: 1 })).toEqual([ada]);
    });

    it("the oldest present user owns an address; an absent user owns it only if no other does", async () => {
      const address = { email: "ada@example.com" };
      const first = await hire("ada", address);
      const second = await hire("ada", address, "entra");
      const owners = async () =>
        new Map(
          (await world.store.readInput("bw", { kind: "all" }, world.clock.nowMs)).users.map((each) => [
            each.user.id,
            each.emailOwnerId,
          ]),
        );
      expect(await owners()).toEqual(
        new Map([
          [first, first],
          [second, first],
        ]),
      );
      await put(link(first), link(second));
      await world.store.deleteUser(source, first, null, cause);
      expect(await owners()).toEqual(
        new Map([
          [first, second],
          [second, second],
        ]),
      );
      expect(await inputIds()).toEqual([first, second]);
      await world.store.deleteUser("entra", second, null, cause);
      // Nobody is left to keep it: each of them answers for what is linked to them.
      expect(await owners()).toEqual(
        new Map([
          [first, first],
          [second, second],
        ]),
      );
      await hire("no address");
      expect([...(await owners()).values()].at(-1)).toBeNull();
    });

    it("a change of an address makes other users with it dirty, and listeners are told", async () => {
      const ada = await hire("ada", { email: "ada@example.com" });
      await put(link(ada));
      const heard: string[] = [];
      world.store.onChange((refs) => heard.push(...refs.map(({ id }) => id)));
      const rival = await hire("bob", { email: "ada@example.com" });
      expect(heard.splice(0)).toEqual([rival, ada]);
      await world.store.updateUser(source, rival, null, () => userWrite("bob", { email: "bob@example.com" }), cause);
      expect(heard.splice(0)).toEqual([rival, ada]);
      await world.store.updateUser(
        source,
        rival,
        null,
        () => userWrite("bob", { email: "bob@example.com", isActive: false }),
        cause,
      );
      expect(heard.splice(0)).toEqual([rival]);
      expect(await rev(ada)).toBe(3);
    });

    it("the full input leaves out a deleted user whose account is gone", async () => {
      const [ada, bob] = [await hire("ada"), await hire("bob")];
      for (const id of [ada, bob]) await world.store.deleteUser(source, id, null, cause);
      await put(link(ada, { appliedRev: 2, remoteId: null }), link(bob, { appliedRev: 2 }));
      expect(await inputIds({ kind: "all" })).toEqual([bob]);
    });

    it("the full input has all users and memberships of a directory of several pages", async () => {
      const ids = await Promise.all(Array.from({ length: 2100 }, (_, index) => hire(`p${index}`)));
      const groups = [
        await found(
          "odd",
          ids.filter((_, index) => index % 2 === 1),
        ),
        await found("everyone", ids),
      ];
      const slice = await world.store.readInput("bw", { kind: "all" }, world.clock.nowMs);
      expect(slice.users.map(({ user }) => user.id)).toEqual(ids);
      expect(slice.users.map(({ groupIds }) => groupIds)).toEqual(
        ids.map((_, index) => (index % 2 === 1 ? groups : groups.slice(1))),
      );
    });
  });

  describe("the record of a run", () => {
    const { hire, hold, put } = world;
    it("links are read back as written, in one transaction with the rest of the record", async () => {
      const ada = await hire("ada");
      const full = link(ada, {
        isSuspendedByUs: true,
        note: "staged",
        attempts: 3,
        errorCode: "TARGET_REFUSED",
        errorMessage: "no",
        retryAtMs: 99,
        ownership: "adopted",
        hasAccess: true,
      });
      await world.store.commit("bw", { links: [full], charge: [ada] }, 7);
      await world.reopen();
      expect((await world.store.readInput("bw", { kind: "all" }, 0)).users[0]?.link).toEqual(full);
      const broken = { ...link(ada), appliedRev: undefined as unknown as number };
      await expect(
        world.store.commit("bw", { charge: ["x"], links: [link(ada, { remoteId: "new" }), broken] }, 8),
      ).rejects.toThrow();
      expect((await world.store.readInput("bw", { kind: "all" }, 0)).users[0]?.link).toEqual(full);
      expect([...(await world.store.charges("bw", 0)).keys()]).toEqual([ada]);
    });

    it("the users linked to an account are found, present or deleted, in this target only", async () => {
      const ada = (await world.store.createUser(source, userWrite("ada"), cause)).id;
      const zed = (
        await world.store.createUser(source, userWrite("zed", { displayName: "Zed", email: "z@x.com" }), cause)
      ).id;
      await put(link(ada, { remoteId: "m" }), link(zed, { remoteId: "m" }));
      await put({ ...link(ada, { remoteId: "n" }), target: "op" });
      await world.store.deleteUser(source, ada, null, cause);
      const holders = await world.store.linkedUsers("bw", ["m", "n", "other"]);
      expect([...holders.keys()]).toEqual(["m"]);
      const [gone, here] = [...(holders.get("m") ?? [])].sort((a, b) => (a.id === ada ? -1 : b.id === ada ? 1 : 0));
      expect(gone).toMatchObject({ id: ada, source, absentSinceMs: expect.any(Number) });
      expect(here).toMatchObject({ id: zed, displayName: "Zed", email: "z@x.com", absentSinceMs: null });
    });

    it("users with access are counted per target", async () => {
      await put(link("a"), link("b", { hasAccess: false }), link("c"), link("g", { kind: "group" }));
      expect(await world.store.peopleWithAccess("bw")).toBe(2);
      expect(await world.store.peopleWithAccess("op")).toBe(0);
    });

    it("each user who lost access counts once per target, and a refund ends that", async () => {
      await world.store.commit("bw", { charge: ["a", "b"] }, 100);
      await world.store.commit("bw", { charge: ["b", "c"] }, 200);
      await world.store.commit("op", { charge: ["z"] }, 200);
      expect(await world.store.charges("bw", 0)).toEqual(
        new Map([
          ["a", 100],
          ["b", 200],
          ["c", 200],
        ]),
      );
      expect(await world.store.charges("bw", 99)).toEqual(
        new Map([
          ["a", 100],
          ["b", 200],
          ["c", 200],
        ]),
      );
      expect([...(await world.store.charges("bw", 100)).keys()].sort()).toEqual(["b", "c"]);
      await world.store.commit("bw", { refund: ["b", "z", "nobody"] }, 300);
      expect([...(await world.store.charges("bw", 0)).keys()].sort()).toEqual(["a", "c"]);
      expect([...(await world.store.charges("op", 0)).keys()]).toEqual(["z"]);
    });

    it("held changes of the considered users are replaced, with the time of the first hold kept", async () => {
      const held = async () =>
        (await world.store.held("bw")).map((each) => [each.entityId, each.sinceMs, each.approvedAtMs]);
      await hold([heldItem("a"), heldItem("b"), heldItem("c")], 10);
      expect(await world.store.held("bw")).toEqual([heldItem("a"), heldItem("b"), heldItem("c")]);
      expect(await world.store.held("op")).toEqual([]);
      await hold([heldItem("a", { sinceMs: 20 })], 20, new Set(["a", "b"]));
      expect(await held()).toEqual([
        ["a", 10, null],
        ["c", 10, null],
      ]);
      await hold([heldItem("d", { sinceMs: 30 })], 30);
      expect(await held()).toEqual([["d", 30, null]]);
      await world.store.commit("bw", { done: ["access:d"] }, 40);
      expect(await held()).toEqual([]);
    });

    it("an approval stays while its change is carried out, and goes when the change is done or not wanted", async () => {
      await hold([heldItem("a"), heldItem("b")], 10);
      await world.store.approve("bw", digestOf(["access:a", "access:b"]) ?? "", cause, 20);
      await hold([], 30, null, new Set(["access:a"]));
      expect((await world.store.held("bw")).map((each) => [each.key, each.approvedAtMs])).toEqual([["access:a", 20]]);
      await world.store.commit("bw", { done: ["access:a"] }, 40);
      expect(await world.store.held("bw")).toEqual([]);
    });

    it("a change that was not approved goes when it is not held again, even with its key in `keep`", async () => {
      await hold([heldItem("a")], 10);
      await hold([], 20, null, new Set(["access:a"]));
      expect(await world.store.held("bw")).toEqual([]);
    });
  });

  describe("counts", () => {
    const { hire, found } = world;
    it("each user and group counts once, in the first state that fits", async () => {
      // Older than what is pending: a user who has left the target too does not count.
      world.clock.nowMs = 400;
      const gone = await hire("7");
      world.clock.nowMs = 500;
      const [synced, pending, failed, held, missing, fresh, left] = [
        await hire("1"),
        await hire("2"),
        await hire("3"),
        await hire("4"),
        await hire("5"),
        await hire("6"),
        await hire("8"),
      ];
      const [eng, ops] = [await found("eng"), await found("ops")];
      for (const id of [gone, left]) await world.store.deleteUser(source, id ?? "", null, cause);
      await world.store.commit(
        "bw",
        {
          links: [
            link(synced),
            link(pending, { appliedRev: 0 }),
            link(failed, { appliedRev: 0, errorCode: "TARGET_REFUSED" }),
            link(held, { appliedRev: 0, errorCode: "TARGET_REFUSED" }),
            link(missing, { note: "not-in-target", remoteId: null }),
            link(gone ?? "", { appliedRev: 2, remoteId: null }),
            link(left ?? "", { appliedRev: 2 }),
            link(eng, { kind: "group" }),
          ],
          held: {
            considered: null,
            items: [heldItem(held), heldItem(held, { key: `member:g:${held}` })],
            keep: new Set(),
          },
        },
        600,
      );
      // In sync: one person, one who left and is suspended, one group. Pending: one who changed, one never looked at, one group.
      expect(await world.store.targetCounts("bw")).toEqual({
        inSync: 3,
        pending: 3,
        failed: 1,
        held: 1,
        missing: 1,
        oldestPendingMs: 500,
      });
      expect(fresh && ops).toBeTruthy();
      await world.store.approve("bw", digestOf([`access:${held}`, `member:g:${held}`]) ?? "", cause, 700);
      expect(await world.store.targetCounts("bw")).toMatchObject({ failed: 2, held: 0 });
      expect(await world.store.targetCounts("new")).toMatchObject({
        inSync: 0,
        pending: 10,
        failed: 0,
        held: 0,
        missing: 0,
      });
    });

    it("counts of a source have present users and groups only", async () => {
      expect(await world.store.sourceCounts()).toEqual(new Map());
      world.clock.nowMs = 900;
      const ada = await hire("ada");
      await hire("bob");
      await found("eng");
      await hire("eve", {}, "entra");
      world.clock.nowMs = 1000;
      await world.store.deleteUser(source, ada, null, cause);
      expect(await world.store.sourceCounts()).toEqual(
        new Map([
          ["okta", { users: 1, groups: 1, lastChangeAtMs: 900 }],
          ["entra", { users: 1, groups: 0, lastChangeAtMs: 900 }],
        ]),
      );
    });

    it("the states of sources and targets are sorted by role and name", async () => {
      const state = {
        name: "x",
        role: "target",
        type: "bitwarden",
        lastSuccessAtMs: 1,
        failingSinceMs: 2,
        retryAtMs: 3,
        errorCode: "E",
        errorMessage: "m",
      } as const;
      const other = {
        ...state,
        role: "source",
        lastSuccessAtMs: null,
        failingSinceMs: null,
        retryAtMs: null,
        errorCode: null,
        errorMessage: null,
      } as const;
      await world.store.putConnection({ ...state, lastSuccessAtMs: 0 });
      await world.store.putConnection(other);
      await world.store.putConnection(state);
      await world.reopen();
      expect(await world.store.connections()).toEqual([other, state]);
    });
  });
}
