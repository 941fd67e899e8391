import { describe, expect, test } from "vitest";
import type { Loose } from "./server.ts";
import { GROUP, pathOf, refusalOf, scimServer, unique } from "./server.ts";

const scim = scimServer();
const strict = scimServer({
  groupOptions: () => ({ isNameUnique: false, unknownMembers: "reject" }),
  groupNamesUnique: false,
});

const ref = (user: Loose): object => ({ value: user["id"] });
const membersIn = (group: Loose): Loose[] => group["members"] as unknown as Loose[];
const memberIds = async (group: Loose): Promise<unknown[]> =>
  membersIn(await scim.get(pathOf(group))).map((each) => each["value"]);

async function groupOf(count: number): Promise<{ group: Loose; users: [Loose, Loose, ...Loose[]] }> {
  const users: Loose[] = [];
  for (let n = 0; n < count; n++) users.push(await scim.user());
  return { group: await scim.group({ members: users.map(ref) }), users: users as [Loose, Loose, ...Loose[]] };
}

describe("PATCH of a group with members a and b", () => {
  const onMembers = (op: string, value?: unknown): object => ({ op, path: "members", value });
  const CASES: readonly {
    readonly does: string;
    readonly operations: (a: Loose, b: Loose, c: Loose) => unknown[];
    readonly members: string;
  }[] = [
    {
      does: "remove with a list removes the listed members",
      operations: (a) => [onMembers("Remove", [{ $ref: null, value: a["id"] }])],
      members: "b",
    },
    { does: "remove with one bare value removes it", operations: (a) => [onMembers("remove", ref(a))], members: "b" },
    { does: "remove without a value removes all", operations: () => [onMembers("remove")], members: "" },
    { does: "remove with null removes all", operations: () => [onMembers("remove", null)], members: "" },
    { does: "remove with an empty list removes nobody", operations: () => [onMembers("remove", [])], members: "ab" },
    {
      does: "remove with a filter removes the chosen member",
      operations: (a) => [{ op: "remove", path: `members[value eq "${a["id"]}"]` }],
      members: "b",
    },
    {
      does: "remove with a filter of two ids removes both",
      operations: (a, b) => [{ op: "remove", path: `members[value eq "${a["id"]}" or value eq "${b["id"]}"]` }],
      members: "",
    },
    {
      does: "remove of somebody who is not a member changes nothing",
      operations: (_a, _b, c) => [{ op: "remove", path: `members[value eq "${c["id"]}"]` }],
      members: "ab",
    },
    {
      does: "remove with a filter by display removes the chosen member",
      operations: (a) => [{ op: "remove", path: `members[display eq "${a["displayName"]}"]` }],
      members: "b",
    },
    {
      does: "remove with a filter by type also removes members that were added before",
      operations: (_a, _b, c) => [onMembers("add", [ref(c)]), { op: "remove", path: 'members[type eq "User"]' }],
      members: "",
    },
    {
      does: "add of present members changes nothing",
      operations: (a) => [onMembers("add", [ref(a), ref(a)])],
      members: "ab",
    },
    {
      does: "replace sets the members",
      operations: (_a, b, c) => [onMembers("replace", [ref(b), ref(c)])],
      members: "bc",
    },
    { does: "replace with an empty list removes all", operations: () => [onMembers("replace", [])], members: "" },
    {
      does: "replace with an empty list and without a path removes all",
      operations: () => [{ op: "replace", value: { members: [], displayName: unique("Cleared ") } }],
      members: "",
    },
    {
      does: "replace without members keeps them",
      operations: () => [{ op: "replace", value: { schemas: [GROUP], displayName: unique("Kept ") } }],
      members: "ab",
    },
    {
      does: "add reads ids that are bare strings",
      operations: (_a, _b, c) => [onMembers("add", [c["id"]])],
      members: "abc",
    },
    {
      does: "add without a path reads members with display and without type",
      operations: (_a, _b, c) => [{ op: "add", value: { members: [{ ...ref(c), display: "C" }] } }],
      members: "abc",
    },
    {
      does: "add leaves out an unknown id",
      operations: (_a, _b, c) => [onMembers("add", [{ value: crypto.randomUUID() }, ref(c)])],
      members: "abc",
    },
    {
      does: "several operations run in order",
      operations: (a, b, c) => [
        onMembers("remove", [ref(a), ref(b)]),
        onMembers("add", [ref(c)]),
        onMembers("add", [ref(a)]),
      ],
      members: "ac",
    },
    {
      does: "replace with a filter replaces one member by another",
      operations: (a, _b, c) => [{ op: "replace", path: `members[value eq "${a["id"]}"]`, value: ref(c) }],
      members: "bc",
    },
  ];
  test.each(CASES)("$does", async ({ operations, members }) => {
    const { group, users } = await groupOf(2);
    const [a, b] = users;
    const c = await scim.user();
    const reply = await scim.patch(group, ...operations(a, b, c));
    expect([reply.status, reply.text]).toEqual([204, ""]);
    const letterOf = (id: unknown): string | undefined => "abc"[[a, b, c].findIndex((each) => each["id"] === id)];
    expect((await memberIds(group)).map(letterOf).sort().join("")).toBe(members);
  });

  test("that changes nothing leaves version and lastModified", async () => {
    const { group, users } = await groupOf(2);
    const stranger = `members[value eq "${crypto.randomUUID()}"]`;
    await scim.patch(group, onMembers("add", [ref(users[0])]), { op: "remove", path: stranger });
    expect((await scim.get(pathOf(group)))["meta"]).toEqual(group["meta"]);
  });

  test("runs all operations or none", async () => {
    const { group } = await groupOf(2);
    const reply = await scim.patch(group, onMembers("remove"), { op: "replace", path: "displayName", value: 7 });
    expect(refusalOf(reply)).toEqual([400, "invalidValue"]);
    expect(await memberIds(group)).toHaveLength(2);
  });

  test("loses no member when many run at the same time", async () => {
    const { group, users } = await groupOf(30);
    await scim.patch(group, onMembers("remove"));
    const replies = await Promise.all(users.map((user) => scim.patch(group, onMembers("add", [ref(user)]))));
    expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([204]));
    expect(new Set(await memberIds(group))).toEqual(new Set(users.map((user) => user["id"])));
  });

  test("in the form of SCIM 1.1 is 400 invalidSyntax", async () => {
    const body = { schemas: [GROUP], members: [{ value: "x", operation: "delete" }] };
    const reply = await scim.call("PATCH", pathOf(await scim.group()), body);
    expect(refusalOf(reply)).toEqual([400, "invalidSyntax"]);
  });

  test("with attributes answers with the group", async () => {
    const { group } = await groupOf(2);
    const body = { Operations: [{ op: "replace", path: "displayName", value: "Asked" }] };
    const reply = await scim.call("PATCH", `${pathOf(group)}?attributes=displayName`, body);
    expect([reply.status, reply.json]).toEqual([200, { schemas: [GROUP], id: group["id"], displayName: "Asked" }]);
  });
});

