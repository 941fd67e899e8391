import { describe, expect, test } from "vitest";
import type { Loose, Reply } from "./server.ts";
import { CORE, ENTERPRISE, filterPath, GROUP, patch, scimServer, unique } from "./server.ts";

// What suites find missing in servers built on scimmy: the list below the table in the requirements, then RFC 7644.
const scim = scimServer();
const patchUser = (user: Loose, ...operations: unknown[]): Promise<Reply> =>
  scim.call("PATCH", `/Users/${user["id"]}`, patch(...operations));
const total = async (filter: string, resource = "Users"): Promise<unknown> => {
  const reply = await scim.call("GET", filterPath(resource, filter));
  expect(reply.status, reply.text).toBe(200);
  return reply.json["totalResults"];
};

test("a created resource has meta, Location, ETag and schemas", async () => {
  const reply = await scim.call("POST", "/Users", {
    schemas: [CORE],
    userName: `${unique("meta")}@x.org`,
    [ENTERPRISE]: { department: "D" },
  });
  const location = `${scim.baseUrl()}/Users/${reply.json["id"]}`;
  expect(reply.headers).toMatchObject({ location, etag: expect.stringMatching(/^W\/"\d+"$/) });
  expect(reply.json).toMatchObject({
    schemas: [CORE, ENTERPRISE],
    meta: {
      resourceType: "User",
      location,
      version: reply.headers["etag"],
      created: reply.json["meta"]?.["lastModified"],
    },
  });
});

describe("filters", () => {
  const name = unique("filters");
  const REFUSED = [
    "active gt true",
    "active co true",
    "userName",
    "userName eq",
    'userName zz "x"',
    "and",
    '(userName eq "x"',
    'userName eq "x")',
    'userName eq "x" or',
    'userName eq "x',
    'emails[type eq "work"',
    'name eq "x"',
    'meta.created gt "soon"',
    'not userName eq "x"',
    "title[value eq 1]",
    'userName eq "\\u0000"',
    "userName gt null",
    'userName eq "a" "b"',
    "[]",
    "eq",
    'userName eq "\\x"',
  ];
  test.each(REFUSED)("%s is 400 invalidFilter", async (filter) => {
    const reply = await scim.call("GET", filterPath("Users", filter));
    expect([reply.status, reply.json["scimType"]]).toEqual([400, "invalidFilter"]);
  });

  const HOLDS: readonly (readonly [string, boolean])[] = [
    [`name.familyName eq "${name}" and (emails.value co "FILTERS" or title eq "x")`, true],
    ['name.familyName sw "filt" and not (title sw "Eng")', false],
    ['not (title eq "a" or title eq "b")', true],
    ['title eq "ENGINEER"', true],
    ['title sw "undef"', false],
    ['nickName sw "undef"', false],
    ["nickName pr", false],
    ["nickName eq null", true],
    ['nickName ne "x"', true],
    ["nickName ne null", false],
    ['title ne "engineer"', false],
    ["title pr and emails pr and name pr and userName pr and active pr and meta pr", true],
    [`${CORE}:userName sw "${name}"`, true],
    [`${ENTERPRISE}:department eq "r&d \\"x\\" [y]"`, true],
    [`${ENTERPRISE}:manager.value eq "Boss"`, true],
    [`${ENTERPRISE}:manager.value eq "boss"`, false],
    ['department co "and not that" or department co "&"', true],
    ['emails[type eq "work" and value co "@x.org"]', true],
    ['emails[type eq "home" and value co "@x.org"]', false],
    ['emails[type eq "home"]', true],
    ['emails[not (type eq "home")].value ew "x.org"', true],
    ['emails.type eq "HOME"', true],
    ['emails[primary eq true].value co "@y.org"', false],
    ['emails[primary eq "True"].value co "@x.org"', true],
    ["active eq true", true],
    ["active ne True", false],
    ['active eq "False"', false],
    ['meta.lastModified gt "2020-01-01T00:00:00Z"', true],
    ['meta.lastModified lt "2020-01-01T00:00:00Z"', false],
    ['meta.created ge "2020-01-01T00:00:00Z" and meta.resourceType eq "User"', true],
    ['USERNAME EQ "x" OR TITLE PR AND NOT (nickName PR)', true],
    ['title gt "a" and title lt "z" and title ge "engineer" and title le "engineer"', true],
    ['userName gt "a" and userName le "zzz"', true],
    ["displayName pr", false],
    [`displayName co "${name}"`, false],
    ['unknownThing eq "x"', false],
    ['not (unknownThing eq "x")', true],
    ['unknownThing ne "x"', true],
    ['groups pr or groups.value eq "x"', false],
    ["externalId pr", true],
    ["((((title pr))))", true],
    ["   title   pr   ", true],
  ];
  test("what they choose", async () => {
    const user = await scim.user({
      userName: `${name}@x.org`,
      displayName: null,
      title: "Engineer",
      name: { familyName: name },
      emails: [
        { value: `${name}@x.org`, type: "work", primary: true },
        { value: `${name}@y.org`, type: "home" },
      ],
      [ENTERPRISE]: { department: 'R&D "x" [y]', manager: { value: "Boss" } },
    });
    for (const [filter, holds] of HOLDS)
      expect([filter, await total(`id eq "${user["id"]}" and (${filter})`)]).toEqual([filter, holds ? 1 : 0]);
  });
});

