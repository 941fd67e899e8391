import { describe, expect, it } from "vitest";
import type { Change, MemberRef } from "../../src/domain/model/plan.ts";
import { memberType } from "../../src/sandbox/index.ts";
import { bitwardenWorld } from "./target-world.ts";
import { patient } from "./virtual-time.ts";

const ref = (email: string, remoteId: string | null = null): MemberRef => ({ userId: `u-${email}`, email, remoteId });
const ada = "ada@example.com";
const bob = "bob@example.com";

describe("groups", () => {
  it("a group that is adopted or renamed keeps its collections", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    const access = { id: state.addCollection().id, readOnly: true, hidePasswords: false, manage: false };
    const group = state.addGroup({ name: "eng", collections: [access] });
    const on = { groupId: "g", remoteId: group.id, externalId: "g-1" };
    expect(await world.apply([{ op: "adoptGroup", name: "eng", ...on }])).toMatchObject([{ status: "applied" }]);
    expect(await world.apply([{ op: "renameGroup", name: "engineering", ...on }])).toMatchObject([
      { status: "applied" },
    ]);
    expect(state.groups.get(group.id)).toEqual({
      id: group.id,
      name: "engineering",
      externalId: "g-1",
      collections: [access],
    });
    const writes = world.sandbox.requests.countWrites();
    expect(await world.apply([{ op: "renameGroup", name: "engineering", ...on }])).toMatchObject([
      { status: "applied" },
    ]);
    expect(world.sandbox.requests.countWrites()).toBe(writes);
  });

  it("no second group of the same name or externalId is created", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    state.addGroup({ name: "eng" });
    state.addGroup({ name: "ops", externalId: "g-2" });
    const changes: readonly Change[] = [
      { op: "createGroup", groupId: "1", name: "eng", externalId: "g-1" },
      { op: "createGroup", groupId: "2", name: "operations", externalId: "g-2" },
      { op: "createGroup", groupId: "3", name: "one", externalId: "g-3" },
      { op: "createGroup", groupId: "4", name: "two", externalId: "g-3" },
    ];
    const outcomes = await world.apply(changes);
    expect(outcomes.filter(({ status }) => status === "applied")).toMatchObject([{ change: { name: "one" } }]);
    expect([...state.groups.values()].map(({ name }) => name)).toEqual(["eng", "ops", "one"]);
  });

  it("a group whose creation got no answer is unconfirmed, and so are its members", async () => {
    await using world = await bitwardenWorld();
    const { state, faults } = world.sandbox;
    state.addMember({ email: ada });
    faults.add({ kind: "resetAfter", method: "POST", path: /groups$/ });
    const on = { groupId: "g", name: "eng" };
    const changes: readonly Change[] = [
      { op: "createGroup", externalId: "g-1", ...on },
      { op: "setMembers", remoteId: null, add: [ref(ada)], remove: [], ...on },
    ];
    expect(await world.apply(changes)).toMatchObject([{ status: "unconfirmed" }, { status: "unconfirmed" }]);
    expect(state.groupsByName("eng")).toHaveLength(1);
    // The next plan, made from what is there:
    const observed = await world.observe();
    expect(observed.groups).toMatchObject([{ name: "eng", externalId: "g-1" }]);
    await world.apply([
      { op: "setMembers", remoteId: observed.groups[0]?.remoteId ?? "", add: [ref(ada)], remove: [], ...on },
    ]);
    expect(state.membersOfGroup("eng")).toEqual([ada]);
  });

  it("a plan without groups is a permanent refusal", async () => {
    await using world = await bitwardenWorld({ useGroups: false });
    const outcomes = await world.apply([{ op: "createGroup", groupId: "g", name: "eng", externalId: "g-1" }]);
    expect(outcomes).toMatchObject([
      {
        status: "failed",
        error: { isPermanent: true, message: expect.stringContaining("This organization cannot use groups.") },
      },
    ]);
  });

  it("groups are removed last, and a missing group counts as removed", async () => {
    await using world = await bitwardenWorld();
    const group = world.sandbox.state.addGroup({ name: "eng", externalId: "g-1" });
    const remove: Change = { op: "removeGroup", groupId: "g", name: "eng", remoteId: group.id, memberCount: 0 };
    const invite: Change = { op: "invite", userId: "u", email: ada, externalId: "u" };
    expect((await world.apply([remove, invite])).map(({ change }) => change.op)).toEqual(["invite", "removeGroup"]);
    expect(await world.apply([remove])).toMatchObject([{ status: "applied" }]);
    expect(world.sandbox.state.groups.size).toBe(0);
  });
});

