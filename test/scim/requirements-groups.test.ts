import { describe, expect, test } from "vitest";
import type { Loose, Reply } from "./server.ts";
import { filterPath, GROUP, patch, scimServer, unique } from "./server.ts";

const scim = scimServer();
const strict = scimServer({
  groupOptions: () => ({ isNameUnique: false, unknownMembers: "reject" }),
  groupNamesUnique: false,
});

const patchGroup = (group: Loose, ...operations: unknown[]): Promise<Reply> =>
  scim.call("PATCH", `/Groups/${group["id"]}`, patch(...operations));
const read = async (group: Loose): Promise<Loose> => (await scim.call("GET", `/Groups/${group["id"]}`)).json;
const memberIds = async (group: Loose): Promise<unknown[]> =>
  ((await read(group))["members"] as unknown as Loose[]).map((each) => each["value"]);
const ref = (user: Loose): object => ({ value: user["id"] });

async function groupOf(count: number): Promise<{ group: Loose; users: [Loose, Loose, ...Loose[]] }> {
  const users: Loose[] = [];
  for (let n = 0; n < count; n++) users.push(await scim.user());
  return { group: await scim.group({ members: users.map(ref) }), users: users as [Loose, Loose, ...Loose[]] };
}

describe("members of a group", () => {
  // Each starts with members a and b; c is another person.
  const CASES: readonly (readonly [string, (a: Loose, b: Loose, c: Loose) => unknown[], string])[] = [
    [
      "19: remove by a list removes those",
      (a) => [{ op: "Remove", path: "members", value: [{ $ref: null, value: a["id"] }] }],
      "b",
    ],
    ["19: remove by one bare value", (a) => [{ op: "remove", path: "members", value: { value: a["id"] } }], "b"],
    ["20: remove without a value removes all", () => [{ op: "remove", path: "members" }], ""],
    ["20: remove with null removes all", () => [{ op: "remove", path: "members", value: null }], ""],
    ["20: remove with [] removes nobody", () => [{ op: "remove", path: "members", value: [] }], "ab"],
    ["21: remove by a filter", (a) => [{ op: "remove", path: `members[value eq "${a["id"]}"]` }], "b"],
    [
      "21: remove by a filter of two",
      (a, b) => [{ op: "remove", path: `members[value eq "${a["id"]}" or value eq "${b["id"]}"]` }],
      "",
    ],
    ["21: remove who is not there", (_a, _b, c) => [{ op: "remove", path: `members[value eq "${c["id"]}"]` }], "ab"],
    [
      "21: remove by another sub-attribute",
      (a) => [{ op: "remove", path: `members[display eq "${a["displayName"]}"]` }],
      "b",
    ],
    [
      "21: remove all people by type, after an add",
      (_a, _b, c) => [
        { op: "add", path: "members", value: [ref(c)] },
        { op: "remove", path: 'members[type eq "User"]' },
      ],
      "",
    ],
    ["22: add who is there", (a) => [{ op: "add", path: "members", value: [ref(a), ref(a)] }], "ab"],
    ["23: replace", (_a, b, c) => [{ op: "replace", path: "members", value: [ref(b), ref(c)] }], "bc"],
    ["24: replace by []", () => [{ op: "replace", path: "members", value: [] }], ""],
    [
      "24: replace by [] without a path",
      () => [{ op: "replace", value: { members: [], displayName: unique("Cleared ") } }],
      "",
    ],
    [
      "25: absent members stay",
      () => [{ op: "replace", value: { schemas: [GROUP], displayName: unique("Kept ") } }],
      "ab",
    ],
    [
      "26: bare strings and display without type",
      (_a, _b, c) => [{ op: "add", path: "members", value: [c["id"]] }],
      "abc",
    ],
    [
      "26: add without a path",
      (_a, _b, c) => [{ op: "add", value: { members: [{ value: c["id"], display: "C" }] } }],
      "abc",
    ],
    [
      "27: who is unknown is skipped",
      (_a, _b, c) => [{ op: "add", path: "members", value: [{ value: crypto.randomUUID() }, ref(c)] }],
      "abc",
    ],
    [
      "29: several operations",
      (a, b, c) => [
        { op: "remove", path: "members", value: [ref(a), ref(b)] },
        { op: "add", path: "members", value: [ref(c)] },
        { op: "add", path: "members", value: [ref(a)] },
      ],
      "ac",
    ],
    [
      "replace one by another",
      (a, _b, c) => [{ op: "replace", path: `members[value eq "${a["id"]}"]`, value: ref(c) }],
      "bc",
    ],
  ];
  test.each(CASES)("%s", async (_name, operations, expected) => {
    const {
      group,
      users: [a, b],
    } = await groupOf(2);
    const c = await scim.user();
    const reply = await patchGroup(group, ...operations(a, b, c));
    expect([reply.status, reply.text]).toEqual([204, ""]);
    const letters = new Map([
      [a["id"], "a"],
      [b["id"], "b"],
      [c["id"], "c"],
    ] as const);
    expect(
      (await memberIds(group))
        .map((id) => letters.get(id as Loose))
        .sort()
        .join(""),
    ).toBe(expected);
  });

  test("18: excludedAttributes=members, alone and in lists, also on a PATCH, which keeps them", async () => {
    const { group } = await groupOf(2);
    expect((await scim.call("GET", `/Groups/${group["id"]}?excludedAttributes=members`)).json).not.toHaveProperty(
      "members",
    );
    const list = await scim.call(
      "GET",
      filterPath("Groups", `displayName eq "${group["displayName"]}"`, "&excludedAttributes=members"),
    );
    expect(list.json["Resources"]?.[0]).not.toHaveProperty("members");
    await scim.call(
      "PATCH",
      `/Groups/${group["id"]}?excludedAttributes=members`,
      patch({ op: "replace", path: "displayName", value: unique("Renamed ") }),
    );
    expect(await memberIds(group)).toHaveLength(2);
  });

  test("21, 22: what changes nothing leaves version and lastModified", async () => {
    const {
      group,
      users: [a],
    } = await groupOf(2);
    await patchGroup(
      group,
      { op: "add", path: "members", value: [ref(a)] },
      { op: "remove", path: `members[value eq "${crypto.randomUUID()}"]` },
    );
    expect((await read(group))["meta"]).toEqual(group["meta"]);
  });

  test("26: a member is shown with type, display and $ref", async () => {
    const user = await scim.user();
    const group = await scim.group({ members: [{ value: user["id"], display: "whatever" }] });
    expect(group["members"]).toEqual([
      { value: user["id"], type: "User", display: user["displayName"], $ref: `${scim.baseUrl()}/Users/${user["id"]}` },
    ]);
  });

  test("27: strictly, an unknown member is 400; otherwise it is logged", async () => {
    const ghost = crypto.randomUUID();
    const reply = await strict.call("POST", "/Groups", {
      schemas: [GROUP],
      displayName: "Strict",
      members: [{ value: ghost }],
    });
    expect([reply.status, reply.json["scimType"]]).toEqual([400, "invalidValue"]);
    await scim.group({ members: [{ value: ghost }] });
    expect(scim.log.some((line) => JSON.stringify(line.fields).includes(ghost))).toBe(true);
  });

  test("28: concurrent one-member patches lose nothing", async () => {
    const { group, users } = await groupOf(30);
    await patchGroup(group, { op: "remove", path: "members" });
    const replies = await Promise.all(
      users.map((user) => patchGroup(group, { op: "add", path: "members", value: [ref(user)] })),
    );
    expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([204]));
    expect(new Set(await memberIds(group))).toEqual(new Set(users.map((user) => user["id"])));
  });

  test("29: all or nothing", async () => {
    const { group } = await groupOf(2);
    const reply = await patchGroup(
      group,
      { op: "remove", path: "members" },
      { op: "replace", path: "displayName", value: 7 },
    );
    expect([reply.status, reply.json["scimType"]]).toEqual([400, "invalidValue"]);
    expect(await memberIds(group)).toHaveLength(2);
  });

  test("a person's groups are derived, on reading and in filters", async () => {
    const {
      group,
      users: [a],
    } = await groupOf(2);
    const person = (await scim.call("GET", `/Users/${a["id"]}`)).json;
    expect(person["groups"]).toEqual([
      {
        value: group["id"],
        display: group["displayName"],
        type: "direct",
        $ref: `${scim.baseUrl()}/Groups/${group["id"]}`,
      },
    ]);
    expect(
      (await scim.call("GET", filterPath("Users", `groups.display eq "${group["displayName"]}"`))).json["totalResults"],
    ).toBe(2);
    expect(
      (await scim.call("PATCH", `/Users/${a["id"]}`, patch({ op: "add", path: "groups", value: [] }))).json["scimType"],
    ).toBe("mutability");
  });
});

