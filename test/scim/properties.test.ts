import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../../src/domain/model/entities.ts";
import { type AttributePath, leafOf, nameOf } from "../../src/sources/scim/attribute-path.ts";
import { ScimError } from "../../src/sources/scim/errors.ts";
import { type Filter, parseFilter } from "../../src/sources/scim/filter.ts";
import { compileFilter } from "../../src/sources/scim/filter-predicate.ts";
import { normalizeResource } from "../../src/sources/scim/normalize.ts";
import { applyPatch, parsePatch } from "../../src/sources/scim/patch.ts";
import { toProjection } from "../../src/sources/scim/projection.ts";
import { render } from "../../src/sources/scim/render.ts";
import { GROUP_SCHEMA, USER_SCHEMA } from "../../src/sources/scim/schemas.ts";
import { toStoreFilter } from "../../src/sources/scim/store-filter.ts";
import { scimServer } from "./server.ts";

const scim = scimServer();

/** Untrusted text may only cause a ScimError. */
function orRefused<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    expect(error).toBeInstanceOf(ScimError);
    return null;
  }
}

// Few words, so that conditions match users. "É", "ß" and "𝒳" because their case and order are special.
const word = fc.constantFrom("a", "A", "ann", "Ann@x.org", "b", "É", "é", "ß", "x y", "", '"q" \\', "𝒳", "%", "_");
const TEXT_OPS = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"] as const;
const path = fc.constantFrom(
  ...["userName", "displayName", "externalId", "emails", "emails.value", "emails.type"],
  ...["title", "name.familyName", "department", "nothing", "id"],
);
const condition = fc.oneof(
  fc
    .tuple(path, fc.constantFrom(...TEXT_OPS), word)
    .map(([name, op, value]) => `${name} ${op} ${JSON.stringify(value)}`),
  path.map((name) => `${name} pr`),
  fc.constantFrom(
    "active eq true",
    "active ne true",
    'meta.created gt "2020-01-01T00:00:00Z"',
    'meta.lastModified lt "2020-01-01T00:00:00Z"',
    "title eq null",
    "groups pr",
  ),
  fc
    .tuple(fc.constantFrom("eq", "co", "ne"), word, word)
    .map(([op, type, value]) => `emails[type eq ${JSON.stringify(type)} and value ${op} ${JSON.stringify(value)}]`),
  fc
    .tuple(word, word)
    .map(([type, value]) => `emails[not (type eq ${JSON.stringify(type)}) or value sw ${JSON.stringify(value)}]`),
  fc.tuple(word).map(([value]) => `emails[value eq ${JSON.stringify(value)}]`),
  fc.tuple(word, word).map(([a, b]) => `emails[value eq ${JSON.stringify(a)} or value co ${JSON.stringify(b)}]`),
);
const filterText = fc.letrec<{ filter: string }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    condition,
    fc.tuple(tie("filter"), fc.constantFrom("and", "or"), tie("filter")).map(([a, op, b]) => `(${a}) ${op} (${b})`),
    tie("filter").map((each) => `not (${each})`),
  ),
})).filter;

/** The text of a filter. */
function textOf(filter: Filter): string {
  switch (filter.op) {
    case "and":
    case "or":
      return filter.of.map((each) => `(${textOf(each)})`).join(` ${filter.op} `);
    case "not":
      return `not (${textOf(filter.of)})`;
    case "never":
      return "nothing pr";
    case "pr":
      return `${pathText(filter.path)} pr`;
    case "some":
      return `${pathText(filter.path)}[${textOf(filter.of)}]`;
    default: {
      const isDate = leafOf(filter.path).type === "dateTime";
      const value = isDate ? new Date(Number(filter.value)).toISOString() : filter.value;
      return `${pathText(filter.path)} ${filter.op} ${JSON.stringify(value)}`;
    }
  }
}

const pathText = (path: AttributePath): string =>
  path.extension === null ? nameOf(path) : `${path.extension}:${nameOf(path)}`;

