import fc, { type Arbitrary } from "fast-check";

/** Valid, nearly valid and wrong SCIM. Everything is text, so that it can hold JSON that JSON.stringify never writes. */

const core = "urn:ietf:params:scim:schemas:core:2.0:User";
const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/** Replaced when a request is sent: own users and groups, those of the other source, a unique number. */
export const placeholders = [
  "{{u:0}}",
  "{{u:1}}",
  "{{u:7}}",
  "{{g:0}}",
  "{{g:3}}",
  "{{x:0}}",
  "{{x:2}}",
  "{{y:0}}",
  "{{n}}",
];

const nastyNames = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "valueOf",
  "__defineGetter__",
  "then",
  "length",
  "",
  " ",
  "$ref",
  "a".repeat(300),
  "users\u0000",
  "\ud800",
  "ＵserName",
  "userName ",
  `${core}:__proto__`,
];
const names = [
  "userName",
  "USERNAME",
  "displayName",
  "active",
  "name",
  "name.givenName",
  "emails",
  "emails.value",
  "members",
  "groups",
  "id",
  "externalId",
  "meta",
  "meta.version",
  "schemas",
  "password",
  "title",
  "roles",
  "addresses",
  "phoneNumbers",
  "x509Certificates",
  "photos",
  "manager",
  "department",
  "entitlements",
  "profileUrl",
  "value",
  "type",
  "primary",
  "display",
  core,
  enterprise,
  `${core}:userName`,
  `${enterprise}:manager`,
  `${enterprise}:manager.value`,
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department",
];
export const name = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...names) },
  { weight: 2, arbitrary: fc.constantFrom(...nastyNames) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
);

/** Text of an attribute. */
export const text: Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("ann", "Ann@x.org", "work", "home", "true", "False", "É", "ß", "", " ", "%", "_", "*"),
  },
  { weight: 3, arbitrary: fc.constantFrom(...placeholders) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "\u0000",
      "\ud800",
      "\udfff\ud800",
      "\u202e\u200b\ufeff",
      "İıſK",
      "'; DROP TABLE users; --",
      '" or userName pr or id eq "',
      "${7*7}{{7*7}}<script>alert(1)</script>",
      "../../etc/passwd",
      "x".repeat(5000),
      "é".repeat(700),
      "-1",
      "9007199254740993",
      "1e400",
      "NaN",
      "2020-01-01T00:00:00Z",
      "bulkId:a",
      ...nastyNames,
    ),
  },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 40 }) },
);

const quoted = text.map((each) => JSON.stringify(each));

/** Simple JSON values, also those that JSON.stringify never writes. */
const atom = fc.oneof(
  { weight: 5, arbitrary: quoted },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "true",
      "false",
      "null",
      "0",
      "-0",
      "1",
      "-1",
      "1.5",
      "1e400",
      "-1e-400",
      "123456789012345678901234567890",
      '"\\ud800"',
      '"\\u0000"',
      '"\\u005f_proto__"',
      "[]",
      "{}",
      "[null]",
      "[[]]",
      '[""]',
      "[{}]",
    ),
  },
);

const member = (value: Arbitrary<string>): Arbitrary<string> =>
  fc.tuple(name, value).map(([key, each]) => `${JSON.stringify(key)}:${each}`);
const object = (value: Arbitrary<string>, maxLength = 4): Arbitrary<string> =>
  fc.array(member(value), { maxLength }).map((members) => `{${members.join(",")}}`);

/** Any JSON text, with repeated keys and with names that have a meaning in JavaScript. */
export const json: Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 5, arbitrary: atom },
    { weight: 2, arbitrary: object(tie("value")) },
    { weight: 1, arbitrary: fc.array(tie("value"), { maxLength: 4 }).map((each) => `[${each.join(",")}]`) },
  ),
})).value;

