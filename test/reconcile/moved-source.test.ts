import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createReconciler } from "../../src/reconcile/reconciler.ts";
import { memberStatus } from "../../src/sandbox/index.ts";
import { lenient } from "../support/policy.ts";
import { cause, forever, makeWorld, settle, type World } from "../support/world.ts";

/** A directory that moves from `okta` to `entra`: the same people and groups under other ids. */
describe("a source that was removed from the configuration", () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld();
  });
  afterEach(() => world.close());

  const groupOptions = { isNameUnique: true, unknownMembers: "skip" } as const;
  const reconciler = (...sources: readonly string[]) =>
    createReconciler({
      target: world.targets.bitwarden,
      store: world.store,
      policy: { ...lenient, removalLimit: { percent: 5, atLeast: 3, atMost: 3, windowMs: 86_400_000 } },
      now: () => world.clock.nowMs,
      random: () => 0.5,
      heldRetryMs: 300_000,
      sources,
    });
  const settled = async (...sources: readonly string[]) => {
    const reports = await settle(world, reconciler(...sources), "bw", "all");
    return { reports, left: (await reconciler(...sources).plan(forever)).plan };
  };
  const inEntra = async (email: string, isActive = true): Promise<string> =>
    (
      await world.store.createUser(
        "entra",
        {
          resource: { userName: email, active: isActive },
          userName: email,
          externalId: null,
          email,
          emails: [email],
          displayName: email,
          isActive,
        },
        cause,
      )
    ).id;
  const groupInEntra = async (displayName: string, memberIds: readonly string[]): Promise<string> =>
    (
      await world.store.createGroup(
        "entra",
        { resource: { displayName }, displayName, externalId: null },
        memberIds,
        groupOptions,
        cause,
      )
    ).record.id;
  const stateOf = (email: string): string | undefined =>
    Object.entries(memberStatus).find(
      ([, status]) => status === world.bitwarden.state.memberByEmail(email)?.status,
    )?.[0];
  const revokeByHand = (email: string): void => {
    const member = world.bitwarden.state.memberByEmail(email);
    world.bitwarden.state.updateMember(member?.id ?? "", {
      previousStatus: member?.status ?? null,
      status: memberStatus.revoked,
    });
  };
  const groupsThere = (): readonly string[] =>
    [...world.bitwarden.state.groups.values()].map(({ name }) => name).sort();
  const people = ["ada@example.com", "grace@example.com", "alan@example.com", "joan@example.com", "mary@example.com"];

  it("decides about nobody: its users keep what they have, whatever changes in the target", async () => {
    for (const email of people) await world.hire(email);
    const [ada] = people;
    await settled("okta");
    revokeByHand(ada ?? "");
    const { left } = await settled("entra");
    expect([left.changes, left.held]).toEqual([[], []]);
    expect(people.map(stateOf)).toEqual(["revoked", "invited", "invited", "invited", "invited"]);
    expect((await world.store.userDetails("grace@example.com"))[0]?.links[0]?.note).toBe("source-gone");
    expect(await world.store.removedSources(["entra"])).toEqual([{ name: "okta", users: 5, groups: 0 }]);
    expect(await world.store.removedSources(["okta"])).toEqual([]);
    // Back in the configuration it counts again: the drift is undone.
    expect((await settled("okta", "entra")).left.changes).toEqual([]);
    expect(people.map(stateOf)).toEqual(["invited", "invited", "invited", "invited", "invited"]);
  });

  it("still ends the access of users who had left before", async () => {
    const ids = await Promise.all(people.map((email) => world.hire(email)));
    await settled("okta");
    for (const id of ids) await world.update(id, { isActive: false });
    const { left } = await settled("entra");
    expect(people.filter((email) => stateOf(email) === "revoked")).toHaveLength(3);
    expect(left.held).toHaveLength(2);
  });

  it("gives its addresses to the source that has them now: a leaver there loses access", async () => {
    const ids: string[] = [];
    for (const email of people) ids.push(await world.hire(email));
    await world.group("eng", ids);
    await settled("okta");
    const before = [...world.bitwarden.state.members.keys()];
    // One source replaces the other. Until the new one reports the users, all stays as it is.
    expect((await settled("entra")).left.changes).toEqual([]);
    const entra: string[] = [];
    for (const email of people) entra.push(await inEntra(email));
    await groupInEntra("eng", entra);
    const { reports, left } = await settled("entra");
    expect(reports.flatMap(({ plan }) => plan.held)).toEqual([]);
    expect([left.changes, left.held]).toEqual([[], []]);
    expect([...world.bitwarden.state.members.keys()]).toEqual(before);
    expect(groupsThere()).toEqual(["eng"]);
    // Nothing is left of it, and the next full run has nothing to report.
    await settled("entra");
    expect(await world.store.removedSources(["entra"])).toEqual([]);
    expect((await world.store.problems("bw", 50)).map(({ name }) => name)).toEqual([]);
    expect(people.map((email) => world.bitwarden.state.groupsOfMember(email))).toEqual(people.map(() => ["eng"]));
    expect(people.map((email) => world.bitwarden.state.memberByEmail(email)?.externalId)).toEqual(entra);

    await world.store.updateUser(
      "entra",
      entra[0] ?? "",
      null,
      () => ({
        resource: { userName: people[0] ?? "", active: false },
        userName: people[0] ?? "",
        externalId: null,
        email: people[0] ?? "",
        emails: people.slice(0, 1),
        displayName: people[0] ?? "",
        isActive: false,
      }),
      cause,
    );
    await settle(world, reconciler("entra"), "bw");
    expect(people.map(stateOf)).toEqual(["revoked", "invited", "invited", "invited", "invited"]);
  });

  it("keeps the access of its users while the other source has them outside the scope", async () => {
    await world.group("vault", [await world.hire("ada@example.com")]);
    const scoped = (source: string) =>
      createReconciler({
        target: world.targets.bitwarden,
        store: world.store,
        policy: { ...lenient, userGroups: ["vault"] },
        now: () => world.clock.nowMs,
        random: () => 0.5,
        heldRetryMs: 300_000,
        sources: [source],
      });
    const noted = async () => (await world.store.problems("bw", 50)).map(({ name, link }) => [name, link.note]);
    await settle(world, scoped("okta"), "bw", "all");
    const id = await inEntra("ada@example.com");
    await settle(world, scoped("entra"), "bw", "all");
    expect(stateOf("ada@example.com")).toBe("invited");
    expect(await noted()).toContainEqual(["ada@example.com", "source-gone"]);
    const vault = await groupInEntra("vault", [id]);
    await settle(world, scoped("entra"), "bw", "all");
    await settle(world, scoped("entra"), "bw", "all");
    expect(await noted()).toEqual([]);
    await world.store.updateGroup(
      "entra",
      vault,
      null,
      () => ({ write: null, members: [{ op: "remove", userIds: [id] }] }),
      groupOptions,
      cause,
    );
    await settle(world, scoped("entra"), "bw", "all");
    expect(stateOf("ada@example.com")).toBe("revoked");
  });

  it("keeps the address while it is in the configuration, although the other reports a leaver", async () => {
    await world.hire("ada@example.com");
    await settled("okta");
    await inEntra("ada@example.com", false);
    await settled("okta", "entra");
    expect(stateOf("ada@example.com")).toBe("invited");
    await settled("entra");
    expect(stateOf("ada@example.com")).toBe("revoked");
  });
});

