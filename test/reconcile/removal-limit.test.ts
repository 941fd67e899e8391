import { afterEach, beforeEach, expect, it } from "vitest";
import { createFactsReader } from "../../src/alerts/facts.ts";
import { forever, makeWorld, settle, type World } from "../support/world.ts";

const limitOf = (people: number) => ({ percent: 1, atLeast: people, atMost: people, windowMs: 86_400_000 });

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

it("a user who takes over one leaver's address after the other takes no more accounts than the limit allows", async () => {
  const reconciler = world.reconciler("bitwarden", { onDeactivate: "remove", removalLimit: limitOf(2) });
  const thief = await world.hire("thief@example.com");
  const victims = ["v1@example.com", "v2@example.com", "v3@example.com", "v4@example.com"];
  const ids = await Promise.all(victims.map((email) => world.hire(email)));
  await settle(world, reconciler, "bw");
  await world.update(thief, { isActive: false });
  await settle(world, reconciler, "bw", "all");
  for (const [index, email] of victims.entries()) {
    await world.fire(ids[index] ?? "");
    await world.update(thief, { isActive: false, email, emails: [email], userName: email });
    await settle(world, reconciler, "bw", "all");
  }
  // The thief's own account and one more.
  expect(victims.filter((email) => world.bitwarden.state.memberByEmail(email) === undefined)).toEqual([
    "v1@example.com",
  ]);
});

it("an account that is suspended and then removed costs once", async () => {
  const reconciler = world.reconciler("bitwarden", { onDelete: "remove", removalLimit: limitOf(1) });
  const ada = await world.hire("ada@example.com");
  await settle(world, reconciler, "bw");
  await world.update(ada, { isActive: false });
  await settle(world, reconciler, "bw");
  expect(world.bitwarden.state.memberByEmail("ada@example.com")?.status).toBe(-1);
  await world.fire(ada);
  await settle(world, reconciler, "bw");
  expect(world.bitwarden.state.memberByEmail("ada@example.com")).toBeUndefined();
});

it("a removal that the target refuses for good costs nothing", async () => {
  const reconciler = world.reconciler("bitwarden", { onDeactivate: "remove", removalLimit: limitOf(1) });
  const ada = await world.hire("ada@example.com");
  const bob = await world.hire("bob@example.com");
  await settle(world, reconciler, "bw");
  const body = { object: "error", message: "Organization must have at least one confirmed owner.", errors: null };
  world.bitwarden.faults.add({ kind: "status", status: 400, body, method: "DELETE", times: 1 });
  await world.update(ada, { isActive: false });
  // One run: the next try would be in an hour.
  await reconciler.run({ kind: "dirty", hints: null, limit: 10 }, forever);
  expect(world.bitwarden.state.memberByEmail("ada@example.com")).toBeDefined();
  expect((await world.store.charges("bw", 0)).size).toBe(0);
  await world.update(bob, { isActive: false });
  await settle(world, reconciler, "bw");
  expect(world.bitwarden.state.memberByEmail("bob@example.com")).toBeUndefined();
  expect((await world.store.charges("bw", 0)).size).toBe(1);
});

it("after a restore the guard and the alerts both allow no removal for one window", async () => {
  const policy = { removalLimit: limitOf(3) };
  const reconciler = world.reconciler("bitwarden", policy);
  const ids = await Promise.all(["ada@example.com", "bob@example.com"].map((email) => world.hire(email)));
  await settle(world, reconciler, "bw");
  const { nowMs } = world.clock;
  await world.store.markRestored(["bw"], { actor: "cli:restored", requestId: null }, nowMs);
  world.clock.nowMs += 1;
  await world.update(ids[0] ?? "", { isActive: false });
  const readFacts = createFactsReader({
    store: world.store,
    polledSources: [],
    targets: () => [{ name: "bw", guard: policy.removalLimit }],
    now: () => world.clock.nowMs,
    steadyNow: () => world.clock.nowMs,
  });
  const allowed = async () => ({
    guard: (await reconciler.plan(forever)).removalLimit.allowed,
    alerts: (await readFacts()).targets[0]?.removalLimit.allowed,
  });
  await settle(world, reconciler, "bw", "all");
  expect(world.bitwarden.state.memberByEmail("ada@example.com")?.status).toBe(0);
  expect(await allowed()).toEqual({ guard: 0, alerts: 0 });

  world.clock.nowMs = nowMs + policy.removalLimit.windowMs;
  expect(await allowed()).toEqual({ guard: 3, alerts: 3 });
  await settle(world, reconciler, "bw", "all");
  expect(world.bitwarden.state.memberByEmail("ada@example.com")?.status).toBe(-1);
});