/** JSON that is nested very deeply, or very large. */
export const bomb: Arbitrary<string> = fc.constantFrom(
  "[".repeat(100_000),
  `${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`,
  `${"[".repeat(33)}${"]".repeat(33)}`,
  `{"userName":"${"x".repeat(900_000)}"}`,
  `{"emails":[${Array.from({ length: 5000 }, (_, index) => `{"value":"a${index}@b.c"}`).join(",")}]}`,
  `{${Array.from({ length: 20_000 }, (_, index) => `"k${index}":1`).join(",")}}`,
  `{"userName":"d{{n}}","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}`,
);

// -- filters and paths ------------------------------------------------------------------------------------------------

const comparisons = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ", "like", "=", "pr"];
const comparand = fc.oneof(
  quoted,
  fc.constantFrom("true", "false", "null", "1", "-1.5e3", "1e999", "'a'", "undefined", '"open'),
);
const soundCondition = fc.oneof(
  fc
    .tuple(fc.constantFrom(...names.slice(0, 12)), fc.constantFrom("eq", "ne", "co", "sw", "ew"), quoted)
    .map((parts) => parts.join(" ")),
  fc.constantFrom("active eq true", "emails pr", 'meta.lastModified gt "2020-01-01T00:00:00Z"', "groups pr"),
);
const condition = fc.oneof(
  { weight: 6, arbitrary: soundCondition },
  fc.tuple(name, fc.constantFrom(...comparisons), comparand).map((parts) => parts.join(" ")),
  name.map((each) => `${each} pr`),
);
const join = fc.constantFrom(" and ", " or ", " AND ", " xor ", "  or  ", "");

/** Filters, most of them valid. */
const soundFilter: Arbitrary<string> = fc.letrec<{ filter: string }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4 },
    { weight: 4, arbitrary: condition },
    { weight: 2, arbitrary: fc.tuple(tie("filter"), join, tie("filter")).map(([a, by, b]) => `(${a})${by}(${b})`) },
    { weight: 1, arbitrary: fc.tuple(tie("filter"), join, tie("filter")).map(([a, by, b]) => `${a}${by}${b}`) },
    { weight: 1, arbitrary: tie("filter").map((each) => `not (${each})`) },
    { weight: 1, arbitrary: fc.tuple(name, tie("filter")).map(([path, each]) => `${path}[${each}]`) },
  ),
})).filter;

/** Text with a part removed, inserted or repeated. */
const damaged = (arbitrary: Arbitrary<string>, pieces: readonly string[]): Arbitrary<string> =>
  fc.tuple(arbitrary, fc.nat(), fc.nat(12), fc.constantFrom("", ...pieces)).map(([given, place, length, piece]) => {
    const at = given.length === 0 ? 0 : place % given.length;
    return given.slice(0, at) + piece + given.slice(at + length);
  });

const filterPieces = ["(", ")", "[", "]", '"', "\\", " not ", " and ", ".", ":", "\u0000", "%00", "\n", "--", "*"];
const filterBomb = fc.constantFrom(
  `${"(".repeat(3000)}title pr${")".repeat(3000)}`,
  `${"not (".repeat(800)}title pr${")".repeat(800)}`,
  Array.from({ length: 100 }, (_, index) => `title co "${index}"`).join(" or "),
  Array.from({ length: 14 }, () => '(userName co "a" or emails co "b")').join(" and "),
  `emails[${"emails[".repeat(200)}`,
  `title eq "${"\\".repeat(4001)}`,
  `userName co "${"%_".repeat(1000)}"`,
);
export const filter: Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: soundFilter },
  { weight: 3, arbitrary: damaged(soundFilter, filterPieces) },
  { weight: 1, arbitrary: filterBomb },
  { weight: 1, arbitrary: text },
);

