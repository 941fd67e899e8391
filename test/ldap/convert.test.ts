import { describe, expect, it } from "vitest";
import { flatten } from "../../src/domain/decide/flatten.ts";
import type { LdapPreset, LdapUserSettings } from "../../src/domain/model/ldap-source.ts";
import type { SourceUser } from "../../src/domain/ports/import-store.ts";
import { isWithin, normalizeDn } from "../../src/sources/ldap/protocol/dn.ts";
import { LdapEntry } from "../../src/sources/ldap/protocol/entry.ts";
import { parseFilter } from "../../src/sources/ldap/protocol/search.ts";
import { toUser } from "../../src/sources/ldap/read/convert.ts";
import { advanceMark, earlier, markAfterFull } from "../../src/sources/ldap/read/stamp.ts";
import { printGuid, printSyncUuid } from "../../src/sources/ldap/servers/identifiers.ts";
import { ldapSettings } from "../support/ldap/settings.ts";

const bytesOf = (value: string | readonly string[] | Buffer): readonly Buffer[] =>
  Buffer.isBuffer(value) ? [value] : [value].flat().map((text) => Buffer.from(text));
const entry = (attributes: Readonly<Record<string, string | readonly string[] | Buffer>>): LdapEntry =>
  new LdapEntry(
    "uid=anna,dc=example",
    new Map(Object.entries(attributes).map(([name, value]) => [name.toLowerCase(), bytesOf(value)])),
  );

const convert = (
  preset: LdapPreset,
  attributes: Parameters<typeof entry>[0],
  users: Partial<LdapUserSettings> = {},
  isMarkedInactive = false,
) => toUser(entry(attributes), ldapSettings({ preset, users: { baseDn: "", ...users } }), isMarkedInactive);

const uuid = "86C13197-e60c-11f1-baa7-dcb5eefe37fd";
const uniqueId = "86c13197-e60c11f1-baa7dcb5-eefe37fd";
const guid = Buffer.from("334d2d1e6c1c1d49b6bcf4e30d0fef1c", "hex");
const openldap = { preset: "openldap", id: { entryUUID: uuid } } as const;
const ds389 = { preset: "389ds", id: { nsUniqueId: uniqueId } } as const;
const freeipa = { preset: "freeipa", id: { nsUniqueId: uniqueId, ipaUniqueID: uuid } } as const;
// Each account of Active Directory has a userAccountControl.
const ad = { preset: "activedirectory", id: { objectGUID: guid, userAccountControl: "512" } } as const;
const prefix = { emailPrefix: "uid", emailSuffix: "@x.org" };

