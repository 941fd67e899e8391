import { afterEach, beforeEach, expect, it } from "vitest";
import { makeWorld, settle, type World } from "../support/world.ts";

/** Found by the crash matrix: the leaver, whose address nobody had any more, took away what the one rehired had. */
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

it.each(["bitwarden", "onePassword"] as const)(
  "whoever is rehired and then changes their address keeps access to %s",
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
