import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { RollcallError } from "../../src/domain/model/errors.ts";
import { ScanGate } from "../../src/sources/scim/list.ts";
import type { Reply } from "./server.ts";
import { filterPath, patch, scimServer, unique } from "./server.ts";

let fault: Error | null = null;
const scim = scimServer({}, (store) => ({
  ...store,
  getUser: async (source, id) => {
    if (fault !== null) throw fault;
    return store.getUser(source, id);
  },
}));

const prototypeKeys = Object.getOwnPropertyNames(Object.prototype).sort().join();
afterEach(() => {
  fault = null;
  expect(Object.getOwnPropertyNames(Object.prototype).sort().join()).toBe(prototypeKeys);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

describe("prototype pollution", () => {
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
  test.each(NAMES)("%s in filters, projections, sorting, paths, bodies and ids", async (name) => {
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
      await scim.call("PATCH", `/Users/${user["id"]}`, patch({ op: "add", path: name, value: "x" })),
      await scim.call(
        "PATCH",
        `/Users/${user["id"]}`,
        patch({ op: "add", path: `emails[${name} eq "x"].value`, value: "x" }),
      ),
      await scim.raw(
        "PATCH",
        `/Users/${user["id"]}`,
        `{"Operations":[{"op":"add","value":{${JSON.stringify(name)}:{"polluted":1},"__proto__":{"polluted":1},"name":{"__proto__":{"polluted":1}}}}]}`,
        {},
      ),
      await scim.call("PATCH", `/Groups/${group["id"]}`, patch({ op: "remove", path: `members[${name} eq "x"]` })),
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

  test("an id is an id, not a filter", async () => {
    await scim.user();
    for (const id of ['x" or userName pr or id eq "', "%00", "%ff", "..%2f..", "x".repeat(5000), "%"]) {
      expect((await scim.call("GET", `/Users/${id.startsWith("%") ? id : encodeURIComponent(id)}`)).status).toBe(404);
    }
  });
});

describe("filter bombs", () => {
  const many = (count: number, each: string, join: string): string =>
    Array.from({ length: count }, () => each).join(join);
  test.each([
    ["and of ors", many(14, '(userName eq "a" or title eq "b")', " and "), 200],
    ["more of them", many(120, '(title eq "a" or title eq "b")', " and "), 400],
    ["parentheses", `${"(".repeat(1000)}title pr${")".repeat(1000)}`, 400],
    ["nots", `${"not (".repeat(500)}title pr${")".repeat(500)}`, 400],
    ["length", `title eq "${"x".repeat(5000)}"`, 400],
    ["conditions", many(400, "a pr", " or "), 400],
    ["brackets", `${"emails[".repeat(300)}`, 400],
    ["an open string", `title eq "${"\\".repeat(4000)}`, 400],
  ])("%s", async (_name, filter, status) => {
    const startedAt = performance.now();
    expect((await scim.call("GET", filterPath("Users", filter))).status).toBe(status);
    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  test("scans that are too many at once are refused with Retry-After, the others get their turn", async () => {
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

describe("bodies", () => {
  const BODIES: readonly (readonly [string, Buffer | string, number, Record<string, string>])[] = [
    ["broken UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 400, {}],
    ["broken JSON", "{", 400, {}],
    ["nothing", "", 400, {}],
    ["null", "null", 400, {}],
    ["a list", "[]", 400, {}],
    ["a string", '"x"', 400, {}],
    ["deep", `${"[".repeat(200_000)}`, 400, {}],
    ["deep objects", `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`, 400, {}],
    ["too long, declared", "x".repeat(2 * 1024 * 1024), 413, {}],
    ["too long, chunked", "x".repeat(2 * 1024 * 1024), 413, { "transfer-encoding": "chunked" }],
    ["gzip", "x", 415, { "content-encoding": "gzip" }],
    ["latin1", "{}", 415, { "content-type": "application/json; charset=iso-8859-1" }],
    ["a form", "a=b", 415, { "content-type": "application/x-www-form-urlencoded" }],
    ["HTML", "<x>", 415, { "content-type": "text/html" }],
  ];
  test.each(BODIES)("%s", async (_name, body, status, headers) => {
    for (const [method, path] of [
      ["POST", "/Users"],
      ["PUT", "/Users/x"],
      ["PATCH", "/Groups/x"],
      ["POST", "/.search"],
    ] as const) {
      expect((await scim.raw(method, path, body, headers)).status).toBe(status);
    }
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
  ])("PATCH %j is a 400", async (body) => {
    expect((await scim.call("PATCH", `/Groups/${(await scim.group())["id"]}`, body)).status).toBe(400);
    expect((await scim.call("PATCH", `/Users/${(await scim.user())["id"]}`, body)).status).toBe(400);
  });

  test("a bad token is refused before the body is read, and the connection serves on", async () => {
    const reply = await scim.raw("POST", "/Users", "x".repeat(3 * 1024 * 1024), { authorization: "Bearer wrong" });
    expect(reply.status).toBe(401);
  });

  test("a body that ends too early harms nobody", async () => {
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

describe("methods, paths and faults", () => {
  test.each([
    ["DELETE", "/Users", 405, "GET, HEAD, POST"],
    ["POST", "/Users/x", 405, "GET, HEAD, PUT, PATCH, DELETE"],
    ["GET", "/Bulk", 405, "POST"],
    ["GET", "/.search", 405, "POST"],
    ["PUT", "/Users/.search", 405, "POST"],
    ["POST", "/Schemas", 405, "GET, HEAD"],
    ["OPTIONS", "/Users", 405, "GET, HEAD, POST"],
    ["TRACE", "/Users/x", 405, "GET, HEAD, PUT, PATCH, DELETE"],
    ["GET", "/", 404, undefined],
    ["GET", "/Nothing", 404, undefined],
    ["GET", "/Users/x/y", 404, undefined],
    ["GET", "/Schemas/nope", 404, undefined],
    ["GET", "/Schemas/%ff", 404, undefined],
    ["GET", "/Me", 501, undefined],
    ["GET", "/users", 404, undefined],
  ])("%s %s is %i", async (method, path, status, allow) => {
    const reply = await scim.call(method, path);
    expect([reply.status, reply.headers["allow"]]).toEqual([status, allow]);
  });

  test("HEAD is GET without the body", async () => {
    const user = await scim.user();
    const reply = await scim.call("HEAD", `/Users/${user["id"]}`);
    expect([reply.status, reply.text, reply.headers["content-type"]]).toEqual([200, "", "application/scim+json"]);
  });

  test("a store that is away is 503 with Retry-After, not 404", async () => {
    fault = new RollcallError("STORE_UNAVAILABLE", "disk full at /secret/path", { retryAfterMs: 7000 });
    const reply = await scim.call("GET", "/Users/x");
    expect([reply.status, reply.headers["retry-after"]]).toEqual([503, "7"]);
    expect(reply.text).not.toContain("/secret/path");
  });

  test("an unforeseen error is 500 without its inside, logged with its stack; the connection serves on", async () => {
    fault = new TypeError("inside of the house");
    const reply = await scim.call("GET", "/Users/x");
    expect(reply.status).toBe(500);
    expect(reply.text).not.toContain("inside");
    expect(scim.log.find((line) => line.level === "error")?.fields["stack"]).toContain("inside of the house");
    fault = null;
    expect((await scim.call("GET", "/Users?count=0")).status).toBe(200);
  });

  test("a source sees nothing of another", async () => {
    const user = await scim.user();
    const other = { authorization: "Bearer other" };
    expect((await scim.call("GET", `/Users/${user["id"]}`, undefined, other)).status).toBe(404);
    expect((await scim.call("DELETE", `/Users/${user["id"]}`, undefined, other)).status).toBe(404);
    expect(
      (await scim.call("GET", filterPath("Users", `userName eq "${user["userName"]}"`), undefined, other)).json[
        "totalResults"
      ],
    ).toBe(0);
    expect(
      (await scim.call("POST", "/Groups", { displayName: "Foreign", members: [{ value: user["id"] }] }, other)).json[
        "members"
      ],
    ).toEqual([]);
  });

  test("a Host that is none is not repeated", async () => {
    const reply = await scim.raw("GET", "/ServiceProviderConfig", null, { host: 'a"b<c>' });
    expect(reply.json["meta"]?.["location"]).toBe("http://localhost/scim/v2/ServiceProviderConfig");
  });
});