describe("groups", () => {
  test("4: displayName in another case", async () => {
    const group = await scim.group({ displayName: "MiXed Team" });
    expect(
      (await scim.call("GET", filterPath("Groups", 'displayName eq "mixed TEAM"'))).json["Resources"]?.[0]?.["id"],
    ).toBe(group["id"]);
  });

  test("17: a foreign schema is ignored and not echoed", async () => {
    const foreign = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
    const group = await scim.group({ schemas: [GROUP, foreign], [foreign]: { x: 1 } });
    expect(group["schemas"]).toEqual([GROUP]);
    expect(group).not.toHaveProperty([foreign]);
    expect((await patchGroup(group, { op: "add", path: `${foreign}:x`, value: 1 })).status).toBe(204);
  });

  test("33: a displayName twice is 409, as a setting", async () => {
    const name = unique("Twice ");
    await scim.group({ displayName: name });
    const again = await scim.call("POST", "/Groups", { schemas: [GROUP], displayName: name });
    expect([again.status, again.json["scimType"]]).toEqual([409, "uniqueness"]);
    await strict.group({ displayName: name });
    await strict.group({ displayName: name });
  });

  test("46: a test user and group, made and deleted", async () => {
    const {
      group,
      users: [a],
    } = await groupOf(2);
    expect((await scim.call("DELETE", `/Groups/${group["id"]}`)).status).toBe(204);
    expect((await scim.call("DELETE", `/Users/${a["id"]}`)).status).toBe(204);
    expect((await scim.call("GET", `/Groups/${group["id"]}`)).status).toBe(404);
  });

  test("49: a SCIM 1.1 body is 400 invalidSyntax", async () => {
    const group = await scim.group();
    const reply = await scim.call("PATCH", `/Groups/${group["id"]}`, {
      schemas: [GROUP],
      members: [{ value: "x", operation: "delete" }],
    });
    expect([reply.status, reply.json["scimType"]]).toEqual([400, "invalidSyntax"]);
  });

  test("PUT replaces members, PATCH with attributes answers with the group", async () => {
    const {
      group,
      users: [a],
    } = await groupOf(2);
    const put = await scim.call("PUT", `/Groups/${group["id"]}`, {
      schemas: [GROUP],
      displayName: group["displayName"],
      members: [ref(a)],
    });
    expect(put.json["members"]).toHaveLength(1);
    const asked = await scim.call(
      "PATCH",
      `/Groups/${group["id"]}?attributes=displayName`,
      patch({ op: "replace", path: "displayName", value: "Asked" }),
    );
    expect([asked.status, asked.json]).toEqual([200, { schemas: [GROUP], id: group["id"], displayName: "Asked" }]);
  });
});
