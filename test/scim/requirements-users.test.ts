import { describe, expect, test } from "vitest";
import { toUserWrite } from "../../src/sources/scim/users.ts";
import type { Loose, Reply } from "./server.ts";
import { CORE, ENTERPRISE, filterPath, patch, scimServer, unique } from "./server.ts";

const scim = scimServer();

const patchUser = async (user: Loose, ...operations: unknown[]): Promise<Reply> =>
  scim.call("PATCH", `/Users/${user["id"]}`, patch(...operations));
const patched = async (user: Loose, ...operations: unknown[]): Promise<Loose> => {
  const reply = await patchUser(user, ...operations);
  expect(reply.status, reply.text).toBe(200);
  return reply.json;
};
const found = async (filter: string): Promise<Loose> => {
  const reply = await scim.call("GET", filterPath("Users", filter));
  expect(reply.status, reply.text).toBe(200);
  return reply.json;
};

describe("looking people up", () => {
  const NOBODY = {
    totalResults: 0,
    Resources: [],
    itemsPerPage: 0,
    startIndex: 1,
    schemas: ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
  };
  test.each([
    ["1", 'userName eq "7a2f0c61-guid"'],
    ["2", 'externalId eq "7a2f0c61-guid"'],
    ["2", 'emails[type eq "work"].value eq "7a2f0c61-guid"'],
  ])("%s: nobody is an empty list for %s", async (_number, filter) => {
    expect(await found(filter)).toEqual(NOBODY);
    expect((await scim.call("GET", `/Users?filter=${encodeURIComponent(filter).replaceAll("%20", "+")}`)).json).toEqual(
      NOBODY,
    );
  });

  test("3: a value without quotes is a string", async () => {
    const user = await scim.user({ externalId: "jyoung" });
    expect((await found("externalId eq jyoung"))["Resources"]?.[0]?.["id"]).toBe(user["id"]);
  });

  test("4: userName in another case, externalId exactly", async () => {
    const user = await scim.user({ userName: "MiXed@Example.com", externalId: "CaseKept" });
    expect((await found('userName eq "mixed@EXAMPLE.com"'))["Resources"]?.[0]?.["id"]).toBe(user["id"]);
    expect((await found('externalId eq "CaseKept"'))["totalResults"]).toBe(1);
    expect((await found('externalId eq "casekept"'))["totalResults"]).toBe(0);
  });

  test("5: emails eq means emails.value eq", async () => {
    const user = await scim.user({ emails: [{ value: "Five@Example.com", type: "work" }] });
    expect((await found('emails eq "five@example.com"'))["Resources"]?.[0]?.["id"]).toBe(user["id"]);
  });

  test("6: manager eq and members eq", async () => {
    const boss = await scim.user();
    const user = await scim.user({ [ENTERPRISE]: { manager: { value: boss["id"] } } });
    const path = (who: Loose): string =>
      `/Users?attributes=id&filter=${encodeURIComponent(`id eq "${user["id"]}" and manager eq "${who["id"]}"`)}`;
    expect((await scim.call("GET", path(boss))).json).toMatchObject({
      totalResults: 1,
      Resources: [{ id: user["id"] }],
    });
    expect((await scim.call("GET", path(user))).json).toMatchObject({ totalResults: 0 });
    const group = await scim.group({ members: [{ value: user["id"] }] });
    const inGroup = (who: Loose): string =>
      `/Groups?attributes=id&filter=${encodeURIComponent(`id eq "${group["id"]}" and members eq "${who["id"]}"`)}`;
    expect((await scim.call("GET", inGroup(user))).json["totalResults"]).toBe(1);
    expect((await scim.call("GET", inGroup(boss))).json["totalResults"]).toBe(0);
  });
});

