import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { forever, makeWorld, settle, type World } from "../support/world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

/** A second full look must find nothing to do. */
async function expectConverged(policy = {}): Promise<void> {
  const guarded = await world.reconciler("bitwarden", policy).plan(forever);
  expect(guarded.plan.changes).toEqual([]);
  expect(guarded.plan.held).toEqual([]);
}

const member = (email: string) => world.bitwarden.state.memberByEmail(email);

describe("one user in Bitwarden", () => {
  it("converges after each step from hiring to deletion", async () => {
    const reconciler = world.reconciler("bitwarden");
    const eng = await world.group("eng");
    const ops = await world.group("ops");
    const ada = await world.hire("ada@example.com");
    await world.join(eng, ada);
    await world.join(ops, ada);
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")).toMatchObject({ externalId: ada, status: 0 });
    expect(world.bitwarden.state.groupsOfMember("ada@example.com")).toEqual(["eng", "ops"]);
    await expectConverged();

    await world.leave(ops, ada);
    await settle(world, reconciler, "bw");
    expect(world.bitwarden.state.groupsOfMember("ada@example.com")).toEqual(["eng"]);

    world.bitwarden.state.accept("ada@example.com");
    world.bitwarden.state.confirm("ada@example.com");
    await world.update(ada, { isActive: false });
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")?.status).toBe(-1);
    await expectConverged();

    await world.update(ada, { isActive: true });
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")?.status).toBe(2);
    expect(world.bitwarden.state.groupsOfMember("ada@example.com")).toEqual(["eng"]);

    await world.fire(ada);
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")?.status).toBe(-1);
    expect(world.bitwarden.state.mails("ada@example.com")).toBe(1);
    await expectConverged();

    // Rehired under a new id: the revoked account is adopted, not invited a second time.
    const again = await world.hire("ada@example.com");
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")).toMatchObject({ externalId: again, status: 2 });
    expect(world.bitwarden.state.mails("ada@example.com")).toBe(1);
    await expectConverged();
  });

  it("is not invited if created and deleted within the settle delay", async () => {
    const reconciler = world.reconciler("bitwarden", { settleMs: 2000 });
    const id = await world.hire("brief@example.com");
    await settle(world, reconciler, "bw");
    await world.fire(id);
    world.clock.nowMs += 10_000;
    await settle(world, reconciler, "bw");
    expect(world.bitwarden.state.mails("brief@example.com")).toBe(0);

    await world.hire("stays@example.com");
    await settle(world, reconciler, "bw");
    expect(world.bitwarden.state.mails("stays@example.com")).toBe(0);
    world.clock.nowMs = (await world.store.nextRetryAtMs("bw")) ?? 0;
    await settle(world, reconciler, "bw");
    expect(world.bitwarden.state.mails("stays@example.com")).toBe(1);
  });
});

describe("an organization with members before Rollcall", () => {
  it("is adopted by e-mail address, keeps role, permissions and collections, and all else stays as it is", async () => {
    const { state } = world.bitwarden;
    const collection = state.addCollection({});
    state.addMember({ email: "owner@example.com", type: 0 });
    state.addMember({
      email: "ada@example.com",
      type: 1,
      collections: [{ id: collection.id, readOnly: true, hidePasswords: false, manage: false }],
    });
    state.addMember({ email: "stranger@example.com" });
    state.addGroup({ name: "by hand" });
    state.addGroup({ name: "eng" });
    state.setMembership("by hand", ["ada@example.com", "stranger@example.com"]);
    state.setMembership("eng", ["stranger@example.com"]);
    const owner = await world.hire("owner@example.com");
    const ada = await world.hire("ada@example.com");
    await world.group("eng", [ada, owner]);
    const reconciler = world.reconciler("bitwarden");
    await settle(world, reconciler, "bw", "all");

    expect(member("ada@example.com")).toMatchObject({ externalId: ada, type: 1 });
    expect(member("ada@example.com")?.collections).toMatchObject([{ id: collection.id, readOnly: true }]);
    expect(member("owner@example.com")).toMatchObject({ externalId: null, type: 0, status: 2 });
    expect(state.membersOfGroup("by hand")).toEqual(["ada@example.com", "stranger@example.com"]);
    expect(state.membersOfGroup("eng")).toEqual(["ada@example.com", "stranger@example.com"]);
    await expectConverged();

    await world.update(owner, { isActive: false });
    const [report] = await settle(world, reconciler, "bw");
    expect(member("owner@example.com")?.status).toBe(2);
    expect(report?.plan.skipped).toMatchObject([
      { change: { op: "suspend", email: "owner@example.com" }, reason: expect.stringContaining("owner") },
    ]);
  });
});

