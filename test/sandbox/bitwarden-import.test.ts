import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BitwardenSandbox, startBitwarden } from "../../src/sandbox/index.ts";
import { type Answer, bitwardenCalls, type Call } from "./calls.ts";

interface Body {
  members?: unknown;
  groups?: unknown;
  overwriteExisting?: unknown;
  largeImport?: boolean;
  inviteUsersAfterProvisioning?: boolean;
}

describe("Bitwarden import", () => {
  let sandbox: BitwardenSandbox;
  let call: Call;
  beforeEach(async () => {
    sandbox = await startBitwarden();
    call = await bitwardenCalls(sandbox);
  });
  afterEach(() => sandbox.close());

  function send(body: Body): Promise<Answer> {
    return call("POST", "/public/organization/import", { members: [], groups: [], overwriteExisting: false, ...body });
  }

  const emails = (): readonly string[] => [...sandbox.state.members.values()].map((member) => member.email).sort();

  it("an import invites new people, adopts by address and keeps another externalId", async () => {
    const adopted = sandbox.state.addMember({ email: "ada@example.com" });
    const kept = sandbox.state.addMember({ email: "alan@example.com", externalId: "old" });
    const done = await send({
      members: [
        { email: "Ada@example.com", externalId: "u1" },
        { email: "alan@example.com", externalId: "u2" },
        { email: "new@example.com", externalId: 3 },
      ],
      groups: [{ name: "Engineering", externalId: "g1", memberExternalIds: ["u1", "3", "nobody"] }],
    });
    expect([done.status, done.text]).toEqual([200, ""]);
    expect(sandbox.state.member(adopted.id).externalId).toBe("u1");
    expect(sandbox.state.member(kept.id).externalId).toBe("old");
    expect(sandbox.state.memberByEmail("new@example.com")).toMatchObject({ externalId: "3", status: 0, type: 2 });
    expect([sandbox.state.mails("new@example.com"), sandbox.state.mails("ada@example.com")]).toEqual([1, 0]);
    expect(sandbox.state.membersOfGroup("Engineering")).toEqual(["ada@example.com", "new@example.com"]);
  });

  it("an import renames groups and replaces their members, and deletes no group and restores no member", async () => {
    sandbox.state.addMember({ email: "ada@example.com", externalId: "u1", status: -1 });
    sandbox.state.addMember({ email: "hand@example.com" });
    sandbox.state.addGroup({ name: "Old", externalId: "g1" });
    sandbox.state.addGroup({ name: "Unlisted", externalId: "g2" });
    sandbox.state.setMembership("Old", ["hand@example.com"]);
    await send({
      members: [{ email: "renamed@example.com", externalId: "u1" }],
      groups: [{ name: "New", externalId: "g1", memberExternalIds: ["u1"] }],
    });
    expect(sandbox.state.membersOfGroup("New")).toEqual(["ada@example.com"]);
    expect(sandbox.state.memberByEmail("ada@example.com")?.status).toBe(-1);
    expect(sandbox.state.groupByName("Unlisted")).toBeDefined();
  });

  it("an import removes deleted people, and when overwriting also unlisted ones, but never an owner", async () => {
    sandbox.state.addMember({ email: "owner@example.com", type: 0, externalId: "o" });
    sandbox.state.addMember({ email: "gone@example.com", externalId: "u1", type: 1 });
    sandbox.state.addMember({ email: "hand@example.com" });
    await send({
      members: [
        { externalId: "u1", deleted: true },
        { externalId: "o", deleted: true },
        { externalId: "x", deleted: true },
      ],
    });
    expect(emails()).toEqual(["hand@example.com", "owner@example.com"]);
    sandbox.state.addMember({ email: "unlisted@example.com", externalId: "u2" });
    await send({ overwriteExisting: true });
    expect(emails()).toEqual(["hand@example.com", "owner@example.com"]);
    sandbox.state.addMember({ email: "invited@example.com", externalId: "u3", status: 0 });
    const refused = await send({ overwriteExisting: true });
    expect([refused.status, refused.body.message]).toEqual([400, expect.stringMatching(/^Sync failed\./)]);
  });

  it("repeated externalIds and addresses are a 500", async () => {
    sandbox.state.addMember({ email: "a@example.com", externalId: "same" });
    const twin = sandbox.state.addMember({ email: "b@example.com", externalId: "same" });
    expect((await send({})).body).toEqual({
      object: "error",
      message: "An unhandled server error has occurred.",
      errors: null,
    });
    sandbox.state.removeMember(twin.id);
    const repeated = [
      { email: "c@example.com", externalId: "c" },
      { email: "C@example.com", externalId: "d" },
    ];
    expect((await send({ members: repeated })).status).toBe(500);
    for (const body of [{ members: null }, { groups: null }, { groups: [{ name: "g", externalId: "g" }] }])
      expect((await send(body)).status).toBe(500);
  });

  it("earlier steps stay done when a later one fails", async () => {
    sandbox.state.settings.seats = 1;
    sandbox.state.settings.maxAutoscaleSeats = 1;
    sandbox.state.addMember({ email: "ada@example.com" });
    sandbox.state.addMember({ email: "gone@example.com", externalId: "u9", status: -1 });
    const failed = await send({
      members: [
        { externalId: "u9", deleted: true },
        { email: "ada@example.com", externalId: "u1" },
        { email: "new@example.com", externalId: "u2" },
      ],
      groups: [{ name: "Engineering", externalId: "g1", memberExternalIds: [] }],
    });
    expect([failed.status, failed.body.message]).toEqual([400, "Seat limit has been reached."]);
    expect(emails()).toEqual(["ada@example.com"]);
    expect(sandbox.state.memberByEmail("ada@example.com")?.externalId).toBe("u1");
    expect(sandbox.state.groups.size).toBe(0);
  });

  it("the limit is 2000 members per import, without it for large imports and self-hosted servers", async () => {
    const members = Array.from({ length: 2001 }, (_, index) => ({
      email: `u${index}@example.com`,
      externalId: `u${index}`,
    }));
    expect((await send({ members })).body.message).toBe("You cannot import this much data at once.");
    expect((await send({ members, largeImport: true })).status).toBe(200);
    sandbox.state.settings.selfHosted = true;
    expect((await send({ members })).status).toBe(200);
    expect(sandbox.state.mails("u5@example.com")).toBe(1);
  });

  it("members are staged only with the server's flag, and invited without it", async () => {
    await send({ members: [{ email: "a@example.com", externalId: "a" }], inviteUsersAfterProvisioning: false });
    sandbox.state.settings.stagedStatus = true;
    await send({ members: [{ email: "b@example.com", externalId: "b" }], inviteUsersAfterProvisioning: false });
    expect(sandbox.state.memberByEmail("a@example.com")?.status).toBe(0);
    expect(sandbox.state.memberByEmail("b@example.com")?.status).toBe(3);
    expect(sandbox.state.mails("b@example.com")).toBe(0);
  });

  it("an invalid import changes nothing", async () => {
    const invalid = await send({
      members: [{ email: "x", externalId: "a" }, { externalId: "b" }],
      groups: [{ externalId: "g" }],
    });
    expect(invalid.body.errors).toEqual({
      "Members[0].Email": ["The Email field is not a valid e-mail address."],
      "Members[1].Email": ["Email is required for enabled members."],
      "Groups[0].Name": ["The Name field is required."],
    });
    expect(
      Object.keys((await call("POST", "/public/organization/import", { members: [], groups: [] })).body.errors),
    ).toContain("$");
  });
});
