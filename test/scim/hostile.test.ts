import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ScanGate } from "../../src/sources/scim/list.ts";
import type { Reply } from "./server.ts";
import { filterPath, pathOf, scimServer, unique } from "./server.ts";

const scim = scimServer();

const prototypeKeys = Object.getOwnPropertyNames(Object.prototype).sort().join();
afterEach(() => {
  expect(Object.getOwnPropertyNames(Object.prototype).sort().join()).toBe(prototypeKeys);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

describe("a name of a prototype", () => {
  const NAMES = [
    "__proto__.polluted",
    "__proto__",
    "constructor.prototype.polluted",
    "constructor",
    "toString",
    "hasOwnProperty",
    "emails.__proto__.polluted",
    "name.constructor",
    '__proto__[polluted eq "x"]',
    "urn:ietf:params:scim:schemas:core:2.0:User:__proto__",
  ];
  test.each(NAMES)("%s does nothing in filters, projections, sorting, paths, bodies and ids", async (name) => {
    const user = await scim.user();
    const group = await scim.group();
    const encoded = encodeURIComponent(name);
    const replies: Reply[] = [
      await scim.call("GET", filterPath("Users", `${name} eq "polluted"`)),
      await scim.call("GET", filterPath("Users", `emails[${name} eq "x"]`)),
      await scim.call("GET", `/Users?attributes=${encoded}&excludedAttributes=${encoded}&sortBy=${encoded}&count=1`),
      await scim.call("POST", "/.search", {
        schemas: ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        filter: `${name} pr`,
        attributes: [name],
        sortBy: name,
      }),
      await scim.patch(user, { op: "add", path: name, value: "x" }),
      await scim.patch(user, { op: "add", path: `emails[${name} eq "x"].value`, value: "x" }),
      await scim.raw(
        "PATCH",
        `/Users/${user["id"]}`,
        `{"Operations":[{"op":"add","value":{${JSON.stringify(name)}:{"polluted":1},"__proto__":{"polluted":1},"name":{"__proto__":{"polluted":1}}}}]}`,
        {},
      ),
      await scim.patch(group, { op: "remove", path: `members[${name} eq "x"]` }),
      await scim.raw(
        "POST",
        "/Users",
        `{"userName":"${unique("p")}@x.org","__proto__":{"polluted":1},${JSON.stringify(name)}:{"polluted":1},"emails":[{"value":"a@b.org","__proto__":{"polluted":1}}]}`,
        {},
      ),
      await scim.raw(
        "POST",
        "/Bulk",
        `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"POST","bulkId":"__proto__","path":"/Users","data":{"__proto__":{"polluted":"bulkId:__proto__"}}}]}`,
        {},
      ),
      await scim.call("GET", `/Users/${encoded}`),
      await scim.call("DELETE", `/Groups/${encoded}`),
      await scim.call("GET", `/Schemas/${encoded}`),
      await scim.call("GET", `/${encoded}/x`),
    ];
    for (const reply of replies) {
      expect(reply.status, reply.text).toBeLessThan(500);
      expect(reply.text).not.toContain('"polluted":1');
    }
    expect(replies[8]?.status).toBe(201);
  });

  test("an id is never read as a filter", async () => {
    await scim.user();
    for (const id of ['x" or userName pr or id eq "', "%00", "%ff", "..%2f..", "x".repeat(5000), "%"]) {
      expect((await scim.call("GET", `/Users/${id.startsWith("%") ? id : encodeURIComponent(id)}`)).status).toBe(404);
    }
  });
});

describe("an expensive filter", () => {
  const many = (count: number, each: string, join: string): string =>
    Array.from({ length: count }, () => each).join(join);
  test.each([
    { of: "14 alternatives", filter: many(14, '(userName eq "a" or title eq "b")', " and "), status: 200 },
    { of: "120 alternatives", filter: many(120, '(title eq "a" or title eq "b")', " and "), status: 400 },
    { of: "1000 parentheses", filter: `${"(".repeat(1000)}title pr${")".repeat(1000)}`, status: 400 },
    { of: "500 nots", filter: `${"not (".repeat(500)}title pr${")".repeat(500)}`, status: 400 },
    { of: "5000 characters", filter: `title eq "${"x".repeat(5000)}"`, status: 400 },
    { of: "400 conditions", filter: many(400, "a pr", " or "), status: 400 },
    { of: "300 brackets", filter: "emails[".repeat(300), status: 400 },
    { of: "4000 escapes in an open string", filter: `title eq "${"\\".repeat(4000)}`, status: 400 },
  ])("of $of costs less than half a second of processor time", async ({ filter, status }) => {
    const before = process.threadCpuUsage();
    expect((await scim.call("GET", filterPath("Users", filter))).status).toBe(status);
    expect(process.threadCpuUsage(before).user / 1000).toBeLessThan(500);
  });

  test("waits if too many run; beyond the limit of waiting ones it is refused with Retry-After", async () => {
    const gate = new ScanGate(1, 1);
    const first = Promise.withResolvers<string>();
    const running = gate.run(() => first.promise);
    const waiting = gate.run(async () => "second");
    await expect(gate.run(async () => "third")).rejects.toMatchObject({ status: 503, headers: { "Retry-After": "5" } });
    first.reject(new Error("a failed scan frees its place too"));
    await expect(running).rejects.toThrow("frees its place");
    expect(await waiting).toBe("second");
    expect(await gate.run(async () => "later")).toBe("later");
  });
});

describe("a body", () => {
  const long = "x".repeat(2 * 1024 * 1024);
  const BODIES: readonly {
    readonly is: string;
    readonly body: Buffer | string;
    readonly status: number;
    readonly headers?: Record<string, string>;
  }[] = [
    { is: "broken UTF-8", body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), status: 400 },
    { is: "broken JSON", body: "{", status: 400 },
    { is: "empty", body: "", status: 400 },
    { is: "null", body: "null", status: 400 },
    { is: "a list", body: "[]", status: 400 },
    { is: "a string", body: '"x"', status: 400 },
    { is: "a deep list", body: "[".repeat(200_000), status: 400 },
    { is: "a deep object", body: `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`, status: 400 },
    { is: "too long and says so", body: long, status: 413 },
    { is: "too long in chunks", body: long, status: 413, headers: { "transfer-encoding": "chunked" } },
    { is: "gzip", body: "x", status: 415, headers: { "content-encoding": "gzip" } },
    { is: "latin1", body: "{}", status: 415, headers: { "content-type": "application/json; charset=iso-8859-1" } },
    { is: "a form", body: "a=b", status: 415, headers: { "content-type": "application/x-www-form-urlencoded" } },
    { is: "HTML", body: "<x>", status: 415, headers: { "content-type": "text/html" } },
  ];
  test.each(BODIES)("that is $is is $status", async ({ body, status, headers = {} }) => {
    for (const [method, path] of [
      ["POST", "/Users"],
      ["PUT", "/Users/x"],
      ["PATCH", "/Groups/x"],
      ["POST", "/.search"],
    ] as const)
      expect((await scim.raw(method, path, body, headers)).status).toBe(status);
  });

  test.each([
    { Operations: null },
    { Operations: [] },
    { Operations: {} },
    { Operations: [null] },
    { Operations: [{ op: null }] },
    { Operations: [{ op: "add", path: null, value: null }] },
    { Operations: [{ op: "add", path: "emails", value: [[["x"]]] }] },
    { Operations: [{ op: "add", path: "members", value: [null] }] },
    { Operations: [{ op: "add", path: "members", value: [{ value: {} }] }] },
    { Operations: [{ op: "replace", path: "members.display", value: 7 }] },
    { Operations: [{ op: "add", path: "members", value: ["\u0000"] }] },
  ])("of a PATCH that is %j is 400", async (body) => {
    for (const resource of [await scim.group(), await scim.user()])
      expect((await scim.call("PATCH", pathOf(resource), body)).status).toBe(400);
  });

  test("is not read if the token is wrong", async () => {
    const reply = await scim.raw("POST", "/Users", "x".repeat(3 * 1024 * 1024), { authorization: "Bearer wrong" });
    expect(reply.status).toBe(401);
  });

  test("that ends too early leaves the server in order", async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(scim.port(), "127.0.0.1", () => {
        socket.write(
          "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nContent-Length: 100\r\n\r\n{",
        );
        setImmediate(() => socket.destroy());
      });
      socket.on("close", () => resolve());
    });
    expect((await scim.call("GET", "/Users?count=0")).status).toBe(200);
  });
});
