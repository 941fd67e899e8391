import { describe, expect, test } from "vitest";
import type { Loose } from "./server.ts";
import { CORE, ENTERPRISE, filterPath, GROUP, patch, pathOf, resourcesIn, scimServer, unique } from "./server.ts";

const membersRead: string[] = [];
const scim = scimServer({}, (store) => ({
  ...store,
  membersOfGroups: (source, ids) => {
    membersRead.push(...ids);
    return store.membersOfGroups(source, ids);
  },
}));

describe("pages of a list", () => {
  test("are stable, count all matches, and are empty past the end", async () => {
    for (let n = 0; n < 5; n++) await scim.user({ title: "paged" });
    const page = (more: string): Promise<Loose> => scim.find("Users", 'userName co "@"', more);
    const idsIn = (list: Loose): unknown[] => resourcesIn(list).map((each) => each["id"]);
    const all = await page("&count=1000");
    const ids = idsIn(all);
    const totalResults = ids.length;
    expect(all).toMatchObject({ totalResults, itemsPerPage: totalResults });
    expect([...idsIn(await page("&startIndex=1&count=2")), ...idsIn(await page("&startIndex=3&count=2"))]).toEqual(
      ids.slice(0, 4),
    );
    const empty = { totalResults, itemsPerPage: 0, Resources: [] };
    expect(await page("&startIndex=100001&count=100")).toMatchObject({ ...empty, startIndex: 100001 });
    for (const count of [0, -3]) expect(await page(`&count=${count}`)).toMatchObject(empty);
    expect(await page("&startIndex=-3&count=1")).toMatchObject({ startIndex: 1, itemsPerPage: 1 });
    expect((await scim.call("GET", "/Users?count=many")).status).toBe(400);
  });

  test("are sorted by columns and by other attributes, in both directions", async () => {
    const title = unique("Sorted");
    for (const [first, nickName] of ["2b", "1C", "3a"])
      await scim.user({ title, nickName, userName: `${first}-${title}@x.org` });
    await scim.user({ title, userName: `0-${title}@x.org` });
    const order = async (query: string): Promise<string> =>
      resourcesIn(await scim.find("Users", `title eq "${title}"`, query))
        .map((each) => String(each["userName"])[0])
        .join("");
    expect(await order("&sortBy=userName")).toBe("0123");
    expect(await order("&sortBy=userName&sortOrder=descending")).toBe("3210");
    expect(await order("&sortBy=nickName")).toBe("3210");
    expect(await order("&sortBy=nickName&startIndex=2&count=2")).toBe("21");
    // Two users may be created in the same millisecond: the times are compared, not the users.
    const newestFirst = await scim.find("Users", `title eq "${title}"`, "&sortBy=meta.created&sortOrder=Descending");
    const times = resourcesIn(newestFirst).map(({ meta }) => String((meta as Loose)["created"]));
    expect(times).toEqual([...times].sort().reverse());
    expect(await order("&sortBy=emails&sortOrder=Descending")).toHaveLength(4);
  });
});

test(".search answers for one resource type or for all", async () => {
  const displayName = unique("searched");
  await scim.user({ displayName });
  await scim.group({ displayName });
  const search = async (path: string, over: object = {}) =>
    await scim.call("POST", path, {
      schemas: ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
      filter: `displayName eq "${displayName}"`,
      attributes: ["displayName"],
      startIndex: 1,
      count: 10,
      ...over,
    });
  const user = { displayName, schemas: [CORE] };
  const group = { displayName, schemas: [GROUP] };
  expect((await search("/Users/.search")).json).toMatchObject({ totalResults: 1, Resources: [user] });
  expect((await search("/.search")).json).toMatchObject({ totalResults: 2, itemsPerPage: 2, Resources: [user, group] });
  const second = (await search("/.search", { startIndex: 2, count: 1 })).json;
  expect(second).toMatchObject({ totalResults: 2, itemsPerPage: 1, Resources: [group] });
  expect((await search("/.search", { count: "x" })).status).toBe(400);
});