describe("creating people", () => {
  test("7: null, [] and meta are tolerated", async () => {
    const user = await scim.user({
      addresses: null,
      roles: [],
      title: null,
      meta: { resourceType: "User", created: "x" },
    });
    expect(user["meta"]?.["created"]).toMatch(/^\d{4}-/);
    for (const name of ["addresses", "roles", "title"]) expect(user).not.toHaveProperty(name);
  });

  test("8: booleans as strings", async () => {
    const user = await scim.user({ active: "True", roles: [{ value: "admin", primary: "True" }] });
    expect(user).toMatchObject({ active: true, roles: [{ value: "admin", primary: true }] });
  });

  test("30, 32: who is deactivated stays to be found", async () => {
    const user = await scim.user();
    await patched(user, { op: "replace", value: { active: false } });
    expect((await found(`userName eq "${user["userName"]}"`))["Resources"]?.[0]).toMatchObject({
      id: user["id"],
      active: false,
    });
    expect((await scim.call("GET", `/Users/${user["id"]}`)).json["active"]).toBe(false);
  });

  test("31: deleted once, then not found", async () => {
    const user = await scim.user();
    expect((await scim.call("DELETE", `/Users/${user["id"]}`)).status).toBe(204);
    expect((await scim.call("DELETE", `/Users/${user["id"]}`)).status).toBe(404);
    expect((await scim.call("GET", `/Users/${user["id"]}`)).status).toBe(404);
  });

  test("33: a duplicate is 409 uniqueness, in any case", async () => {
    const user = await scim.user();
    const again = await scim.call("POST", "/Users", {
      schemas: [CORE],
      userName: String(user["userName"]).toUpperCase(),
    });
    expect(again.status).toBe(409);
    expect(again.json["scimType"]).toBe("uniqueness");
  });

  test("34: the password is nowhere, the id is", async () => {
    const user = await scim.user({ password: "1mz050nq", groups: [], locale: "en-US" });
    expect(user).toMatchObject({ id: expect.any(String), locale: "en-US" });
    expect(JSON.stringify([user, scim.log])).not.toContain("1mz050nq");
    const after = await patchUser(
      user,
      { op: "replace", path: "password", value: "7ElB3kuz" },
      { op: "replace", value: { password: "7ElB3kuz" } },
    );
    expect(after.status).toBe(200);
    expect(after.text).not.toContain("7ElB3kuz");
    expect((await found('password eq "1mz050nq"'))["totalResults"]).toBe(0);
    expect(JSON.stringify(await scim.store().getUser("okta", String(user["id"])))).not.toMatch(/7ElB3kuz|1mz050nq/);
  });

  test.each([
    [
      "primary",
      [{ value: "A@x.org" }, { value: "B@x.org ", type: "work" }, { value: "C@x.org", primary: true }],
      "c@x.org",
    ],
    [
      "work",
      [
        { value: "a@x.org", type: "other" },
        { value: "b@x.org", type: "Work" },
      ],
      "b@x.org",
    ],
    ["first", [{ value: "a@x.org" }, { value: "b@x.org", type: "other" }], "a@x.org"],
    [
      "no address of a person is used where it is none",
      [{ value: "not an address", primary: true }, { value: "b@x.org" }],
      "b@x.org",
    ],
  ])("41: the e-mail address is the %s", (_which, emails, expected) => {
    expect(toUserWrite({ userName: "plain", emails }).email).toBe(expected);
  });

  test("41: a userName serves as the address, and without any it is refused", async () => {
    expect(toUserWrite({ userName: "Ann@X.org" }).email).toBe("ann@x.org");
    const reply = await scim.call("POST", "/Users", { schemas: [CORE], userName: unique("nomail") });
    expect(reply.status).toBe(400);
    expect(reply.json).toMatchObject({ scimType: "invalidValue", detail: expect.stringContaining("emails") });
  });
});

