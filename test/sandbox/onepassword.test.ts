import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OnePasswordSandbox, startOnePassword } from "../../src/sandbox/index.ts";
import { basic, type Call, Clock, onePasswordCalls, onePasswordToken } from "./calls.ts";

describe("1Password Users API", () => {
  const clock = new Clock();
  let sandbox: OnePasswordSandbox;
  let call: Call;
  beforeEach(async () => {
    sandbox = await startOnePassword({ clock: clock.now });
    call = await onePasswordCalls(sandbox);
  });
  afterEach(() => sandbox.close());

  it("only a client in Basic gets a token, valid for 900 s", async () => {
    const { status, body } = await onePasswordToken(sandbox);
    expect([status, body]).toEqual([
      200,
      { access_token: expect.stringMatching(/^ory_at_/), expires_in: 900, scope: "openid", token_type: "bearer" },
    ]);
    const post = { grant_type: "client_credentials", client_id: sandbox.clientId, client_secret: sandbox.clientSecret };
    const refused = await onePasswordToken(sandbox, { form: post, authorization: "" });
    expect([refused.status, refused.body.error]).toEqual([401, "invalid_client"]);
    const wrong = await onePasswordToken(sandbox, { authorization: basic(sandbox.clientId, "wrong") });
    expect([wrong.status, wrong.body.error]).toEqual([401, "invalid_client"]);
    const grant = await onePasswordToken(sandbox, { form: { grant_type: "password" } });
    expect([grant.status, grant.body.error]).toEqual([400, "unsupported_grant_type"]);
    const scope = await onePasswordToken(sandbox, { form: { grant_type: "client_credentials", scope: "admin" } });
    expect([scope.status, scope.body.error]).toEqual([400, "invalid_scope"]);
  });

  it("expired and revoked tokens are refused, and any token can be revoked", async () => {
    expect((await call("GET", "/users")).status).toBe(200);
    clock.advance(900);
    const expired = await call("GET", "/users");
    expect([expired.status, expired.body.code]).toEqual([401, 16]);
    const { access_token: token } = (await onePasswordToken(sandbox)).body;
    const path = "/v1beta1/users/oauth2/revoke";
    expect((await onePasswordToken(sandbox, { path, form: { token }, authorization: basic("x", "y") })).status).toBe(
      401,
    );
    for (const form of [{ token }, { token }, { token: "unknown" }]) {
      const revoked = await onePasswordToken(sandbox, { path, form });
      expect([revoked.status, revoked.text]).toEqual([200, ""]);
    }
    expect(sandbox.tokens.alive).toBe(0);
  });

  it("only the configured path layouts are served", async () => {
    const v1 = "/v1/oauth/token";
    expect((await onePasswordToken(sandbox, { path: v1 })).status).toBe(404);
    sandbox.state.settings.layouts = ["v1", "v1beta1"];
    const newCall = await onePasswordCalls(sandbox, "v1");
    expect((await newCall("GET", "/users")).status).toBe(200);
    sandbox.state.settings.layouts = ["v1"];
    expect((await call("GET", "/users")).status).toBe(404);
    expect((await onePasswordToken(sandbox, { path: "/v1/oauth/revoke", form: { token: "x" } })).status).toBe(200);
  });

  it("a page has 25 users by default and at most 1000, and a page token is opaque", async () => {
    for (let count = 0; count < 60; count += 1)
      sandbox.state.addUser({ email: `u${count}@example.com`, displayName: `U ${count}` });
    const first = (await call("GET", "/users")).body;
    expect(first.results).toHaveLength(25);
    expect(first.results[0]).toEqual({
      id: expect.stringMatching(/^[A-Z0-9]{26}$/),
      email: "u0@example.com",
      display_name: "U 0",
      state: "ACTIVE",
      create_time: expect.any(String),
      path: `accounts/${sandbox.accountId}/users/${first.results[0].id}`,
    });
    const token = encodeURIComponent(first.next_page_token);
    expect((await call("GET", `/users?page_token=${token}`)).body.results[0].email).toBe("u25@example.com");
    const all = (await call("GET", "/users?max_page_size=1000")).body;
    expect([all.results.length, "next_page_token" in all]).toEqual([60, false]);
    const exact = (await call("GET", "/users?max_page_size=60")).body;
    expect("next_page_token" in exact).toBe(false);
    for (const query of [
      "max_page_size=1001",
      "max_page_size=-1",
      "max_page_size=x",
      "filter=state eq 1",
      "page_token=bm8=",
      `page_token=${token}&max_page_size=10`,
    ]) {
      const refused = await call("GET", `/users?${query}`);
      expect([refused.status, refused.body.code], query).toEqual([400, 3]);
    }
  });

  it("the list filters by state, and default values are left out", async () => {
    expect((await call("GET", "/users")).body).toEqual({});
    sandbox.state.addUser({ email: "a@example.com" });
    const { id } = sandbox.state.addUser({ email: "s@example.com", state: "SUSPENDED" });
    const odd = sandbox.state.addUser({ email: "o@example.com", state: "STATE_UNSPECIFIED" });
    expect(
      (await call("GET", "/users?filter=user.isSuspended()")).body.results.map((user: { id: string }) => user.id),
    ).toEqual([id]);
    expect((await call("GET", "/users?filter=user.isActive()")).body.results).toHaveLength(1);
    expect(Object.keys((await call("GET", `/users/${odd.id}`)).body)).toEqual(["id", "email", "create_time", "path"]);
  });

  it("suspend and reactivate are idempotent and take no body", async () => {
    const { id } = sandbox.state.addUser({ email: "ada@example.com" });
    for (let count = 0; count < 2; count += 1)
      expect((await call("POST", `/users/${id}:suspend`)).body).toMatchObject({ id, state: "SUSPENDED" });
    for (let count = 0; count < 2; count += 1)
      expect((await call("POST", `/users/${id}:reactivate`)).body).toMatchObject({ id, state: "ACTIVE" });
    const withBody = await call("POST", `/users/${id}:suspend`, "{}");
    expect([withBody.status, withBody.body.code]).toEqual([400, 3]);
    expect((await call("POST", `/users/${id}%3Asuspend`)).status).not.toBe(200);
    expect(sandbox.state.stateOf("ada@example.com")).toBe("ACTIVE");
    const missing = await call("POST", "/users/AAAAAAAAAAAAAAAAAAAAAAAAAA:suspend");
    expect([missing.status, missing.body.code]).toEqual([404, 5]);
  });

  it("the last active owner and externally managed administrators cannot be suspended", async () => {
    const owner = sandbox.state.addUser({ email: "owner@example.com", owner: true });
    sandbox.state.addUser({ email: "second@example.com", owner: true, state: "SUSPENDED" });
    const eam = sandbox.state.addUser({ email: "eam@example.com", eam: true });
    const last = await call("POST", `/users/${owner.id}:suspend`);
    expect([last.status, last.body]).toEqual([403, { code: 7, message: "no_owner_remain", details: [] }]);
    const refused = await call("POST", `/users/${eam.id}:suspend`);
    expect([refused.status, refused.body.code]).toEqual([403, 7]);
    expect(refused.body.message).not.toBe("no_owner_remain");
  });

  it("a wrong User-Agent, account or scope is refused", async () => {
    for (const agent of ["node", "undici", ""])
      expect((await call("GET", "/users", undefined, { "user-agent": agent })).status).toBe(403);
    sandbox.state.settings.scopes = ["list"];
    const { id } = sandbox.state.addUser({ email: "ada@example.com" });
    expect((await call("GET", "/users")).status).toBe(200);
    for (const [method, path] of [
      ["GET", `/users/${id}`],
      ["POST", `/users/${id}:suspend`],
      ["POST", `/users/${id}:reactivate`],
    ] as const) {
      const refused = await call(method, path);
      expect([refused.status, refused.body.code]).toEqual([403, 7]);
    }
    const { access_token: token } = (await onePasswordToken(sandbox)).body;
    const other = `${sandbox.apiUrl}/v1beta1/accounts/OTHER/users`;
    expect((await fetch(other, { headers: { authorization: `Bearer ${token}`, "user-agent": "A/1" } })).status).toBe(
      403,
    );
  });
});