/** PATCH paths. */
export const path: Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: name },
  { weight: 2, arbitrary: fc.tuple(name, soundFilter).map(([at, each]) => `${at}[${each}]`) },
  { weight: 2, arbitrary: fc.tuple(name, soundFilter, name).map(([at, each, sub]) => `${at}[${each}].${sub}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'members[value eq "{{u:0}}"]',
      'emails[type eq "work"].value',
      'members[value eq "{{x:0}}"]',
    ),
  },
  { weight: 1, arbitrary: fc.tuple(name, name).map((parts) => parts.join(".")) },
  {
    weight: 2,
    arbitrary: damaged(
      fc.tuple(name, soundFilter).map(([at, each]) => `${at}[${each}]`),
      filterPieces,
    ),
  },
);

// -- bodies -----------------------------------------------------------------------------------------------------------

const plausible = (key: string, values: readonly string[]): Arbitrary<string> =>
  fc
    .oneof({ weight: 14, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: json })
    .map((value) => `"${key}":${value}`);

const userMembers = fc.tuple(
  plausible("schemas", [`["${core}"]`, `["${core}","${enterprise}"]`, "[]"]),
  plausible("userName", ['"f{{n}}@fuzz.example"', '"f{{n}}"', '"F{{n}}@FUZZ.example"']),
  plausible("emails", [
    '[{"value":"f{{n}}@fuzz.example","type":"work","primary":true}]',
    '"f{{n}}@fuzz.example"',
    "[]",
  ]),
  plausible("active", ["true", "false", '"True"', '"false"', "[true]"]),
);
const extras = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: member(json) },
    {
      weight: 5,
      arbitrary: fc.constantFrom(
        '"externalId":"x{{n}}"',
        '"name":{"givenName":"A","familyName":"B{{n}}","__proto__":{"polluted":1}}',
        `"${enterprise}":{"department":"d","manager":{"value":"{{u:0}}"}}`,
        `"${enterprise}":{"manager":"{{x:0}}"}`,
        '"id":"{{x:0}}"',
        '"meta":{"version":"W/\\"1\\"","created":"x"}',
        '"groups":[{"value":"{{g:0}}"},{"value":"{{y:0}}"}]',
        '"password":"secret-{{n}}"',
        '"userName":"twice{{n}}"',
      ),
    },
  ),
  { maxLength: 4 },
);
const shuffled = (members: readonly string[], more: readonly string[]): string =>
  `{${[...members, ...more].join(",")}}`;
export const user: Arbitrary<string> = fc.tuple(userMembers, extras).map(([members, more]) => shuffled(members, more));

const members = fc
  .array(
    fc.constantFrom(
      '{"value":"{{u:0}}"}',
      '{"value":"{{u:7}}","type":"User"}',
      '{"value":"{{x:0}}"}',
      '{"value":"{{g:0}}","type":"Group"}',
      '"{{u:1}}"',
      "{}",
      "null",
      '{"value":null}',
      '{"value":{"__proto__":1}}',
    ),
    { maxLength: 6 },
  )
  .map((each) => `[${each.join(",")}]`);
export const group: Arbitrary<string> = fc
  .tuple(plausible("displayName", ['"team{{n}}"', '"same"']), fc.oneof({ weight: 4, arbitrary: members }, json), extras)
  .map(([title, list, more]) => shuffled([title, `"members":${list}`], more));

const soundUserOperation = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("displayName", "title", "nickName", "name.givenName", 'emails[type eq "work"].value'),
      quoted,
    )
    .map(([at, value]) => `{"op":"replace","path":${JSON.stringify(at)},"value":${value}}`),
  fc.constantFrom(
    '{"op":"replace","path":"active","value":false}',
    '{"op":"Replace","value":{"active":"True"}}',
    '{"op":"add","path":"emails","value":[{"value":"g{{n}}@fuzz.example","type":"home"}]}',
    '{"op":"remove","path":"title"}',
    '{"op":"replace","path":"userName","value":"r{{n}}@fuzz.example"}',
    '{"op":"replace","path":"externalId","value":"y{{n}}"}',
  ),
);
const soundGroupOperation = fc.constantFrom(
  '{"op":"add","path":"members","value":[{"value":"{{u:0}}"},{"value":"{{u:5}}"}]}',
  '{"op":"add","path":"members","value":[{"value":"{{x:0}}"},{"value":"{{u:3}}"}]}',
  '{"op":"remove","path":"members[value eq \\"{{u:0}}\\"]"}',
  '{"op":"Remove","path":"members","value":[{"value":"{{u:5}}"}]}',
  '{"op":"replace","path":"members","value":[]}',
  '{"op":"replace","path":"displayName","value":"renamed {{n}}"}',
  '{"op":"replace","value":{"displayName":"again {{n}}"}}',
);
const operation = fc
  .tuple(
    fc.constantFrom("add", "replace", "remove", "Add", "REPLACE", "Remove", "move", "", "__proto__"),
    fc.option(path, { freq: 4 }),
    fc.option(fc.oneof(json, members, user, fc.constantFrom("true", '"False"', '"f{{n}}@fuzz.example"')), { freq: 5 }),
  )
  .map(([op, at, value]) => {
    const parts = [`"op":${JSON.stringify(op)}`];
    if (at !== null) parts.push(`"path":${JSON.stringify(at)}`);
    if (value !== null) parts.push(`"value":${value}`);
    return `{${parts.join(",")}}`;
  });
/** PATCH bodies, with about half of the operations valid. */
const patchWith = (sound: Arbitrary<string>): Arbitrary<string> =>
  fc
    .tuple(
      fc.oneof(
        { weight: 4, arbitrary: fc.array(sound, { minLength: 1, maxLength: 3 }) },
        { weight: 4, arbitrary: fc.array(fc.oneof(operation, sound), { minLength: 1, maxLength: 3 }) },
        { weight: 1, arbitrary: fc.array(json, { maxLength: 3 }) },
      ),
      fc.constantFrom("Operations", "Operations", "operations", "Operations", "Operation"),
    )
    .map(
      ([operations, key]) =>
        `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"${key}":[${operations.join(",")}]}`,
    );
export const userPatch = patchWith(soundUserOperation);
export const groupPatch = patchWith(soundGroupOperation);

export const searchRequest: Arbitrary<string> = fc
  .tuple(
    filter,
    fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, name),
    fc.oneof({ weight: 6, arbitrary: fc.constantFrom("1", "5", "-5", "1000000") }, atom),
    fc.oneof({ weight: 6, arbitrary: fc.constantFrom("1", "3") }, atom),
    fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, json),
  )
  .map(
    ([where, sortBy, count, startIndex, attributes]) =>
      `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":${JSON.stringify(where)},"count":${count},"startIndex":${startIndex}${sortBy === null ? "" : `,"sortBy":${JSON.stringify(sortBy)}`}${attributes === null ? "" : `,"attributes":${attributes}`}}`,
  );