describe("projection", () => {
  test("id and schemas are always there; sub-attributes and URNs", async () => {
    const user = await scim.user({ [ENTERPRISE]: { department: "D", costCenter: "C" } });
    const get = async (query: string): Promise<Loose> => (await scim.call("GET", `/Users/${user["id"]}?${query}`)).json;
    const always = { schemas: user["schemas"], id: user["id"] };
    expect(await get("attributes=userName")).toEqual({ ...always, userName: user["userName"] });
    expect(await get(`attributes=NAME.givenName,emails.value,${ENTERPRISE}:department`)).toEqual({
      ...always,
      name: { givenName: "Ann" },
      emails: [{ value: user["userName"] }],
      [ENTERPRISE]: { department: "D" },
    });
    expect(await get(`attributes=${ENTERPRISE}`)).toEqual({
      ...always,
      [ENTERPRISE]: { department: "D", costCenter: "C" },
    });
    expect(await get("attributes=nonsense,meta.version")).toEqual({
      ...always,
      meta: { version: user["meta"]?.["version"] },
    });
    const rest = await get(`excludedAttributes=id,schemas,name.givenName,emails,${ENTERPRISE}:costCenter`);
    expect(rest).toMatchObject({
      ...always,
      name: { familyName: expect.any(String) },
      [ENTERPRISE]: { department: "D" },
    });
    for (const gone of ["emails", "name.givenName"]) expect(rest).not.toHaveProperty(gone);
  });

  test("a PATCH or PUT with a projection loses nothing", async () => {
    const user = await scim.user({ title: "T", [ENTERPRISE]: { department: "D" } });
    const reply = await scim.call(
      "PATCH",
      `/Users/${user["id"]}?attributes=userName`,
      patch({ op: "replace", path: "displayName", value: "P" }),
    );
    expect(Object.keys(reply.json)).toEqual(["schemas", "id", "userName"]);
    expect((await scim.call("GET", `/Users/${user["id"]}`)).json).toMatchObject({
      title: "T",
      displayName: "P",
      emails: user["emails"],
      [ENTERPRISE]: { department: "D" },
    });
  });
});

