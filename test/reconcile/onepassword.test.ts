import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TargetPolicy } from "../../src/domain/model/policy.ts";
import { forever, makeWorld, settle, type World } from "../support/world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const policy: Partial<TargetPolicy> = { reactivate: "own", protect: ["founder@example.com"] };

describe("one user in 1Password", () => {
  it("is found by e-mail address, suspended and reactivated", async () => {
    world.onePassword.state.addUser({ email: "Ada@example.com" });
    const reconciler = world.reconciler("onePassword", policy);
    const ada = await world.hire("ada@example.com");
    await settle(world, reconciler, "op");
    await world.update(ada, { isActive: false });
    await settle(world, reconciler, "op");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("SUSPENDED");
    await world.update(ada, { isActive: true });
    await settle(world, reconciler, "op");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("ACTIVE");
    await world.fire(ada);
    await settle(world, reconciler, "op");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("SUSPENDED");
    const guarded = await reconciler.plan(forever);
    expect(guarded.plan.changes).toEqual([]);
  });

  it("is suspended although the account was deleted and created again since the last run", async () => {
    const { state } = world.onePassword;
    state.addUser({ email: "ada@example.com" });
    const reconciler = world.reconciler("onePassword", policy);
    const ada = await world.hire("ada@example.com");
    await settle(world, reconciler, "op");
    state.removeUser("ada@example.com");
    state.addUser({ email: "ada@example.com" });
    await world.fire(ada);
    await settle(world, reconciler, "op");
    expect(state.stateOf("ada@example.com")).toBe("SUSPENDED");
    // An account that is created after she has left is somebody's decision. Rollcall leaves it alone.
    state.removeUser("ada@example.com");
    state.addUser({ email: "ada@example.com" });
    await settle(world, reconciler, "op", "all");
    expect(state.stateOf("ada@example.com")).toBe("ACTIVE");
  });

  it("is reactivated only if Rollcall suspended the account, unless the policy says otherwise", async () => {
    world.onePassword.state.addUser({ email: "ada@example.com", state: "SUSPENDED" });
    await world.hire("ada@example.com");
    await settle(world, world.reconciler("onePassword", policy), "op", "all");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("SUSPENDED");
    expect((await world.store.problems("op", 5))[0]?.link.note).toBe("suspended-by-others");
    await settle(world, world.reconciler("onePassword", { ...policy, reactivate: "always" }), "op", "all");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("ACTIVE");
  });

  it("is known as suspended by Rollcall after a crash between call and record", async () => {
    world.onePassword.state.addUser({ email: "ada@example.com" });
    const reconciler = world.reconciler("onePassword", policy);
    const ada = await world.hire("ada@example.com");
    await settle(world, reconciler, "op");
    await world.update(ada, { isActive: false });
    world.onePassword.faults.add({ kind: "resetAfter", method: "POST", path: /:suspend/, times: 50 });
    await settle(world, reconciler, "op");
    world.onePassword.faults.clear();
    await settle(world, reconciler, "op", "all");
    await world.update(ada, { isActive: true });
    await settle(world, reconciler, "op");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("ACTIVE");
  });

  it("without an account is reported as missing, never as provisioned", async () => {
    await world.hire("ada@example.com");
    await settle(world, world.reconciler("onePassword", policy), "op");
    expect(await world.store.targetCounts("op")).toMatchObject({ inSync: 0, missing: 1, pending: 0 });
  });

  /** Issue 5: none of the lists since they were hired had them, and then they left. */
  describe("who was in no list since hiring", () => {
    const hourMs = 3_600_000;
    const email = "ada@example.com";
    const missed = async (more: Partial<TargetPolicy> = {}) => {
      world.onePassword.state.addUser({ email });
      world.onePassword.faults.add({ kind: "dropPage", path: /\/users\?/, times: Number.POSITIVE_INFINITY });
      const reconciler = world.reconciler("onePassword", { ...policy, ...more });
      const id = await world.hire(email);
      await settle(world, reconciler, "op");
      expect((await world.store.problems("op", 5)).map(({ link }) => link.note)).toEqual(["not-in-target"]);
      return { reconciler, id };
    };
    const look = (reconciler: ReturnType<World["reconciler"]>) =>
      reconciler.run({ kind: "dirty", hints: null, limit: 100 }, forever);

    it("loses access with the first list that shows the account", async () => {
      const { reconciler, id } = await missed();
      await world.fire(id);
      await look(reconciler);
      expect(world.onePassword.state.stateOf(email)).toBe("ACTIVE");
      // Delivered as far as Rollcall knows: nothing waits for it.
      expect(await world.store.targetCounts("op")).toMatchObject({ pending: 0, failed: 0, missing: 0 });
      world.onePassword.faults.clear();
      expect(await look(reconciler)).toBeNull();
      world.clock.nowMs += 20_000;
      await look(reconciler);
      expect(world.onePassword.state.stateOf(email)).toBe("SUSPENDED");
      expect(await world.store.nextRetryAtMs("op")).toBeNull();
      expect((await reconciler.plan(forever)).plan.changes).toEqual([]);
    });

    it("loses access in a full run hours later, also if deactivated before", async () => {
      const { reconciler, id } = await missed({ driftPolicy: "report" });
      await world.update(id, { isActive: false });
      await look(reconciler);
      expect(await world.store.problems("op", 5)).toEqual([]);
      await world.fire(id);
      for (let hour = 0; hour < 5; hour += 1) {
        world.clock.nowMs += hourMs;
        await look(reconciler);
        await reconciler.run({ kind: "all" }, forever);
      }
      expect(world.onePassword.state.stateOf(email)).toBe("ACTIVE");
      world.onePassword.faults.clear();
      await reconciler.run({ kind: "all" }, forever);
      expect(world.onePassword.state.stateOf(email)).toBe("SUSPENDED");
    });

    it("is not searched for ever", async () => {
      const { reconciler, id } = await missed();
      await world.fire(id);
      for (let hour = 0; hour < 30; hour += 1) {
        world.clock.nowMs += hourMs;
        await look(reconciler);
        await reconciler.run({ kind: "all" }, forever);
      }
      const [userDetails] = await world.store.userDetails(email);
      expect(userDetails?.links).toMatchObject([{ note: null, attempts: 0, retryAtMs: null }]);
      world.onePassword.faults.clear();
      await reconciler.run({ kind: "all" }, forever);
      expect(world.onePassword.state.stateOf(email)).toBe("ACTIVE");
    });

    it("leaves the account to the new owner of the address", async () => {
      const { reconciler, id } = await missed();
      await world.fire(id);
      await look(reconciler);
      await world.hire(email);
      world.onePassword.faults.clear();
      world.clock.nowMs += hourMs;
      await look(reconciler);
      await settle(world, reconciler, "op", "all");
      expect(world.onePassword.state.stateOf(email)).toBe("ACTIVE");
    });
  });

  it("is never suspended if protected, and the refusal of the last owner is shown", async () => {
    world.onePassword.state.addUser({ email: "founder@example.com", owner: true });
    world.onePassword.state.addUser({ email: "eam@example.com", eam: true });
    const reconciler = world.reconciler("onePassword", policy);
    const founder = await world.hire("founder@example.com");
    const eam = await world.hire("eam@example.com");
    await settle(world, reconciler, "op");
    await world.update(founder, { isActive: false });
    await world.update(eam, { isActive: false });
    await settle(world, reconciler, "op");
    expect(world.onePassword.state.stateOf("founder@example.com")).toBe("ACTIVE");
    expect(world.onePassword.state.stateOf("eam@example.com")).toBe("ACTIVE");
    expect(
      (await world.store.problems("op", 5)).map((each) => [each.name, each.link.note, each.link.errorCode]),
    ).toEqual([
      ["eam@example.com", null, "TARGET_REFUSED"],
      ["founder@example.com", "protected", null],
    ]);
  });

  it("is still managed when v1 replaces v1beta1", async () => {
    world.onePassword.state.addUser({ email: "ada@example.com" });
    const reconciler = world.reconciler("onePassword", policy);
    const ada = await world.hire("ada@example.com");
    await settle(world, reconciler, "op");
    world.onePassword.state.settings.layouts = ["v1"];
    await world.update(ada, { isActive: false });
    await settle(world, reconciler, "op");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("SUSPENDED");
  });

  it("is reactivated when rehired under a new id, also if the first try fails", async () => {
    world.onePassword.state.addUser({ email: "ada@example.com" });
    const reconciler = world.reconciler("onePassword", policy);
    const ada = await world.hire("ada@example.com");
    await settle(world, reconciler, "op");
    await world.fire(ada);
    await settle(world, reconciler, "op");
    await world.hire("ada@example.com");
    world.onePassword.faults.add({
      kind: "status",
      status: 403,
      body: { code: 7, message: "busy", details: [] },
      method: "POST",
      path: /:reactivate/,
    });
    await settle(world, reconciler, "op");
    await settle(world, reconciler, "op", "all");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("ACTIVE");
  });
});
