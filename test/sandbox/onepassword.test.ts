import { describe, expect } from "vitest";
import { basic, onOnePassword as it, onePasswordCalls, onePasswordToken, onSixtyUsers } from "./calls.ts";

describe("1Password Users API", () => {
  it("a client in Basic gets a token for 900 s", async ({ sandbox }) => {
    const { status, body } = await onePasswordToken(sandbox);
    const answer = { expires_in: 900, scope: "openid", token_type: "bearer" };
    expect([status, body]).toEqual([200, { access_token: expect.stringMatching(/^ory_at_/), ...answer }]);
    const form = { grant_type: "client_credentials", client_id: sandbox.clientId, client_secret: sandbox.clientSecret };
    const inForm = await onePasswordToken(sandbox, { form, authorization: "" });
    expect(inForm.outcome).toEqual([401, "invalid_client"]);
  });

  it.for([
    { what: "a wrong secret", clientSecret: "wrong", outcome: [401, "invalid_client"] },
    { what: "another grant", form: { grant_type: "password" }, outcome: [400, "unsupported_grant_type"] },
    {
      what: "another scope",
      form: { grant_type: "client_credentials", scope: "admin" },
      outcome: [400, "invalid_scope"],
    },
  ])("a token request with $what is refused", async ({ form, clientSecret, outcome }, { sandbox }) => {
    const authorization = basic({ ...sandbox, clientSecret: clientSecret ?? sandbox.clientSecret });
    const refused = await onePasswordToken(sandbox, { authorization, ...(form && { form }) });
    expect(refused.outcome).toEqual(outcome);
  });

  it("expired and revoked tokens are refused, and any token can be revoked", async ({ clock, sandbox, call }) => {
    expect((await call("GET /users")).status).toBe(200);
    clock.advance(900);
    const expired = await call("GET /users");
    expect([expired.status, expired.body.code]).toEqual([401, 16]);
    const { access_token: token } = (await onePasswordToken(sandbox)).body;
    const path = "/v1beta1/users/oauth2/revoke";
    const authorization = basic({ clientId: "x", clientSecret: "y" });
    expect((await onePasswordToken(sandbox, { path, form: { token }, authorization })).status).toBe(401);
    for (const form of [{ token }, { token }, { token: "unknown" }])
      expect((await onePasswordToken(sandbox, { path, form })).outcome).toEqual([200, ""]);
    expect(sandbox.tokens.alive).toBe(0);
  });

  it("only the configured path layouts are served", async ({ sandbox, state, call }) => {
    expect((await onePasswordToken(sandbox, { path: "/v1/oauth/token" })).status).toBe(404);
    state.settings.layouts = ["v1", "v1beta1"];
    const newCall = await onePasswordCalls(sandbox, { layout: "v1" });
    expect((await newCall("GET /users")).status).toBe(200);
    state.settings.layouts = ["v1"];
    expect((await call("GET /users")).status).toBe(404);
    expect((await onePasswordToken(sandbox, { path: "/v1/oauth/revoke", form: { token: "x" } })).status).toBe(200);
  });

  onSixtyUsers("a page has 25 users by default and at most 1000", async ({ sandbox, call }) => {
    const { results, next_page_token: token } = (await call("GET /users")).body;
    expect(results).toHaveLength(25);
    expect(results[0]).toEqual({
      id: expect.stringMatching(/^[A-Z0-9]{26}$/),
      email: "u0@example.com",
      display_name: "U 0",
      state: "ACTIVE",
      create_time: expect.any(String),
      path: `accounts/${sandbox.accountId}/users/${results[0].id}`,
    });
    const second = await call(`GET /users?page_token=${encodeURIComponent(token)}`);
    expect(second.body.results[0].email).toBe("u25@example.com");
    for (const size of [60, 1000]) {
      const all = (await call(`GET /users?max_page_size=${size}`)).body;
      expect([all.results.length, "next_page_token" in all]).toEqual([60, false]);
    }
  });

  onSixtyUsers.for([
    { what: "more than 1000 users per page", query: "max_page_size=1001" },
    { what: "a negative page size", query: "max_page_size=-1" },
    { what: "a page size that is not a number", query: "max_page_size=x" },
    { what: "an unknown filter", query: "filter=state eq 1" },
    { what: "a foreign page token", query: "page_token=bm8=" },
    { what: "the page token of another page size", query: "page_token={token}&max_page_size=10" },
  ])("a list with $what is refused", async ({ query }, { call }) => {
    const token = encodeURIComponent((await call("GET /users")).body.next_page_token);
    const refused = await call(`GET /users?${query.replace("{token}", token)}`);
    expect([refused.status, refused.body.code]).toEqual([400, 3]);
  });

  it("the list filters by state, and default values are left out", async ({ state, call }) => {
    expect((await call("GET /users")).body).toEqual({});
    state.addUser({ email: "a@example.com" });
    const { id } = state.addUser({ email: "s@example.com", state: "SUSPENDED" });
    const odd = state.addUser({ email: "o@example.com", state: "STATE_UNSPECIFIED" });
    expect((await call("GET /users?filter=user.isSuspended()")).body.results).toMatchObject([{ id }]);
    expect((await call("GET /users?filter=user.isActive()")).body.results).toHaveLength(1);
    expect(Object.keys((await call(`GET /users/${odd.id}`)).body)).toEqual(["id", "email", "create_time", "path"]);
  });

  it("suspend and reactivate are idempotent and take no body", async ({ state, call }) => {
    const { id } = state.addUser({ email: "ada@example.com" });
    for (let count = 0; count < 2; count += 1)
      expect((await call(`POST /users/${id}:suspend`)).body).toMatchObject({ id, state: "SUSPENDED" });
    for (let count = 0; count < 2; count += 1)
      expect((await call(`POST /users/${id}:reactivate`)).body).toMatchObject({ id, state: "ACTIVE" });
    const withBody = await call(`POST /users/${id}:suspend`, "{}");
    expect([withBody.status, withBody.body.code]).toEqual([400, 3]);
    expect((await call(`POST /users/${id}%3Asuspend`)).status).not.toBe(200);
    expect(state.stateOf("ada@example.com")).toBe("ACTIVE");
    const missing = await call("POST /users/AAAAAAAAAAAAAAAAAAAAAAAAAA:suspend");
    expect([missing.status, missing.body.code]).toEqual([404, 5]);
  });

  it("the last active owner and externally managed administrators cannot be suspended", async ({ state, call }) => {
    const owner = state.addUser({ email: "owner@example.com", owner: true });
    state.addUser({ email: "second@example.com", owner: true, state: "SUSPENDED" });
    const eam = state.addUser({ email: "eam@example.com", eam: true });
    const last = await call(`POST /users/${owner.id}:suspend`);
    expect([last.status, last.body]).toEqual([403, { code: 7, message: "no_owner_remain", details: [] }]);
    const refused = await call(`POST /users/${eam.id}:suspend`);
    expect([refused.status, refused.body.code]).toEqual([403, 7]);
    expect(refused.body.message).not.toBe("no_owner_remain");
  });

  it("a wrong User-Agent, account or scope is refused", async ({ sandbox, state, call }) => {
    for (const agent of ["node", "undici", ""])
      expect((await call("GET /users", undefined, { "user-agent": agent })).status).toBe(403);
    state.settings.scopes = ["list"];
    const { id } = state.addUser({ email: "ada@example.com" });
    expect((await call("GET /users")).status).toBe(200);
    for (const route of [`GET /users/${id}`, `POST /users/${id}:suspend`, `POST /users/${id}:reactivate`]) {
      const refused = await call(route);
      expect([refused.status, refused.body.code]).toEqual([403, 7]);
    }
    const other = await onePasswordCalls(sandbox, { accountId: "OTHER" });
    expect((await other("GET /users")).status).toBe(403);
  });
});