test("excludedAttributes=members hides the members in every answer, and a PATCH with it keeps them", async () => {
  const { group } = await groupOf(2);
  const query = "excludedAttributes=members";
  const list = await scim.find("Groups", `displayName eq "${group["displayName"]}"`, `&${query}`);
  for (const shown of [await scim.get(`${pathOf(group)}?${query}`), list["Resources"]?.[0]])
    expect(shown).not.toHaveProperty("members");
  const body = { Operations: [{ op: "replace", path: "displayName", value: unique("Renamed ") }] };
  await scim.call("PATCH", `${pathOf(group)}?${query}`, body);
  expect(await memberIds(group)).toHaveLength(2);
});

test("PUT replaces the members", async () => {
  const { group, users } = await groupOf(2);
  const body = { schemas: [GROUP], displayName: group["displayName"], members: [ref(users[0])] };
  expect(membersIn((await scim.call("PUT", pathOf(group), body)).json)).toMatchObject([ref(users[0])]);
});

test("a member is shown with type, display and $ref", async () => {
  const user = await scim.user();
  const group = await scim.group({ members: [{ value: user["id"], display: "whatever" }] });
  const $ref = `${scim.baseUrl()}/Users/${user["id"]}`;
  expect(group["members"]).toEqual([{ value: user["id"], type: "User", display: user["displayName"], $ref }]);
});

test("the groups of a user are derived, in answers and in filters", async () => {
  const { group, users } = await groupOf(2);
  const $ref = `${scim.baseUrl()}/Groups/${group["id"]}`;
  expect((await scim.get(pathOf(users[0])))["groups"]).toEqual([
    { value: group["id"], display: group["displayName"], type: "direct", $ref },
  ]);
  expect(await scim.find("Users", `groups.display eq "${group["displayName"]}"`)).toMatchObject({ totalResults: 2 });
});

test("an unknown member is left out and logged, or refused where the source says so", async () => {
  const members = [{ value: crypto.randomUUID() }];
  const refused = await strict.call("POST", "/Groups", { schemas: [GROUP], displayName: "Strict", members });
  expect(refusalOf(refused)).toEqual([400, "invalidValue"]);
  expect((await scim.group({ members }))["members"]).toEqual([]);
  expect(scim.log.some((line) => JSON.stringify(line.fields).includes(String(members[0]?.value)))).toBe(true);
});

test("a second group of the same name is 409, unless the source allows it", async () => {
  const displayName = unique("Twice ");
  await scim.group({ displayName });
  const again = await scim.call("POST", "/Groups", { schemas: [GROUP], displayName });
  expect(refusalOf(again)).toEqual([409, "uniqueness"]);
  await strict.group({ displayName });
  await strict.group({ displayName });
});

test("a schema that the server does not have is ignored and not repeated", async () => {
  const foreign = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
  const group = await scim.group({ schemas: [GROUP, foreign], [foreign]: { x: 1 } });
  expect(group["schemas"]).toEqual([GROUP]);
  expect(group).not.toHaveProperty([foreign]);
  expect((await scim.patch(group, { op: "add", path: `${foreign}:x`, value: 1 })).status).toBe(204);
});

test("a group and its member can be deleted, and are then not found", async () => {
  const { group, users } = await groupOf(2);
  for (const path of [pathOf(group), pathOf(users[0])]) {
    expect((await scim.call("DELETE", path)).status).toBe(204);
    expect((await scim.call("GET", path)).status).toBe(404);
  }
});