describe("discovery", () => {
  test("says what the server supports", async () => {
    const config = await scim.get("/ServiceProviderConfig");
    expect(config).toMatchObject({
      patch: { supported: true },
      filter: { supported: true, maxResults: 1000 },
      etag: { supported: true },
      authenticationSchemes: [{ type: "oauthbearertoken" }],
    });
    expect(Number(config["bulk"]?.["maxOperations"])).toBeGreaterThanOrEqual(100);
    expect(await scim.get("/ResourceTypes/User")).toMatchObject({
      name: "User",
      schemaExtensions: [{ schema: ENTERPRISE }],
    });
  });

  test("ignores filter, sort, page and attributes", async () => {
    const schemas = ["urn:ietf:params:scim:api:messages:2.0:ListResponse"];
    for (const query of ["", "?filter=id%20eq%20%22x%22&startIndex=2&count=1&sortBy=id"])
      expect(await scim.get(`/Schemas${query}`)).toMatchObject({ totalResults: 3, schemas });
    const location = `${scim.baseUrl()}/Schemas/${ENTERPRISE}`;
    expect(await scim.get(`/Schemas/${ENTERPRISE}?attributes=id`)).toMatchObject({
      id: ENTERPRISE,
      meta: { location },
    });
  });
});

describe("attributes and excludedAttributes", () => {
  test("take sub-attributes, URNs and any case; id and schemas are always there", async () => {
    const user = await scim.user({ [ENTERPRISE]: { department: "D", costCenter: "C" } });
    const always = { schemas: user["schemas"], id: user["id"] };
    for (const { attributes, shown } of [
      { attributes: "userName", shown: { userName: user["userName"] } },
      {
        attributes: `NAME.givenName,emails.value,${ENTERPRISE}:department`,
        shown: { name: { givenName: "Ann" }, emails: [{ value: user["userName"] }], [ENTERPRISE]: { department: "D" } },
      },
      { attributes: ENTERPRISE, shown: { [ENTERPRISE]: { department: "D", costCenter: "C" } } },
      { attributes: "nonsense,meta.version", shown: { meta: { version: user["meta"]?.["version"] } } },
    ])
      expect(await scim.get(`${pathOf(user)}?attributes=${attributes}`)).toEqual({ ...always, ...shown });
    const excluded = `id,schemas,name.givenName,emails,${ENTERPRISE}:costCenter`;
    const rest = await scim.get(`${pathOf(user)}?excludedAttributes=${excluded}`);
    expect(rest).toMatchObject({ ...always, [ENTERPRISE]: { department: "D" } });
    expect(rest["name"]).toEqual({ familyName: user["name"]?.["familyName"] });
    expect(rest).not.toHaveProperty("emails");
  });

  test("of a PATCH change the answer, and lose nothing that is stored", async () => {
    const user = await scim.user({ title: "T", [ENTERPRISE]: { department: "D" } });
    const body = patch({ op: "replace", path: "displayName", value: "P" });
    const reply = await scim.call("PATCH", `${pathOf(user)}?attributes=userName`, body);
    expect(Object.keys(reply.json)).toEqual(["schemas", "id", "userName"]);
    const { meta: _meta, ...stored } = user as unknown as Record<string, unknown>;
    expect(await scim.get(pathOf(user))).toMatchObject({ ...stored, displayName: "P" });
  });

  test("members are read from the store only to be shown", async () => {
    const group = await scim.group({ members: [{ value: (await scim.user())["id"] }] });
    membersRead.length = 0;
    await scim.get(`${pathOf(group)}?excludedAttributes=members`);
    await scim.get(filterPath("Groups", "displayName pr", "&attributes=id"));
    await scim.patch(group, { op: "add", path: "members", value: [{ value: "x" }] });
    expect(membersRead).toEqual([]);
    await scim.get(`${pathOf(group)}?attributes=members.value`);
    expect(membersRead).toEqual([group["id"]]);
  });
});
