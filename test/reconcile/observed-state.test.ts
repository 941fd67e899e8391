import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cause, makeWorld, settle, type World } from "../support/world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const standing = async (id: string, target: "bw" | "op" = "bw") =>
  (await world.store.person(id, [target]))?.syncStatuses[0];

describe("the observed state of a user", () => {
  it("is stored with its time, through invitation, acceptance, confirmation and suspension", async () => {
    const { state } = world.bitwarden;
    const reconciler = world.reconciler("bitwarden");
    const id = await world.hire("ada@example.com");
    await settle(world, reconciler, "bw");
    const invitedAtMs = world.clock.nowMs;
    expect(await standing(id)).toMatchObject({ seenState: "invited", seenSinceMs: invitedAtMs, state: "inSync" });

    world.clock.nowMs += 60_000;
    await settle(world, reconciler, "bw", "all");
    expect(await standing(id)).toMatchObject({ seenState: "invited", seenSinceMs: invitedAtMs });

    state.accept("ada@example.com");
    await settle(world, reconciler, "bw", "all");
    const acceptedAtMs = world.clock.nowMs;
    expect(await standing(id)).toMatchObject({ seenState: "accepted", seenSinceMs: acceptedAtMs, hasAccess: true });
    expect(await world.store.attention(["bw"], acceptedAtMs)).toMatchObject([
      { kind: "accepted", count: 1, sinceMs: acceptedAtMs },
    ]);

    world.clock.nowMs += 60_000;
    state.confirm("ada@example.com");
    await settle(world, reconciler, "bw", "all");
    expect(await standing(id)).toMatchObject({ seenState: "active", seenSinceMs: world.clock.nowMs });

    await world.update(id, { isActive: false });
    await settle(world, reconciler, "bw");
    expect(await standing(id)).toMatchObject({ seenState: "suspended", hasAccess: false });
    expect((await world.store.hourly(["bw"], 0))[0]).toMatchObject({ applied: 2, failed: 0, delivered: 2 });
  });

  it("is absent in a 1Password account without the user, and is not written again", async () => {
    const reconciler = world.reconciler("onePassword");
    const id = await world.hire("ada@example.com");
    await settle(world, reconciler, "op", "all");
    const first = await standing(id, "op");
    expect(first).toMatchObject({ seenState: "absent", state: "missing", note: "not-in-target" });
    world.clock.nowMs += 60_000;
    await settle(world, reconciler, "op", "all");
    expect(await standing(id, "op")).toEqual(first);
  });
});

describe("a requested invitation", () => {
  it("is sent once with the next run, also if drift is only reported, and its validity starts again", async () => {
    const { state } = world.bitwarden;
    const reconciler = world.reconciler("bitwarden", { driftPolicy: "report" });
    const id = await world.hire("ada@example.com");
    await settle(world, reconciler, "bw");
    world.clock.nowMs += 6 * 86_400_000;
    expect(await world.store.attention(["bw"], world.clock.nowMs)).toMatchObject([{ kind: "invitation", count: 1 }]);

    expect(await world.store.askReinvite("bw", id, cause, world.clock.nowMs)).toBe(true);
    await settle(world, reconciler, "bw");
    await settle(world, reconciler, "bw", "all");
    expect(state.reinvites("ada@example.com")).toBe(1);
    expect(await standing(id)).toMatchObject({ seenState: "invited", reinviteAskedAtMs: null, state: "inSync" });
    expect(await world.store.attention(["bw"], world.clock.nowMs)).toEqual([]);
  });

  it("is not sent to a user who has accepted meanwhile", async () => {
    const { state } = world.bitwarden;
    const reconciler = world.reconciler("bitwarden");
    const id = await world.hire("ada@example.com");
    await settle(world, reconciler, "bw");
    await world.store.askReinvite("bw", id, cause, world.clock.nowMs);
    state.accept("ada@example.com");
    const reports = await settle(world, reconciler, "bw");
    // Rollcall does not ask for it: Bitwarden would refuse it.
    expect(reports.flatMap((report) => report.outcomes)).toEqual([]);
    expect(state.reinvites("ada@example.com")).toBe(0);
    expect(await standing(id)).toMatchObject({ seenState: "accepted", reinviteAskedAtMs: null });
  });
});
