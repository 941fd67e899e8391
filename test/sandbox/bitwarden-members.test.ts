import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BitwardenSandbox, startBitwarden } from "../../src/sandbox/index.ts";
import { type Answer, bitwardenCalls, type Call } from "./calls.ts";

const lastOwner = "Organization must have at least one confirmed owner.";
const unknownId = "11111111-1111-1111-1111-111111111111";

function refusal({ status, body }: Answer): unknown {
  return [status, body.message];
}

describe("Bitwarden members", () => {
  let sandbox: BitwardenSandbox;
  let call: Call;
  beforeEach(async () => {
    sandbox = await startBitwarden();
    call = await bitwardenCalls(sandbox);
  });
  afterEach(() => sandbox.close());

  it("the list contains every member with null values and has no continuationToken", async () => {
    sandbox.state.addMember({ email: "ada@example.com", status: 0, externalId: "e1" });
    const list = await call("GET", "/public/members");
    expect(list.body).toEqual({
      object: "list",
      data: [
        {
          object: "member",
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          userId: null,
          name: null,
          email: "ada@example.com",
          twoFactorEnabled: false,
          status: 0,
          collections: [],
          resetPasswordEnrolled: false,
          ssoExternalId: null,
          type: 2,
          externalId: "e1",
          permissions: null,
        },
      ],
    });
    sandbox.state.settings.listContinuationToken = null;
    expect((await call("GET", "/public/members")).body.continuationToken).toBe(null);
    sandbox.state.settings.listContinuationToken = "more";
    expect((await call("GET", "/public/groups")).body.continuationToken).toBe("more");
  });

  it("an invitation sends one mail, stores a lower-case address and returns the collections sent", async () => {
    const created = await call("POST", "/public/members", { Email: "Ada@Example.com", type: 2, externalId: "e1" });
    expect(created.status).toBe(200);
    expect(created.body).toMatchObject({
      object: "member",
      email: "ada@example.com",
      status: 0,
      name: null,
      collections: null,
      externalId: "e1",
    });
    expect((await call("GET", `/public/members/${created.body.id}`)).body.collections).toEqual([]);
    expect(sandbox.state.mails("ada@example.com")).toBe(1);
    expect(refusal(await call("POST", "/public/members", { email: "ADA@example.com", type: 2 }))).toEqual([
      400,
      "This user has already been invited.",
    ]);
    expect(sandbox.state.mails("ada@example.com")).toBe(1);
  });

  it("an invitation with an unknown group adds no member", async () => {
    expect(
      refusal(await call("POST", "/public/members", { email: "ada@example.com", type: 2, groups: [unknownId] })),
    ).toEqual([400, "Failed to invite users"]);
    expect(sandbox.state.members.size).toBe(0);
  });

  it.each([
    "ädä@example.com",
    "ada@example",
    "ada@example.c0",
    "ada",
    "a b@example.com",
    "Ada <ada@example.com>",
    "ada@x@example.com",
  ])("refuses the address %s", async (email) => {
    const refused = await call("POST", "/public/members", { email, type: 2 });
    expect(refused.body.errors).toEqual({ Email: ["The Email field is not a supported e-mail address format."] });
  });

  it("an Entity Framework database allows a second member with an address that has no account", async () => {
    sandbox.state.settings.entityFramework = true;
    sandbox.state.addMember({ email: "ada@example.com", status: 0 });
    sandbox.state.addMember({ email: "alan@example.com" });
    expect((await call("POST", "/public/members", { email: "ada@example.com", type: 2 })).status).toBe(200);
    expect(sandbox.state.membersByEmail("ada@example.com")).toHaveLength(2);
    expect((await call("POST", "/public/members", { email: "alan@example.com", type: 2 })).status).toBe(400);
  });

  it("a PUT without them resets externalId and collections and keeps groups and permissions", async () => {
    const { state } = sandbox;
    const collection = state.addCollection();
    state.addMember({ email: "owner@example.com", type: 0 });
    const permissions = { ...(await customPermissions()), manageUsers: true };
    const { id } = state.addMember({
      email: "ada@example.com",
      type: 4,
      permissions,
      externalId: "e1",
      collections: [{ id: collection.id, manage: true }],
    });
    state.addGroup({ name: "Engineering" });
    state.setMembership("Engineering", ["ada@example.com"]);
    const updated = await call("PUT", `/public/members/${id}`, { type: 4 });
    expect(updated.body).toMatchObject({ externalId: null, collections: null, permissions: { manageUsers: true } });
    expect((await call("GET", `/public/members/${id}`)).body.collections).toEqual([]);
    expect(state.membersOfGroup("Engineering")).toEqual(["ada@example.com"]);
    await call("PUT", `/public/members/${id}`, { type: 2, groups: [] });
    expect(state.membersOfGroup("Engineering")).toEqual([]);
    expect(Object.keys((await call("PUT", `/public/members/${id}`, { externalId: "x" })).body.errors)).toContain("$");
    const manage = { id: collection.id, readOnly: true, manage: true };
    expect(refusal(await call("PUT", `/public/members/${id}`, { type: 2, collections: [manage] }))).toEqual([
      400,
      expect.stringContaining("mutually exclusive"),
    ]);
    const custom = await call("PUT", `/public/members/${id}`, { type: 2, permissions: {} });
    expect(custom.body.errors).toEqual({ "": ["Only users with the Custom role may use custom permissions."] });
  });

  async function customPermissions() {
    const { body } = await call("POST", "/public/members", { email: "custom@example.com", type: 4 });
    return body.permissions;
  }

  it("a member is revoked once and restored once, to the status before", async () => {
    const { state } = sandbox;
    state.addMember({ email: "owner@example.com", type: 0 });
    for (const status of [0, 1, 2, 3] as const) {
      const { id } = state.addMember({ email: `m${status}@example.com`, status, externalId: "kept" });
      const done = await call("POST", `/public/members/${id}/revoke`);
      expect([done.status, done.text]).toEqual([200, ""]);
      expect(refusal(await call("POST", `/public/members/${id}/revoke`))).toEqual([400, "Already revoked."]);
      expect(state.member(id)).toMatchObject({ status: -1, externalId: "kept" });
      expect((await call("POST", `/public/members/${id}/restore`)).status).toBe(200);
      expect(state.member(id).status).toBe(status);
      expect(refusal(await call("POST", `/public/members/${id}/restore`))).toEqual([400, "Already active."]);
    }
  });

  it("a policy can refuse to restore a member", async () => {
    const text = "ada@example.com is not compliant with the two-step login policy.";
    const { id } = sandbox.state.addMember({ email: "ada@example.com", status: -1, restoreRefusal: text });
    expect(refusal(await call("POST", `/public/members/${id}/restore`))).toEqual([400, text]);
    const invited = sandbox.state.addMember({
      email: "alan@example.com",
      status: -1,
      previousStatus: 0,
      restoreRefusal: text,
    });
    expect((await call("POST", `/public/members/${invited.id}/restore`)).status).toBe(200);
  });

  it("the last confirmed owner cannot be removed, revoked or changed", async () => {
    const { id } = sandbox.state.addMember({ email: "owner@example.com", type: 0 });
    sandbox.state.addMember({ email: "invited.owner@example.com", type: 0, status: 0 });
    const tries = [
      call("DELETE", `/public/members/${id}`),
      call("POST", `/public/members/${id}/revoke`),
      call("PUT", `/public/members/${id}`, { type: 2 }),
    ];
    for (const tried of await Promise.all(tries)) expect(refusal(tried)).toEqual([400, lastOwner]);
    sandbox.state.settings.hasProvider = true;
    expect((await call("DELETE", `/public/members/${id}`)).status).toBe(200);
  });

  it("only an Invited member can be reinvited, and reinvites are counted separately", async () => {
    const { id } = sandbox.state.addMember({ email: "ada@example.com", status: 0 });
    expect((await call("POST", `/public/members/${id}/reinvite`)).status).toBe(200);
    expect([sandbox.state.reinvites("ada@example.com"), sandbox.state.mails("ada@example.com")]).toEqual([1, 0]);
    sandbox.state.accept("ada@example.com", "Ada");
    expect(refusal(await call("POST", `/public/members/${id}/reinvite`))).toEqual([400, "User invalid."]);
  });

  it("invitations and restores buy seats up to the maximum, and revoked and staged members need none", async () => {
    const { state } = sandbox;
    state.settings.seats = 1;
    state.settings.maxAutoscaleSeats = 2;
    state.addMember({ email: "staged@example.com", status: 3 });
    const revoked = state.addMember({ email: "revoked@example.com", status: -1 });
    for (const name of ["a", "b"])
      expect((await call("POST", "/public/members", { email: `${name}@example.com`, type: 2 })).status).toBe(200);
    expect([state.occupiedSeats, state.seatsBought, state.settings.seats]).toEqual([2, 1, 2]);
    expect(refusal(await call("POST", "/public/members", { email: "c@example.com", type: 2 }))).toEqual([
      400,
      "Seat limit has been reached.",
    ]);
    expect(refusal(await call("POST", `/public/members/${revoked.id}/restore`))).toEqual([
      400,
      "Seat limit has been reached.",
    ]);
    state.settings.maxAutoscaleSeats = null;
    state.settings.autoscaleRefusal = "No payment method found.";
    expect(refusal(await call("POST", `/public/members/${revoked.id}/restore`))).toEqual([
      400,
      "No payment method found.",
    ]);
    state.settings.selfHosted = true;
    expect(refusal(await call("POST", `/public/members/${revoked.id}/restore`))).toEqual([
      400,
      "Cannot autoscale on self-hosted instance.",
    ]);
    expect(refusal(await call("POST", "/public/members", { email: "c@example.com", type: 2 }))).toEqual([
      400,
      "Cannot auto scale self-host.",
    ]);
    expect(state.seatsBought).toBe(1);
  });
});
