import { expect, it } from "vitest";
import { forever, makeWorld, settle } from "../support/world.ts";

const dayMs = 86_400_000;

it("one entry that takes leavers' addresses, one after the other, takes no more members than the budget allows", async () => {
  const world = await makeWorld();
  const budget = { percent: 1, atLeast: 2, atMost: 2, windowMs: dayMs };
  const reconciler = world.reconciler("bitwarden", { onDeactivate: "remove", removalLimit: budget });
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
  // The thief's own, and one more.
  expect(victims.filter((email) => world.bitwarden.state.memberByEmail(email) === undefined)).toEqual([
    "v1@example.com",
  ]);
  await world.close();
});

it("who is suspended and then removed costs once", async () => {
  const world = await makeWorld();
  const budget = { percent: 1, atLeast: 1, atMost: 1, windowMs: dayMs };
  const reconciler = world.reconciler("bitwarden", { onDelete: "remove", removalLimit: budget });
  const ada = await world.hire("ada@example.com");
  await settle(world, reconciler, "bw");
  await world.update(ada, { isActive: false });
  await settle(world, reconciler, "bw");
  expect(world.bitwarden.state.memberByEmail("ada@example.com")?.status).toBe(-1);
  await world.fire(ada);
  await settle(world, reconciler, "bw");
  expect(world.bitwarden.state.memberByEmail("ada@example.com")).toBeUndefined();
  await world.close();
});

it("a removal that the target refuses for good is given back", async () => {
  const world = await makeWorld();
  const budget = { percent: 1, atLeast: 1, atMost: 1, windowMs: dayMs };
  const reconciler = world.reconciler("bitwarden", { onDeactivate: "remove", removalLimit: budget });
  const ada = await world.hire("ada@example.com");
  const bob = await world.hire("bob@example.com");
  await settle(world, reconciler, "bw");
  const body = { object: "error", message: "Organization must have at least one confirmed owner.", errors: null };
  world.bitwarden.faults.add({ kind: "status", status: 400, body, method: "DELETE", times: 1 });
  await world.update(ada, { isActive: false });
  // Once: it would be tried again in an hour.
  await reconciler.run({ kind: "dirty", hints: null, limit: 10 }, forever);
  expect(world.bitwarden.state.memberByEmail("ada@example.com")).toBeDefined();
  expect((await world.store.charges("bw", 0)).size).toBe(0);
  await world.update(bob, { isActive: false });
  await settle(world, reconciler, "bw");
  expect(world.bitwarden.state.memberByEmail("bob@example.com")).toBeUndefined();
  expect((await world.store.charges("bw", 0)).size).toBe(1);
  await world.close();
});