describe("a converted user", () => {
  it.each<{
    readonly title: string;
    readonly server: { readonly preset: LdapPreset; readonly id: Parameters<typeof entry>[0] };
    readonly attributes: Parameters<typeof entry>[0];
    readonly users?: Partial<LdapUserSettings>;
    readonly user: Partial<SourceUser>;
  }>([
    {
      title: "of OpenLDAP has an id and an address in lower case, and a trimmed address",
      server: openldap,
      attributes: { Mail: " Anna@Example.ORG ", UID: "anna", CN: "Anna A" },
      user: {
        externalId: uuid.toLowerCase(),
        email: "anna@example.org",
        userName: "anna",
        displayName: "Anna A",
        isActive: true,
      },
    },
    {
      title: "of OpenLDAP is inactive if locked forever",
      server: openldap,
      attributes: { pwdAccountLockedTime: "000001010000Z" },
      user: { isActive: false },
    },
    {
      title: "of OpenLDAP stays active if locked for a while",
      server: openldap,
      attributes: { pwdAccountLockedTime: "20260101000000Z" },
      user: { isActive: true },
    },
    {
      title: "of 389 DS is inactive if locked",
      server: ds389,
      attributes: { nsAccountLock: "TRUE" },
      user: { isActive: false, externalId: uniqueId },
    },
    {
      title: "of FreeIPA has two ids",
      server: freeipa,
      attributes: {},
      user: { externalId: uuid.toLowerCase(), entryId: uniqueId },
    },
    {
      title: "of Active Directory never expires with the largest accountExpires",
      server: ad,
      attributes: { accountExpires: "9223372036854775807" },
      user: { externalId: "1e2d4d33-1c6c-491d-b6bc-f4e30d0fef1c", isActive: true, activeUntilMs: null },
    },
    {
      title: "of Active Directory is inactive if disabled",
      server: ad,
      attributes: { userAccountControl: "66050" },
      user: { isActive: false },
    },
    {
      title: "of Active Directory never expires with accountExpires 0",
      server: ad,
      attributes: { accountExpires: "0" },
      user: { activeUntilMs: null },
    },
    {
      title: "of Active Directory is active until accountExpires",
      server: ad,
      attributes: { accountExpires: "133485408000000000" },
      user: { isActive: true, activeUntilMs: Date.UTC(2024, 0, 1) },
    },
    {
      title: "of Active Directory names the primary group",
      server: ad,
      attributes: { primaryGroupID: "513" },
      user: { memberOf: ["rid:513"] },
    },
    {
      title: "can have no address",
      server: openldap,
      attributes: { uid: "anna" },
      user: { email: null, displayName: "anna" },
    },
    {
      title: "has no address if the value can't be one",
      server: openldap,
      attributes: { mail: "anna" },
      user: { email: null },
    },
    {
      title: "has the first of several addresses",
      server: openldap,
      attributes: { mail: ["a@example.org", "b@example.org"] },
      user: { email: "a@example.org" },
    },
    {
      title: "has the primary address of proxyAddresses",
      server: ad,
      attributes: { proxyAddresses: ["smtp:b@x.org", "X400:c=de", "SMTP:A@x.org"] },
      users: { email: "ProxyAddresses" },
      user: { email: "a@x.org" },
    },
    {
      title: "has no address if proxyAddresses has no primary one",
      server: ad,
      attributes: { proxyAddresses: ["smtp:b@x.org"] },
      users: { email: "proxyAddresses" },
      user: { email: null },
    },
    {
      title: "has an address from prefix and suffix",
      server: openldap,
      attributes: { uid: "Anna" },
      users: prefix,
      user: { email: "anna@x.org" },
    },
    {
      title: "has the attribute's address before the one from prefix and suffix",
      server: openldap,
      attributes: { uid: "Anna", mail: "A.Nna@x.org" },
      users: { ...prefix, email: "mail" },
      user: { email: "a.nna@x.org" },
    },
    {
      title: "has an address from prefix and suffix if the attribute is missing",
      server: openldap,
      attributes: { uid: "Anna" },
      users: { ...prefix, email: "mail" },
      user: { email: "anna@x.org" },
    },
  ])("$title", ({ server: { preset, id }, attributes, users, user }) => {
    expect(convert(preset, { ...id, ...attributes }, users)).toMatchObject({ kind: "converted", entity: user });
  });

  it("is refused if userAccountControl can't be read; a contact has none", () => {
    expect(() => convert("activedirectory", { objectGUID: guid })).toThrow(/userAccountControl can't be read/);
    expect(convert("activedirectory", { objectGUID: guid, objectClass: ["top", "Contact"] }).kind).toBe("contact");
  });

  it("is inactive if the server finds it by inactiveWhen", () => {
    expect(convert("openldap", { entryUUID: uuid }, { inactiveWhen: "(employeeType=gone)" }, true)).toMatchObject({
      entity: { isActive: false },
    });
  });

  it("needs an id", () => {
    expect(convert("openldap", { uid: "anna" }).kind).toBe("without-id");
  });
});

describe("two DNs", () => {
  it.each([
    ["letter case and spaces", "UID=Anna,  OU=People,DC=Example", "uid=anna,ou=people,dc=example"],
    ["an escaped comma", String.raw`CN=Adler\, Anna,DC=x`, String.raw`cn=adler\2C anna,dc=x`],
    ["escaped UTF-8", String.raw`cn=M\C3\BCller,dc=x`, "CN=MÜLLER,dc=x"],
    ["composed and decomposed letters", "cn=Müller,dc=x", "cn=Mu\u0308ller,dc=x"],
    ["a quoted value", 'cn="Adler, Anna",dc=x', String.raw`cn=Adler\, Anna,dc=x`],
    ["another order of the values of an RDN", "cn=a+sn=b,dc=x", "SN=b + CN=a,dc=x"],
    ["attributes named by OID", "2.5.4.3=Anna,0.9.2342.19200300.100.1.25=x", "cn=anna,dc=x"],
    ["semicolons as separators", "cn=a;dc=x", "cn=a,dc=x"],
    ["runs of spaces", "cn=Anna   Adler,dc=x", "cn=Anna Adler,dc=x"],
  ])("are equal despite %s", (_title, one, other) => expect(normalizeDn(one)).toBe(normalizeDn(other)));

  it.each([
    ["another value", "cn=a,dc=x", "cn=b,dc=x"],
    ["an escaped separator", String.raw`cn=a\,dc=x`, "cn=a,dc=x"],
    ["an escaped plus", String.raw`cn=a\+sn=b,dc=x`, "cn=a+sn=b,dc=x"],
  ])("differ by %s", (_title, one, other) => expect(normalizeDn(one)).not.toBe(normalizeDn(other)));

  it("tell if one lies below the other", () => {
    expect(isWithin("cn=a,OU=People,dc=x", "ou=people, dc=x")).toBe(true);
    expect(isWithin(String.raw`cn=a\,ou=people,dc=x`, "ou=people,dc=x")).toBe(false);
    expect(isWithin("ou=people,dc=x", "")).toBe(true);
  });
});

it("ids are printed as the tools of the servers print them", () => {
  expect(printGuid(guid)).toBe("1e2d4d33-1c6c-491d-b6bc-f4e30d0fef1c");
  expect(printSyncUuid("nsUniqueId", Buffer.from("86c13197e60c11f1baa7dcb5eefe37fd", "hex"))).toBe(
    "86c13197-e60c11f1-baa7dcb5-eefe37fd",
  );
});

it("a filter can span several lines", () => {
  expect(parseFilter("(&\n  (objectClass=person)\n  (|\n    (uid=a b)\n    (!(uid=c))\n  )\n)").toString()).toBe(
    "(&(objectClass=person)(|(uid=a b)(!(uid=c))))",
  );
});

describe("flattened groups", () => {
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
    ["of a chain have the members of all groups below", { a: ["b"], b: ["c"], c: [] }, { a: "123", b: "23", c: "3" }],
    [
      "of a diamond have each member once",
      { a: ["b", "c"], b: ["d"], c: ["d"], d: [] },
      { a: "1234", b: "24", c: "34", d: "4" },
    ],
    ["can contain themselves", { a: ["a"] }, { a: "1" }],
    [
      "of a cycle with a tail have all members of the cycle and the tail",
      { a: ["b"], b: ["c"], c: ["a", "d"], d: [] },
      { a: "1234", b: "1234", c: "1234", d: "4" },
    ],
    [
      "of two cycles have the members of their cycle and of the next one",
      { a: ["b"], b: ["a", "c"], c: ["d"], d: ["c"] },
      { a: "1234", b: "1234", c: "34", d: "34" },
    ],
  ])("%s", (_title, edges, expected) =>
    expect(graph(edges, { a: ["1"], b: ["2"], c: ["3"], d: ["4"] })).toEqual(expected),
  );

  it("of a chain of 800 groups, open or closed to a cycle, have 800 members", () => {
    for (const last of [[], [0]]) {
      const flat = flatten({
        groups: Array.from({ length: 800 }, (_, group) => group),
        peopleOf: (group) => [group],
        subgroupsOf: (group) => (group < 799 ? [group + 1] : last),
      });
      expect(flat.get(0)?.size).toBe(800);
    }
  });
});

