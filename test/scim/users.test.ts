import { describe, expect, test } from "vitest";
import { toUserWrite } from "../../src/sources/scim/users.ts";
import type { Loose } from "./server.ts";
import { CORE, ENTERPRISE, GROUP, pathOf, refusalOf, resourcesIn, scimServer, unique } from "./server.ts";

const scim = scimServer();
const patched = async (user: Loose, ...operations: unknown[]): Promise<Loose> => {
  const reply = await scim.patch(user, ...operations);
  expect(reply.status, reply.text).toBe(200);
  return reply.json;
};
const misspeltUrn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0User";

describe("POST of a user", () => {
  test("answers with meta, Location, ETag and schemas", async () => {
    const userName = `${unique("meta")}@x.org`;
    const reply = await scim.call("POST", "/Users", { schemas: [CORE], userName, [ENTERPRISE]: { department: "D" } });
    const location = `${scim.baseUrl()}/Users/${reply.json["id"]}`;
    const version = reply.headers["etag"];
    expect(reply.headers).toMatchObject({ location, etag: expect.stringMatching(/^W\/"\d+"$/) });
    expect(reply.json).toMatchObject({
      schemas: [CORE, ENTERPRISE],
      meta: { resourceType: "User", location, version, created: reply.json["meta"]?.["lastModified"] },
    });
  });

  test("drops null, empty lists and a meta of the client", async () => {
    const user = await scim.user({
      addresses: null,
      roles: [],
      title: null,
      meta: { resourceType: "User", created: "x" },
    });
    expect(user["meta"]?.["created"]).toMatch(/^\d{4}-/);
    for (const name of ["addresses", "roles", "title"]) expect(user).not.toHaveProperty(name);
  });

  test("reads booleans that are sent as strings", async () => {
    const user = await scim.user({ active: "True", roles: [{ value: "admin", primary: "True" }] });
    expect(user).toMatchObject({ active: true, roles: [{ value: "admin", primary: true }] });
  });

  test("reads the misspelt enterprise URN and a manager without a URN, as Entra ID sends them", async () => {
    const user = await scim.user({ [misspeltUrn]: { department: "Ops" }, manager: "boss" });
    expect(user[ENTERPRISE]).toEqual({ department: "Ops", manager: { value: "boss" } });
    expect(user["schemas"]).toEqual([CORE, ENTERPRISE]);
  });

  test("refuses a userName that another user has, in any case", async () => {
    const { userName } = (await scim.user()) as unknown as { userName: string };
    const again = await scim.call("POST", "/Users", { schemas: [CORE], userName: userName.toUpperCase() });
    expect(refusalOf(again)).toEqual([409, "uniqueness"]);
  });

  const WRONG: readonly { readonly path: string; readonly value: unknown }[] = [
    { path: "userName", value: 7 },
    { path: "userName", value: "" },
    { path: "userName", value: " " },
    { path: "userName", value: null },
    { path: "userName", value: "x".repeat(513) },
    { path: "active", value: "perhaps" },
    { path: "active", value: 1 },
    { path: "active", value: {} },
    { path: "name", value: "Ann" },
    { path: "name.givenName", value: { givenName: 1 } },
    { path: "emails", value: 7 },
    { path: "emails", value: [null] },
    { path: "emails", value: [[]] },
    { path: "emails.value", value: [{ value: 7 }] },
    { path: "emails.value", value: [{ value: `${"x".repeat(513)}@x.org` }] },
    { path: "emails.primary", value: [{ value: "a@b.org", primary: "x" }] },
    { path: "title", value: ["a", "b"] },
    { path: "title", value: { a: 1 } },
    { path: ENTERPRISE, value: "x" },
    { path: `${ENTERPRISE}:manager`, value: { manager: 7 } },
    { path: "displayName", value: "\u0000" },
    { path: "displayName", value: "\ud800" },
    { path: "displayName", value: "x".repeat(513) },
    { path: "externalId", value: 5 },
    { path: "externalId", value: "x".repeat(513) },
  ];
  test.each(WRONG)("with $path $value is 400 invalidValue and names the attribute", async ({ path, value }) => {
    const name = path.startsWith(ENTERPRISE) ? ENTERPRISE : path.replace(/\..*/, "");
    const userName = `${unique("wrong")}@x.org`;
    const reply = await scim.call("POST", "/Users", { schemas: [CORE], userName, [name]: value });
    expect(refusalOf(reply)).toEqual([400, "invalidValue"]);
    expect(reply.json["detail"]).toContain(path === ENTERPRISE ? path : path.split(/[.:]/).at(-1));
  });
});

