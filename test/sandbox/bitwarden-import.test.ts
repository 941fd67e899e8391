import { describe, expect } from "vitest";
import { type Answer, onBitwarden } from "./calls.ts";

interface Body {
  members?: unknown;
  groups?: unknown;
  overwriteExisting?: unknown;
  largeImport?: boolean;
  inviteUsersAfterProvisioning?: boolean;
}

const it = onBitwarden
  .extend(
    "send",
    ({ call }) =>
      (body: Body): Promise<Answer> =>
        call("POST /organization/import", { members: [], groups: [], overwriteExisting: false, ...body }),
  )
  .extend(
    "emails",
    ({ state }) =>
      () =>
        [...state.members.values()].map((member) => member.email).sort(),
  );

describe("Bitwarden import", () => {
  it("an import invites new people, adopts by address and keeps another externalId", async ({ state, send }) => {
    const adopted = state.addMember({ email: "ada@example.com" });
    const kept = state.addMember({ email: "alan@example.com", externalId: "old" });
    const done = await send({
      members: [
        { email: "Ada@example.com", externalId: "u1" },
        { email: "alan@example.com", externalId: "u2" },
        { email: "new@example.com", externalId: 3 },
      ],
      groups: [{ name: "Engineering", externalId: "g1", memberExternalIds: ["u1", "3", "nobody"] }],
    });
    expect(done.outcome).toEqual([200, ""]);
    expect(state.member(adopted.id).externalId).toBe("u1");
    expect(state.member(kept.id).externalId).toBe("old");
    expect(state.memberByEmail("new@example.com")).toMatchObject({ externalId: "3", status: 0, type: 2 });
    expect([state.mails("new@example.com"), state.mails("ada@example.com")]).toEqual([1, 0]);
    expect(state.membersOfGroup("Engineering")).toEqual(["ada@example.com", "new@example.com"]);
  });

  it("an import renames groups and replaces their members, and deletes no group and restores no member", async ({
    state,
    send,
  }) => {
    state.addMember({ email: "ada@example.com", externalId: "u1", status: -1 });
    state.addMember({ email: "hand@example.com" });
    state.addGroup({ name: "Old", externalId: "g1" });
    state.addGroup({ name: "Unlisted", externalId: "g2" });
    state.setMembership("Old", ["hand@example.com"]);
    await send({
      members: [{ email: "renamed@example.com", externalId: "u1" }],
      groups: [{ name: "New", externalId: "g1", memberExternalIds: ["u1"] }],
    });
    expect(state.membersOfGroup("New")).toEqual(["ada@example.com"]);
    expect(state.memberByEmail("ada@example.com")?.status).toBe(-1);
    expect(state.groupByName("Unlisted")).toBeDefined();
  });

  it("an import removes deleted people, and when overwriting also unlisted ones, but never an owner", async ({
    state,
    send,
    emails,
  }) => {
    state.addMember({ email: "owner@example.com", type: 0, externalId: "o" });
    state.addMember({ email: "gone@example.com", externalId: "u1", type: 1 });
    state.addMember({ email: "hand@example.com" });
    await send({ members: ["u1", "o", "x"].map((externalId) => ({ externalId, deleted: true })) });
    expect(emails()).toEqual(["hand@example.com", "owner@example.com"]);
    state.addMember({ email: "unlisted@example.com", externalId: "u2" });
    await send({ overwriteExisting: true });
    expect(emails()).toEqual(["hand@example.com", "owner@example.com"]);
    state.addMember({ email: "invited@example.com", externalId: "u3", status: 0 });
    const refused = await send({ overwriteExisting: true });
    expect(refused.outcome).toEqual([400, expect.stringMatching(/^Sync failed\./)]);
  });

  it("two members with one externalId make every import a 500", async ({ state, send }) => {
    state.addMember({ email: "a@example.com", externalId: "same" });
    state.addMember({ email: "b@example.com", externalId: "same" });
    const unhandled = { object: "error", message: "An unhandled server error has occurred.", errors: null };
    expect((await send({})).body).toEqual(unhandled);
  });

  const twice = ["c@example.com", "C@example.com"].map((email, index) => ({ email, externalId: `c${index}` }));
  it.for([
    { what: "a repeated address", body: { members: twice } },
    { what: "null instead of members", body: { members: null } },
    { what: "null instead of groups", body: { groups: null } },
    { what: "a group without members", body: { groups: [{ name: "g", externalId: "g" }] } },
  ])("an import with $what is a 500", async ({ body }, { state, send }) => {
    state.addMember({ email: "a@example.com", externalId: "same" });
    expect((await send(body)).status).toBe(500);
  });

  it("earlier steps stay done when a later one fails", async ({ state, send, emails }) => {
    Object.assign(state.settings, { seats: 1, maxAutoscaleSeats: 1 });
    state.addMember({ email: "ada@example.com" });
    state.addMember({ email: "gone@example.com", externalId: "u9", status: -1 });
    const failed = await send({
      members: [
        { externalId: "u9", deleted: true },
        { email: "ada@example.com", externalId: "u1" },
        { email: "new@example.com", externalId: "u2" },
      ],
      groups: [{ name: "Engineering", externalId: "g1", memberExternalIds: [] }],
    });
    expect(failed.outcome).toEqual([400, "Seat limit has been reached."]);
    expect(emails()).toEqual(["ada@example.com"]);
    expect(state.memberByEmail("ada@example.com")?.externalId).toBe("u1");
    expect(state.groups.size).toBe(0);
  });

  it("the limit is 2000 members per import, without it for large imports and self-hosted servers", async ({
    state,
    send,
  }) => {
    const externalIds = Array.from({ length: 2001 }, (_, index) => `u${index}`);
    const members = externalIds.map((externalId) => ({ email: `${externalId}@example.com`, externalId }));
    expect((await send({ members })).body.message).toBe("You cannot import this much data at once.");
    expect((await send({ members, largeImport: true })).status).toBe(200);
    state.settings.selfHosted = true;
    expect((await send({ members })).status).toBe(200);
    expect(state.mails("u5@example.com")).toBe(1);
  });

  it.for([
    { verb: "staged", flag: "with", stagedStatus: true, status: 3, mails: 0 },
    { verb: "invited", flag: "without", stagedStatus: false, status: 0, mails: 1 },
  ])(
    "people are $verb $flag the server's flag when an import asks not to invite",
    async ({ stagedStatus, status, mails }, { state, send }) => {
      state.settings.stagedStatus = stagedStatus;
      await send({ members: [{ email: "a@example.com", externalId: "a" }], inviteUsersAfterProvisioning: false });
      expect(state.memberByEmail("a@example.com")?.status).toBe(status);
      expect(state.mails("a@example.com")).toBe(mails);
    },
  );

  it("an invalid import changes nothing", async ({ call, send }) => {
    const members = [{ email: "x", externalId: "a" }, { externalId: "b" }];
    const invalid = await send({ members, groups: [{ externalId: "g" }] });
    expect(invalid.body.errors).toEqual({
      "Members[0].Email": ["The Email field is not a valid e-mail address."],
      "Members[1].Email": ["Email is required for enabled members."],
      "Groups[0].Name": ["The Name field is required."],
    });
    const incomplete = await call("POST /organization/import", { members: [], groups: [] });
    expect(Object.keys(incomplete.body.errors)).toContain("$");
  });
});
