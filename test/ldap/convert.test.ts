import { describe, expect, it } from "vitest";
import { flatten } from "../../src/domain/decide/flatten.ts";
import type { LdapPreset, LdapUserSettings } from "../../src/domain/model/ldap-source.ts";
import { isWithin, normalizeDn } from "../../src/sources/ldap/protocol/dn.ts";
import { LdapEntry } from "../../src/sources/ldap/protocol/entry.ts";
import { parseFilter } from "../../src/sources/ldap/protocol/search.ts";
import { toUser } from "../../src/sources/ldap/read/convert.ts";
import { advanceMark, earlier, markAfterFull } from "../../src/sources/ldap/read/stamp.ts";
import { printGuid, printSyncUuid } from "../../src/sources/ldap/servers/identifiers.ts";
import { ldapSettings } from "../support/ldap/settings.ts";

const entry = (
  attributes: Readonly<Record<string, string | readonly string[] | Buffer>>,
  dn = "uid=anna,dc=example",
): LdapEntry =>
  new LdapEntry(
    dn,
    new Map(
      Object.entries(attributes).map(([name, value]) => [
        name.toLowerCase(),
        Buffer.isBuffer(value)
          ? [value]
          : (typeof value === "string" ? [value] : value).map((text) => Buffer.from(text)),
      ]),
    ),
  );

const convert = (
  preset: LdapPreset,
  attributes: Parameters<typeof entry>[0],
  users: Partial<LdapUserSettings> = {},
  inactive = false,
) =>
  toUser(
    // Every account of Active Directory has one.
    entry(preset === "activedirectory" ? { userAccountControl: "512", ...attributes } : attributes),
    ldapSettings({ preset, url: ["ldap://x"], users: { baseDn: "", ...users } }),
    inactive,
  );

const uuid = "86C13197-e60c-11f1-baa7-dcb5eefe37fd";
const guid = Buffer.from("334d2d1e6c1c1d49b6bcf4e30d0fef1c", "hex");