describe("memberships", () => {
  it("memberships are read by group and by member, without deleted ones", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    const member = state.addMember({ email: ada });
    const group = state.addGroup({ name: "eng" });
    state.setMembership("eng", [ada]);
    const gone = "11111111-1111-4111-8111-111111111111";
    const byGroup = await world.target.observeMemberships({ by: "group", groupIds: [group.id, gone] }, patient);
    const byMember = await world.target.observeMemberships({ by: "account", accountIds: [gone, member.id] }, patient);
    expect([[...byGroup], [...byMember]]).toEqual([[[group.id, [member.id]]], [[member.id, [group.id]]]]);
  });

  it("changes by group and by member at the same time are both applied", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    const people = Array.from({ length: 12 }, (_, index) => state.addMember({ email: `p${index}@example.com` }));
    const groups = Array.from({ length: 3 }, (_, index) =>
      state.addGroup({ name: `g${index}`, externalId: `g-${index}` }),
    );
    const byGroup = groups.map(
      ({ id, name }): Change => ({
        op: "setMembers",
        groupId: name,
        name,
        remoteId: id,
        add: people.slice(0, 6).map((person) => ref(person.email, person.id)),
        remove: [],
      }),
    );
    const byMember = people.slice(6).map(
      ({ id, email }): Change => ({
        op: "setGroups",
        ...ref(email, id),
        add: groups.map(({ id: remoteId, name }) => ({ groupId: name, name, remoteId })),
        remove: [],
      }),
    );
    const outcomes = await world.apply([...byGroup, ...byMember]);
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["applied"]));
    for (const { name } of groups) expect(state.membersOfGroup(name)).toHaveLength(12);
  });

  it("a member is taken out of a group although the invitation of another member has no answer yet", async () => {
    await using world = await bitwardenWorld();
    const { state, faults } = world.sandbox;
    const member = state.addMember({ email: bob });
    const group = state.addGroup({ name: "eng", externalId: "g-1" });
    state.setMembership("eng", [bob]);
    faults.add({ kind: "resetBefore", method: "POST", path: /members$/ });
    const outcomes = await world.apply([
      { op: "invite", userId: `u-${ada}`, email: ada, externalId: "u-ada" },
      {
        op: "setMembers",
        groupId: "g",
        name: "eng",
        remoteId: group.id,
        add: [ref(ada)],
        remove: [ref(bob, member.id)],
      },
    ]);
    expect(outcomes.map(({ status, change }) => [change.op, status])).toEqual([
      ["invite", "unconfirmed"],
      ["setMembers", "unconfirmed"],
    ]);
    expect(state.membersOfGroup("eng")).toEqual([]);
  });

  it("a member is taken out of a group even if the rest of the plan fails", async () => {
    await using world = await bitwardenWorld();
    const { state, faults } = world.sandbox;
    const member = state.addMember({ email: bob });
    const group = state.addGroup({ name: "eng", externalId: "g-1" });
    state.setMembership("eng", [bob]);
    faults.add({ kind: "status", status: 403, method: "POST", path: /members$/ });
    const changes: readonly Change[] = [
      { op: "invite", userId: `u-${ada}`, email: ada, externalId: "u-ada" },
      {
        op: "setMembers",
        groupId: "g",
        name: "eng",
        remoteId: group.id,
        add: [ref(ada)],
        remove: [ref(bob, member.id)],
      },
    ];
    await expect(world.apply(changes)).rejects.toMatchObject({ code: "TARGET_REFUSED_CREDENTIALS" });
    expect(state.membersOfGroup("eng")).toEqual([]);
  });

  it("several changes of one group are written one after the other", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    const people = Array.from({ length: 8 }, (_, index) => state.addMember({ email: `p${index}@example.com` }));
    const group = state.addGroup({ name: "eng", externalId: "g-1" });
    const on = { groupId: "g", name: "eng", remoteId: group.id };
    const changes = people.map(
      ({ id, email }): Change => ({ op: "setMembers", add: [ref(email, id)], remove: [], ...on }),
    );
    expect((await world.apply(changes)).every(({ status }) => status === "applied")).toBe(true);
    expect(state.membersOfGroup("eng")).toHaveLength(8);
  });

  it("a list that Bitwarden silently shortened is unconfirmed", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    const group = state.addGroup({ name: "eng", externalId: "g-1" });
    const foreign = ref("stranger@example.com", "11111111-1111-4111-8111-111111111111");
    const outcomes = await world.apply([
      { op: "setMembers", groupId: "g", name: "eng", remoteId: group.id, add: [foreign], remove: [] },
    ]);
    expect(outcomes).toMatchObject([{ status: "unconfirmed" }]);
  });

  it("a deleted group counts as emptied, but not as filled", async () => {
    await using world = await bitwardenWorld();
    const member = world.sandbox.state.addMember({ email: ada, type: memberType.admin });
    const on = { groupId: "g", name: "eng", remoteId: "11111111-1111-4111-8111-111111111111" };
    const person = ref(ada, member.id);
    expect(await world.apply([{ op: "setMembers", add: [], remove: [person], ...on }])).toMatchObject([
      { status: "applied" },
    ]);
    expect(await world.apply([{ op: "setMembers", add: [person], remove: [], ...on }])).toMatchObject([
      { status: "unconfirmed" },
    ]);
  });
});