describe("the read position by stamps", () => {
  it("goes back in the form of the attribute", () => {
    expect(earlier("20261122000003Z", 5000)).toBe("20261121235958Z");
    expect(earlier("20261122000003.123456Z#000001#000#000000", 5000)).toBe("20261121235958.000000Z#000000#000#000000");
  });
  it("moves to the newest stamp only after a later poll has read past it", () => {
    const first = markAfterFull(null, { startedAtMs: 0, endedAtMs: 2000, newest: "20261122000010Z" });
    expect(first).toEqual({ since: "20261122000003Z", newest: "20261122000010Z", newestSeenAtMs: 2000 });
    const soon = advanceMark(first, { startedAtMs: 4000, endedAtMs: 4010, newest: "20261122000010Z" });
    expect(soon.since).toBe("20261122000003Z");
    const later = advanceMark(soon, { startedAtMs: 7000, endedAtMs: 7010, newest: "20261122000012Z" });
    expect(later).toEqual({ since: "20261122000010Z", newest: "20261122000012Z", newestSeenAtMs: 7010 });
    expect(advanceMark(later, { startedAtMs: 99_000, endedAtMs: 99_010, newest: null }).since).toBe("20261122000012Z");
  });
  it("moves past a directory that was filled in one second", () => {
    const first = markAfterFull(null, { startedAtMs: 0, endedAtMs: 2000, newest: "20261122000010Z" });
    const again = markAfterFull(first, { startedAtMs: 300_000, endedAtMs: 302_000, newest: "20261122000010Z" });
    expect(again.since).toBe("20261122000010Z");
  });
});
