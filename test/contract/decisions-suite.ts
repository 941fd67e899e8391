import { beforeEach, describe, expect, it } from "vitest";
import type { HeldItem } from "../../src/domain/model/held-change.ts";
import { digestOf } from "../../src/domain/model/plan.ts";
import { cause, heldItem, link, type StoreWorld } from "./store-world.ts";

/** Decisions about held changes: `SyncStore`. */
export function decisions(world: StoreWorld): void {
  describe("an approval", () => {
    const { hold } = world;
    const seat = heldItem("s", {
      key: "seat:s",
      reason: "seats",
      change: { op: "invite", userId: "s", email: "s@example.com", externalId: "s" },
    });
    beforeEach(() =>
      world.store.commit(
        "bw",
        {
          links: [link("a", { retryAtMs: 9999 }), link("b"), link("z", { retryAtMs: 8888 })],
          held: { considered: null, items: [heldItem("a"), heldItem("b"), seat], keep: new Set() },
        },
        10,
      ),
    );

    it("an approval needs the exact digest, and makes the changes due at once", async () => {
      const digest = digestOf(["access:b", "access:a"]) ?? "";
      expect(await world.store.approve("bw", "0".repeat(16), cause, 20)).toBe(0);
      expect(await world.store.approve("op", digest, cause, 20)).toBe(0);
      expect(await world.store.approve("bw", digestOf(["access:a"]) ?? "", cause, 20)).toBe(0);
      expect(await world.store.nextRetryAtMs("bw")).toBe(8888);
      expect(await world.store.approve("bw", digest, cause, 20)).toBe(2);
      expect((await world.store.held("bw")).map((each) => [each.key, each.approvedAtMs]).sort()).toEqual([
        ["access:a", 20],
        ["access:b", 20],
        ["seat:s", null],
      ]);
      expect(await world.store.nextRetryAtMs("bw")).toBe(20);
      // Once: nothing is left under it.
      expect(await world.store.approve("bw", digest, cause, 30)).toBe(0);
      expect((await world.auditRows()).at(-1)).toMatchObject({
        action: "approve",
        actor: "scim:okta",
        target: "bw",
        detail: { digest, removals: 2 },
      });
    });

    it("an approval never covers changes that are held later", async () => {
      const digest = digestOf(["access:a", "access:b"]) ?? "";
      await hold([heldItem("c")], 15, new Set(["c"]));
      expect(await world.store.approve("bw", digest, cause, 20)).toBe(0);
      await world.store.approve("bw", digestOf(["access:a", "access:b", "access:c"]) ?? "", cause, 20);
      await hold([heldItem("d")], 30, new Set(["d"]));
      expect(
        (await world.store.held("bw"))
          .filter((each) => each.approvedAtMs === null)
          .map((each) => each.key)
          .sort(),
      ).toEqual(["access:d", "seat:s"]);
    });

    it("an approval during a run is neither lost nor delayed", async () => {
      await world.store.approve("bw", digestOf(["access:a", "access:b"]) ?? "", cause, 20);
      // The run began before, takes both for held, and would let them wait.
      await world.store.commit(
        "bw",
        {
          links: [link("a", { retryAtMs: 5000 }), link("b", { retryAtMs: 5000 })],
          held: { considered: null, items: [heldItem("a"), heldItem("b")], keep: new Set() },
        },
        30,
      );
      expect((await world.store.held("bw")).map((each) => each.approvedAtMs)).toEqual([20, 20]);
      expect(await world.store.nextRetryAtMs("bw")).toBe(30);
    });

    it("an approval of items of a fresh plan stores these items", async () => {
      await world.store.approveItems("bw", [heldItem("a"), heldItem("n", { sinceMs: 20 })], cause, 20);
      expect((await world.store.held("bw")).map((each) => [each.key, each.sinceMs, each.approvedAtMs])).toEqual([
        ["access:a", 10, 20],
        ["access:b", 10, null],
        ["seat:s", 10, null],
        ["access:n", 20, 20],
      ]);
      expect(await world.store.nextRetryAtMs("bw")).toBe(20);
    });
  });

  describe("a dismissal", () => {
    const { hire } = world;
    const nobody = new Set<string>();
    const [both, a, b] = [["access:a", "access:b"], ["access:a"], ["access:b"]].map((keys) => digestOf(keys) ?? "");
    const decided = async () =>
      (await world.store.held("bw")).map((each) => [each.key, each.approvedAtMs, each.dismissedAtMs, each.dismissedBy]);
    const looks = (items: readonly HeldItem[], considered: ReadonlySet<string> | null = null, keep = nobody) =>
      world.store.commit("bw", { held: { considered, items, keep } }, 30);
    beforeEach(() =>
      world.store.commit(
        "bw",
        {
          links: [link("a", { retryAtMs: 9999 }), link("b")],
          held: { considered: null, items: [heldItem("a"), heldItem("b")], keep: nobody },
        },
        10,
      ),
    );

    it("a dismissal needs the exact digest, and survives runs of any scope and a restart", async () => {
      expect(await world.store.dismiss("bw", "0".repeat(16), cause, 20)).toBe(0);
      expect(await world.store.dismiss("op", both ?? "", cause, 20)).toBe(0);
      expect(await world.store.dismiss("bw", both ?? "", cause, 20)).toBe(2);
      // Again is the same, and whose word it was stays.
      expect(await world.store.dismiss("bw", both ?? "", { actor: "other", requestId: null }, 25)).toBe(2);
      await looks([heldItem("a", { sinceMs: 30 }), heldItem("b", { sinceMs: 30 })]);
      await looks([heldItem("a", { sinceMs: 30 })], new Set(["a", "z"]));
      await world.reopen();
      expect(await decided()).toEqual([
        ["access:a", null, 20, "scim:okta"],
        ["access:b", null, 20, "scim:okta"],
      ]);
      expect(await world.store.nextRetryAtMs("bw")).toBe(9999);
      const told = (await world.auditRows()).filter(({ action }) => action.startsWith("dismiss"));
      expect(told.map(({ action, entityId, actor, detail }) => [action, entityId, actor, detail["digest"]])).toEqual([
        ["dismissed.suspend", "a", "scim:okta", both],
        ["dismissed.suspend", "b", "scim:okta", both],
        ["dismiss", null, "scim:okta", both],
      ]);
    });

    it("a dismissal does not cover changes that are held later, of the same user either", async () => {
      await world.store.dismiss("bw", both ?? "", cause, 20);
      await looks([heldItem("c", { sinceMs: 30 })], new Set(["c"]));
      await looks([], new Set(["a"]));
      await looks([heldItem("a", { sinceMs: 40 })], new Set(["a"]));
      expect(await decided()).toEqual([
        ["access:b", null, 20, "scim:okta"],
        ["access:c", null, null, null],
        ["access:a", null, null, null],
      ]);
    });

    it("later changes can be approved alone, or together with dismissed ones", async () => {
      await world.store.dismiss("bw", both ?? "", cause, 20);
      await looks([heldItem("c", { sinceMs: 30 })], new Set(["c"]));
      expect(await world.store.approve("bw", digestOf(["access:c"]) ?? "", cause, 40)).toBe(1);
      expect(await decided()).toEqual([
        ["access:a", null, 20, "scim:okta"],
        ["access:b", null, 20, "scim:okta"],
        ["access:c", 40, null, null],
      ]);
      expect(await world.store.approve("bw", a ?? "", cause, 50)).toBe(0);
      expect(await world.store.approve("bw", both ?? "", cause, 50)).toBe(2);
      expect(await decided()).toEqual([
        ["access:a", 50, null, null],
        ["access:b", 50, null, null],
        ["access:c", 40, null, null],
      ]);
      expect(await world.store.nextRetryAtMs("bw")).toBe(50);
      expect(await world.store.dismiss("bw", both ?? "", cause, 60)).toBe(0);

      await looks([heldItem("d"), heldItem("e")], null);
      await world.store.dismiss("bw", digestOf(["access:d", "access:e"]) ?? "", cause, 70);
      await looks([heldItem("f")], new Set(["f"]));
      const all = digestOf(["access:d", "access:e", "access:f"]) ?? "";
      expect(await world.store.dismiss("bw", all, cause, 80)).toBe(3);
      expect(await world.store.approve("bw", all, cause, 90)).toBe(3);
    });

    it("a dismissal during a run stops that run before its first call", async () => {
      await world.store.dismiss("bw", both ?? "", cause, 20);
      await expect(
        world.store.commit(
          "bw",
          { charge: ["a"], held: { considered: null, items: [heldItem("b")], keep: new Set(["access:a"]) } },
          30,
        ),
      ).rejects.toMatchObject({ code: "DISMISSED" });
      expect((await world.store.charges("bw", 0)).size).toBe(0);
      expect((await decided()).map(([key]) => key)).toEqual(["access:a", "access:b"]);
      await world.store.approve("bw", both ?? "", cause, 40);
      await looks([], null, new Set(["access:a", "access:b"]));
      expect((await decided()).map(([, approved]) => approved)).toEqual([40, 40]);
    });

    it("a dismissal of items of a fresh plan stores them and leaves approvals alone", async () => {
      await world.store.approve("bw", both ?? "", cause, 15);
      await looks([heldItem("b")], null, new Set(["access:a"]));
      await world.store.dismissItems("bw", [heldItem("b"), heldItem("n", { sinceMs: 20 })], cause, 20);
      expect(await decided()).toEqual([
        ["access:a", 15, null, null],
        ["access:b", 15, null, null],
        ["access:n", null, 20, "scim:okta"],
      ]);
      expect(b).not.toBe(a);
    });

    it("a dismissed change is in no alert and not in the list of what needs a person", async () => {
      const [ada, bob, cai] = [await hire("ada"), await hire("bob"), await hire("cai")];
      await looks([heldItem(ada), heldItem(bob, { reason: "restored" }), heldItem(cai, { reason: "scope" })]);
      const kinds = async () => (await world.store.attention(["bw"], 0)).map(({ kind, count }) => [kind, count]);
      expect(await kinds()).toEqual([
        ["held", 1],
        ["scope", 1],
        ["restored", 1],
      ]);
      const reasons = { budget: 1, restored: 1, scope: 1 };
      expect(await world.store.heldSummary("bw")).toMatchObject({ reasons, keys: { length: 3 } });
      await world.store.dismiss("bw", digestOf([ada, bob, cai].map((id) => `access:${id}`)) ?? "", cause, 20);
      expect(await kinds()).toEqual([]);
      expect(await world.store.heldSummary("bw")).toEqual({ keys: [], reasons: {}, sinceMs: null });
      expect((await world.store.targetCounts("bw")).held).toBe(3);
    });
  });
}