describe("the first run", () => {
  it("invites hundreds of users into their groups with few calls, each once", async () => {
    const ids = await Promise.all(Array.from({ length: 300 }, (_, index) => world.hire(`p${index}@example.com`)));
    await world.group("everyone", ids);
    await settle(world, world.reconciler("bitwarden"), "bw", "all");
    expect(world.bitwarden.state.members.size).toBe(300);
    expect(world.bitwarden.state.membersOfGroup("everyone")).toHaveLength(300);
    for (let index = 0; index < 300; index += 1) expect(world.bitwarden.state.mails(`p${index}@example.com`)).toBe(1);
    expect(world.bitwarden.requests.countWrites()).toBeLessThan(10);
    await expectConverged();
  });
});

describe("the guards", () => {
  const policy = { removalLimit: { percent: 5, atLeast: 3, atMost: 100, windowMs: 86_400_000 } };

  it("let removals pass up to the limit, hold the others, and let an approval pass once", async () => {
    const reconciler = world.reconciler("bitwarden", policy);
    const ids = await Promise.all(Array.from({ length: 10 }, (_, index) => world.hire(`p${index}@example.com`)));
    await settle(world, reconciler, "bw", "all");
    for (const id of ids) await world.update(id, { isActive: false });
    await settle(world, reconciler, "bw");
    const revoked = () => [...world.bitwarden.state.members.values()].filter((each) => each.status === -1).length;
    expect(revoked()).toBe(3);
    expect((await world.store.targetCounts("bw")).held).toBe(7);

    const { plan } = await reconciler.plan(forever);
    expect(plan.held).toHaveLength(7);
    expect(
      await world.store.approve("bw", "0000000000000000", { actor: "t", requestId: null }, world.clock.nowMs),
    ).toBe(0);
    expect(
      await world.store.approve("bw", plan.heldDigest ?? "", { actor: "t", requestId: null }, world.clock.nowMs),
    ).toBe(7);
    await settle(world, reconciler, "bw");
    expect(revoked()).toBe(10);
    expect(await world.store.held("bw")).toEqual([]);

    // The same users, back and gone again within the window, cost nothing. Another user does not pass.
    const extra = await world.hire("extra@example.com");
    await settle(world, reconciler, "bw");
    await world.update(extra, { isActive: false });
    await settle(world, reconciler, "bw");
    expect(member("extra@example.com")?.status).not.toBe(-1);
  });

  it("let more removals pass as the window moves", async () => {
    const reconciler = world.reconciler("bitwarden", policy);
    const ids = await Promise.all(Array.from({ length: 4 }, (_, index) => world.hire(`p${index}@example.com`)));
    await settle(world, reconciler, "bw", "all");
    for (const id of ids) await world.update(id, { isActive: false });
    await settle(world, reconciler, "bw");
    expect((await world.store.held("bw")).length).toBe(1);
    world.clock.nowMs += 86_400_001;
    await settle(world, reconciler, "bw");
    expect((await world.store.held("bw")).length).toBe(0);
  });

  it("count the members of a deleted group", async () => {
    const reconciler = world.reconciler("bitwarden", policy);
    const ids = await Promise.all(Array.from({ length: 5 }, (_, index) => world.hire(`p${index}@example.com`)));
    const eng = await world.group("eng", ids);
    await settle(world, reconciler, "bw", "all");
    await world.store.deleteGroup("okta", eng, null, { actor: "t", requestId: null });
    await settle(world, reconciler, "bw");
    expect(world.bitwarden.state.membersOfGroup("eng")).toHaveLength(5);
    const [held] = await world.store.held("bw");
    expect(held?.change).toMatchObject({ op: "removeGroup", name: "eng", memberCount: 5 });
  });

  it("hold invitations beyond maxSeats", async () => {
    const reconciler = world.reconciler("bitwarden", { maxSeats: 2 });
    for (const index of [1, 2, 3]) await world.hire(`p${index}@example.com`);
    await settle(world, reconciler, "bw", "all");
    expect(world.bitwarden.state.members.size).toBe(2);
    expect(await world.store.held("bw")).toMatchObject([
      { reason: "seats", change: { op: "invite", email: "p3@example.com" } },
    ]);
  });
});

describe("scope", () => {
  it("invites only members of the named groups, and revokes users who leave them", async () => {
    const reconciler = world.reconciler("bitwarden", { userGroups: ["vault-*"] });
    const ada = await world.hire("ada@example.com");
    await world.hire("bob@example.com");
    const vault = await world.group("Vault-users", [ada]);
    await settle(world, reconciler, "bw");
    expect([...world.bitwarden.state.members.values()].map((each) => each.email)).toEqual(["ada@example.com"]);
    await world.leave(vault, ada);
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")?.status).toBe(-1);
    await world.join(vault, ada);
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")?.status).toBe(0);
  });
});

