import type { LdapPreset } from "../../../src/domain/model/ldap-source.ts";
import type { DirectoryServer } from "./server.ts";
import { type LdapTestOptions, optionsFor } from "./settings.ts";

/** LDIF for the changes of the table, for one kind of server. */
export interface DirectoryDialect {
  options(server: DirectoryServer): LdapTestOptions;
  person(name: string): string;
  group(name: string, members: readonly string[], subgroups: readonly string[]): string;
  setMail(name: string, mail: string): string;
  rename(name: string, to: string): string;
  /** Moves the person to the unit `sub` below people. */
  move(name: string): string;
  disable(name: string): string;
  enable(name: string): string;
  join(group: string, name: string): string;
  leave(group: string, name: string): string;
  /** Makes a group a member of another. */
  nest(group: string, subgroup: string): string;
  unnest(group: string, subgroup: string): string;
  renameGroup(group: string, to: string): string;
  remove(name: string): string;
  removeGroup(group: string): string;
  makeUnit(): string;
  /** Renames the unit `sub`, which contains `name`. */
  renameUnit(name: string): string;
  /** The configured filter excludes people with the description `left`. */
  describe(name: string, description: string | null): string;
}

interface Words {
  readonly suffix: string;
  readonly rdn: string;
  readonly groupRdn: string;
  readonly options: (server: DirectoryServer) => LdapTestOptions;
  readonly personLines: (name: string) => readonly string[];
  readonly groupLines: (name: string) => readonly string[];
  readonly disabled: readonly [string, string];
  readonly enabled: readonly [string, string | null];
  /** False for slapd 2.5.13: it answers the renaming of a container with "DN index add failed" (80). The person moves instead. */
  readonly renamesUnits: boolean;
}

const change = (dn: string, ...lines: readonly string[]): string =>
  [`dn: ${dn}`, "changetype: modify", ...lines, "", ""].join("\n");
const put = (attribute: string, value: string | null): readonly string[] =>
  value === null ? [`delete: ${attribute}`] : [`replace: ${attribute}`, `${attribute}: ${value}`];

function dialect({
  suffix,
  rdn,
  groupRdn,
  options,
  personLines,
  groupLines,
  disabled,
  enabled,
  renamesUnits,
}: Words): DirectoryDialect {
  const people = `ou=people,${suffix}`;
  const groupDn = (name: string): string => `${groupRdn}=${name},ou=groups,${suffix}`;
  const placeOf = new Map<string, string>();
  const dn = (name: string): string => placeOf.get(name) ?? `${rdn}=${name},${people}`;
  const modrdn = (from: string, newRdn: string, superior: string | null): string =>
    [
      `dn: ${from}`,
      "changetype: modrdn",
      `newrdn: ${newRdn}`,
      "deleteoldrdn: 1",
      ...(superior === null ? [] : [`newsuperior: ${superior}`]),
      "",
      "",
    ].join("\n");
  return {
    options,
    person: (name) => [`dn: ${dn(name)}`, ...personLines(name), "", ""].join("\n"),
    group: (name, members, subgroups) =>
      [
        `dn: ${groupDn(name)}`,
        ...groupLines(name),
        ...[...members.map(dn), ...subgroups.map(groupDn)].map((member) => `member: ${member}`),
        "",
        "",
      ].join("\n"),
    setMail: (name, mail) => change(dn(name), ...put("mail", mail)),
    rename: (name, to) => {
      const text = modrdn(dn(name), `${rdn}=${to}`, null);
      placeOf.set(to, dn(name).replace(`${rdn}=${name},`, `${rdn}=${to},`));
      return text;
    },
    move: (name) => {
      const text = modrdn(dn(name), `${rdn}=${name}`, `ou=sub,${people}`);
      placeOf.set(name, `${rdn}=${name},ou=sub,${people}`);
      return text;
    },
    disable: (name) => change(dn(name), ...put(...disabled)),
    enable: (name) => change(dn(name), ...put(...enabled)),
    join: (group, name) => change(groupDn(group), "add: member", `member: ${dn(name)}`),
    leave: (group, name) => change(groupDn(group), "delete: member", `member: ${dn(name)}`),
    nest: (group, subgroup) => change(groupDn(group), "add: member", `member: ${groupDn(subgroup)}`),
    unnest: (group, subgroup) => change(groupDn(group), "delete: member", `member: ${groupDn(subgroup)}`),
    renameGroup: (group, to) => modrdn(groupDn(group), `${groupRdn}=${to}`, null),
    remove: (name) => `dn: ${dn(name)}\nchangetype: delete\n\n`,
    removeGroup: (group) => `dn: ${groupDn(group)}\nchangetype: delete\n\n`,
    makeUnit: () => `dn: ou=sub,${people}\nobjectClass: organizationalUnit\nou: sub\n\n`,
    renameUnit: (name) => {
      const before = dn(name);
      placeOf.set(name, before.replace(",ou=sub,", ",ou=moved,"));
      if (renamesUnits) return modrdn(`ou=sub,${people}`, "ou=moved", null);
      const unit = `dn: ou=moved,${people}\nobjectClass: organizationalUnit\nou: moved\n\n`;
      return `${unit + modrdn(before, `${rdn}=${name}`, `ou=moved,${people}`)}dn: ou=sub,${people}\nchangetype: delete\n\n`;
    },
    describe: (name, description) => change(dn(name), ...put("description", description)),
  };
}

