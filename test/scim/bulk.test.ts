import { describe, expect, test } from "vitest";
import type { Loose, Reply } from "./server.ts";
import { CORE, GROUP, patch, scimServer, unique } from "./server.ts";

const scim = scimServer();
const small = scimServer({ limits: { bulkOperations: 2, bulkBytes: 2000 } });

const bulk = (Operations: readonly unknown[], more: object = {}): Promise<Reply> =>
  scim.call("POST", "/Bulk", { schemas: ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], ...more, Operations });
const statuses = (reply: Reply): unknown[] =>
  (reply.json["Operations"] as unknown as Loose[]).map((each) => each["status"]);
const newUser = (bulkId: string, more: object = {}): object => ({
  method: "POST",
  path: "/Users",
  bulkId,
  data: { schemas: [CORE], userName: `${unique("bulk")}@x.org`, ...more },
});

describe("a Bulk request", () => {
  test("runs a group before its member, and changes and deletes both by bulkId", async () => {
    const reply = await bulk([
      {
        method: "POST",
        path: "/Groups",
        bulkId: "g",
        data: { schemas: [GROUP], displayName: unique("Bulk "), members: [{ value: "bulkId:u" }] },
      },
      newUser("u"),
      {
        method: "patch",
        path: "/Groups/bulkId:g",
        data: patch({ op: "remove", path: 'members[value eq "bulkId:u"]' }),
      },
      { method: "DELETE", path: "/Users/bulkId:u" },
    ]);
    expect(reply.status).toBe(200);
    expect(reply.json).toMatchObject({
      schemas: ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
      Operations: [
        {
          method: "POST",
          bulkId: "g",
          status: "201",
          version: expect.any(String),
          location: expect.stringContaining("/scim/v2/Groups/"),
        },
        { bulkId: "u", status: "201" },
        { status: "204" },
        { status: "204" },
      ],
    });
    const id = String(reply.json["Operations"]?.[0]?.["location"]).split("/").at(-1);
    expect((await scim.call("GET", `/Groups/${id}`)).json["members"]).toEqual([]);
  });

  test("lets each operation fail alone, with its error", async () => {
    const user = await scim.user();
    const reply = await bulk([
      newUser("a", { userName: user["userName"] }),
      { method: "DELETE", path: "/Users/nobody" },
      { method: "GET", path: "/Users" },
      null,
      { method: "POST", path: "/Users", data: {} },
      { method: "PATCH", path: "/Users/bulkId:a", data: patch({ op: "add", path: "title", value: "x" }) },
      { method: "PUT", path: `/Users/${user["id"]}`, version: 'W/"0"', data: user },
      { method: "DELETE", path: "/Nothing/1" },
      newUser("ok"),
    ]);
    expect(statuses(reply)).toEqual(["409", "404", "400", "400", "400", "400", "412", "404", "201"]);
    expect(reply.json["Operations"]?.[0]?.["response"]).toMatchObject({ status: "409", scimType: "uniqueness" });
  });

  test("stops after failOnErrors failures", async () => {
    const failing = { method: "DELETE", path: "/Users/nobody" };
    expect(statuses(await bulk([failing, newUser("x"), failing, newUser("y")], { failOnErrors: 2 }))).toEqual([
      "404",
      "201",
      "404",
    ]);
  });

  test("answers 409 to operations that refer to each other", async () => {
    const circle = (bulkId: string, other: string): object => ({
      method: "POST",
      path: "/Groups",
      bulkId,
      data: { schemas: [GROUP], displayName: unique("Circle "), members: [{ value: `bulkId:${other}` }] },
    });
    expect(statuses(await bulk([circle("a", "b"), circle("b", "a"), newUser("c")]))).toEqual(["409", "409", "201"]);
  });

  test("is 413 with too many operations or bytes, and 400 without its schema or Operations", async () => {
    const body = { schemas: ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], Operations: [{}, {}, {}] };
    expect((await small.call("POST", "/Bulk", body)).status).toBe(413);
    expect((await small.call("POST", "/Bulk", { ...body, x: "x".repeat(3000) })).status).toBe(413);
    for (const wrong of [{}, { schemas: [] }, { schemas: body.schemas }, { ...body, failOnErrors: "x" }])
      expect((await scim.call("POST", "/Bulk", wrong)).status).toBe(400);
  });
});