describe("changing people", () => {
  test.each([
    ["9", { op: "Replace", path: "active", value: "False" }],
    ["9", { op: "REPLACE", path: "Active", value: false }],
    ["10", { op: "replace", value: { active: false } }],
    ["10", { op: "replace", value: { active: "false" } }],
    ["10", { op: "replace", path: "", value: { active: "False" } }],
    ["9", { op: "Add", path: "active", value: "False" }],
    ["9", { op: "Replace", path: `${CORE}:active`, value: "False" }],
  ])("%s: deactivated by %j", async (_number, operation) => {
    const user = await scim.user();
    expect(await patched(user, operation)).toMatchObject({ id: user["id"], active: false });
  });

  test("11: keys of a path-less value are paths", async () => {
    const user = await scim.user();
    const after = await patched(user, {
      op: "replace",
      value: {
        "name.givenName": "Zoe",
        [`${ENTERPRISE}:employeeNumber`]: "42",
        [ENTERPRISE]: { department: "R&D" },
        [`${CORE}:nickName`]: "Z",
        nonsense: 1,
        'emails[type eq "work"].value': "ignored@x.org",
      },
    });
    expect(after).toMatchObject({
      name: { givenName: "Zoe", familyName: user["name"]?.["familyName"] },
      nickName: "Z",
      [ENTERPRISE]: { employeeNumber: "42", department: "R&D" },
    });
    expect(after).not.toHaveProperty("nonsense");
  });

  test("12: replacing a work e-mail that is not there makes it", async () => {
    const user = await scim.user({ emails: [{ value: "home@x.org", type: "home" }] });
    expect(
      (await patched(user, { op: "Replace", path: 'emails[type eq "work"].value', value: "work@x.org" }))["emails"],
    ).toEqual([
      { value: "home@x.org", type: "home" },
      { type: "work", value: "work@x.org" },
    ]);
  });

  test("13: adding parts of a phone number that is not there makes it once", async () => {
    const user = await scim.user();
    const after = await patched(
      user,
      { op: "Add", path: 'phoneNumbers[type eq "mobile"].primary', value: "True" },
      { op: "Add", path: 'phoneNumbers[type eq "mobile"].value', value: "+31 6" },
    );
    expect(after["phoneNumbers"]).toEqual([{ type: "mobile", primary: true, value: "+31 6" }]);
  });

  test.each([
    ["an object", "manager", { value: "boss" }],
    ["a string", "manager", "boss"],
    ["an array", "manager", [{ $ref: "https://x/Users/boss", value: "boss" }]],
    ["a string under the URN", `${ENTERPRISE}:manager`, "boss"],
    ["its value", `${ENTERPRISE}:manager.value`, "boss"],
    ["16, the misspelt URN", "urn:ietf:params:scim:schemas:extension:enterprise:2.0User:manager", "boss"],
  ])("14: manager as %s is an object", async (_form, path, value) => {
    const user = await scim.user();
    expect((await patched(user, { op: "Add", path, value }))[ENTERPRISE]?.["manager"]).toMatchObject({ value: "boss" });
  });

  test.each([{ value: "" }, "", null])("15: manager replaced by %j is removed", async (value) => {
    const user = await scim.user({ [ENTERPRISE]: { manager: { value: "boss" } } });
    expect(await patched(user, { op: "Replace", path: `${ENTERPRISE}:manager`, value })).not.toHaveProperty([
      ENTERPRISE,
    ]);
  });

  test("16: the misspelt URN in a body", async () => {
    const user = await scim.user({
      "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": { department: "Ops" },
      manager: "boss",
    });
    expect(user[ENTERPRISE]).toEqual({ department: "Ops", manager: { value: "boss" } });
    expect(user["schemas"]).toEqual([CORE, ENTERPRISE]);
  });

  test("35: PUT of the whole resource with what is read-only; the rest clears, active stays", async () => {
    const user = await scim.user({ title: "Engineer" });
    await patched(user, { op: "replace", path: "active", value: false });
    const { active: _active, title: _title, ...rest } = user as unknown as Record<string, unknown>;
    const reply = await scim.call("PUT", `/Users/${user["id"]}`, {
      ...rest,
      groups: [{ value: "x" }],
      displayName: "New",
    });
    expect(reply.status).toBe(200);
    expect(reply.json).toMatchObject({ id: user["id"], active: false, displayName: "New" });
    expect(reply.json).not.toHaveProperty("title");
    expect(reply.json).not.toHaveProperty("groups");
  });

  test("40: PUT to nobody is 404", async () => {
    expect(
      (await scim.call("PUT", `/Users/${crypto.randomUUID()}`, { schemas: [CORE], userName: "a@b.org" })).status,
    ).toBe(404);
  });

  test("25: an id that is the same may be named, another may not", async () => {
    const user = await scim.user();
    expect(
      (await patchUser(user, { op: "replace", value: { id: user["id"], schemas: [CORE], displayName: "Same" } }))
        .status,
    ).toBe(200);
    const other = await patchUser(user, { op: "replace", value: { id: "other", displayName: "Never" } });
    expect([other.status, other.json["scimType"]]).toEqual([400, "mutability"]);
    expect((await scim.call("GET", `/Users/${user["id"]}`)).json["displayName"]).toBe("Same");
  });

  test("29: all operations or none", async () => {
    const user = await scim.user();
    expect(
      (
        await patchUser(
          user,
          { op: "replace", path: "displayName", value: "Half" },
          { op: "replace", path: "active", value: "perhaps" },
        )
      ).status,
    ).toBe(400);
    const after = (await scim.call("GET", `/Users/${user["id"]}`)).json;
    expect([after["displayName"], after["meta"]]).toEqual([user["displayName"], user["meta"]]);
  });
});