describe("the email address of a user", () => {
  const home = { value: "a@x.org", type: "other" };
  test.each([
    {
      is: "the primary one",
      emails: [{ value: "A@x.org" }, { value: "B@x.org ", type: "work" }, { value: "C@x.org", primary: true }],
      email: "c@x.org",
    },
    { is: "the work one without a primary one", emails: [home, { value: "b@x.org", type: "Work" }], email: "b@x.org" },
    {
      is: "otherwise the first one",
      emails: [{ value: "a@x.org" }, { value: "b@x.org", type: "other" }],
      email: "a@x.org",
    },
    {
      is: "never a text that is not an address",
      emails: [{ value: "not an address", primary: true }, { value: "b@x.org" }],
      email: "b@x.org",
    },
    { is: "the userName without emails", userName: "Ann@X.org", emails: [], email: "ann@x.org" },
  ])("is $is", ({ userName = "plain", emails, email }) => {
    expect(toUserWrite({ userName, emails }).email).toBe(email);
  });

  test("is required, in emails or as userName", async () => {
    const reply = await scim.call("POST", "/Users", { schemas: [CORE], userName: unique("nomail") });
    expect(refusalOf(reply)).toEqual([400, "invalidValue"]);
    expect(reply.json["detail"]).toContain("emails");
  });
});

test("a password is neither stored, shown nor logged", async () => {
  const user = await scim.user({ password: "1mz050nq", groups: [], locale: "en-US" });
  expect(user).toMatchObject({ id: expect.any(String), locale: "en-US" });
  const after = await patched(
    user,
    { op: "replace", path: "password", value: "7ElB3kuz" },
    { op: "replace", value: { password: "7ElB3kuz" } },
  );
  const stored = await scim.store().getUser("okta", String(user["id"]));
  expect(JSON.stringify([user, after, stored, scim.log])).not.toMatch(/7ElB3kuz|1mz050nq/);
});

describe("a user who is disabled", () => {
  test.each([
    { op: "Replace", path: "active", value: "False" },
    { op: "REPLACE", path: "Active", value: false },
    { op: "replace", value: { active: false } },
    { op: "replace", value: { active: "false" } },
    { op: "replace", path: "", value: { active: "False" } },
    { op: "Add", path: "active", value: "False" },
    { op: "Replace", path: `${CORE}:active`, value: "False" },
  ])("by %j is inactive, and still found", async (operation) => {
    const user = await scim.user();
    const disabled = { id: user["id"], active: false };
    expect(await patched(user, operation)).toMatchObject(disabled);
    expect(await scim.get(pathOf(user))).toMatchObject(disabled);
    expect(resourcesIn(await scim.find("Users", `userName eq "${user["userName"]}"`))).toMatchObject([disabled]);
  });

  test("stays disabled after a PUT without active; the other missing attributes are cleared", async () => {
    const user = await scim.user({ title: "Engineer" });
    await patched(user, { op: "replace", path: "active", value: false });
    const { active: _active, title: _title, ...rest } = user as unknown as Record<string, unknown>;
    const reply = await scim.call("PUT", pathOf(user), { ...rest, groups: [{ value: "x" }], displayName: "New" });
    expect(reply.status).toBe(200);
    expect(reply.json).toMatchObject({ id: user["id"], active: false, displayName: "New" });
    for (const name of ["title", "groups"]) expect(reply.json).not.toHaveProperty(name);
  });
});

test("a deleted user is not found, by GET, DELETE or PUT", async () => {
  const user = await scim.user();
  const statuses: number[] = [];
  for (const method of ["DELETE", "DELETE", "GET"]) statuses.push((await scim.call(method, pathOf(user))).status);
  statuses.push((await scim.call("PUT", pathOf(user), { schemas: [CORE], userName: "a@b.org" })).status);
  expect(statuses).toEqual([204, 404, 404, 404]);
});

