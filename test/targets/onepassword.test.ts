import { describe, expect, it } from "vitest";
import type { Change } from "../../src/domain/model/plan.ts";
import type { OnePasswordUser } from "../../src/sandbox/index.ts";
import { onePasswordWorld } from "./target-world.ts";
import { patient } from "./virtual-time.ts";

const on = ({ id, email }: OnePasswordUser) => ({ userId: email, email, remoteId: id });
const suspend = (user: OnePasswordUser): Change => ({ op: "suspend", ...on(user) });
const restore = (user: OnePasswordUser): Change => ({ op: "restore", ...on(user) });

describe("1Password's list", () => {
  it("the list is read to its end, in pages of 1,000", async () => {
    await using world = await onePasswordWorld();
    for (let index = 0; index < 2_500; index += 1) world.sandbox.state.addUser({ email: `P${index}@Example.com` });
    const { isComplete, accounts: members } = await world.observe();
    expect([isComplete, members.length, members[0]?.email]).toEqual([true, 2_500, "p0@example.com"]);
    expect(world.sandbox.requests.count({ path: /\/users\?/ })).toBe(3);
  });

  it("smaller pages are used if 1Password refuses large ones", async () => {
    await using world = await onePasswordWorld();
    for (let index = 0; index < 150; index += 1) world.sandbox.state.addUser({ email: `p${index}@example.com` });
    world.sandbox.faults.add({
      kind: "status",
      status: 400,
      path: /max_page_size=1000/,
      times: Number.POSITIVE_INFINITY,
    });
    expect((await world.observe()).accounts).toHaveLength(150);
  });

  it("a repeated page token is an error", async () => {
    await using world = await onePasswordWorld();
    world.sandbox.state.addUser({ email: "ada@example.com" });
    world.sandbox.faults.add({ kind: "repeatPageToken", times: Number.POSITIVE_INFINITY });
    await expect(world.observe()).rejects.toMatchObject({ code: "TARGET_INCOMPLETE" });
  });

  it("a failed page makes the list an error", async () => {
    await using world = await onePasswordWorld();
    for (let index = 0; index < 1_500; index += 1) world.sandbox.state.addUser({ email: `p${index}@example.com` });
    world.sandbox.faults.add({ kind: "status", status: 500, path: /page_token/, times: 4 });
    await expect(world.observe()).rejects.toMatchObject({ code: "UNEXPECTED_RESPONSE" });
    world.sandbox.faults.add({
      kind: "status",
      status: 400,
      path: /page_token/,
      body: { code: 3, message: "invalid page token", details: [] },
    });
    await expect(world.observe()).rejects.toMatchObject({ code: "UNEXPECTED_RESPONSE" });
    world.sandbox.faults.add({ kind: "status", status: 500, path: /page_token/, times: 2 });
    expect((await world.observe()).accounts).toHaveLength(1_500);
  });

  it("`users` instead of `results`, absent fields and unknown states are accepted", async () => {
    await using world = await onePasswordWorld();
    const users = [
      { id: "A", email: "a@example.com", state: "ACTIVE" },
      { id: "B" },
      { id: "C", state: "PENDING" },
      { id: "A", state: "SUSPENDED" },
    ];
    world.sandbox.faults.add({ kind: "status", status: 200, path: /\/users\?/, body: { users } });
    const states = (await world.observe()).accounts.map(({ remoteId, state, role, hasAccount }) => [
      remoteId,
      state,
      role,
      hasAccount,
    ]);
    expect(states).toEqual([
      ["A", "suspended", null, null],
      ["B", "unknown", null, null],
      ["C", "unknown", null, null],
    ]);
  });
});

