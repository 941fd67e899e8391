import type { LdapPreset } from "../../../src/domain/model/ldap-source.ts";
import type { DirectoryServer } from "./server.ts";
import { type LdapTestOptions, optionsFor } from "./settings.ts";

/** How one kind of server differs from the others. */
interface ServerWords {
  readonly preset: LdapPreset;
  readonly suffix: string;
  readonly rdn: string;
  readonly userFilter: string;
  readonly personLines: (name: string) => readonly string[];
  readonly groupLines: (name: string) => readonly string[];
  readonly disabled: readonly [attribute: string, value: string];
  readonly enabled: readonly [attribute: string, value: string | null];
  /** False for slapd 2.5.13: it answers the renaming of a container with "DN index add failed" (80). The person moves instead. */
  readonly renamesUnits: boolean;
}

const record = (...lines: readonly string[]): string => [...lines, "", ""].join("\n");
const change = (dn: string, ...lines: readonly string[]): string => record(`dn: ${dn}`, "changetype: modify", ...lines);
const put = (attribute: string, value: string | null): readonly string[] =>
  value === null ? [`delete: ${attribute}`] : [`replace: ${attribute}`, `${attribute}: ${value}`];
const remove = (dn: string): string => record(`dn: ${dn}`, "changetype: delete");
const modrdn = (dn: string, newRdn: string, superior: string | null = null): string => {
  const newSuperior = superior === null ? [] : [`newsuperior: ${superior}`];
  return record(`dn: ${dn}`, "changetype: modrdn", `newrdn: ${newRdn}`, "deleteoldrdn: 1", ...newSuperior);
};

/** LDIF for the changes of the table, for one kind of server. It remembers renamed and moved people. */
function dialect(words: ServerWords) {
  const { suffix, rdn, personLines, groupLines, disabled, enabled, renamesUnits } = words;
  const people = `ou=people,${suffix}`;
  const groupDn = (name: string): string => `cn=${name},ou=groups,${suffix}`;
  const moved = new Map<string, string>();
  const dn = (name: string): string => moved.get(name) ?? `${rdn}=${name},${people}`;
  const unit = (name: string): string => `dn: ou=${name},${people}\nobjectClass: organizationalUnit\nou: ${name}\n\n`;
  const changeMember = (how: "add" | "delete", group: string, member: string): string =>
    change(groupDn(group), `${how}: member`, `member: ${member}`);
  return {
    options: (server: DirectoryServer): LdapTestOptions => ({
      ...optionsFor(words.preset, server),
      timeoutMs: 10_000,
      users: { baseDn: `ou=people,${server.suffix}`, filter: `(&${words.userFilter}(!(description=left)))` },
      minKeptPercent: 10,
    }),
    person: (name: string) => record(`dn: ${dn(name)}`, ...personLines(name)),
    group: (name: string, members: readonly string[], subgroups: readonly string[]) => {
      const lines = [...members.map(dn), ...subgroups.map(groupDn)].map((member) => `member: ${member}`);
      return record(`dn: ${groupDn(name)}`, ...groupLines(name), ...lines);
    },
    setMail: (name: string, mail: string) => change(dn(name), ...put("mail", mail)),
    rename: (name: string, to: string) => {
      const text = modrdn(dn(name), `${rdn}=${to}`);
      moved.set(to, dn(name).replace(`${rdn}=${name},`, `${rdn}=${to},`));
      return text;
    },
    /** Moves the person to the unit `sub` below people. */
    move: (name: string) => {
      const text = modrdn(dn(name), `${rdn}=${name}`, `ou=sub,${people}`);
      moved.set(name, `${rdn}=${name},ou=sub,${people}`);
      return text;
    },
    disable: (name: string) => change(dn(name), ...put(...disabled)),
    enable: (name: string) => change(dn(name), ...put(...enabled)),
    join: (group: string, name: string) => changeMember("add", group, dn(name)),
    leave: (group: string, name: string) => changeMember("delete", group, dn(name)),
    /** Makes a group a member of another. */
    nest: (group: string, into: string) => changeMember("add", into, groupDn(group)),
    unnest: (group: string, from: string) => changeMember("delete", from, groupDn(group)),
    renameGroup: (group: string, to: string) => modrdn(groupDn(group), `cn=${to}`),
    remove: (name: string) => remove(dn(name)),
    removeGroup: (group: string) => remove(groupDn(group)),
    makeUnit: () => unit("sub"),
    /** Renames the unit `sub`, which contains `name`. */
    renameUnit: (name: string) => {
      const before = dn(name);
      moved.set(name, before.replace(",ou=sub,", ",ou=moved,"));
      if (renamesUnits) return modrdn(`ou=sub,${people}`, "ou=moved");
      return unit("moved") + modrdn(before, `${rdn}=${name}`, `ou=moved,${people}`) + remove(`ou=sub,${people}`);
    },
    /** The configured filter excludes people with the description `left`. */
    describe: (name: string, description: string | null) => change(dn(name), ...put("description", description)),
  };
}
export type DirectoryDialect = ReturnType<typeof dialect>;

/** The schema of RFC 2798 and RFC 4519. */
const inetOrg = {
  suffix: "dc=example,dc=org",
  rdn: "uid",
  userFilter: "(objectClass=inetOrgPerson)",
  personLines: (name: string) => [
    "objectClass: inetOrgPerson",
    ...["uid", "cn", "sn"].map((attribute) => `${attribute}: ${name}`),
    `mail: ${name}@example.org`,
  ],
  groupLines: (name: string) => ["objectClass: groupOfNames", `cn: ${name}`],
};

export const openldapDialect = (): DirectoryDialect =>
  dialect({
    ...inetOrg,
    preset: "openldap",
    disabled: ["pwdAccountLockedTime", "000001010000Z"],
    enabled: ["pwdAccountLockedTime", null],
    renamesUnits: false,
  });

export const ds389Dialect = (): DirectoryDialect =>
  dialect({
    ...inetOrg,
    preset: "389ds",
    disabled: ["nsAccountLock", "true"],
    enabled: ["nsAccountLock", null],
    renamesUnits: true,
  });

export const activeDirectoryDialect = (): DirectoryDialect =>
  dialect({
    preset: "activedirectory",
    suffix: "DC=ad,DC=example,DC=test",
    rdn: "cn",
    userFilter: "(objectCategory=person)(objectClass=user)",
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
