import { afterEach, beforeEach, expect, it } from "vitest";
import { memberStatus } from "../../src/sandbox/index.ts";
import { makeWorld, settle, type World } from "../support/world.ts";

/** Found by the crash matrix: the leaver, whose address nobody had any more, took away what the one rehired had. */
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

it.each(["bitwarden", "onePassword"] as const)(
  "a rehired user who then changes the address keeps access to %s",
  async (target) => {
    const connection = target === "bitwarden" ? "bw" : "op";
    world.onePassword.state.addUser({ email: "ann@example.com" });
    const reconciler = world.reconciler(target);
    const first = await world.hire("ann@example.com");
    await settle(world, reconciler, connection, "all");
    await world.fire(first);
    const second = await world.hire("ann@example.com");
    await settle(world, reconciler, connection);
    await world.update(second, {
      userName: "ann@married.example",
      email: "ann@married.example",
      emails: ["ann@married.example"],
    });
    for (let look = 0; look < 3; look += 1) {
      await settle(world, reconciler, connection, "all");
      const has =
        target === "bitwarden"
          ? (world.bitwarden.state.memberByEmail("ann@example.com")?.status ?? -1) >= 0
          : world.onePassword.state.stateOf("ann@example.com") === "ACTIVE";
      expect(has).toBe(true);
    }
    if (target === "bitwarden") expect([...world.bitwarden.state.allMails]).toEqual([["ann@example.com", 1]]);
  },
);

/** Found by the kills beside a directory: who is suspended keeps the teams that were not taken from them before. */
it("a user who left a team and then the company comes back without the team", async () => {
  const { state } = world.bitwarden;
  const reconciler = world.reconciler("bitwarden");
  const ann = await world.hire("ann@example.com");
  const team = await world.group("Payroll", [ann]);
  await world.group("Everyone", [ann]);
  await settle(world, reconciler, "bw", "all");
  expect(state.groupsOfMember("ann@example.com")).toEqual(["Everyone", "Payroll"]);

  await world.leave(team, ann);
  await world.update(ann, { isActive: false });
  await settle(world, reconciler, "bw");
  expect(state.memberByEmail("ann@example.com")?.status).toBe(memberStatus.revoked);
  // Memberships of an account without access are removed only when the access comes back, before it.
  expect(state.groupsOfMember("ann@example.com")).toEqual(["Everyone", "Payroll"]);

  world.bitwarden.requests.clear();
  await world.update(ann, { isActive: true });
  await settle(world, reconciler, "bw");
  expect(state.memberByEmail("ann@example.com")?.status).toBeGreaterThanOrEqual(0);
  expect(state.groupsOfMember("ann@example.com")).toEqual(["Everyone"]);
  const writes = world.bitwarden.requests.entries.filter(({ method }) => method !== "GET");
  expect(writes.map(({ path }) => path.split("/").at(-1))).toEqual(["group-ids", "restore", "reinvite"]);
});
