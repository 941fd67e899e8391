import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeWorld, settle, type World } from "../support/world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const address = "office@example.com";
const at = (email: string) => ({ userName: email, email, emails: [email] });
const bitwardenState = () => world.bitwarden.state.memberByEmail(address)?.status;
const look = (scope: "all" | "dirty" = "all") => settle(world, world.reconciler("bitwarden"), "bw", scope);

describe("a reassigned e-mail address", () => {
  it("does not change back and forth between a renamed leaver and the new owner", async () => {
    const first = await world.hire(address, { displayName: "Ann Clarke" });
    await look();
    // Entra's soft delete: another userName and inactive. A month later the user is deleted.
    await world.update(first, { ...at(`0011${address}`), isActive: false, displayName: "Ann Clarke" });
    await look("dirty");
    await world.hire(address, { displayName: "Ann Clarke" });
    await look("dirty");
    await world.fire(first);
    await look("dirty");
    for (let n = 0; n < 4; n += 1) {
      await look();
      expect(bitwardenState()).toBe(0);
    }
    expect(world.bitwarden.state.reinvites(address)).toBe(1);
  });

  /** Ann has the address and, by hand, a group; she leaves, and somebody is hired who gets the address. */
  async function handOn(name: string, order: "at once" | "later", more: object = {}): Promise<string> {
    const ann = await world.hire(address, { displayName: "Clarke, Ann" });
    await world.group("eng", [ann]);
    await look();
    world.bitwarden.state.accept(address);
    world.bitwarden.state.confirm(address);
    const board = world.bitwarden.state.addGroup({ name: "board" });
    world.bitwarden.state.setGroupMembers(board.id, [world.bitwarden.state.memberByEmail(address)?.id ?? ""]);
    await world.fire(ann);
    if (order === "later") await look("dirty");
    const next = await world.hire(address, { displayName: name, ...more });
    await world.group("sales", [next]);
    await look("dirty");
    await look();
    return next;
  }
  const held = async () => (await world.store.held("bw")).map(({ reason, change }) => [reason, change.op]);

  it.each(["at once", "later"] as const)(
    "does not give a leaver's account to another person (hired %s)",
    async (order) => {
      await handOn("Zed Young", order);
      expect([bitwardenState(), await held()]).toEqual([-1, [["handed-on", "restore"]]]);
      // Corrected by hand, as the message says: Ann's account is removed, Zed is invited as usual.
      world.bitwarden.state.removeMember(world.bitwarden.state.memberByEmail(address)?.id ?? "");
      await look();
      expect([bitwardenState(), await held()]).toEqual([0, []]);
      expect(world.bitwarden.state.groupsOfMember(address)).toEqual(["sales"]);
    },
  );

  it("gives the account after an approval, once", async () => {
    const next = await handOn("Ann Jones", "at once");
    const { plan } = await world.reconciler("bitwarden").plan(new AbortController().signal);
    expect(plan.held.map(({ reason }) => reason)).toEqual(["handed-on"]);
    await world.store.approve(
      "bw",
      plan.heldDigest ?? "",
      { actor: "cli:approve", requestId: null },
      world.clock.nowMs,
    );
    for (let n = 0; n < 3; n += 1) {
      await look();
      expect([bitwardenState(), await held()]).toEqual([2, []]);
    }
    expect(world.bitwarden.state.groupsOfMember(address)).toEqual(["board", "sales"]);
    await world.update(next, { isActive: false });
    await look("dirty");
    expect(bitwardenState()).toBe(-1);
  });

  it("does not give the account by an entry that is inactive first", async () => {
    const next = await handOn("Zed Young", "later", { isActive: false });
    expect([bitwardenState(), await held()]).toEqual([-1, []]);
    await world.update(next, { isActive: true, displayName: "Zed Young" });
    await look("dirty");
    expect([bitwardenState(), await held()]).toEqual([-1, [["handed-on", "restore"]]]);
  });

  it("waits any time, and after a dismissal", async () => {
    await handOn("Zed Young", "at once");
    const digest = (await world.reconciler("bitwarden").plan(new AbortController().signal)).plan.heldDigest;
    await world.store.dismiss("bw", digest ?? "", { actor: "cli:dismiss", requestId: null }, world.clock.nowMs);
    world.clock.nowMs += 5 * 86_400_000;
    await look();
    expect([bitwardenState(), await held()]).toEqual([-1, [["handed-on", "restore"]]]);
  });

  it.each(["Ann Clarke", "ann m. clärke", "A. Clarke", address])(
    "belongs to the leaver again if she is rehired as %s",
    async (name) => {
      await handOn(name, "later");
      expect([bitwardenState(), await held()]).toEqual([2, []]);
    },
  );

  it("does not give a 1Password account to another person", async () => {
    world.onePassword.state.addUser({ email: address });
    const reconciler = world.reconciler("onePassword");
    const ann = await world.hire(address, { displayName: "Ann Clarke" });
    await settle(world, reconciler, "op", "all");
    await world.fire(ann);
    await world.hire(address, { displayName: "Zed Young" });
    for (let n = 0; n < 3; n += 1) {
      await settle(world, reconciler, "op", "all");
      expect(world.onePassword.state.userByEmail(address)?.state).toBe("SUSPENDED");
    }
    expect((await world.store.held("op")).map(({ reason }) => reason)).toEqual(["handed-on"]);
  });
});
