import { describe, expect, test } from "vitest";
import type { Cause } from "../../src/domain/model/entities.ts";
import type { RequestInfo } from "../../src/sources/scim/options.ts";
import type { Loose } from "./server.ts";
import { CORE, ENTERPRISE, filterPath, GROUP, patch, scimServer, unique } from "./server.ts";

const requests: RequestInfo[] = [];
const causes: Cause[] = [];
const membersRead: string[] = [];
const scim = scimServer({ onRequest: (info) => requests.push(info), newRequestId: () => "request-7" }, (store) => ({
  ...store,
  createUser: (source, write, cause) => {
    causes.push(cause);
    return store.createUser(source, write, cause);
  },
  membersOfGroups: (source, ids) => {
    membersRead.push(...ids);
    return store.membersOfGroups(source, ids);
  },
}));
const proxied = scimServer({ publicUrl: () => "https://scim.example.com/" });

describe("the router", () => {
  test("members are read only to be shown", async () => {
    const group = await scim.group({ members: [{ value: (await scim.user())["id"] }] });
    membersRead.length = 0;
    await scim.call("GET", `/Groups/${group["id"]}?excludedAttributes=members`);
    await scim.call("GET", filterPath("Groups", "displayName pr", "&attributes=id"));
    await scim.call("PATCH", `/Groups/${group["id"]}`, patch({ op: "add", path: "members", value: [{ value: "x" }] }));
    expect(membersRead).toEqual([]);
    await scim.call("GET", `/Groups/${group["id"]}?attributes=members.value`);
    expect(membersRead).toEqual([group["id"]]);
  });

  test("tells who asked for a change, and of each request once", async () => {
    await scim.user();
    expect(causes.at(-1)).toEqual({ actor: "scim:okta", requestId: "request-7" });
    requests.length = 0;
    await scim.call("GET", "/Users/nobody");
    await scim.raw("GET", "/<script>", null, {});
    await scim.raw("POST", "/Bulk", null, { authorization: "Bearer wrong" });
    const seconds = expect.any(Number);
    expect(requests).toEqual([
      {
        requestId: "request-7",
        address: "127.0.0.1",
        source: "okta",
        method: "GET",
        resource: "Users",
        status: 404,
        seconds,
      },
      {
        requestId: "request-7",
        address: "127.0.0.1",
        source: "okta",
        method: "GET",
        resource: "other",
        status: 404,
        seconds,
      },
      {
        requestId: "request-7",
        address: "127.0.0.1",
        source: "",
        method: "POST",
        resource: "Bulk",
        status: 401,
        seconds,
      },
    ]);
  });

  test("locations begin with the public URL", async () => {
    const user = await proxied.user();
    expect(user["meta"]?.["location"]).toBe(`https://scim.example.com/scim/v2/Users/${user["id"]}`);
    const types = (await proxied.call("GET", "/ResourceTypes")).json["Resources"];
    expect(types?.[1]?.["meta"]?.["location"]).toBe("https://scim.example.com/scim/v2/ResourceTypes/Group");
  });
});

describe("versions", () => {
  test("If-Match and If-None-Match", async () => {
    const user = await scim.user();
    const path = `/Users/${user["id"]}`;
    const etag = String(user["meta"]?.["version"]);
    const body = patch({ op: "replace", path: "title", value: unique("t") });
    expect((await scim.call("GET", path, undefined, { "if-none-match": etag })).status).toBe(304);
    expect((await scim.call("PATCH", path, body, { "if-match": 'W/"0"' })).status).toBe(412);
    expect((await scim.call("DELETE", path, undefined, { "if-match": "garbage" })).status).toBe(412);
    expect((await scim.call("PUT", path, user, { "if-none-match": "*" })).status).toBe(412);
    expect((await scim.call("PATCH", path, body, { "if-match": `W/"0", ${etag}` })).status).toBe(200);
    expect((await scim.call("PATCH", path, body, { "if-match": etag })).status).toBe(412);
    expect((await scim.call("GET", path, undefined, { "if-none-match": etag })).status).toBe(200);
    expect((await scim.call("DELETE", path, undefined, { "if-match": "*" })).status).toBe(204);
  });
});

describe("lists", () => {
  test("sorted by columns and by other attributes, both ways", async () => {
    const tag = unique("Sorted");
    for (const [nick, user] of [
      ["b", "2"],
      ["C", "1"],
      ["a", "3"],
    ] as const)
      await scim.user({ title: tag, nickName: nick, userName: `${user}-${tag}@x.org` });
    await scim.user({ title: tag, userName: `0-${tag}@x.org` });
    const order = async (query: string): Promise<string> =>
      (
        (await scim.call("GET", filterPath("Users", `title eq "${tag}"`, query))).json[
          "Resources"
        ] as unknown as Loose[]
      )
        .map((each) => String(each["userName"])[0])
        .join("");
    expect(await order("&sortBy=userName")).toBe("0123");
    expect(await order("&sortBy=userName&sortOrder=descending")).toBe("3210");
    expect(await order("&sortBy=nickName")).toBe("3210");
    expect(await order("&sortBy=nickName&startIndex=2&count=2")).toBe("21");
    expect(await order("&sortBy=emails&sortOrder=Descending")).toHaveLength(4);
  });

  test(".search of one type and of all; discovery ignores filter, sort and page", async () => {
    const word = unique("searched");
    await scim.user({ displayName: word });
    await scim.group({ displayName: word });
    const body = {
      schemas: ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
      filter: `displayName eq "${word}"`,
      attributes: ["displayName"],
      startIndex: 1,
      count: 10,
    };
    expect((await scim.call("POST", "/Users/.search", body)).json).toMatchObject({
      totalResults: 1,
      Resources: [{ displayName: word, schemas: [CORE] }],
    });
    expect((await scim.call("POST", "/.search", body)).json).toMatchObject({ totalResults: 2, itemsPerPage: 2 });
    expect((await scim.call("POST", "/.search", { ...body, startIndex: 2, count: 1 })).json).toMatchObject({
      totalResults: 2,
      itemsPerPage: 1,
      Resources: [{ schemas: [GROUP] }],
    });
    expect((await scim.call("POST", "/.search", { ...body, count: "x" })).status).toBe(400);
    expect(
      (await scim.call("GET", "/Schemas?filter=id%20eq%20%22x%22&startIndex=2&count=1&sortBy=id")).json["totalResults"],
    ).toBe(3);
    expect((await scim.call("GET", `/Schemas/${ENTERPRISE}?attributes=id`)).json).toMatchObject({
      id: ENTERPRISE,
      meta: { location: `${scim.baseUrl()}/Schemas/${ENTERPRISE}` },
    });
    expect((await scim.call("GET", "/ResourceTypes/User")).json).toMatchObject({
      name: "User",
      schemaExtensions: [{ schema: ENTERPRISE }],
    });
  });
});