describe("PATCH of a user", () => {
  const addresses = [
    { type: "work", locality: "Work" },
    { type: "home", locality: "Home" },
  ];
  const [work, home] = addresses;
  const emails = [{ value: "home@x.org", type: "home" }];
  const manager = { [ENTERPRISE]: { manager: { value: "boss" } } };
  const CASES: readonly { readonly operations: readonly object[]; readonly before?: object; readonly after: object }[] =
    [
      {
        operations: [{ op: "replace", path: 'addresses[type eq "work"]', value: { locality: "Delft" } }],
        after: { addresses: [{ type: "work", locality: "Delft" }, home] },
      },
      {
        operations: [{ op: "add", path: 'addresses[type eq "work"]', value: { country: "NL" } }],
        after: { addresses: [{ ...work, country: "NL" }, home] },
      },
      {
        operations: [{ op: "remove", path: 'addresses[type eq "work"].locality' }],
        after: { addresses: [{ type: "work" }, home] },
      },
      { operations: [{ op: "remove", path: 'ADDRESSES[TYPE eq "Work"]' }], after: { addresses: [home] } },
      { operations: [{ op: "remove", path: "addresses", value: [{ type: "home" }] }], after: { addresses: [work] } },
      {
        operations: [{ op: "replace", path: "addresses.country", value: "NL" }],
        after: { addresses: addresses.map((each) => ({ ...each, country: "NL" })) },
      },
      {
        operations: [{ op: "replace", path: "name", value: { givenName: "Bo", familyName: null } }],
        after: { name: { givenName: "Bo" } },
      },
      { operations: [{ op: "add", path: "roles", value: { value: "admin" } }], after: { roles: [{ value: "admin" }] } },
      {
        operations: [{ op: "replace", path: "displayName", value: [{ $ref: null, value: "Wrapped" }] }],
        after: { displayName: "Wrapped" },
      },
      // Entra ID replaces a value that is not there, and means: create it.
      {
        before: { emails },
        operations: [{ op: "Replace", path: 'emails[type eq "work"].value', value: "work@x.org" }],
        after: { emails: [...emails, { type: "work", value: "work@x.org" }] },
      },
      {
        operations: [
          { op: "Add", path: 'phoneNumbers[type eq "mobile"].primary', value: "True" },
          { op: "Add", path: 'phoneNumbers[type eq "mobile"].value', value: "+31 6" },
        ],
        after: { phoneNumbers: [{ type: "mobile", primary: true, value: "+31 6" }] },
      },
      // The keys of a value without a path are paths.
      {
        before: { name: { givenName: "Ann", familyName: "Lee" } },
        operations: [
          {
            op: "replace",
            value: {
              "name.givenName": "Zoe",
              [`${ENTERPRISE}:employeeNumber`]: "42",
              [ENTERPRISE]: { department: "R&D" },
              [`${CORE}:nickName`]: "Z",
              nonsense: 1,
              'emails[type eq "work"].value': "ignored@x.org",
            },
          },
        ],
        after: {
          name: { givenName: "Zoe", familyName: "Lee" },
          nickName: "Z",
          [ENTERPRISE]: { employeeNumber: "42", department: "R&D" },
          nonsense: undefined,
        },
      },
      { operations: [{ op: "Add", path: "manager", value: { value: "boss" } }], after: manager },
      { operations: [{ op: "Add", path: "manager", value: "boss" }], after: manager },
      { operations: [{ op: "Add", path: `${ENTERPRISE}:manager`, value: "boss" }], after: manager },
      { operations: [{ op: "Add", path: `${ENTERPRISE}:manager.value`, value: "boss" }], after: manager },
      { operations: [{ op: "Add", path: `${misspeltUrn}:manager`, value: "boss" }], after: manager },
      {
        operations: [{ op: "Add", path: "manager", value: [{ $ref: "https://x/Users/boss", value: "boss" }] }],
        after: { [ENTERPRISE]: { manager: { $ref: "https://x/Users/boss", value: "boss" } } },
      },
      ...[{ value: "" }, "", null].map((value) => ({
        before: manager,
        operations: [{ op: "Replace", path: `${ENTERPRISE}:manager`, value }],
        after: { [ENTERPRISE]: undefined },
      })),
    ];
  test.each(CASES)("$operations makes it $after", async ({ before = {}, operations, after }) => {
    const user = await patched(await scim.user({ addresses, ...before }), ...operations);
    for (const [name, value] of Object.entries(after)) expect(user[name]).toEqual(value);
  });

  const REFUSED: readonly { readonly operation: unknown; readonly scimType: string }[] = [
    { operation: { op: "replace", path: "nonsense", value: 1 }, scimType: "invalidPath" },
    { operation: { op: "replace", path: "emails[", value: 1 }, scimType: "invalidFilter" },
    { operation: { op: "replace", path: 'emails[type eq "work"].x', value: 1 }, scimType: "invalidPath" },
    { operation: { op: "replace", path: 'emails[type eq "work"]x', value: 1 }, scimType: "invalidPath" },
    { operation: { op: "replace", path: "title[a eq 1]", value: 1 }, scimType: "invalidPath" },
    { operation: { op: "replace", path: "id", value: "x" }, scimType: "mutability" },
    { operation: { op: "replace", path: "meta.created", value: "x" }, scimType: "mutability" },
    { operation: { op: "replace", value: { id: "other", displayName: "Never" } }, scimType: "mutability" },
    { operation: { op: "add", path: "groups", value: [] }, scimType: "mutability" },
    { operation: { op: "remove", path: "userName" }, scimType: "invalidValue" },
    { operation: { op: "remove" }, scimType: "noTarget" },
    { operation: { op: "replace", path: 'emails[value eq "nobody"].value', value: "x@y.org" }, scimType: "noTarget" },
    { operation: { op: "move", path: "title" }, scimType: "invalidSyntax" },
    { operation: { op: "add", path: "title" }, scimType: "invalidValue" },
    { operation: { op: "add", value: "x" }, scimType: "invalidValue" },
    { operation: { op: "add", path: 7, value: "x" }, scimType: "invalidPath" },
    { operation: { op: "replace", path: "active", value: "perhaps" }, scimType: "invalidValue" },
    { operation: null, scimType: "invalidSyntax" },
    { operation: "x", scimType: "invalidSyntax" },
    { operation: [], scimType: "invalidSyntax" },
  ];
  test.each(REFUSED)("$operation is 400 $scimType, and the operation before it is undone", async (refused) => {
    const user = await scim.user();
    const reply = await scim.patch(user, { op: "replace", path: "displayName", value: "Half" }, refused.operation);
    expect(refusalOf(reply)).toEqual([400, refused.scimType]);
    expect(await scim.get(pathOf(user))).toEqual(user);
  });

  test("may contain the id if it does not change", async () => {
    const user = await scim.user();
    const value = { id: user["id"], schemas: [CORE], displayName: "Same" };
    expect(await patched(user, { op: "replace", value })).toMatchObject({ id: user["id"], displayName: "Same" });
  });

  test("leaves one primary value, the last added one, and no value of the same type twice", async () => {
    const user = await scim.user({
      emails: [{ value: "a@x.org", primary: true }, { value: "b@x.org", primary: true }, { value: "B@x.org" }],
    });
    const a = { value: "a@x.org", primary: true };
    const b = { value: "B@x.org", primary: false };
    expect(user["emails"]).toEqual([a, b]);
    const c = { value: "c@x.org", primary: true };
    const added = await patched(user, { op: "add", path: "emails", value: [c, { value: "c@x.org" }] });
    expect(added["emails"]).toEqual([{ ...a, primary: false }, b, c]);
    const moved = await patched(user, { op: "replace", path: 'emails[value eq "a@x.org"].primary', value: true });
    expect(moved["emails"]).toEqual([a, b, { ...c, primary: false }]);
  });
});

