import { describe, expect } from "vitest";
import { basic, bitwardenCalls, bitwardenToken, onBitwarden as it } from "./calls.ts";

const unknownId = "11111111-1111-1111-1111-111111111111";

describe("Bitwarden identity and conventions", () => {
  it("a client in the form or in Basic gets a token like a JWT for an hour", async ({ sandbox }) => {
    const { status, body } = await bitwardenToken(sandbox);
    const answer = { expires_in: 3600, token_type: "Bearer", scope: "api.organization" };
    expect([status, body]).toEqual([200, { access_token: expect.any(String), ...answer }]);
    const [header] = body.access_token.split(".");
    expect(JSON.parse(Buffer.from(header, "base64url").toString())).toMatchObject({ alg: "RS256", typ: "at+jwt" });
    const inBasic = { client_id: undefined, client_secret: undefined };
    expect((await bitwardenToken(sandbox, inBasic, { authorization: basic(sandbox) })).status).toBe(200);
  });

  it.for([
    { what: "a wrong secret", form: { client_secret: "wrong" }, error: "invalid_client" },
    { what: "an unknown client", form: { client_id: `organization.${unknownId}` }, error: "invalid_client" },
    { what: "another scope", form: { scope: "api" }, error: "invalid_scope" },
    { what: "another grant", form: { grant_type: "password" }, error: "unsupported_grant_type" },
    { what: "JSON", headers: { "content-type": "application/json" }, error: "invalid_request" },
  ])("a token request with $what is a 400", async ({ form, headers, error }, { sandbox }) => {
    const refused = await bitwardenToken(sandbox, form, headers);
    expect([refused.status, refused.body]).toEqual([400, { error }]);
  });

  it("a missing, wrong or expired token is an empty 401", async ({ clock, call }) => {
    expect((await call("GET /members")).status).toBe(200);
    clock.advance(3600);
    for (const headers of [{}, { authorization: "Bearer no" }, { authorization: "" }]) {
      const refused = await call("GET /members", undefined, headers);
      expect(refused.outcome).toEqual([401, ""]);
      expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
  });

  it("an id in the path that is unknown is an empty 404, one in the body is a 404 with a message", async ({
    state,
    call,
  }) => {
    expect((await call(`GET /members/${unknownId}`)).outcome).toEqual([404, ""]);
    const { id } = state.addMember({ email: "ada@example.com" });
    const inside = await call(`PUT /members/${id}`, { type: 2, groups: [unknownId] });
    const notFound = { object: "error", message: "Resource not found.", errors: null };
    expect([inside.status, inside.body]).toEqual([404, notFound]);
  });

  it("an invalid model is a 400 with every error by its PascalCase key", async ({ call }) => {
    const invalid = await call("POST /members", { email: "nonsense", type: 3, externalId: "x".repeat(301) });
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
  });

  it("errors of reading a request have the shapes of the real server", async ({ call }) => {
    const media = await call("POST /members", "email=x", { "content-type": "text/plain" });
    expect(media.outcome).toEqual([415, ""]);
    const noGuid = await call("GET /groups/nonsense");
    expect([noGuid.status, noGuid.body.errors]).toEqual([400, { id: ["The value 'nonsense' is not valid."] }]);
    const noBody = await call("POST /members");
    expect([noBody.status, noBody.body.errors]).toEqual([400, { "": ["A non-empty request body is required."] }]);
    const broken = await call("POST /members", "{");
    expect([broken.status, Object.keys(broken.body.errors)]).toEqual([400, ["$", "model"]]);
    expect((await call(`PATCH /members/${unknownId}`, {})).status).toBe(405);
    expect((await call("GET /nothing")).status).toBe(404);
  });

  it("the cloud's limit of token requests is 10 per minute, with Retry-After", async ({ clock, sandbox, state }) => {
    state.settings.rateLimits = true;
    for (let count = 0; count < 10; count += 1) {
      clock.advance(1);
      expect((await bitwardenToken(sandbox)).status).toBe(200);
    }
    const refused = await bitwardenToken(sandbox);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "51"]);
    expect(refused.body).toEqual({
      message: "Slow down! Too many requests. Try again in 1m.",
      validationErrors: null,
      exceptionMessage: null,
      exceptionStackTrace: null,
      innerExceptionMessage: null,
      object: "error",
    });
    clock.advance(51);
    expect((await bitwardenToken(sandbox)).status).toBe(200);
  });

  it("the cloud's request limits apply per verb and path, with Retry-After", async ({ clock, sandbox, state }) => {
    state.settings.rateLimits = true;
    const call = await bitwardenCalls(sandbox);
    const post = () => call("POST /groups", { name: "g" });
    for (let count = 0; count < 5; count += 1) expect((await post()).status).toBe(200);
    const burst = await post();
    expect(burst.outcome).toEqual([429, "Slow down! Too many requests. Try again in 1s."]);
    expect(burst.headers.get("retry-after")).toBe("1");
    const { id } = state.addGroup({ name: "other" });
    expect((await call(`PUT /groups/${id}`, { name: "x" })).status).toBe(200);
    clock.advance(1);
    expect((await post()).status).toBe(200);
    for (let count = 0; count < 200; count += 1) expect((await call("GET /groups")).status).toBe(200);
    expect((await call("GET /groups")).status).toBe(429);
  });
});
