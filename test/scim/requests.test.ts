import { afterEach, describe, expect, test } from "vitest";
import type { Cause } from "../../src/domain/model/entities.ts";
import { RollcallError } from "../../src/domain/model/errors.ts";
import type { RequestInfo } from "../../src/sources/scim/options.ts";
import { CORE, patch, pathOf, scimServer, unique } from "./server.ts";

const requests: RequestInfo[] = [];
const causes: Cause[] = [];
let fault: Error | null = null;
const scim = scimServer({ onRequest: (info) => requests.push(info), newRequestId: () => "request-7" }, (store) => ({
  ...store,
  createUser: (source, write, cause) => {
    causes.push(cause);
    return store.createUser(source, write, cause);
  },
  getUser: async (source, id) => {
    if (fault !== null) throw fault;
    return store.getUser(source, id);
  },
}));
const proxied = scimServer({ publicUrl: () => "https://scim.example.com/" });

afterEach(() => {
  fault = null;
});

describe("headers", () => {
  test.each(["application/json", "application/scim+json; charset=utf-8", "application/json; charset=UTF-8", "*/*"])(
    "a body with Content-Type %s is read",
    async (type) => {
      const body = JSON.stringify({ schemas: [CORE], userName: `${unique("typed")}@x.org` });
      const headers = { "content-type": type, accept: "application/json" };
      expect((await scim.raw("POST", "/Users", body, headers)).status).toBe(201);
    },
  );

  test("a request without Content-Type, Accept and User-Agent is answered", async () => {
    const reply = await scim.raw("POST", "/Users", JSON.stringify({ userName: `${unique("typed")}@x.org` }), {});
    expect([reply.status, reply.headers["location"]]).toEqual([201, `${scim.baseUrl()}/Users/${reply.json["id"]}`]);
    expect((await scim.raw("GET", "/Users?count=1", null, { "user-agent": "" })).status).toBe(200);
  });

  test.each(["Bearer nope", "non-token", "Basic c2VjcmV0", "", "Bearer"])(
    "Authorization %j is 401",
    async (authorization) => {
      const reply = await scim.raw("GET", "/Users", null, { authorization });
      expect([reply.status, reply.json["status"]]).toEqual([401, "401"]);
      expect(reply.headers["www-authenticate"]).toMatch(/^Bearer/);
    },
  );

  test("If-Match and If-None-Match decide about reads and writes", async () => {
    const user = await scim.user();
    const etag = String(user["meta"]?.["version"]);
    const title = patch({ op: "replace", path: "title", value: unique("t") });
    for (const { method, body, headers, status } of [
      { method: "GET", headers: { "if-none-match": etag }, status: 304 },
      { method: "PATCH", body: title, headers: { "if-match": 'W/"0"' }, status: 412 },
      { method: "DELETE", headers: { "if-match": "garbage" }, status: 412 },
      { method: "PUT", body: user, headers: { "if-none-match": "*" }, status: 412 },
      { method: "PATCH", body: title, headers: { "if-match": `W/"0", ${etag}` }, status: 200 },
      { method: "PATCH", body: title, headers: { "if-match": etag }, status: 412 },
      { method: "GET", headers: { "if-none-match": etag }, status: 200 },
      { method: "DELETE", headers: { "if-match": "*" }, status: 204 },
    ]) {
      const reply = await scim.call(method, pathOf(user), body, headers as Record<string, string>);
      expect({ method, headers, status: reply.status }).toEqual({ method, headers, status });
    }
  });
});