describe("values", () => {
  test("every writable attribute is read back as written", async () => {
    const written: Record<string, unknown> = { [ENTERPRISE]: {} };
    for (const schema of (await scim.call("GET", "/Schemas")).json["Resources"] as unknown as Loose[]) {
      if (schema["id"] === (GROUP as unknown)) continue;
      const home =
        (schema["id"] as unknown) === ENTERPRISE ? (written[ENTERPRISE] as Record<string, unknown>) : written;
      for (const attribute of schema["attributes"] as unknown as Description[])
        if (attribute.mutability === "readWrite") home[attribute.name] = sample(attribute);
    }
    written["userName"] = `${unique("all")}@x.org`;
    const reply = await scim.call("POST", "/Users", { schemas: [CORE, ENTERPRISE], ...written });
    expect(reply.json).toMatchObject(written);
    expect(Object.keys(written).length).toBeGreaterThan(18);
    expect((await scim.call("PUT", `/Users/${reply.json["id"]}`, reply.json)).json["meta"]).toEqual(reply.json["meta"]);
  });

  interface Description {
    readonly name: string;
    readonly type: string;
    readonly multiValued: boolean;
    readonly mutability: string;
    readonly subAttributes?: Description[];
  }
  function sample(attribute: Description): unknown {
    const single =
      attribute.type === "boolean"
        ? true
        : attribute.type === "complex"
          ? Object.fromEntries(
              (attribute.subAttributes ?? [])
                .filter((sub) => sub.mutability === "readWrite")
                .map((sub) => [sub.name, sample(sub)]),
            )
          : `${attribute.name}@Sample.org`;
    return attribute.multiValued ? [single] : single;
  }

  const WRONG: readonly (readonly [string, unknown])[] = [
    ["userName", 7],
    ["userName", ""],
    ["userName", " "],
    ["userName", null],
    ["active", "perhaps"],
    ["active", 1],
    ["active", {}],
    ["name", "Ann"],
    ["name.givenName", { givenName: 1 }],
    ["emails", 7],
    ["emails", [null]],
    ["emails", [[]]],
    ["emails.value", [{ value: 7 }]],
    ["emails.primary", [{ value: "a@b.org", primary: "x" }]],
    ["title", ["a", "b"]],
    ["title", { a: 1 }],
    [ENTERPRISE, "x"],
    ["manager", { manager: 7 }],
    ["displayName", "\u0000"],
    ["displayName", "\ud800"],
    ["externalId", 5],
    ["externalId", "x".repeat(513)],
    ["userName", "x".repeat(513)],
    ["displayName", "x".repeat(513)],
    ["emails.value", [{ value: `${"x".repeat(513)}@x.org` }]],
  ];
  test.each(WRONG)("a wrong %s, %j, is 400 invalidValue and named", async (path, value) => {
    const [name = ""] = path.startsWith("urn:") ? [path] : path.split(".");
    const over = name === "manager" ? { [ENTERPRISE]: value } : { [name]: value };
    const reply = await scim.call("POST", "/Users", { schemas: [CORE], userName: `${unique("wrong")}@x.org`, ...over });
    expect([reply.status, reply.json["scimType"]]).toEqual([400, "invalidValue"]);
    expect(reply.json["detail"]).toContain(path.startsWith("urn:") ? path : path.split(".").at(-1));
  });

  test("one primary, and the last one added by PATCH; no (type, value) twice", async () => {
    const user = await scim.user({
      emails: [{ value: "a@x.org", primary: true }, { value: "b@x.org", primary: true }, { value: "B@x.org" }],
    });
    expect(user["emails"]).toEqual([
      { value: "a@x.org", primary: true },
      { value: "B@x.org", primary: false },
    ]);
    const added = await patchUser(user, {
      op: "add",
      path: "emails",
      value: [{ value: "c@x.org", primary: true }, { value: "c@x.org" }],
    });
    expect(added.json["emails"]).toEqual([
      { value: "a@x.org", primary: false },
      { value: "B@x.org", primary: false },
      { value: "c@x.org", primary: true },
    ]);
    const moved = await patchUser(user, { op: "replace", path: 'emails[value eq "a@x.org"].primary', value: true });
    expect((moved.json["emails"] as unknown as Loose[]).map((each) => each["primary"])).toEqual([true, false, false]);
  });

  test("an add or PUT that changes nothing leaves lastModified and version", async () => {
    const user = await scim.user();
    const same = await patchUser(
      user,
      { op: "add", path: "emails", value: user["emails"] },
      { op: "replace", path: "active", value: "True" },
      { op: "add", value: { name: user["name"] } },
    );
    expect(same.json["meta"]).toEqual(user["meta"]);
    expect((await scim.call("PUT", `/Users/${user["id"]}`, user)).json["meta"]).toEqual(user["meta"]);
  });

  const PATHS: readonly (readonly [unknown, string])[] = [
    [{ op: "replace", path: "nonsense", value: 1 }, "invalidPath"],
    [{ op: "replace", path: "emails[", value: 1 }, "invalidFilter"],
    [{ op: "replace", path: 'emails[type eq "work"].x', value: 1 }, "invalidPath"],
    [{ op: "replace", path: 'emails[type eq "work"]x', value: 1 }, "invalidPath"],
    [{ op: "replace", path: "title[a eq 1]", value: 1 }, "invalidPath"],
    [{ op: "replace", path: "id", value: "x" }, "mutability"],
    [{ op: "replace", path: "meta.created", value: "x" }, "mutability"],
    [{ op: "remove", path: "userName" }, "invalidValue"],
    [{ op: "remove" }, "noTarget"],
    [{ op: "replace", path: 'emails[value eq "nobody"].value', value: "x@y.org" }, "noTarget"],
    [{ op: "move", path: "title" }, "invalidSyntax"],
    [{ op: "add", path: "title" }, "invalidValue"],
    [{ op: "add", value: "x" }, "invalidValue"],
    [{ op: "add", path: 7, value: "x" }, "invalidPath"],
    [null, "invalidSyntax"],
    ["x", "invalidSyntax"],
    [[], "invalidSyntax"],
  ];
  test.each(PATHS)("PATCH %j is 400 %s", async (operation, scimType) => {
    const reply = await patchUser(await scim.user(), operation);
    expect([reply.status, reply.json["scimType"]]).toEqual([400, scimType]);
  });

  const EDITS: readonly (readonly [object, object])[] = [
    [
      { op: "replace", path: 'addresses[type eq "work"]', value: { locality: "Delft" } },
      {
        addresses: [
          { type: "work", locality: "Delft" },
          { type: "home", locality: "Home" },
        ],
      },
    ],
    [
      { op: "add", path: 'addresses[type eq "work"]', value: { country: "NL" } },
      {
        addresses: [
          { type: "work", locality: "Work", country: "NL" },
          { type: "home", locality: "Home" },
        ],
      },
    ],
    [
      { op: "remove", path: 'addresses[type eq "work"].locality' },
      { addresses: [{ type: "work" }, { type: "home", locality: "Home" }] },
    ],
    [{ op: "remove", path: 'ADDRESSES[TYPE eq "Work"]' }, { addresses: [{ type: "home", locality: "Home" }] }],
    [
      { op: "remove", path: "addresses", value: [{ type: "home" }] },
      { addresses: [{ type: "work", locality: "Work" }] },
    ],
    [
      { op: "replace", path: "addresses.country", value: "NL" },
      {
        addresses: [
          { type: "work", locality: "Work", country: "NL" },
          { type: "home", locality: "Home", country: "NL" },
        ],
      },
    ],
    [{ op: "replace", path: "name", value: { givenName: "Bo", familyName: null } }, { name: { givenName: "Bo" } }],
    [{ op: "add", path: "roles", value: { value: "admin" } }, { roles: [{ value: "admin" }] }],
    [{ op: "replace", path: "displayName", value: [{ $ref: null, value: "Wrapped" }] }, { displayName: "Wrapped" }],
  ];
  test.each(EDITS)("PATCH %j", async (operation, expected) => {
    const user = await scim.user({
      addresses: [
        { type: "work", locality: "Work" },
        { type: "home", locality: "Home" },
      ],
    });
    const after = (await patchUser(user, operation)).json;
    for (const [name, value] of Object.entries(expected)) expect(after[name]).toEqual(value);
  });
});