test("a PATCH or PUT that changes nothing leaves lastModified and version", async () => {
  const user = await scim.user();
  const same = await patched(
    user,
    { op: "add", path: "emails", value: user["emails"] },
    { op: "replace", path: "active", value: "True" },
    { op: "add", value: { name: user["name"] } },
  );
  expect(same["meta"]).toEqual(user["meta"]);
  expect((await scim.call("PUT", pathOf(user), user)).json["meta"]).toEqual(user["meta"]);
});

test("every writable attribute of /Schemas is read back as it was written", async () => {
  const written: Record<string, unknown> = { [ENTERPRISE]: {} };
  for (const schema of resourcesIn(await scim.get("/Schemas"))) {
    const id = String(schema["id"]);
    if (id === GROUP) continue;
    const home = id === ENTERPRISE ? (written[ENTERPRISE] as Record<string, unknown>) : written;
    for (const attribute of schema["attributes"] as unknown as Description[])
      if (attribute.mutability === "readWrite") home[attribute.name] = sample(attribute);
  }
  written["userName"] = `${unique("all")}@x.org`;
  const reply = await scim.call("POST", "/Users", { schemas: [CORE, ENTERPRISE], ...written });
  expect(reply.json).toMatchObject(written);
  expect(Object.keys(written).length).toBeGreaterThan(18);
  expect((await scim.call("PUT", pathOf(reply.json), reply.json)).json["meta"]).toEqual(reply.json["meta"]);
});

interface Description {
  readonly name: string;
  readonly type: string;
  readonly multiValued: boolean;
  readonly mutability: string;
  readonly subAttributes?: Description[];
}

function sample({ name, type, multiValued, subAttributes = [] }: Description): unknown {
  const subs = subAttributes.filter((sub) => sub.mutability === "readWrite");
  const complex = Object.fromEntries(subs.map((sub) => [sub.name, sample(sub)]));
  const single = type === "boolean" ? true : type === "complex" ? complex : `${name}@Sample.org`;
  return multiValued ? [single] : single;
}
