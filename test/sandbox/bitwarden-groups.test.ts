import { describe, expect } from "vitest";
import { bitwardenToken, onBitwarden as it } from "./calls.ts";

const unknownId = "11111111-1111-1111-1111-111111111111";

describe("Bitwarden groups, collections, events, policies and subscription", () => {
  it("two groups may have the same name and externalId", async ({ state, call }) => {
    const group = { name: "Engineering", externalId: "g1" };
    for (let count = 0; count < 2; count += 1)
      expect((await call("POST /groups", group)).body).toMatchObject({ object: "group", ...group, collections: null });
    expect(state.groupsByName("Engineering")).toHaveLength(2);
  });

  it("a PUT without them resets externalId and keeps collections", async ({ state, call }) => {
    const { id: collection } = state.addCollection();
    const access = { id: collection, readOnly: true, hidePasswords: false, manage: false };
    const { id } = state.addGroup({ name: "Engineering", externalId: "g1", collections: [access] });
    await call(`PUT /groups/${id}`, { name: "Research" });
    const research = { object: "group", id, name: "Research", externalId: null, collections: [access] };
    expect((await call(`GET /groups/${id}`)).body).toEqual(research);
    expect((await call(`GET /collections/${collection}`)).body.groups).toEqual([{ ...access, id }]);
    await call(`PUT /groups/${id}`, { name: "Research", collections: [] });
    expect((await call(`GET /groups/${id}`)).body.collections).toEqual([]);
    expect((await call(`PUT /groups/${id}`, { name: "x".repeat(101) })).body.errors).toHaveProperty("Name");
  });

  it("a list of members or of groups replaces all, and unknown ids are ignored", async ({ state, call }) => {
    const ada = state.addMember({ email: "ada@example.com" });
    const alan = state.addMember({ email: "alan@example.com", status: -1 });
    const { id } = state.addGroup({ name: "Engineering" });
    const put = await call(`PUT /groups/${id}/member-ids`, { memberIds: [ada.id, alan.id, unknownId] });
    expect(put.outcome).toEqual([200, ""]);
    expect(new Set((await call(`GET /groups/${id}/member-ids`)).body)).toEqual(new Set([ada.id, alan.id]));
    await call(`PUT /members/${ada.id}/group-ids`, { groupIds: [] });
    expect(state.membersOfGroup("Engineering")).toEqual(["alan@example.com"]);
    expect((await call(`GET /members/${alan.id}/group-ids`)).body).toEqual([id]);
  });

  it("a null list or a repeated new id is a 500 that changes nothing", async ({ state, call }) => {
    const { id } = state.addGroup({ name: "Engineering" });
    const ada = state.addMember({ email: "ada@example.com" });
    const put = (body: object) => call(`PUT /groups/${id}/member-ids`, body);
    for (const body of [{}, { memberIds: null }, { memberIds: [ada.id, ada.id] }])
      expect((await put(body)).outcome).toEqual([500, "An unhandled server error has occurred."]);
    expect((await call(`PUT /members/${ada.id}/group-ids`, { groupIds: null })).status).toBe(500);
    expect(state.membersOfGroup("Engineering")).toEqual([]);
    state.setMembership("Engineering", ["ada@example.com"]);
    expect((await put({ memberIds: [ada.id, ada.id] })).status).toBe(200);
  });

  it("deleting a group or a member also deletes its memberships", async ({ state, call }) => {
    const ada = state.addMember({ email: "ada@example.com" });
    const alan = state.addMember({ email: "alan@example.com" });
    const { id } = state.addGroup({ name: "Engineering" });
    state.setMembership("Engineering", ["ada@example.com", "alan@example.com"]);
    expect((await call(`DELETE /members/${ada.id}`)).body).toBe("");
    expect(state.membersOfGroup("Engineering")).toEqual(["alan@example.com"]);
    await call(`DELETE /groups/${id}`);
    expect((await call(`GET /members/${alan.id}/group-ids`)).body).toEqual([]);
    expect((await call(`DELETE /groups/${id}`)).status).toBe(404);
  });

  it("events come in pages, and all other lists are complete", async ({ call }) => {
    for (let count = 0; count < 60; count += 1) await call("POST /groups", { name: `g${count}` });
    const first = (await call("GET /events")).body;
    expect(first.data).toHaveLength(50);
    const created = { object: "event", type: 1400, groupId: expect.any(String), actingUserId: null };
    expect(first.data[0]).toMatchObject(created);
    const second = (await call(`GET /events?continuationToken=${first.continuationToken}`)).body;
    expect([second.data.length, second.continuationToken]).toEqual([10, null]);
    const range = await call("GET /events?start=2024-01-01&end=2026-01-01");
    expect(range.outcome).toEqual([400, "Date range must be < 367 days."]);
  });

  it("policies can be written and read back", async ({ call }) => {
    expect((await call("GET /policies/0")).status).toBe(404);
    expect((await call("PUT /policies/0", { data: null })).body.errors).toHaveProperty("Enabled");
    await call("PUT /policies/0", { enabled: true });
    const policy = { object: "policy", id: expect.any(String), type: 0, enabled: true, data: null };
    expect((await call("GET /policies")).body.data).toEqual([policy]);
  });

  it("the subscription can be written and read back, except on a self-hosted server", async ({ state, call }) => {
    const seats = { seats: 7, maxAutoScaleSeats: 9 };
    await call("PUT /organization/subscription", { passwordManager: seats });
    const { body } = await call("GET /organization/subscription");
    expect(body.passwordManager).toEqual({ ...seats, storage: null });
    state.settings.selfHosted = true;
    const refused = await call("GET /organization/subscription");
    expect(refused.outcome).toEqual([400, "Only allowed when not self hosted."]);
  });

  it("a list of 50,000 members is complete, and later requests are answered", async ({ sandbox, state, call }) => {
    for (let count = 0; count < 50_000; count += 1)
      state.addMember({ email: `user${count}@example.com`, externalId: `e${count}` });
    expect((await call("GET /members")).body.data).toHaveLength(50_000);
    expect((await bitwardenToken(sandbox)).status).toBe(200);
  });
});