describe("1Password's refusals", () => {
  it("the last owner is a permanent refusal, and the others go on", async () => {
    await using world = await onePasswordWorld();
    const { state } = world.sandbox;
    const [owner, ada] = [
      state.addUser({ email: "owner@example.com", owner: true }),
      state.addUser({ email: "ada@example.com" }),
    ];
    const outcomes = await world.apply([suspend(owner), suspend(ada)]);
    const refused = { code: "TARGET_REFUSED", isPermanent: true, message: expect.stringContaining("no_owner_remain") };
    expect(outcomes).toMatchObject([{ status: "failed", error: refused }, { status: "applied" }]);
    expect([state.stateOf("owner@example.com"), state.stateOf("ada@example.com")]).toEqual(["ACTIVE", "SUSPENDED"]);
  });

  it("an externally managed administrator is a refusal", async () => {
    await using world = await onePasswordWorld();
    const eam = world.sandbox.state.addUser({ email: "eam@example.com", eam: true });
    const [outcome] = await world.apply([suspend(eam)]);
    expect(outcome).toMatchObject({
      status: "failed",
      error: { isPermanent: true, message: expect.stringContaining("externally managed") },
    });
  });

  it("five unexplained refusals in a row end the apply, because a permission is missing", async () => {
    await using world = await onePasswordWorld({ scopes: ["list", "get", "reactivate"] });
    const users = Array.from({ length: 9 }, (_, index) =>
      world.sandbox.state.addUser({ email: `p${index}@example.com` }),
    );
    await expect(world.apply(users.map(suspend))).rejects.toMatchObject({ code: "TARGET_REFUSED_CREDENTIALS" });
    expect(world.sandbox.requests.count({ method: "POST", path: /:suspend/ })).toBe(5);
  });

  it("a refused list is about the application or the account", async () => {
    await using world = await onePasswordWorld({ scopes: [] });
    await expect(world.observe()).rejects.toMatchObject({ code: "TARGET_REFUSED_CREDENTIALS" });
    await using other = await onePasswordWorld({}, { accountId: "ZZZZZZZZZZZZZZZZZZZZZZZZZZ" });
    await expect(other.observe()).rejects.toMatchObject({
      code: "TARGET_REFUSED_CREDENTIALS",
      message: expect.stringContaining("account id"),
    });
  });

  it("refused credentials are reported with advice", async () => {
    await using world = await onePasswordWorld({}, { clientSecret: "wrong" });
    const [finding] = await world.target.check(patient);
    expect(finding).toMatchObject({ level: "error", message: expect.stringMatching(/secret, the region/) });
  });
});

describe("1Password's calls", () => {
  it("a call is repeated after a lost answer", async () => {
    await using world = await onePasswordWorld();
    const [ada, bob] = [
      world.sandbox.state.addUser({ email: "ada@example.com" }),
      world.sandbox.state.addUser({ email: "bob@example.com", state: "SUSPENDED" }),
    ];
    world.sandbox.faults.add({ kind: "resetAfter", path: /:suspend/ });
    world.sandbox.faults.add({ kind: "html", status: 503, path: /:reactivate/ });
    expect(await world.apply([suspend(ada), restore(bob)])).toMatchObject([
      { status: "applied" },
      { status: "applied" },
    ]);
  });

  it("adopting needs no call", async () => {
    await using world = await onePasswordWorld();
    const ada = world.sandbox.state.addUser({ email: "ada@example.com" });
    const adopt: Change = { op: "adopt", userId: "u", email: ada.email, remoteId: ada.id, externalId: "u" };
    expect(await world.apply([adopt])).toMatchObject([{ status: "applied", remoteId: ada.id }]);
    expect(world.sandbox.requests.countWrites()).toBe(0);
  });

  it("an answer counts only if it shows the desired state", async () => {
    await using world = await onePasswordWorld();
    const ada = world.sandbox.state.addUser({ email: "ada@example.com" });
    world.sandbox.faults.add({ kind: "status", status: 200, path: /:suspend/, body: { id: ada.id, state: "ACTIVE" } });
    world.sandbox.faults.add({ kind: "html", status: 200, path: /:suspend/ });
    expect(await world.apply([suspend(ada), suspend(ada)])).toMatchObject([
      { status: "unconfirmed" },
      { status: "unconfirmed" },
    ]);
  });

  it("a token is used for 15 minutes and revoked at the end", async () => {
    const world = await onePasswordWorld();
    await world.observe();
    world.time.advance(800_000);
    await world.observe();
    expect(world.sandbox.tokens.issued).toBe(1);
    world.time.advance(50_000);
    await world.observe();
    expect(world.sandbox.tokens.issued).toBe(2);
    await world.target.close(patient);
    expect(world.sandbox.tokens.alive).toBeLessThanOrEqual(1); // the first one still has a few seconds
    await world.sandbox.close();
  });

  it("a failed revocation of the token is no error", async () => {
    await using world = await onePasswordWorld();
    await world.observe();
    world.sandbox.faults.add({ kind: "resetBefore", path: /revoke/, times: Number.POSITIVE_INFINITY });
    await expect(world.target.close(patient)).resolves.toBeUndefined();
  });
});

