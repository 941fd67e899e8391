import { describe, expect, test } from "vitest";
import { CORE, ENTERPRISE, filterPath, refusalOf, resourcesIn, scimServer, unique } from "./server.ts";

const scim = scimServer();

describe("a filter that is refused", () => {
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
    expect(refusalOf(await scim.call("GET", filterPath("Users", filter)))).toEqual([400, "invalidFilter"]);
  });
});

describe("a filter chooses a user", () => {
  const name = unique("filters");
  const CASES: readonly { readonly filter: string; readonly isChosen: boolean }[] = [
    { filter: `name.familyName eq "${name}" and (emails.value co "FILTERS" or title eq "x")`, isChosen: true },
    { filter: 'name.familyName sw "filt" and not (title sw "Eng")', isChosen: false },
    { filter: 'not (title eq "a" or title eq "b")', isChosen: true },
    { filter: 'title eq "ENGINEER"', isChosen: true },
    { filter: 'title sw "undef"', isChosen: false },
    { filter: 'nickName sw "undef"', isChosen: false },
    { filter: "nickName pr", isChosen: false },
    { filter: "nickName eq null", isChosen: true },
    { filter: 'nickName ne "x"', isChosen: true },
    { filter: "nickName ne null", isChosen: false },
    { filter: 'title ne "engineer"', isChosen: false },
    { filter: "title pr and emails pr and name pr and userName pr and active pr and meta pr", isChosen: true },
    { filter: `${CORE}:userName sw "${name}"`, isChosen: true },
    { filter: `userName eq "${name.toUpperCase()}@X.org"`, isChosen: true },
    { filter: "externalId eq CaseKept", isChosen: true },
    { filter: 'externalId eq "casekept"', isChosen: false },
    { filter: `${ENTERPRISE}:department eq "r&d \\"x\\" [y]"`, isChosen: true },
    { filter: `${ENTERPRISE}:manager.value eq "Boss"`, isChosen: true },
    { filter: `${ENTERPRISE}:manager.value eq "boss"`, isChosen: false },
    { filter: 'manager eq "Boss"', isChosen: true },
    { filter: 'manager eq "Somebody"', isChosen: false },
    { filter: 'department co "and not that" or department co "&"', isChosen: true },
    { filter: `emails eq "${name.toUpperCase()}@x.org"`, isChosen: true },
    { filter: 'emails[type eq "work" and value co "@x.org"]', isChosen: true },
    { filter: 'emails[type eq "home" and value co "@x.org"]', isChosen: false },
    { filter: 'emails[type eq "home"]', isChosen: true },
    { filter: 'emails[not (type eq "home")].value ew "x.org"', isChosen: true },
    { filter: 'emails.type eq "HOME"', isChosen: true },
    { filter: 'emails[primary eq true].value co "@y.org"', isChosen: false },
    { filter: 'emails[primary eq "True"].value co "@x.org"', isChosen: true },
    { filter: "active eq true", isChosen: true },
    { filter: "active ne True", isChosen: false },
    { filter: 'active eq "False"', isChosen: false },
    { filter: 'meta.lastModified gt "2020-01-01T00:00:00Z"', isChosen: true },
    { filter: 'meta.lastModified lt "2020-01-01T00:00:00Z"', isChosen: false },
    { filter: 'meta.created ge "2020-01-01T00:00:00Z" and meta.resourceType eq "User"', isChosen: true },
    { filter: 'USERNAME EQ "x" OR TITLE PR AND NOT (nickName PR)', isChosen: true },
    { filter: 'title gt "a" and title lt "z" and title ge "engineer" and title le "engineer"', isChosen: true },
    { filter: 'userName gt "a" and userName le "zzz"', isChosen: true },
    { filter: "displayName pr", isChosen: false },
    { filter: `displayName co "${name}"`, isChosen: false },
    { filter: 'unknownThing eq "x"', isChosen: false },
    { filter: 'not (unknownThing eq "x")', isChosen: true },
    { filter: 'unknownThing ne "x"', isChosen: true },
    { filter: 'groups pr or groups.value eq "x"', isChosen: false },
    { filter: "externalId pr", isChosen: true },
    { filter: 'password eq "1mz050nq"', isChosen: false },
    { filter: "((((title pr))))", isChosen: true },
    { filter: "   title   pr   ", isChosen: true },
  ];
  test("with the operators, value paths, URNs and spellings that clients send", async () => {
    const user = await scim.user({
      userName: `${name}@x.org`,
      externalId: "CaseKept",
      password: "1mz050nq",
      displayName: null,
      title: "Engineer",
      name: { familyName: name },
      emails: [
        { value: `${name}@x.org`, type: "work", primary: true },
        { value: `${name}@y.org`, type: "home" },
      ],
      [ENTERPRISE]: { department: 'R&D "x" [y]', manager: { value: "Boss" } },
    });
    for (const { filter, isChosen } of CASES) {
      const found = await scim.find("Users", `id eq "${user["id"]}" and (${filter})`);
      expect({ filter, total: found["totalResults"] }).toEqual({ filter, total: isChosen ? 1 : 0 });
    }
  });
});

test.each(['userName eq "nobody"', 'externalId eq "nobody"', 'emails[type eq "work"].value eq "nobody"'])(
  "%s without a match answers an empty list, with blanks sent as %%20 and as +",
  async (filter) => {
    const path = filterPath("Users", filter);
    for (const each of [path, path.replaceAll("%20", "+")])
      expect(await scim.get(each)).toEqual({
        schemas: ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        totalResults: 0,
        startIndex: 1,
        itemsPerPage: 0,
        Resources: [],
      });
  },
);

test("groups are found by displayName in any case, and by a member", async () => {
  const [member, other] = [await scim.user(), await scim.user()];
  const group = await scim.group({ displayName: "MiXed Team", members: [{ value: member["id"] }] });
  const found = async (filter: string): Promise<unknown[]> =>
    resourcesIn(await scim.find("Groups", filter, "&attributes=id")).map((each) => each["id"]);
  expect(await found('displayName eq "mixed TEAM"')).toEqual([group["id"]]);
  expect(await found(`id eq "${group["id"]}" and members eq "${member["id"]}"`)).toEqual([group["id"]]);
  expect(await found(`id eq "${group["id"]}" and members eq "${other["id"]}"`)).toEqual([]);
});