describe("a person", () => {
  it.each([
    [
      "OpenLDAP",
      "openldap",
      { ENTRYUUID: uuid, Mail: " Anna@Example.ORG ", UID: "anna", CN: "Anna A" },
      {},
      {
        externalId: uuid.toLowerCase(),
        email: "anna@example.org",
        userName: "anna",
        displayName: "Anna A",
        isActive: true,
      },
    ],
    [
      "OpenLDAP, locked for ever",
      "openldap",
      { entryUUID: uuid, pwdAccountLockedTime: "000001010000Z" },
      {},
      { isActive: false },
    ],
    [
      "OpenLDAP, locked for a while",
      "openldap",
      { entryUUID: uuid, pwdAccountLockedTime: "20260101000000Z" },
      {},
      { isActive: true },
    ],
    [
      "389 DS, locked",
      "389ds",
      { nsUniqueId: "86c13197-e60c11f1-baa7dcb5-eefe37fd", nsAccountLock: "TRUE" },
      {},
      { isActive: false, externalId: "86c13197-e60c11f1-baa7dcb5-eefe37fd" },
    ],
    [
      "FreeIPA",
      "freeipa",
      { nsUniqueId: "86c13197-e60c11f1-baa7dcb5-eefe37fd", ipaUniqueID: uuid },
      {},
      { externalId: uuid.toLowerCase(), entryId: "86c13197-e60c11f1-baa7dcb5-eefe37fd" },
    ],
    [
      "AD, enabled",
      "activedirectory",
      { objectGUID: guid, userAccountControl: "512", accountExpires: "9223372036854775807" },
      {},
      { externalId: "1e2d4d33-1c6c-491d-b6bc-f4e30d0fef1c", isActive: true, activeUntilMs: null },
    ],
    ["AD, disabled", "activedirectory", { objectGUID: guid, userAccountControl: "66050" }, {}, { isActive: false }],
    [
      "AD, expires never by 0",
      "activedirectory",
      { objectGUID: guid, accountExpires: "0" },
      {},
      { activeUntilMs: null },
    ],
    [
      "AD, expires",
      "activedirectory",
      { objectGUID: guid, accountExpires: "133485408000000000" },
      {},
      { isActive: true, activeUntilMs: Date.UTC(2024, 0, 1) },
    ],
    [
      "AD, primary group",
      "activedirectory",
      { objectGUID: guid, primaryGroupID: "513" },
      {},
      { memberOf: ["rid:513"] },
    ],
    ["no e-mail", "openldap", { entryUUID: uuid, uid: "anna" }, {}, { email: null, displayName: "anna" }],
    ["what is no address", "openldap", { entryUUID: uuid, mail: "anna" }, {}, { email: null }],
    [
      "several addresses: the first",
      "openldap",
      { entryUUID: uuid, mail: ["a@example.org", "b@example.org"] },
      {},
      { email: "a@example.org" },
    ],
    [
      "proxyAddresses",
      "activedirectory",
      { objectGUID: guid, proxyAddresses: ["smtp:b@x.org", "X400:c=de", "SMTP:A@x.org"] },
      { email: "ProxyAddresses" },
      { email: "a@x.org" },
    ],
    [
      "proxyAddresses without a primary one",
      "activedirectory",
      { objectGUID: guid, proxyAddresses: ["smtp:b@x.org"] },
      { email: "proxyAddresses" },
      { email: null },
    ],
    [
      "prefix and suffix",
      "openldap",
      { entryUUID: uuid, uid: "Anna" },
      { emailPrefix: "uid", emailSuffix: "@x.org" },
      { email: "anna@x.org" },
    ],
    [
      "an attribute, before prefix and suffix",
      "openldap",
      { entryUUID: uuid, uid: "Anna", mail: "A.Nna@x.org" },
      { email: "mail", emailPrefix: "uid", emailSuffix: "@x.org" },
      { email: "a.nna@x.org" },
    ],
    [
      "prefix and suffix, where the attribute is missing",
      "openldap",
      { entryUUID: uuid, uid: "Anna" },
      { email: "mail", emailPrefix: "uid", emailSuffix: "@x.org" },
      { email: "anna@x.org" },
    ],
  ] as const)("of %s", (_title, preset, attributes, users, expected) => {
    expect(convert(preset, attributes, users)).toMatchObject({ kind: "converted", entity: expected });
  });

  it("is not taken for enabled where userAccountControl can't be read; a contact has none", () => {
    const settings = ldapSettings({
      preset: "activedirectory",
      url: ["ldap://x"],
      users: { baseDn: "" },
    });
    expect(() => toUser(entry({ objectGUID: guid }), settings, false)).toThrow(/userAccountControl can't be read/);
    expect(toUser(entry({ objectGUID: guid, objectClass: "contact" }), settings, false).kind).toBe("contact");
  });

  it("is inactive where the server says so by inactiveWhen", () => {
    expect(convert("openldap", { entryUUID: uuid }, { inactiveWhen: "(employeeType=gone)" }, true)).toMatchObject({
      entity: { isActive: false },
    });
  });
  it("is no contact, and has an id", () => {
    expect(convert("activedirectory", { objectGUID: guid, objectClass: ["top", "Contact"] })).toMatchObject({
      kind: "contact",
    });
    expect(convert("openldap", { uid: "anna" })).toMatchObject({ kind: "without-id" });
  });
});

describe("distinguished names", () => {
  it.each([
    ["case and spaces", "UID=Anna,  OU=People,DC=Example", "uid=anna,ou=people,dc=example"],
    ["escaped comma", String.raw`CN=Adler\, Anna,DC=x`, String.raw`cn=adler\2C anna,dc=x`],
    ["escaped UTF-8", String.raw`cn=M\C3\BCller,dc=x`, "CN=MÜLLER,dc=x"],
    ["composed and decomposed letters", "cn=Müller,dc=x", "cn=Mu\u0308ller,dc=x"],
    ["quoted value", 'cn="Adler, Anna",dc=x', String.raw`cn=Adler\, Anna,dc=x`],
    ["several values in any order", "cn=a+sn=b,dc=x", "SN=b + CN=a,dc=x"],
    ["attribute by OID", "2.5.4.3=Anna,0.9.2342.19200300.100.1.25=x", "cn=anna,dc=x"],
    ["old separators", "cn=a;dc=x", "cn=a,dc=x"],
    ["runs of spaces", "cn=Anna   Adler,dc=x", "cn=Anna Adler,dc=x"],
  ])("%s: the same", (_title, one, other) => expect(normalizeDn(one)).toBe(normalizeDn(other)));

  it.each([
    ["another value", "cn=a,dc=x", "cn=b,dc=x"],
    ["an escaped separator is none", String.raw`cn=a\,dc=x`, "cn=a,dc=x"],
    ["an escaped plus is none", String.raw`cn=a\+sn=b,dc=x`, "cn=a+sn=b,dc=x"],
  ])("%s: different", (_title, one, other) => expect(normalizeDn(one)).not.toBe(normalizeDn(other)));

  it("lie within a base or not", () => {
    expect(isWithin("cn=a,OU=People,dc=x", "ou=people, dc=x")).toBe(true);
    expect(isWithin(String.raw`cn=a\,ou=people,dc=x`, "ou=people,dc=x")).toBe(false);
    expect(isWithin("ou=people,dc=x", "")).toBe(true);
  });
});

it("prints ids as the servers' tools do", () => {
  expect(printGuid(guid)).toBe("1e2d4d33-1c6c-491d-b6bc-f4e30d0fef1c");
  expect(printSyncUuid("nsUniqueId", Buffer.from("86c13197e60c11f1baa7dcb5eefe37fd", "hex"))).toBe(
    "86c13197-e60c11f1-baa7dcb5-eefe37fd",
  );
});

it("reads filters that are written over several lines", () => {
  expect(parseFilter("(&\n  (objectClass=person)\n  (|\n    (uid=a b)\n    (!(uid=c))\n  )\n)").toString()).toBe(
    "(&(objectClass=person)(|(uid=a b)(!(uid=c))))",
  );
});

describe("flattening", () => {
  const graph = (
    edges: Readonly<Record<string, readonly string[]>>,
    people: Readonly<Record<string, readonly string[]>>,
  ) => {
    const flat = flatten({
      groups: Object.keys(edges),
      peopleOf: (group: string) => people[group] ?? [],
      subgroupsOf: (group) => edges[group] ?? [],
    });
    return Object.fromEntries([...flat].map(([group, members]) => [group, [...members].sort().join("")]));
  };
  it.each([
    ["nested", { a: ["b"], b: ["c"], c: [] }, { a: "123", b: "23", c: "3" }],
    ["a diamond", { a: ["b", "c"], b: ["d"], c: ["d"], d: [] }, { a: "1234", b: "24", c: "34", d: "4" }],
    ["itself", { a: ["a"] }, { a: "1" }],
    ["a cycle with a tail", { a: ["b"], b: ["c"], c: ["a", "d"], d: [] }, { a: "1234", b: "1234", c: "1234", d: "4" }],
    ["two cycles", { a: ["b"], b: ["a", "c"], c: ["d"], d: ["c"] }, { a: "1234", b: "1234", c: "34", d: "34" }],
  ])("%s", (_title, edges, expected) =>
    expect(graph(edges, { a: ["1"], b: ["2"], c: ["3"], d: ["4"] })).toEqual(expected),
  );

  it("takes 800 groups in a chain, and a chain as a cycle, well under a second", () => {
    for (const last of [[], [0]]) {
      const startedAt = performance.now();
      const flat = flatten({
        groups: Array.from({ length: 800 }, (_, group) => group),
        peopleOf: (group) => [group],
        subgroupsOf: (group) => (group < 799 ? [group + 1] : last),
      });
      expect(flat.get(0)?.size).toBe(800);
      expect(performance.now() - startedAt).toBeLessThan(500);
    }
  });
});

describe("how far stamps are read", () => {
  it("goes back in the form of the attribute", () => {
    expect(earlier("20261122000003Z", 5000)).toBe("20261121235958Z");
    expect(earlier("20261122000003.123456Z#000001#000#000000", 5000)).toBe("20261121235958.000000Z#000000#000#000000");
  });
  it("moves to the newest stamp only when a later poll has read past it", () => {
    const first = markAfterFull(null, { startedAtMs: 0, endedAtMs: 2000, newest: "20261122000010Z" });
    expect(first).toEqual({ since: "20261122000003Z", newest: "20261122000010Z", newestSeenAtMs: 2000 });
    const soon = advanceMark(first, { startedAtMs: 4000, endedAtMs: 4010, newest: "20261122000010Z" });
    expect(soon.since).toBe("20261122000003Z");
    const later = advanceMark(soon, { startedAtMs: 7000, endedAtMs: 7010, newest: "20261122000012Z" });
    expect(later).toEqual({ since: "20261122000010Z", newest: "20261122000012Z", newestSeenAtMs: 7010 });
    expect(advanceMark(later, { startedAtMs: 99_000, endedAtMs: 99_010, newest: null }).since).toBe("20261122000012Z");
  });
  it("does not read a directory again and again that was filled in one second", () => {
    const first = markAfterFull(null, { startedAtMs: 0, endedAtMs: 2000, newest: "20261122000010Z" });
    const again = markAfterFull(first, { startedAtMs: 300_000, endedAtMs: 302_000, newest: "20261122000010Z" });
    expect(again.since).toBe("20261122000010Z");
  });
});