const plain = "dc=example,dc=org";

const optionsWith =
  (preset: LdapPreset, filter: string) =>
  (server: DirectoryServer): LdapTestOptions => ({
    ...optionsFor(preset, server),
    timeoutMs: 10_000,
    users: { baseDn: `ou=people,${server.suffix}`, filter: `(&${filter}(!(description=left)))` },
    minKeptPercent: 10,
  });

const inetOrgPerson = (name: string): readonly string[] => [
  "objectClass: inetOrgPerson",
  `uid: ${name}`,
  `cn: ${name}`,
  `sn: ${name}`,
  `mail: ${name}@example.org`,
];

export const openldapDialect = (): DirectoryDialect =>
  dialect({
    suffix: plain,
    rdn: "uid",
    groupRdn: "cn",
    options: optionsWith("openldap", "(objectClass=inetOrgPerson)"),
    personLines: inetOrgPerson,
    groupLines: (name) => ["objectClass: groupOfNames", `cn: ${name}`],
    disabled: ["pwdAccountLockedTime", "000001010000Z"],
    enabled: ["pwdAccountLockedTime", null],
    renamesUnits: false,
  });

export const ds389Dialect = (): DirectoryDialect =>
  dialect({
    suffix: plain,
    rdn: "uid",
    groupRdn: "cn",
    options: optionsWith("389ds", "(objectClass=inetOrgPerson)"),
    personLines: inetOrgPerson,
    groupLines: (name) => ["objectClass: groupOfNames", `cn: ${name}`],
    disabled: ["nsAccountLock", "true"],
    enabled: ["nsAccountLock", null],
    renamesUnits: true,
  });

export const activeDirectoryDialect = (): DirectoryDialect =>
  dialect({
    suffix: "DC=ad,DC=example,DC=test",
    rdn: "cn",
    groupRdn: "cn",
    options: optionsWith("activedirectory", "(objectCategory=person)(objectClass=user)"),
    personLines: (name) => [
      "objectClass: user",
      `sAMAccountName: ${name}`,
      `userPrincipalName: ${name}@ad.example.test`,
      `displayName: ${name}`,
      `mail: ${name}@example.org`,
      "userAccountControl: 512",
    ],
    groupLines: (name) => ["objectClass: group", `sAMAccountName: ${name}`],
    disabled: ["userAccountControl", "514"],
    enabled: ["userAccountControl", "512"],
    renamesUnits: true,
  });