describe("reading lists", () => {
  test("36, 37, 39: pages are numbers, in a stable order, totalResults exact, nothing past the end", async () => {
    for (let n = 0; n < 5; n++) await scim.user({ title: "paged" });
    const page = async (more: string): Promise<Loose> =>
      (await scim.call("GET", filterPath("Users", 'userName co "@"', more))).json;
    const all = await page("&count=1000");
    const total = Number(all["totalResults"]);
    expect([all["itemsPerPage"], (all["Resources"] as unknown as unknown[]).length]).toEqual([total, total]);
    const ids = (list: Loose): unknown[] => (list["Resources"] as unknown as Loose[]).map((each) => each["id"]);
    expect([...ids(await page("&startIndex=1&count=2")), ...ids(await page("&startIndex=3&count=2"))]).toEqual(
      ids(all).slice(0, 4),
    );
    expect(await page("&startIndex=100001&count=100")).toMatchObject({
      totalResults: total,
      startIndex: 100001,
      itemsPerPage: 0,
      Resources: [],
    });
    expect(await page("&count=0")).toMatchObject({ totalResults: total, Resources: [] });
    expect(await page("&count=-3")).toMatchObject({ totalResults: total, Resources: [] });
    expect(await page("&startIndex=-3&count=1")).toMatchObject({ startIndex: 1, itemsPerPage: 1 });
    expect((await scim.call("GET", "/Users?count=many")).status).toBe(400);
  });

  test("38, 48: discovery", async () => {
    const config = (await scim.call("GET", "/ServiceProviderConfig")).json;
    expect(config).toMatchObject({
      patch: { supported: true },
      filter: { supported: true, maxResults: 1000 },
      etag: { supported: true },
      authenticationSchemes: [{ type: "oauthbearertoken" }],
    });
    expect(Number(config["bulk"]?.["maxOperations"])).toBeGreaterThanOrEqual(100);
    expect((await scim.call("GET", "/Schemas")).json).toMatchObject({
      totalResults: 3,
      schemas: ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
    });
  });

  test("47: unknown query parameters and extra slashes", async () => {
    const user = await scim.user();
    for (const path of [`/Users/${user["id"]}/?aadOptscim062020`, `//Users/${user["id"]}?aadOptscim062020&x=1`])
      expect((await scim.call("GET", path)).status).toBe(200);
    expect(
      (await scim.call("GET", filterPath("Users", `userName eq "${user["userName"]}"`, "&filter=x&aadOptscim062020")))
        .json["totalResults"],
    ).toBe(1);
  });
});

describe("headers", () => {
  test.each(["application/json", "application/scim+json; charset=utf-8", "application/json; charset=UTF-8", "*/*"])(
    "42: Content-Type %s",
    async (type) => {
      const body = JSON.stringify({ schemas: [CORE], userName: `${unique("typed")}@x.org` });
      expect(
        (await scim.raw("POST", "/Users", body, { "content-type": type, accept: "application/json" })).status,
      ).toBe(201);
    },
  );

  test("42, 43: without Content-Type, Accept and User-Agent", async () => {
    const reply = await scim.raw("POST", "/Users", JSON.stringify({ userName: `${unique("typed")}@x.org` }), {});
    expect([reply.status, reply.headers["location"]]).toEqual([201, `${scim.baseUrl()}/Users/${reply.json["id"]}`]);
    expect((await scim.raw("GET", "/Users?count=1", null, { "user-agent": "" })).status).toBe(200);
  });

  test.each(["Bearer nope", "non-token", "Basic c2VjcmV0", "", "Bearer"])(
    "44: Authorization %j is 401",
    async (authorization) => {
      const reply = await scim.raw("GET", "/Users", null, { authorization });
      expect([reply.status, reply.json["status"]]).toEqual([401, "401"]);
      expect(reply.headers["www-authenticate"]).toMatch(/^Bearer/);
    },
  );
});