const bulkId = fc.constantFrom("a", "b", "c", "__proto__", "constructor", "");
const bulkOperation = fc.oneof(
  {
    weight: 2,
    arbitrary: fc
      .tuple(bulkId, user)
      .map(([id, data]) => `{"method":"POST","path":"/Users","bulkId":"${id}","data":${data}}`),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(bulkId, bulkId, bulkId)
      .map(
        ([id, one, other]) =>
          `{"method":"POST","path":"/Groups","bulkId":"${id}","data":{"displayName":"bulk{{n}}","members":[{"value":"bulkId:${one}"},{"value":"bulkId:${other}"}]}}`,
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom("PATCH", "PUT", "DELETE", "GET", "patch"),
        fc.constantFrom(
          "/Users/{{u:0}}",
          "/Groups/bulkId:b",
          "/Users/{{x:0}}",
          "/Users/bulkId:a",
          "/Bulk",
          "/../Users",
          "/Me",
        ),
        fc.oneof(userPatch, groupPatch, user, json),
      )
      .map(([method, at, data]) => `{"method":"${method}","path":"${at}","data":${data}}`),
  },
  { weight: 1, arbitrary: json },
);
export const bulk: Arbitrary<string> = fc
  .tuple(fc.array(bulkOperation, { maxLength: 8 }), fc.oneof(fc.constantFrom("0", "1", "100"), atom))
  .map(
    ([operations, failOnErrors]) =>
      `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"failOnErrors":${failOnErrors},"Operations":[${operations.join(",")}]}`,
  );
