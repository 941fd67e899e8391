import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memberStatus } from "../../src/sandbox/index.ts";
import { cause, forever, makeWorld, settle, type World } from "../support/world.ts";

const dayMs = 86_400_000;
/** The default: three of 40 may lose access in a day. */
const policy = { removalLimit: { percent: 5, atLeast: 3, atMost: 100, windowMs: dayMs } };
const generous = { removalLimit: { percent: 100, atLeast: 100, atMost: 1000, windowMs: dayMs } };

describe("many users who come back at once", () => {
  let world: World;
  let ids: string[];
  beforeEach(async () => {
    world = await makeWorld();
    ids = [];
    for (let n = 1; n <= 40; n += 1) ids.push(await world.hire(`p${String(n).padStart(2, "0")}@example.com`));
    await world.group("eng", ids);
    await settle(world, world.reconciler("bitwarden", policy), "bw", "all");
  });
  afterEach(() => world.close());

  const withAccess = (): number =>
    [...world.bitwarden.state.members.values()].filter(({ status }) => status !== memberStatus.revoked).length;
  const all = async (isActive: boolean, some: readonly string[]): Promise<void> => {
    for (const id of some) await world.update(id, { isActive });
  };
  const look = (scope: "all" | "dirty" = "all") => settle(world, world.reconciler("bitwarden", policy), "bw", scope);
  const held = async () => (await world.store.held("bw")).map(({ reason, change }) => [reason, change.op]);
  /** A year's leavers, each of whom was let pass in their time. */
  const leftLongAgo = async (count: number): Promise<readonly string[]> => {
    const leavers = ids.slice(0, count);
    await all(false, leavers);
    await settle(world, world.reconciler("bitwarden", generous), "bw", "all");
    world.clock.nowMs += 30 * dayMs;
    return leavers;
  };

  it("are held beyond the limit of a day, if an attribute can't be read any more", async () => {
    const leavers = await leftLongAgo(25);
    await all(true, leavers);
    await look();
    expect(withAccess()).toBe(15 + 10);
    expect(await held()).toEqual(Array.from({ length: 15 }, () => ["returning", "restore"]));
    // Neither another full run nor single runs let more of them in.
    await look();
    world.clock.nowMs += dayMs / 2;
    await look();
    expect(withAccess()).toBe(25);
    // Corrected: nothing is held any more, and the restored users lose access again within the limit.
    await all(false, leavers);
    await look();
    expect(await held()).toEqual(Array.from({ length: 7 }, () => ["budget", "suspend"]));
  });

  it("pass once after an approval, and wait after a dismissal", async () => {
    const leavers = await leftLongAgo(25);
    await all(true, leavers);
    await look();
    const { plan } = await world.reconciler("bitwarden", policy).plan(forever);
    expect(plan.held.map(({ reason }) => reason)).toEqual(Array.from({ length: 15 }, () => "returning"));
    expect(await world.store.dismiss("bw", plan.undecidedDigest ?? "", cause, world.clock.nowMs)).toBe(15);
    world.clock.nowMs += 3 * dayMs;
    await look();
    expect(withAccess()).toBe(25);
    expect(await world.store.approve("bw", plan.heldDigest ?? "", cause, world.clock.nowMs)).toBe(15);
    await look();
    expect(withAccess()).toBe(40);
    expect(await held()).toEqual([]);
    expect(world.bitwarden.state.membersOfGroup("eng")).toHaveLength(40);
  });

  it("count over the window, however few come at a time", async () => {
    const leavers = await leftLongAgo(25);
    for (const id of leavers) {
      await all(true, [id]);
      await look("dirty");
    }
    expect(withAccess()).toBe(25);
    for (let day = 1; day <= 2; day += 1) {
      world.clock.nowMs += dayMs + 1;
      await look();
    }
    expect(withAccess()).toBe(40);
  });

  it("get back at once what they lost within the window: unassigned and assigned again", async () => {
    await all(false, ids);
    await settle(world, world.reconciler("bitwarden", generous), "bw", "all");
    expect(withAccess()).toBe(0);
    await all(true, ids);
    await look();
    expect(withAccess()).toBe(40);
    expect(await held()).toEqual([]);
  });

  it("get back at once what an approval took from them", async () => {
    await all(false, ids);
    await look();
    const { plan } = await world.reconciler("bitwarden", policy).plan(forever);
    expect(await world.store.approve("bw", plan.heldDigest ?? "", cause, world.clock.nowMs)).toBe(37);
    await look();
    expect(withAccess()).toBe(0);
    await all(true, ids);
    await look("dirty");
    expect([withAccess(), await held()]).toEqual([40, []]);
  });

  it("get back at once what deleted entries lost within the window", async () => {
    for (const id of ids) await world.fire(id);
    await settle(world, world.reconciler("bitwarden", generous), "bw", "all");
    expect(withAccess()).toBe(0);
    for (let n = 1; n <= 40; n += 1) await world.hire(`p${String(n).padStart(2, "0")}@example.com`);
    await look("dirty");
    // They lose their membership, as the new entries have none. The removal limit counts that.
    const returning = (await held()).filter(([reason]) => reason === "returning");
    expect([withAccess(), returning]).toEqual([40, []]);
  });

  it("are not held in everyday numbers", async () => {
    const leavers = await leftLongAgo(10);
    await all(true, leavers);
    await look();
    expect([withAccess(), await held()]).toEqual([40, []]);
  });
});
