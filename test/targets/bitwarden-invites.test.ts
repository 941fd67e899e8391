import { describe, expect, it } from "vitest";
import type { Change } from "../../src/domain/model/plan.ts";
import type { Outcome } from "../../src/domain/ports/target.ts";
import { memberStatus } from "../../src/sandbox/index.ts";
import { bitwardenWorld } from "./target-world.ts";

const invite = (name: string, email = `${name}@example.com`): Change => ({
  op: "invite",
  userId: `id-${name}`,
  email,
  externalId: `u-${name}`,
});
const many = (count: number): readonly Change[] => Array.from({ length: count }, (_, index) => invite(`p${index}`));
const count = (outcomes: readonly Outcome[]): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(outcomes, ({ status }) => status)].map(([status, list]) => [status, list.length]));

describe("inviting one by one", () => {
  it("an existing member and a duplicate invitation are refused", async () => {
    await using world = await bitwardenWorld({ entityFramework: true });
    const { state } = world.sandbox;
    state.addMember({ email: "ada@example.com", status: memberStatus.invited });
    state.addMember({ email: "elsewhere@example.com", externalId: "u-bob", status: memberStatus.revoked });
    const outcomes = await world.apply([
      invite("ada"),
      invite("bob"),
      invite("eve"),
      invite("eve2", "eve@example.com"),
    ]);
    expect(count(outcomes)).toEqual({ failed: 3, applied: 1 });
    expect(state.members.size).toBe(3);
    expect([...state.allMails]).toEqual([["eve@example.com", 1]]);
  });

  it("all members are read first if the plan was made from a part", async () => {
    await using world = await bitwardenWorld({ entityFramework: true });
    world.sandbox.state.addMember({ email: "ada@example.com", status: memberStatus.invited });
    const nothing = { isComplete: false, accounts: [], groups: [], missingRemoteIds: [] };
    expect(await world.apply([invite("ada")], nothing)).toMatchObject([{ status: "failed" }]);
    expect(world.sandbox.state.membersByEmail("ada@example.com")).toHaveLength(1);
  });

  it("an address that somebody invited meanwhile is unconfirmed", async () => {
    await using world = await bitwardenWorld();
    const observed = await world.observe();
    world.sandbox.state.addMember({ email: "ada@example.com" });
    expect(await world.apply([invite("ada")], observed)).toMatchObject([{ status: "unconfirmed" }]);
  });

  it.each(["resetBefore", "resetAfter", "hang", "hangAfter"] as const)(
    "never repeats an invitation after %s",
    async (kind) => {
      await using world = await bitwardenWorld({}, { timeouts: { silenceMs: 200 } });
      const { state, faults, requests } = world.sandbox;
      faults.add({ kind, method: "POST", path: /public\/members$/ });
      // The vendor may be at it still: nobody looks, and repeats it, at once.
      expect(await world.apply([invite("ada")])).toMatchObject([{ status: "unconfirmed", observeAfterMs: 3000 }]);
      expect(requests.count({ method: "POST", path: /public\/members$/ })).toBe(1);
      const isThere = kind.endsWith("After");
      expect((await world.observe()).accounts).toHaveLength(isThere ? 1 : 0);
      expect(count(await world.apply([invite("ada")]))).toEqual(isThere ? { failed: 1 } : { applied: 1 });
      expect(state.mails("ada@example.com")).toBe(1);
    },
  );

  it("an invitation answered 500 is unconfirmed, and the others go on", async () => {
    await using world = await bitwardenWorld();
    world.sandbox.faults.add({ kind: "status", status: 500, method: "POST", path: /public\/members$/, times: 4 });
    expect(count(await world.apply(many(8)))).toEqual({ unconfirmed: 4, applied: 4 });
  });

  it("invitations stop when no seat is left, with advice", async () => {
    await using world = await bitwardenWorld({ seats: 2, maxAutoscaleSeats: 2 });
    const outcomes = await world.apply(many(15));
    expect(count(outcomes)).toEqual({ applied: 2, failed: 13 });
    const refused = {
      code: "TARGET_REFUSED",
      isPermanent: true,
      message: expect.stringMatching(/Seat limit has been reached\..*seat/),
    };
    expect(outcomes.find(({ status }) => status === "failed")).toMatchObject({ error: refused });
    expect(world.sandbox.requests.count({ method: "POST", path: /public\/members$/ })).toBeLessThanOrEqual(6);
    expect(world.sandbox.state.seatsBought).toBe(0);
  });

  it("a refused address is reported, and an unknown text is not permanent", async () => {
    await using world = await bitwardenWorld();
    const [outcome] = await world.apply([invite("x", "not an address")]);
    expect(outcome).toMatchObject({
      status: "failed",
      error: { code: "TARGET_REFUSED", isPermanent: true, message: expect.stringContaining("Email field") },
    });
  });
});

