import { describe, expect } from "vitest";
import { onBitwarden as it } from "./calls.ts";

const lastOwner = "Organization must have at least one confirmed owner.";
const unknownId = "11111111-1111-1111-1111-111111111111";

describe("Bitwarden members", () => {
  it("the list contains every member with null values and has no continuationToken", async ({ state, call }) => {
    state.addMember({ email: "ada@example.com", status: 0, externalId: "e1" });
    const ada = {
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
    };
    expect((await call("GET /members")).body).toEqual({ object: "list", data: [ada] });
    state.settings.listContinuationToken = null;
    expect((await call("GET /members")).body.continuationToken).toBe(null);
    state.settings.listContinuationToken = "more";
    expect((await call("GET /groups")).body.continuationToken).toBe("more");
  });

  it("an invitation sends one mail, stores a lower-case address and returns the collections sent", async ({
    state,
    call,
  }) => {
    const created = await call("POST /members", { Email: "Ada@Example.com", type: 2, externalId: "e1" });
    expect(created.status).toBe(200);
    const ada = { object: "member", email: "ada@example.com", status: 0, name: null, externalId: "e1" };
    expect(created.body).toMatchObject({ ...ada, collections: null });
    expect((await call(`GET /members/${created.body.id}`)).body.collections).toEqual([]);
    expect(state.mails("ada@example.com")).toBe(1);
    const again = await call("POST /members", { email: "ADA@example.com", type: 2 });
    expect(again.outcome).toEqual([400, "This user has already been invited."]);
    expect(state.mails("ada@example.com")).toBe(1);
  });

  it("an invitation with an unknown group adds no member", async ({ state, call }) => {
    const refused = await call("POST /members", { email: "ada@example.com", type: 2, groups: [unknownId] });
    expect(refused.outcome).toEqual([400, "Failed to invite users"]);
    expect(state.members.size).toBe(0);
  });

  it.for([
    { email: "ädä@example.com" },
    { email: "ada@example" },
    { email: "ada@example.c0" },
    { email: "ada" },
    { email: "a b@example.com" },
    { email: "Ada <ada@example.com>" },
    { email: "ada@x@example.com" },
  ])("an invitation to the address $email is refused", async ({ email }, { call }) => {
    const { body } = await call("POST /members", { email, type: 2 });
    expect(body.errors).toEqual({ Email: ["The Email field is not a supported e-mail address format."] });
  });

  it("an Entity Framework database allows a second member with an address that has no account", async ({
    state,
    call,
  }) => {
    state.settings.entityFramework = true;
    state.addMember({ email: "ada@example.com", status: 0 });
    state.addMember({ email: "alan@example.com" });
    expect((await call("POST /members", { email: "ada@example.com", type: 2 })).status).toBe(200);
    expect(state.membersByEmail("ada@example.com")).toHaveLength(2);
    expect((await call("POST /members", { email: "alan@example.com", type: 2 })).status).toBe(400);
  });

  it("a PUT without them resets externalId and collections and keeps groups and permissions", async ({
    state,
    call,
  }) => {
    const collection = state.addCollection();
    state.addMember({ email: "owner@example.com", type: 0 });
    const custom = await call("POST /members", { email: "custom@example.com", type: 4 });
    const { id } = state.addMember({
      email: "ada@example.com",
      type: 4,
      permissions: { ...custom.body.permissions, manageUsers: true },
      externalId: "e1",
      collections: [{ id: collection.id, manage: true }],
    });
    state.addGroup({ name: "Engineering" });
    state.setMembership("Engineering", ["ada@example.com"]);
    const put = (body: object) => call(`PUT /members/${id}`, body);
    const reset = { externalId: null, collections: null, permissions: { manageUsers: true } };
    expect((await put({ type: 4 })).body).toMatchObject(reset);
    expect((await call(`GET /members/${id}`)).body.collections).toEqual([]);
    expect(state.membersOfGroup("Engineering")).toEqual(["ada@example.com"]);
    await put({ type: 2, groups: [] });
    expect(state.membersOfGroup("Engineering")).toEqual([]);
    expect(Object.keys((await put({ externalId: "x" })).body.errors)).toContain("$");
    const limited = await put({ type: 2, collections: [{ id: collection.id, readOnly: true, manage: true }] });
    expect(limited.outcome).toEqual([400, expect.stringContaining("mutually exclusive")]);
    const { body } = await put({ type: 2, permissions: {} });
    expect(body.errors).toEqual({ "": ["Only users with the Custom role may use custom permissions."] });
  });

  it.for([
    { name: "Invited", status: 0 },
    { name: "Accepted", status: 1 },
    { name: "Confirmed", status: 2 },
    { name: "Staged", status: 3 },
  ] as const)(
    "a member is revoked once and restored once, to the status $name before",
    async ({ status }, { state, call }) => {
      state.addMember({ email: "owner@example.com", type: 0 });
      const { id } = state.addMember({ email: "ada@example.com", status, externalId: "kept" });
      expect((await call(`POST /members/${id}/revoke`)).outcome).toEqual([200, ""]);
      expect((await call(`POST /members/${id}/revoke`)).outcome).toEqual([400, "Already revoked."]);
      expect(state.member(id)).toMatchObject({ status: -1, externalId: "kept" });
      expect((await call(`POST /members/${id}/restore`)).status).toBe(200);
      expect(state.member(id).status).toBe(status);
      expect((await call(`POST /members/${id}/restore`)).outcome).toEqual([400, "Already active."]);
    },
  );

  it("a policy can refuse to restore a member", async ({ state, call }) => {
    const restoreRefusal = "ada@example.com is not compliant with the two-step login policy.";
    const ada = state.addMember({ email: "ada@example.com", status: -1, restoreRefusal });
    expect((await call(`POST /members/${ada.id}/restore`)).outcome).toEqual([400, restoreRefusal]);
    const invited = state.addMember({ email: "alan@example.com", status: -1, previousStatus: 0, restoreRefusal });
    expect((await call(`POST /members/${invited.id}/restore`)).status).toBe(200);
  });

  it("the last confirmed owner cannot be removed, revoked or changed", async ({ state, call }) => {
    const { id } = state.addMember({ email: "owner@example.com", type: 0 });
    state.addMember({ email: "invited.owner@example.com", type: 0, status: 0 });
    for (const route of [`DELETE /members/${id}`, `POST /members/${id}/revoke`])
      expect((await call(route)).outcome).toEqual([400, lastOwner]);
    expect((await call(`PUT /members/${id}`, { type: 2 })).outcome).toEqual([400, lastOwner]);
    state.settings.hasProvider = true;
    expect((await call(`DELETE /members/${id}`)).status).toBe(200);
  });

  it("only an Invited member can be reinvited, and reinvites are counted separately", async ({ state, call }) => {
    const { id } = state.addMember({ email: "ada@example.com", status: 0 });
    expect((await call(`POST /members/${id}/reinvite`)).status).toBe(200);
    expect([state.reinvites("ada@example.com"), state.mails("ada@example.com")]).toEqual([1, 0]);
    state.accept("ada@example.com", "Ada");
    expect((await call(`POST /members/${id}/reinvite`)).outcome).toEqual([400, "User invalid."]);
  });

  it("invitations and restores buy seats up to the maximum, and revoked and staged members need none", async ({
    state,
    call,
  }) => {
    Object.assign(state.settings, { seats: 1, maxAutoscaleSeats: 2 });
    state.addMember({ email: "staged@example.com", status: 3 });
    const revoked = state.addMember({ email: "revoked@example.com", status: -1 });
    const invite = (name: string) => call("POST /members", { email: `${name}@example.com`, type: 2 });
    const restore = () => call(`POST /members/${revoked.id}/restore`);
    for (const name of ["a", "b"]) expect((await invite(name)).status).toBe(200);
    expect([state.occupiedSeats, state.seatsBought, state.settings.seats]).toEqual([2, 1, 2]);
    expect((await invite("c")).outcome).toEqual([400, "Seat limit has been reached."]);
    expect((await restore()).outcome).toEqual([400, "Seat limit has been reached."]);
    Object.assign(state.settings, { maxAutoscaleSeats: null, autoscaleRefusal: "No payment method found." });
    expect((await restore()).outcome).toEqual([400, "No payment method found."]);
    state.settings.selfHosted = true;
    expect((await restore()).outcome).toEqual([400, "Cannot autoscale on self-hosted instance."]);
    expect((await invite("c")).outcome).toEqual([400, "Cannot auto scale self-host."]);
    expect(state.seatsBought).toBe(1);
  });
});
