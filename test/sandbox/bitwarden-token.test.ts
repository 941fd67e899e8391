import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BitwardenSandbox, startBitwarden } from "../../src/sandbox/index.ts";
import { answer, basic, bitwardenCalls, bitwardenToken, Clock } from "./calls.ts";

describe("Bitwarden identity and conventions", () => {
  const clock = new Clock();
  let sandbox: BitwardenSandbox;
  beforeEach(async () => {
    sandbox = await startBitwarden({ clock: clock.now });
  });
  afterEach(() => sandbox.close());

  it("a client in the form or in Basic gets a token like a JWT for an hour", async () => {
    const form = await bitwardenToken(sandbox);
    expect(form.status).toBe(200);
    expect(form.body).toEqual({
      access_token: expect.any(String),
      expires_in: 3600,
      token_type: "Bearer",
      scope: "api.organization",
    });
    const [header] = form.body.access_token.split(".");
    expect(JSON.parse(Buffer.from(header, "base64url").toString())).toMatchObject({ alg: "RS256", typ: "at+jwt" });
    const body = new URLSearchParams({ grant_type: "client_credentials", scope: "api.organization" });
    const headers = { authorization: basic(sandbox.clientId, sandbox.clientSecret) };
    expect((await fetch(`${sandbox.identityUrl}/connect/token`, { method: "POST", body, headers })).status).toBe(200);
  });

  it.each([
    [{ client_secret: "wrong" }, "invalid_client"],
    [{ client_id: "organization.11111111-1111-1111-1111-111111111111" }, "invalid_client"],
    [{ scope: "api" }, "invalid_scope"],
    [{ grant_type: "password" }, "unsupported_grant_type"],
  ])("answers 400 for %j", async (form, error) => {
    const refused = await bitwardenToken(sandbox, form as Record<string, string>);
    expect([refused.status, refused.body]).toEqual([400, { error }]);
  });

  it("a token request in JSON is refused", async () => {
    const refused = await fetch(`${sandbox.identityUrl}/connect/token`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    }).then(answer);
    expect([refused.status, refused.body]).toEqual([400, { error: "invalid_request" }]);
  });

  it("a missing, wrong or expired token is an empty 401", async () => {
    const call = await bitwardenCalls(sandbox);
    expect((await call("GET", "/public/members")).status).toBe(200);
    clock.advance(3600);
    for (const headers of [{}, { authorization: "Bearer no" }, { authorization: "" }]) {
      const refused = await call("GET", "/public/members", undefined, headers);
      expect([refused.status, refused.text]).toEqual([401, ""]);
      expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
  });

  it("errors have the shapes of the real server: two kinds of 404, an empty 415, PascalCase keys", async () => {
    const call = await bitwardenCalls(sandbox);
    const unknown = "11111111-1111-1111-1111-111111111111";
    const missing = await call("GET", `/public/members/${unknown}`);
    expect([missing.status, missing.text]).toEqual([404, ""]);
    const { id } = sandbox.state.addMember({ email: "ada@example.com" });
    const inside = await call("PUT", `/public/members/${id}`, { type: 2, groups: [unknown] });
    expect([inside.status, inside.body]).toEqual([
      404,
      { object: "error", message: "Resource not found.", errors: null },
    ]);
    const media = await call("POST", "/public/members", "email=x", { "content-type": "text/plain" });
    expect([media.status, media.text]).toEqual([415, ""]);
    const invalid = await call("POST", "/public/members", { email: "nonsense", type: 3, externalId: "x".repeat(301) });
    expect(invalid.status).toBe(400);
    expect(invalid.body).toEqual({
      object: "error",
      message: "The request's model state is invalid.",
      errors: {
        Type: ["The field Type is invalid."],
        ExternalId: ["The field ExternalId must be a string with a maximum length of 300."],
        Email: ["The Email field is not a supported e-mail address format."],
      },
    });
    const noGuid = await call("GET", "/public/groups/nonsense");
    expect([noGuid.status, noGuid.body.errors]).toEqual([400, { id: ["The value 'nonsense' is not valid."] }]);
    const noBody = await call("POST", "/public/members");
    expect([noBody.status, noBody.body.errors]).toEqual([400, { "": ["A non-empty request body is required."] }]);
    const broken = await call("POST", "/public/members", "{");
    expect([broken.status, Object.keys(broken.body.errors)]).toEqual([400, ["$", "model"]]);
    expect((await call("PATCH", `/public/members/${id}`, {})).status).toBe(405);
    expect((await call("GET", "/public/nothing")).status).toBe(404);
  });

  it("the cloud's request limits apply per verb and path, with Retry-After", async () => {
    sandbox.state.settings.rateLimits = true;
    for (let count = 0; count < 10; count += 1) {
      clock.advance(1);
      expect((await bitwardenToken(sandbox)).status).toBe(200);
    }
    const refused = await bitwardenToken(sandbox);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("51");
    expect(refused.body).toEqual({
      message: "Slow down! Too many requests. Try again in 1m.",
      validationErrors: null,
      exceptionMessage: null,
      exceptionStackTrace: null,
      innerExceptionMessage: null,
      object: "error",
    });
    clock.advance(51);
    const call = await bitwardenCalls(sandbox);
    for (let count = 0; count < 5; count += 1)
      expect((await call("POST", "/public/groups", { name: "g" })).status).toBe(200);
    const burst = await call("POST", "/public/groups", { name: "g" });
    expect([burst.status, burst.headers.get("retry-after"), burst.body.message]).toEqual([
      429,
      "1",
      "Slow down! Too many requests. Try again in 1s.",
    ]);
    const { id } = sandbox.state.addGroup({ name: "other" });
    expect((await call("PUT", `/public/groups/${id}`, { name: "x" })).status).toBe(200);
    clock.advance(1);
    expect((await call("POST", "/public/groups", { name: "g" })).status).toBe(200);
    for (let count = 0; count < 200; count += 1) expect((await call("GET", "/public/groups")).status).toBe(200);
    expect((await call("GET", "/public/groups")).status).toBe(429);
  });
});
