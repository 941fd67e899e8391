import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeWorld, settle, type World } from "../support/world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const joan = "joan@example.com";

/** A person of another source, known before Joan was hired: what decides about an address is not in who is older. */
async function otherSource(isActive = true): Promise<{ readonly id: string; takeAddress(): Promise<void> }> {
  const write = (email: string) => ({
    resource: {},
    userName: email,
    externalId: null,
    email,
    emails: [email],
    displayName: "Mallory",
    isActive,
  });
  const cause = { actor: "scim:contractors", requestId: null };
  const { id } = await world.store.createUser("contractors", write("mallory@contractor.example"), cause);
  return {
    id,
    takeAddress: async () => {
      await world.store.updateUser("contractors", id, null, () => write(joan), cause);
    },
  };
}

const bitwardenState = () => world.bitwarden.state.memberByEmail(joan)?.status;
const onePasswordState = () => world.onePassword.state.userByEmail(joan)?.state;

describe("an address that an older entry of another source gets later", () => {
  it.each([true, false])(
    "does not keep the Bitwarden account of a leaver (the other user active: %s)",
    async (isActive) => {
      const reconciler = world.reconciler("bitwarden");
      const mallory = await otherSource(isActive);
      const id = await world.hire(joan);
      const eng = await world.group("eng", [id]);
      await settle(world, reconciler, "bw");
      world.bitwarden.state.accept(joan);
      world.bitwarden.state.confirm(joan);
      await mallory.takeAddress();
      await settle(world, reconciler, "bw", "all");
      expect(bitwardenState()).toBe(2);

      await world.leave(eng, id);
      await settle(world, reconciler, "bw");
      expect(world.bitwarden.state.groupsOfMember(joan)).toEqual([]);
      await world.update(id, { isActive: false });
      await settle(world, reconciler, "bw");
      expect(bitwardenState()).toBe(-1);
      // The other source does not restore her either.
      await settle(world, reconciler, "bw", "all");
      expect(bitwardenState()).toBe(-1);
      await world.update(id, { isActive: true });
      await settle(world, reconciler, "bw");
      expect(bitwardenState()).toBe(2);
    },
  );

  it("does not keep the Bitwarden account of a deleted user: the other user has another one", async () => {
    const reconciler = world.reconciler("bitwarden");
    const mallory = await otherSource();
    const id = await world.hire(joan);
    await settle(world, reconciler, "bw");
    await mallory.takeAddress();
    await settle(world, reconciler, "bw", "all");
    await world.fire(id);
    await settle(world, reconciler, "bw");
    expect(bitwardenState()).toBe(-1);
    expect(world.bitwarden.state.memberByEmail("mallory@contractor.example")?.status).toBe(0);
    await settle(world, reconciler, "bw", "all");
    expect(bitwardenState()).toBe(-1);
  });

  it.each([true, false])(
    "does not keep the 1Password account of a leaver (the other user active: %s)",
    async (isActive) => {
      const reconciler = world.reconciler("onePassword");
      world.onePassword.state.addUser({ email: joan });
      const mallory = await otherSource(isActive);
      const id = await world.hire(joan);
      await settle(world, reconciler, "op", "all");
      await mallory.takeAddress();
      await settle(world, reconciler, "op", "all");
      expect(onePasswordState()).toBe("ACTIVE");
      await world.update(id, { isActive: false });
      await settle(world, reconciler, "op");
      expect(onePasswordState()).toBe("SUSPENDED");
      await settle(world, reconciler, "op", "all");
      expect(onePasswordState()).toBe("SUSPENDED");
    },
  );

  it("belongs to the other user after the first one is deleted", async () => {
    const reconciler = world.reconciler("onePassword");
    world.onePassword.state.addUser({ email: joan });
    const mallory = await otherSource();
    const id = await world.hire(joan);
    await settle(world, reconciler, "op", "all");
    await mallory.takeAddress();
    await settle(world, reconciler, "op", "all");
    expect((await world.store.problems("op", 10)).map(({ link }) => [link.entityId, link.note])).toContainEqual([
      mallory.id,
      "ambiguous",
    ]);
    await world.fire(id);
    await settle(world, reconciler, "op", "all");
    expect(onePasswordState()).toBe("ACTIVE");
    expect(await world.store.problems("op", 10)).toEqual([]);
  });
});