describe("inviting many at once", () => {
  it("many invitations go in one import, which the next observation confirms", async () => {
    await using world = await bitwardenWorld({ rateLimits: true });
    const { state, requests } = world.sandbox;
    state.addMember({ email: "p3@example.com", externalId: "other" });
    expect(count(await world.apply(many(500)))).toEqual({ unconfirmed: 499, failed: 1 });
    expect(requests.countWrites()).toBe(1);
    expect((await world.observe()).accounts).toHaveLength(500);
    expect(state.memberByEmail("p3@example.com")?.externalId).toBe("other");
    expect(state.memberByEmail("p7@example.com")).toMatchObject({ externalId: "u-p7", status: memberStatus.invited });
  });

  it("one import has at most 2,000 members", async () => {
    await using world = await bitwardenWorld();
    expect(count(await world.apply(many(4_100)))).toEqual({ unconfirmed: 4_100 });
    expect(world.sandbox.requests.count({ path: /import$/, status: 200 })).toBe(3);
    expect(world.sandbox.state.members.size).toBe(4_100);
  });

  it("a plan without import gets single invitations from then on", async () => {
    await using world = await bitwardenWorld({ useDirectory: false });
    const { state, requests } = world.sandbox;
    expect(count(await world.apply(many(30)))).toEqual({ applied: 30 });
    const rest = many(60).slice(30);
    expect(count(await world.apply(rest))).toEqual({ applied: 30 });
    expect(requests.count({ path: /import$/ })).toBe(1);
    expect(state.members.size).toBe(60);
  });

  it("members that Bitwarden finds invalid are left out of the import", async () => {
    await using world = await bitwardenWorld();
    const outcomes = await world.apply([invite("bad", "not an address"), ...many(30)]);
    expect(count(outcomes)).toEqual({ failed: 1, unconfirmed: 30 });
    expect(outcomes.find(({ status }) => status === "failed")).toMatchObject({ change: { email: "not an address" } });
    expect(world.sandbox.state.members.size).toBe(30);
  });

  it("the last seats are filled one by one", async () => {
    await using world = await bitwardenWorld({ seats: 5, maxAutoscaleSeats: 5 });
    expect(count(await world.apply(many(40)))).toEqual({ applied: 5, failed: 35 });
  });

  it("an organization with a duplicate externalId gets no import, which would be answered 500", async () => {
    await using world = await bitwardenWorld();
    const { state, requests } = world.sandbox;
    for (const email of ["one@example.com", "two@example.com"]) state.addMember({ email, externalId: "same" });
    expect(count(await world.apply(many(25)))).toEqual({ applied: 25 });
    expect(requests.count({ path: /import$/ })).toBe(0);
  });

  it("invitations go one by one for an hour after a failed import", async () => {
    await using world = await bitwardenWorld();
    const { faults, requests, state } = world.sandbox;
    faults.add({ kind: "status", status: 500, path: /import$/ });
    expect(count(await world.apply(many(25)))).toEqual({ unconfirmed: 25 });
    expect(count(await world.apply(many(25)))).toEqual({ applied: 25 });
    expect(requests.count({ path: /import$/ })).toBe(1);
    expect(state.members.size).toBe(25);
  });

  it("an import whose answer was lost is unconfirmed", async () => {
    await using world = await bitwardenWorld();
    world.sandbox.faults.add({ kind: "resetAfter", path: /import$/ });
    expect(count(await world.apply(many(25)))).toEqual({ unconfirmed: 25 });
    expect((await world.observe()).accounts).toHaveLength(25);
    expect([...world.sandbox.state.allMails.values()].every((mails) => mails === 1)).toBe(true);
  });
});