describe("a group that is deleted and created again", () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld();
  });
  afterEach(() => world.close());

  const policy = { removalLimit: { percent: 5, atLeast: 3, atMost: 3, windowMs: 86_400_000 } };

  it("stays the same group in the target, with its collections", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 8; n += 1) ids.push(await world.hire(`person-${n}@example.com`));
    const first = await world.group("eng", ids);
    const reconciler = world.reconciler("bitwarden", policy);
    await settle(world, reconciler, "bw");
    const [there] = [...world.bitwarden.state.groups.keys()];
    // More members than the limit allows: the removal is held, and the group still exists when its successor comes.
    await world.store.deleteGroup("okta", first, null, cause);
    await settle(world, reconciler, "bw");
    expect((await world.store.held("bw")).map(({ key }) => key)).toEqual([`group:${first}`]);
    const second = await world.group("eng", ids);
    await settle(world, reconciler, "bw");
    await settle(world, reconciler, "bw", "all");
    expect(
      [...world.bitwarden.state.groups.values()].map(({ id, name, externalId }) => [id, name, externalId]),
    ).toEqual([[there, "eng", second]]);
    expect(await world.store.held("bw")).toEqual([]);
    const { plan } = await reconciler.plan(forever);
    expect([plan.changes, plan.held]).toEqual([[], []]);
    // The successor is deleted: the group is removed once.
    await world.store.deleteGroup("okta", second, null, cause);
    await settle(world, world.reconciler("bitwarden"), "bw", "all");
    expect(world.bitwarden.state.groups.size).toBe(0);
  });

  it("takes over nothing if two groups have the name now, or the target has two", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 8; n += 1) ids.push(await world.hire(`person-${n}@example.com`));
    const first = await world.group("eng", ids);
    const reconciler = world.reconciler("bitwarden", policy);
    await settle(world, reconciler, "bw");
    world.bitwarden.state.addGroup({ name: "eng", externalId: "of-another-system" });
    await world.store.deleteGroup("okta", first, null, cause);
    await world.group("eng", ids);
    await settle(world, reconciler, "bw", "all");
    expect([...world.bitwarden.state.groups.values()].filter(({ name }) => name === "eng")).toHaveLength(3);
    expect((await world.store.held("bw")).map(({ key }) => key)).toEqual([`group:${first}`]);
  });
});