describe("1Password's two layouts", () => {
  it("the layout is found once, by the token endpoint", async () => {
    await using world = await onePasswordWorld({ layouts: ["v1beta1"] });
    for (let run = 0; run < 5; run += 1) await world.observe();
    expect(world.sandbox.requests.count({ path: /\/v1\// })).toBe(1);
  });

  it("v1 is used if both layouts answer", async () => {
    await using world = await onePasswordWorld({ layouts: ["v1", "v1beta1"] });
    await world.observe();
    expect(world.sandbox.requests.count({ path: /v1beta1/ })).toBe(0);
  });

  it("the layout may change while Rollcall runs, with a valid or an expired token", async () => {
    await using world = await onePasswordWorld({ layouts: ["v1beta1"] });
    const { state } = world.sandbox;
    const ada = state.addUser({ email: "ada@example.com" });
    await world.observe();
    state.settings.layouts = ["v1"];
    expect((await world.observe()).accounts).toHaveLength(1);
    state.settings.layouts = ["v1beta1"];
    world.time.advance(3_600_000);
    expect(await world.apply([suspend(ada)])).toMatchObject([{ status: "applied" }]);
    expect(state.stateOf("ada@example.com")).toBe("SUSPENDED");
  });

  it("a layout that is switched off never makes users look deleted", async () => {
    await using world = await onePasswordWorld({ layouts: ["v1beta1"] });
    const { state } = world.sandbox;
    const ada = state.addUser({ email: "ada@example.com" });
    const named = { kind: "named", accountIds: [ada.id], groupIds: [] } as const;
    await world.observe();
    state.settings.layouts = ["v1"];
    expect(await world.target.observe(named, patient)).toMatchObject({
      accounts: [{ remoteId: ada.id }],
      missingRemoteIds: [],
    });
    state.settings.layouts = [];
    await expect(world.target.observe(named, patient)).rejects.toMatchObject({ code: "UNEXPECTED_RESPONSE" });
  });

  it("the configuration can set the layout", async () => {
    await using world = await onePasswordWorld({ layouts: ["v1beta1"] }, { apiVersion: "v1" });
    await expect(world.observe()).rejects.toMatchObject({
      code: "UNEXPECTED_RESPONSE",
      message: expect.stringContaining("apiVersion"),
    });
    expect(world.sandbox.requests.count({ path: /v1beta1/ })).toBe(0);
  });
});

describe("1Password's check", () => {
  it("check always warns about automated provisioning, and about an unusual account id", async () => {
    await using world = await onePasswordWorld({ accountId: "ACCOUNT123" });
    const findings = await world.target.check(patient);
    expect(findings).toMatchObject([
      { level: "ok", message: expect.stringContaining("0 people") },
      { level: "warning", message: expect.stringContaining("automated provisioning") },
      { level: "warning", message: expect.stringContaining("26 capital letters") },
    ]);
  });
});