describe("drift made by hand", () => {
  it("is undone by a full run, or only reported", async () => {
    const ada = await world.hire("ada@example.com");
    await world.group("eng", [ada]);
    await settle(world, world.reconciler("bitwarden"), "bw", "all");
    world.bitwarden.state.setMembership("eng", []);
    const [reported] = await settle(world, world.reconciler("bitwarden", { driftPolicy: "report" }), "bw", "all");
    expect(reported?.plan.changes).toEqual([]);
    expect(reported?.plan.skipped).toHaveLength(1);
    await settle(world, world.reconciler("bitwarden"), "bw", "all");
    expect(world.bitwarden.state.membersOfGroup("eng")).toEqual(["ada@example.com"]);
  });

  it("never leads to a second invitation because a list lacked a member", async () => {
    const emails = ["ada@example.com", "bob@example.com", "eve@example.com"];
    for (const email of emails) await world.hire(email);
    await settle(world, world.reconciler("bitwarden"), "bw", "all");
    world.bitwarden.faults.add({
      kind: "status",
      status: 200,
      body: { object: "list", data: [] },
      method: "GET",
      path: /\/public\/members$/,
    });
    await expect(world.reconciler("bitwarden").run({ kind: "all" }, forever)).rejects.toMatchObject({
      code: "TARGET_INCOMPLETE",
    });
    for (const email of emails) expect(world.bitwarden.state.mails(email)).toBe(1);
  });
});

describe("a vendor that misbehaves", () => {
  it("sends no second invitation if it does the work and drops the answer", async () => {
    await world.hire("ada@example.com");
    world.bitwarden.faults.add({ kind: "resetAfter", method: "POST", path: /\/public\/members$/ });
    await settle(world, world.reconciler("bitwarden"), "bw");
    expect(world.bitwarden.state.mails("ada@example.com")).toBe(1);
    await expectConverged();
  });

  it("does not delay other users if it refuses one", async () => {
    const { state } = world.bitwarden;
    state.addMember({
      email: "poison@example.com",
      status: -1,
      restoreRefusal: "poison@example.com is not compliant with the two-step login policy.",
    });
    const poison = await world.hire("poison@example.com");
    await world.hire("ada@example.com");
    await settle(world, world.reconciler("bitwarden"), "bw");
    expect(member("ada@example.com")?.status).toBe(0);
    const [problem] = await world.store.problems("bw", 10);
    expect(problem).toMatchObject({
      name: "poison@example.com",
      link: { entityId: poison, errorCode: "TARGET_REFUSED" },
    });
    expect(problem?.link.errorMessage).toContain("two-step login policy");
    // Permanent: the next try is in an hour, not in a second.
    expect((problem?.link.retryAtMs ?? 0) - world.clock.nowMs).toBeGreaterThan(30 * 60_000);
  });
});

describe("two people with one e-mail address", () => {
  it("are a conflict: the first keeps it, and the second gets it when the first is deleted", async () => {
    const first = await world.hire("ada@example.com");
    const second = (
      await world.store.createUser(
        "entra",
        {
          resource: {},
          userName: "ada",
          externalId: null,
          email: "ada@example.com",
          emails: ["ada@example.com"],
          displayName: "Ada",
          isActive: true,
        },
        { actor: "t", requestId: null },
      )
    ).id;
    const reconciler = world.reconciler("bitwarden");
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")?.externalId).toBe(first);
    expect(await world.store.problems("bw", 10)).toMatchObject([{ link: { entityId: second, note: "conflict" } }]);
    await world.fire(first);
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")).toMatchObject({ externalId: second, status: 0 });
    await expectConverged();
  });

  it("keep the account with its first owner, and report the second as a conflict", async () => {
    const reconciler = world.reconciler("bitwarden");
    const ada = await world.hire("ada@example.com");
    await settle(world, reconciler, "bw");
    await world.update(ada, {
      email: "ada.new@example.com",
      emails: ["ada.new@example.com"],
      userName: "ada.new@example.com",
    });
    await settle(world, reconciler, "bw");
    const namesake = await world.hire("ada@example.com");
    await settle(world, reconciler, "bw", "all");
    await settle(world, reconciler, "bw", "all");
    expect(member("ada@example.com")).toMatchObject({ externalId: ada, status: 0 });
    expect((await world.store.problems("bw", 10)).map(({ link }) => [link.entityId, link.note])).toContainEqual([
      namesake,
      "ambiguous",
    ]);
    await world.update(namesake, { isActive: false });
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")?.status).toBe(0);
  });

  it("do not keep a leaver's access if the other is out of scope", async () => {
    const reconciler = world.reconciler("bitwarden", { userGroups: ["vault"] });
    const ada = await world.hire("ada@example.com");
    await world.group("vault", [ada]);
    await settle(world, reconciler, "bw");
    const write = {
      resource: {},
      userName: "ada",
      externalId: null,
      email: "ada@example.com",
      emails: ["ada@example.com"],
      displayName: "Ada",
      isActive: true,
    };
    await world.store.createUser("entra", write, { actor: "t", requestId: null });
    await settle(world, reconciler, "bw");
    await world.fire(ada);
    await settle(world, reconciler, "bw");
    expect(member("ada@example.com")?.status).toBe(-1);
  });
});
