import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TargetPolicy } from "../../src/domain/policy.ts";
import { forever, makeWorld, settle, type World } from "../support/world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const policy: Partial<TargetPolicy> = { reactivate: "own", protect: ["founder@example.com"] };

describe("one person's life in 1Password", () => {
  it("is suspended and reactivated, found by e-mail address", async () => {
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
    const { guarded } = await reconciler.plan(forever);
    expect(guarded.plan.changes).toEqual([]);
  });

  it("reactivates only whom Rollcall suspended, unless told otherwise", async () => {
    world.onePassword.state.addUser({ email: "ada@example.com", state: "SUSPENDED" });
    await world.hire("ada@example.com");
    await settle(world, world.reconciler("onePassword", policy), "op", "all");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("SUSPENDED");
    expect((await world.store.problems("op", 5))[0]?.link.note).toBe("suspended-by-others");
    await settle(world, world.reconciler("onePassword", { ...policy, reactivate: "always" }), "op", "all");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("ACTIVE");
  });

  it("knows the suspension for its own after a crash between call and record", async () => {
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

  it("says of people it does not know that they are not there, never that they are provisioned", async () => {
    await world.hire("ada@example.com");
    await settle(world, world.reconciler("onePassword", policy), "op");
    expect(await world.store.targetCounts("op")).toMatchObject({ inSync: 0, missing: 1, pending: 0 });
  });

  it("never suspends the protected, and shows the refusal of the last owner", async () => {
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

  it("goes on when v1beta1 is switched off for v1", async () => {
    world.onePassword.state.addUser({ email: "ada@example.com" });
    const reconciler = world.reconciler("onePassword", policy);
    const ada = await world.hire("ada@example.com");
    await settle(world, reconciler, "op");
    world.onePassword.state.settings.layouts = ["v1"];
    await world.update(ada, { isActive: false });
    await settle(world, reconciler, "op");
    expect(world.onePassword.state.stateOf("ada@example.com")).toBe("SUSPENDED");
  });

  it("reactivates who is hired again under a new id, also when the first try fails", async () => {
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
