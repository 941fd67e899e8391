import { FilterParser } from "ldapts";
import { messageOf, RollcallError } from "../../../domain/model/errors.ts";
import type {
  DisabledMarker,
  EntryIdAttribute,
  LdapGroupOptions,
  LdapOptions,
  LdapSettings,
  LdapUserOptions,
  PresetName,
} from "./options.ts";

interface Preset {
  readonly entryId: EntryIdAttribute;
  readonly changeStamp: string;
  readonly users: Required<Pick<LdapUserOptions, "filter" | "id" | "email" | "userName" | "name">> & {
    readonly disabledBy: readonly DisabledMarker[];
  };
  readonly groups: Required<Pick<LdapGroupOptions, "filter" | "id" | "name" | "members" | "membersAre" | "nested">>;
}

const groupOfNames = {
  filter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))",
  name: "cn",
  members: "member",
  membersAre: "dn",
  nested: true,
} as const;

/** Each preset is only a set of defaults: any key of the configuration overrides its part. */
export const presets: Readonly<Record<PresetName, Preset>> = {
  openldap: {
    entryId: "entryUUID",
    changeStamp: "entryCSN",
    users: {
      filter: "(objectClass=inetOrgPerson)",
      id: "entryUUID",
      email: "mail",
      userName: "uid",
      name: "cn",
      disabledBy: ["pwdAccountLockedTime"],
    },
    groups: { ...groupOfNames, id: "entryUUID" },
  },
  "389ds": {
    entryId: "nsUniqueId",
    changeStamp: "modifyTimestamp",
    users: {
      filter: "(objectClass=inetOrgPerson)",
      id: "nsUniqueId",
      email: "mail",
      userName: "uid",
      name: "cn",
      disabledBy: ["nsAccountLock"],
    },
    groups: { ...groupOfNames, id: "nsUniqueId" },
  },
  freeipa: {
    entryId: "nsUniqueId",
    changeStamp: "modifyTimestamp",
    users: {
      filter: "(objectClass=posixAccount)",
      id: "ipaUniqueID",
      email: "mail",
      userName: "uid",
      name: "displayName",
      disabledBy: ["nsAccountLock"],
    },
    groups: { ...groupOfNames, filter: "(objectClass=ipaUserGroup)", id: "ipaUniqueID" },
  },
  activedirectory: {
    entryId: "objectGUID",
    changeStamp: "uSNChanged",
    users: {
      // Contacts are read as well, so that `status` can name them: they have an address but can't have an account.
      filter: "(&(objectCategory=person)(|(objectClass=user)(objectClass=contact)))",
      id: "objectGUID",
      email: "mail",
      userName: "userPrincipalName",
      name: "displayName",
      disabledBy: ["userAccountControl", "accountExpires"],
    },
    groups: {
      filter: "(objectClass=group)",
      id: "objectGUID",
      name: "cn",
      members: "member",
      membersAre: "dn",
      nested: true,
    },
  },
};

/**
 * Fills in the preset.
 * @throws `CONFIG_INVALID` with the key for a filter that can't be parsed and for combinations that can't be meant
 */
export function resolveLdapOptions(name: string, options: LdapOptions): LdapSettings {
  const preset = presets[options.preset];
  const invalid = (key: string, what: string): RollcallError =>
    new RollcallError("CONFIG_INVALID", `sources.${name}.${key}: ${what}`);
  const url = options.url ?? [];
  if (url.length > 0 === (options.domain !== undefined)) throw invalid("url", "give either url or domain");
  const { users, groups } = options;
  if ((users.emailPrefix === undefined) !== (users.emailSuffix === undefined))
    throw invalid("users.emailPrefix", "emailPrefix and emailSuffix go together");
  const settings: LdapSettings = {
    name,
    preset: options.preset,
    url,
    domain: options.domain ?? null,
    bind: bindOf(options, invalid),
    tls: options.tls ?? {},
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    timeoutMs: options.timeoutMs ?? 60_000,
    everyMs: options.everyMs ?? 5 * 60_000,
    fullEveryMs: options.fullEveryMs ?? 24 * 3_600_000,
    pageSize: options.pageSize ?? 1000,
    delta: options.delta ?? "auto",
    changeStamp: options.changeStamp ?? preset.changeStamp,
    entryId: preset.entryId,
    users: {
      ...preset.users,
      emailPrefix: null,
      emailSuffix: "",
      memberOf: null,
      inactiveWhen: null,
      ...defined(users),
      readsEmail: users.emailPrefix === undefined || users.email !== undefined,
    },
    groups: groups === undefined ? null : { ...preset.groups, ...defined(groups) },
    minKeptPercent: options.minKeptPercent ?? 80,
  };
  for (const [key, filter] of [
    ["users.filter", settings.users.filter],
    ["users.inactiveWhen", settings.users.inactiveWhen],
    ["groups.filter", settings.groups?.filter],
  ] as const) {
    if (filter === undefined || filter === null) continue;
    try {
      parseFilter(filter);
    } catch (error) {
      throw invalid(key, `"${filter}" is no LDAP filter: ${messageOf(error)}`);
    }
  }
  return settings;
}

function bindOf(options: LdapOptions, invalid: (key: string, what: string) => RollcallError): LdapSettings["bind"] {
  const kind = options.bind ?? (options.bindDn === undefined ? "anonymous" : "simple");
  if (kind !== "simple") return { kind };
  const { bindDn: dn, bindPassword: password } = options;
  if (dn === undefined || dn === "") throw invalid("bindDn", "a simple bind needs a bindDn");
  // A DN with an empty password is an unauthenticated bind (RFC 4513 §5.1.2): it succeeds and reads as anonymous.
  if (password === undefined || password === "")
    throw invalid("bindPassword", "is empty: the server would take the connection for an anonymous one");
  return { kind, dn, password };
}

/** Keys given as undefined are as good as left out. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

/** A filter as written in YAML: white space and line breaks between its parts do not matter. @throws Error where it can't be parsed */
export const parseFilter = (text: string): ReturnType<typeof FilterParser.parseString> =>
  FilterParser.parseString(text.trim().replace(/([(&|!)])\s+(?=[()])/g, "$1"));
