import { describe, expect, it } from "vitest";
import type { Change } from "../../src/domain/model/plan.ts";
import { memberStatus, memberType, type Permissions } from "../../src/sandbox/index.ts";
import { bitwardenWorld } from "./target-world.ts";
import { patient } from "./virtual-time.ts";

const email = "ada@example.com";
const on = (remoteId: string, who = email) => ({ userId: "u-ada", email: who, remoteId });

describe("observing members", () => {
  it("roles and states are converted, and unknown numbers are allowed", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    state.addMember({ email: "owner@example.com", type: memberType.owner });
    state.addMember({ email: "admin@example.com", type: memberType.admin, status: memberStatus.accepted });
    state.addMember({ email: "custom@example.com", type: memberType.custom, status: memberStatus.revoked });
    state.addMember({ email: "staged@example.com", status: memberStatus.staged, externalId: " " });
    state.addMember({ email: "strange@example.com", type: 9 as never, status: 9 as never });
    const { accounts: members } = await world.observe();
    expect(
      members.map(({ role, state: memberState, hasAccount, externalId }) => [
        role,
        memberState,
        hasAccount,
        externalId,
      ]),
    ).toEqual([
      ["owner", "active", true, null],
      ["admin", "accepted", true, null],
      ["custom", "suspended", true, null],
      ["user", "staged", false, null],
      ["unknown", "unknown", false, null],
    ]);
  });

  it("a list is read to its last page, and a repeated token is an error", async () => {
    await using world = await bitwardenWorld({ listContinuationToken: "more" });
    await expect(world.observe()).rejects.toMatchObject({ code: "TARGET_INCOMPLETE" });
  });

  it("many named members are read as one full list", async () => {
    await using world = await bitwardenWorld();
    const ids = Array.from(
      { length: 51 },
      (_, index) => world.sandbox.state.addMember({ email: `p${index}@example.com` }).id,
    );
    const observed = await world.target.observe({ kind: "named", accountIds: ids, groupIds: [] }, patient);
    expect(observed.isComplete).toBe(true);
    expect(world.sandbox.requests.count({ method: "GET" })).toBe(2);
  });
});

describe("adopting a member", () => {
  const permissions = { manageUsers: true, manageScim: true, accessReports: true } as Permissions;

  it("an adopted member keeps role, permissions, collections with their flags, and groups", async () => {
    await using world = await bitwardenWorld({ listsCollections: false });
    const { state } = world.sandbox;
    const [one, two] = [state.addCollection(), state.addCollection()];
    const collections = [
      { id: one.id, readOnly: true, hidePasswords: true, manage: false },
      { id: two.id, manage: true },
    ];
    const member = state.addMember({ email, type: memberType.custom, permissions, collections });
    state.addGroup({ name: "eng" });
    state.setMembership("eng", [email]);
    const outcomes = await world.apply([{ op: "adopt", externalId: "u-ada", ...on(member.id) }]);
    expect(outcomes).toMatchObject([{ status: "applied", remoteId: member.id }]);
    const after = state.member(member.id);
    expect(after).toMatchObject({ externalId: "u-ada", type: memberType.custom, collections: member.collections });
    expect(after.permissions).toMatchObject(permissions);
    expect(state.groupsOfMember(email)).toEqual(["eng"]);
  });

  it("nothing is written if the member already has the externalId", async () => {
    await using world = await bitwardenWorld();
    const member = world.sandbox.state.addMember({ email, externalId: "u-ada" });
    expect(await world.apply([{ op: "adopt", externalId: "u-ada", ...on(member.id) }])).toMatchObject([
      { status: "applied" },
    ]);
    expect(world.sandbox.requests.countWrites()).toBe(0);
  });

  it("an externalId that another member has is refused", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    const member = state.addMember({ email });
    state.addMember({ email: "other@example.com", externalId: "u-ada" });
    const [outcome] = await world.apply([{ op: "adopt", externalId: "u-ada", ...on(member.id) }]);
    expect(outcome).toMatchObject({
      status: "failed",
      error: { code: "TARGET_REFUSED", message: expect.stringContaining("other@example.com") },
    });
    expect(state.member(member.id).externalId).toBeNull();
  });

  it("a member that another system adopted since the plan is not changed", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    const member = state.addMember({ email });
    const observed = await world.observe();
    state.updateMember(member.id, { externalId: "theirs" });
    const outcomes = await world.apply([{ op: "adopt", externalId: "u-ada", ...on(member.id) }], observed);
    expect(outcomes).toMatchObject([{ status: "unconfirmed" }]);
    expect(state.member(member.id).externalId).toBe("theirs");
  });
});

describe("taking access from a member", () => {
  it("an owner never loses access, observed or not", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    state.addMember({ email: "first@example.com", type: memberType.owner });
    const owner = state.addMember({ email, type: memberType.owner });
    const changes: readonly Change[] = [
      { op: "suspend", ...on(owner.id) },
      { op: "remove", ...on(owner.id) },
    ];
    const nobody = { isComplete: false, accounts: [], groups: [], missingRemoteIds: [] };
    for (const observed of [await world.observe(), nobody]) {
      const refused = { status: "failed", error: { code: "TARGET_REFUSED", isPermanent: true } };
      expect(await world.apply(changes, observed)).toMatchObject([refused, refused]);
    }
    expect(state.member(owner.id).status).toBe(memberStatus.confirmed);
    expect(world.sandbox.requests.countWrites()).toBe(0);
  });

  it("a known refusal has the vendor's words and is permanent", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    const words = "ada@example.com is not compliant with the two-step login policy.";
    const member = state.addMember({ email, status: memberStatus.revoked, restoreRefusal: words });
    const [outcome] = await world.apply([{ op: "restore", ...on(member.id) }]);
    expect(outcome).toMatchObject({
      status: "failed",
      error: { code: "TARGET_REFUSED", isPermanent: true, message: expect.stringContaining(words) },
    });
  });

  it("only a member who has not accepted is invited again", async () => {
    await using world = await bitwardenWorld();
    const { state } = world.sandbox;
    const invited = state.addMember({ email, status: memberStatus.revoked, previousStatus: memberStatus.invited });
    const active = state.addMember({ email: "bob@example.com" });
    const changes: readonly Change[] = [
      { op: "restore", ...on(invited.id) },
      { op: "reinvite", ...on(invited.id) },
      { op: "reinvite", ...on(active.id, "bob@example.com") },
    ];
    const statuses = Object.fromEntries(
      (await world.apply(changes)).map(({ status, change }) => [
        `${change.op} ${"email" in change ? change.email : ""}`,
        status,
      ]),
    );
    expect(statuses).toEqual({
      [`restore ${email}`]: "applied",
      [`reinvite ${email}`]: "applied",
      "reinvite bob@example.com": "unconfirmed",
    });
    expect(state.reinvites(email)).toBe(1);
  });
});