describe("addresses and methods", () => {
  test.each([
    { method: "DELETE", path: "/Users", status: 405, allow: "GET, HEAD, POST" },
    { method: "POST", path: "/Users/x", status: 405, allow: "GET, HEAD, PUT, PATCH, DELETE" },
    { method: "GET", path: "/Bulk", status: 405, allow: "POST" },
    { method: "GET", path: "/.search", status: 405, allow: "POST" },
    { method: "PUT", path: "/Users/.search", status: 405, allow: "POST" },
    { method: "POST", path: "/Schemas", status: 405, allow: "GET, HEAD" },
    { method: "OPTIONS", path: "/Users", status: 405, allow: "GET, HEAD, POST" },
    { method: "TRACE", path: "/Users/x", status: 405, allow: "GET, HEAD, PUT, PATCH, DELETE" },
    { method: "GET", path: "/", status: 404 },
    { method: "GET", path: "/Nothing", status: 404 },
    { method: "GET", path: "/Users/x/y", status: 404 },
    { method: "GET", path: "/Schemas/nope", status: 404 },
    { method: "GET", path: "/Schemas/%ff", status: 404 },
    { method: "GET", path: "/Me", status: 501 },
    { method: "GET", path: "/users", status: 404 },
  ])("$method $path is $status", async ({ method, path, status, allow }) => {
    const reply = await scim.call(method, path);
    expect([reply.status, reply.headers["allow"]]).toEqual([status, allow]);
  });

  test("HEAD answers like GET, without the body", async () => {
    const reply = await scim.call("HEAD", pathOf(await scim.user()));
    expect([reply.status, reply.text, reply.headers["content-type"]]).toEqual([200, "", "application/scim+json"]);
  });

  test("extra slashes, unknown query parameters and duplicates of a parameter are ignored", async () => {
    const user = await scim.user();
    for (const path of [`${pathOf(user)}/?aadOptscim062020`, `/${pathOf(user)}?aadOptscim062020&x=1`])
      expect(await scim.get(path)).toMatchObject({ id: user["id"] });
    const list = await scim.find("Users", `userName eq "${user["userName"]}"`, "&filter=x&aadOptscim062020");
    expect(list["totalResults"]).toBe(1);
  });

  test("locations begin with the public URL", async () => {
    const user = await proxied.user();
    expect(user["meta"]?.["location"]).toBe(`https://scim.example.com/scim/v2/Users/${user["id"]}`);
    const types = (await proxied.get("/ResourceTypes"))["Resources"];
    expect(types?.[1]?.["meta"]?.["location"]).toBe("https://scim.example.com/scim/v2/ResourceTypes/Group");
  });

  test("an invalid Host is not repeated in locations", async () => {
    const reply = await scim.raw("GET", "/ServiceProviderConfig", null, { host: 'a"b<c>' });
    expect(reply.json["meta"]?.["location"]).toBe("http://localhost/scim/v2/ServiceProviderConfig");
  });
});

test("the store learns the author of a change, and each request is reported once", async () => {
  await scim.user();
  expect(causes.at(-1)).toEqual({ actor: "scim:okta", requestId: "request-7" });
  requests.length = 0;
  await scim.call("GET", "/Users/nobody");
  await scim.raw("GET", "/<script>", null, {});
  await scim.raw("POST", "/Bulk", null, { authorization: "Bearer wrong" });
  const common = { requestId: "request-7", address: "127.0.0.1", seconds: expect.any(Number) };
  expect(requests).toEqual([
    { ...common, source: "okta", method: "GET", resource: "Users", status: 404 },
    { ...common, source: "okta", method: "GET", resource: "other", status: 404 },
    { ...common, source: "", method: "POST", resource: "Bulk", status: 401 },
  ]);
});

test("a source neither sees nor changes users of another source", async () => {
  const user = await scim.user();
  const other = { authorization: "Bearer other" };
  for (const method of ["GET", "DELETE"])
    expect((await scim.call(method, pathOf(user), undefined, other)).status).toBe(404);
  const list = await scim.call("GET", `/Users?filter=${encodeURIComponent("userName pr")}`, undefined, other);
  expect(list.json["totalResults"]).toBe(0);
  const group = { displayName: "Foreign", members: [{ value: user["id"] }] };
  expect((await scim.call("POST", "/Groups", group, other)).json["members"]).toEqual([]);
});

describe("a store that fails", () => {
  test("is answered with 503 and Retry-After, not with 404", async () => {
    fault = new RollcallError("STORE_UNAVAILABLE", "disk full at /secret/path", { retryAfterMs: 7000 });
    const reply = await scim.call("GET", "/Users/x");
    expect([reply.status, reply.headers["retry-after"]]).toEqual([503, "7"]);
    expect(reply.text).not.toContain("/secret/path");
  });

  test("with an unexpected error is answered with 500 without details; the log has the stack", async () => {
    fault = new TypeError("inside of the house");
    const reply = await scim.call("GET", "/Users/x");
    expect(reply.status).toBe(500);
    expect(reply.text).not.toContain("inside");
    expect(scim.log.find((line) => line.level === "error")?.fields["stack"]).toContain("inside of the house");
    fault = null;
    expect((await scim.call("GET", "/Users?count=0")).status).toBe(200);
  });
});