describe("filters", () => {
  test("any text is parsed or refused", () => {
    const piece = fc.constantFrom(
      ...["userName", " eq ", '"', "\\", "(", ")", "[", "]", "not"],
      ...[" and ", " or ", "pr", "emails", ".", "__proto__", "true", "null"],
    );
    const pieces = fc.array(fc.oneof(fc.string({ unit: "grapheme" }), piece)).map((each) => each.join(""));
    fc.assert(
      fc.property(pieces, (text) => {
        const filter = orRefused(() => parseFilter(text, USER_SCHEMA));
        if (filter !== null) compileFilter(filter)({});
      }),
      { numRuns: 2000 },
    );
  });

  test("the text of a parsed filter is parsed to the same filter", () => {
    fc.assert(
      fc.property(filterText, (text) => {
        const filter = orRefused(() => parseFilter(text, USER_SCHEMA));
        if (filter === null) return;
        const again = parseFilter(textOf(filter), USER_SCHEMA);
        expect(textOf(again)).toBe(textOf(filter));
        expect(toStoreFilter("User", again)).toEqual(toStoreFilter("User", filter));
      }),
    );
  });

  describe("over the store", () => {
    beforeAll(async () => {
      const people = fc.sample(
        fc.record({
          userName: word,
          title: word,
          displayName: fc.option(word),
          externalId: fc.option(word),
          active: fc.boolean(),
          name: fc.record({ familyName: word }),
          emails: fc.array(fc.record({ value: word, type: word }), { maxLength: 3 }),
          department: word,
        }),
        { numRuns: 40, seed: 7 },
      );
      for (const [n, person] of people.entries()) {
        await scim.user({
          ...person,
          userName: `${person.userName}${n}@x.org`,
          emails: [...person.emails, { value: `p${n}@x.org`, type: "own" }],
        });
      }
    });

    test("columns and residual choose the same users as the filter on the resource", async () => {
      const everybody = await scim
        .store()
        .listUsers("okta", { where: { op: "all" }, sort: null, offset: 0, limit: 1000 });
      await fc.assert(
        fc.asyncProperty(filterText, async (text) => {
          const filter = orRefused(() => parseFilter(text, USER_SCHEMA));
          if (filter === null) return;
          const { where, residual } = toStoreFilter("User", filter);
          const matches = compileFilter(filter);
          const expected = everybody.records
            .filter((each) => matches(render(USER_SCHEMA, each, null, "")))
            .map((each) => each.id);
          const rest = residual === null ? () => true : compileFilter(residual);
          const chosen = await scim.store().listUsers("okta", { where, sort: null, offset: 0, limit: 1000 });
          expect(
            chosen.records.filter((each) => rest(render(USER_SCHEMA, each, null, ""))).map((each) => each.id),
            text,
          ).toEqual(expected);
        }),
        { numRuns: 400 },
      );
    });
  });
});

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const attribute = fc.constantFrom(
  ...["userName", "emails", "EMAILS", "name", "name.givenName", "active", "manager", "members", "displayName", "meta"],
  ...["id", "addresses", "roles", "__proto__", "constructor", enterprise, `${enterprise}:department`],
  ...['emails[type eq "work"]', 'emails[type eq "work"].value', "emails.value"],
);
const values = fc.oneof(
  json,
  fc.dictionary(attribute, json),
  fc.array(fc.record({ value: json, type: json, primary: json }, { requiredKeys: [] })),
);
const operation = fc.record(
  { op: fc.constantFrom("add", "replace", "remove", "Add"), path: attribute, value: values },
  { requiredKeys: ["op"] },
);
const START: JsonObject = {
  userName: "a@x.org",
  active: true,
  emails: [{ value: "a@x.org", type: "work", primary: true }, { value: "b@x.org" }],
  name: { givenName: "A" },
};

describe("bodies and patches", () => {
  test("any body is normalized or refused, and a normalized one stays the same", () => {
    fc.assert(
      fc.property(fc.oneof(json, fc.dictionary(attribute, values)), (body) => {
        if (typeof body !== "object" || body === null || Array.isArray(body)) return;
        for (const schema of [USER_SCHEMA, GROUP_SCHEMA]) {
          const resource = orRefused(() => normalizeResource(schema, body as JsonObject));
          if (resource !== null) expect(normalizeResource(schema, resource)).toEqual(resource);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("any PATCH is applied or refused; the result is normalized and has one primary email at most", () => {
    const before = JSON.stringify(START);
    fc.assert(
      fc.property(fc.array(operation as fc.Arbitrary<JsonObject>, { minLength: 1, maxLength: 4 }), (Operations) => {
        const after = orRefused(() => applyPatch(START, parsePatch(USER_SCHEMA, { Operations }, 100), "some-id"));
        expect(JSON.stringify(START)).toBe(before);
        if (after === null) return;
        const emails = (after["emails"] ?? []) as readonly JsonObject[];
        expect(emails.filter((each) => each["primary"] === true).length).toBeLessThanOrEqual(1);
        expect(isDeepStrictEqual(normalizeResource(USER_SCHEMA, after), after), JSON.stringify(after)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("the same operation a second time changes nothing", () => {
    // A new `type` in the value would change what the filter of the path chooses the second time.
    const isStable = ({ path, value }: JsonObject): boolean =>
      path !== 'emails[type eq "work"]' || !/"type"/i.test(JSON.stringify(value ?? null));
    fc.assert(
      fc.property((operation as fc.Arbitrary<JsonObject>).filter(isStable), (only) => {
        const Operations = [only];
        const steps = orRefused(() => parsePatch(USER_SCHEMA, { Operations }, 100));
        const once = steps === null ? null : orRefused(() => applyPatch(START, steps, "some-id"));
        if (steps === null || once === null) return;
        const twice = orRefused(() => applyPatch(once, steps, "some-id"));
        if (twice !== null)
          expect(isDeepStrictEqual(once, twice), `${JSON.stringify(once)} then ${JSON.stringify(twice)}`).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("a projection adds no attribute", () => {
    const names = fc.array(fc.oneof(attribute, fc.string()));
    fc.assert(
      fc.property(names, names, (attributes, excluded) => {
        const whole = { schemas: ["x"], id: "1", ...START };
        const shown = toProjection(USER_SCHEMA, attributes, excluded).apply(whole);
        expect(shown).toMatchObject({ schemas: ["x"], id: "1" });
        for (const key of Object.keys(shown)) expect(Object.keys(whole)).toContain(key);
      }),
    );
  });
});
