import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BitwardenSandbox, startBitwarden } from "../../src/sandbox/index.ts";
import { bitwardenCalls, bitwardenToken, type Call, Clock } from "./calls.ts";

const unknownId = "11111111-1111-1111-1111-111111111111";

describe("Bitwarden groups, collections, events, policies and subscription", () => {
  const clock = new Clock();
  let sandbox: BitwardenSandbox;
  let call: Call;
  beforeEach(async () => {
    sandbox = await startBitwarden({ clock: clock.now });
    call = await bitwardenCalls(sandbox);
  });
  afterEach(() => sandbox.close());

  it("two groups may have the same name and externalId", async () => {
    for (let count = 0; count < 2; count += 1) {
      const created = await call("POST", "/public/groups", { name: "Engineering", externalId: "g1" });
      expect(created.body).toMatchObject({ object: "group", name: "Engineering", externalId: "g1", collections: null });
    }
    expect(sandbox.state.groupsByName("Engineering")).toHaveLength(2);
  });

  it("a PUT without them resets externalId and keeps collections", async () => {
    const { id: collection } = sandbox.state.addCollection();
    const access = { id: collection, readOnly: true, hidePasswords: false, manage: false };
    const { id } = sandbox.state.addGroup({ name: "Engineering", externalId: "g1", collections: [access] });
    await call("PUT", `/public/groups/${id}`, { name: "Research" });
    expect((await call("GET", `/public/groups/${id}`)).body).toEqual({
      object: "group",
      id,
      name: "Research",
      externalId: null,
      collections: [access],
    });
    expect((await call("GET", `/public/collections/${collection}`)).body.groups).toEqual([{ ...access, id }]);
    await call("PUT", `/public/groups/${id}`, { name: "Research", collections: [] });
    expect((await call("GET", `/public/groups/${id}`)).body.collections).toEqual([]);
    expect((await call("PUT", `/public/groups/${id}`, { name: "x".repeat(101) })).body.errors).toHaveProperty("Name");
  });

  it("a list of members or of groups replaces all, and unknown ids are ignored", async () => {
    const ada = sandbox.state.addMember({ email: "ada@example.com" });
    const alan = sandbox.state.addMember({ email: "alan@example.com", status: -1 });
    const { id } = sandbox.state.addGroup({ name: "Engineering" });
    const put = await call("PUT", `/public/groups/${id}/member-ids`, { memberIds: [ada.id, alan.id, unknownId] });
    expect([put.status, put.text]).toEqual([200, ""]);
    expect(new Set((await call("GET", `/public/groups/${id}/member-ids`)).body)).toEqual(new Set([ada.id, alan.id]));
    await call("PUT", `/public/members/${ada.id}/group-ids`, { groupIds: [] });
    expect(sandbox.state.membersOfGroup("Engineering")).toEqual(["alan@example.com"]);
    expect((await call("GET", `/public/members/${alan.id}/group-ids`)).body).toEqual([id]);
  });

  it("a null list or a repeated new id is a 500 that changes nothing", async () => {
    const { id } = sandbox.state.addGroup({ name: "Engineering" });
    const ada = sandbox.state.addMember({ email: "ada@example.com" });
    for (const body of [{}, { memberIds: null }, { memberIds: [ada.id, ada.id] }]) {
      const broken = await call("PUT", `/public/groups/${id}/member-ids`, body);
      expect([broken.status, broken.body.message]).toEqual([500, "An unhandled server error has occurred."]);
    }
    expect((await call("PUT", `/public/members/${ada.id}/group-ids`, { groupIds: null })).status).toBe(500);
    expect(sandbox.state.membersOfGroup("Engineering")).toEqual([]);
    sandbox.state.setMembership("Engineering", ["ada@example.com"]);
    expect((await call("PUT", `/public/groups/${id}/member-ids`, { memberIds: [ada.id, ada.id] })).status).toBe(200);
  });

  it("deleting a group or a member also deletes its memberships", async () => {
    const ada = sandbox.state.addMember({ email: "ada@example.com" });
    const alan = sandbox.state.addMember({ email: "alan@example.com" });
    const { id } = sandbox.state.addGroup({ name: "Engineering" });
    sandbox.state.setMembership("Engineering", ["ada@example.com", "alan@example.com"]);
    expect((await call("DELETE", `/public/members/${ada.id}`)).text).toBe("");
    expect(sandbox.state.membersOfGroup("Engineering")).toEqual(["alan@example.com"]);
    await call("DELETE", `/public/groups/${id}`);
    expect((await call("GET", `/public/members/${alan.id}/group-ids`)).body).toEqual([]);
    expect((await call("DELETE", `/public/groups/${id}`)).status).toBe(404);
  });

  it("events come in pages, and all other lists are complete", async () => {
    for (let count = 0; count < 60; count += 1) await call("POST", "/public/groups", { name: `g${count}` });
    const first = (await call("GET", "/public/events")).body;
    expect(first.data).toHaveLength(50);
    expect(first.data[0]).toMatchObject({
      object: "event",
      type: 1400,
      groupId: expect.any(String),
      actingUserId: null,
    });
    const second = (await call("GET", `/public/events?continuationToken=${first.continuationToken}`)).body;
    expect([second.data.length, second.continuationToken]).toEqual([10, null]);
    const range = await call("GET", "/public/events?start=2024-01-01&end=2026-01-01");
    expect([range.status, range.body.message]).toEqual([400, "Date range must be < 367 days."]);
  });

  it("policies and the subscription can be written and read back", async () => {
    expect((await call("GET", "/public/policies/0")).status).toBe(404);
    expect((await call("PUT", "/public/policies/0", { data: null })).body.errors).toHaveProperty("Enabled");
    await call("PUT", "/public/policies/0", { enabled: true });
    expect((await call("GET", "/public/policies")).body.data).toEqual([
      { object: "policy", id: expect.any(String), type: 0, enabled: true, data: null },
    ]);
    await call("PUT", "/public/organization/subscription", { passwordManager: { seats: 7, maxAutoScaleSeats: 9 } });
    expect((await call("GET", "/public/organization/subscription")).body.passwordManager).toEqual({
      seats: 7,
      maxAutoScaleSeats: 9,
      storage: null,
    });
    sandbox.state.settings.selfHosted = true;
    expect((await call("GET", "/public/organization/subscription")).body.message).toBe(
      "Only allowed when not self hosted.",
    );
  });

  it("requests stay fast with 50,000 members", async () => {
    for (let count = 0; count < 50_000; count += 1)
      sandbox.state.addMember({ email: `user${count}@example.com`, externalId: `e${count}` });
    const startedMs = performance.now();
    expect((await call("GET", "/public/members")).body.data).toHaveLength(50_000);
    expect(performance.now() - startedMs).toBeLessThan(3000);
    expect((await bitwardenToken(sandbox)).status).toBe(200);
  });
});
