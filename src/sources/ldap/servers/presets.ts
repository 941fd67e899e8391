import type {
  DisabledMarker,
  LdapGroupSettings,
  LdapPreset,
  LdapUserSettings,
} from "../../../domain/model/ldap-source.ts";

/** The operational attribute that names an entry forever. */
export type EntryIdAttribute = "entryUUID" | "nsUniqueId" | "objectGUID";

/** Properties of a kind of server that no configuration changes. */
export interface ServerTraits {
  readonly entryId: EntryIdAttribute;
  /** True if a user names the primary group in `primaryGroupID`, and the group lacks that user in its members. */
  readonly hasPrimaryGroups: boolean;
  /** True if `refreshDeletes` in a Sync Done value can be trusted. 389 DS sends FALSE although it lists deletions. */
  readonly reportsRefreshDeletes: boolean;
}

interface Preset extends ServerTraits {
  /** Attribute that grows with each change; null if the server offers something better to everybody. */
  readonly changeStamp: string | null;
  readonly users: Required<Pick<LdapUserSettings, "filter" | "id" | "email" | "userName" | "name">> & {
    readonly disabledBy: readonly DisabledMarker[];
  };
  readonly groups: Required<Omit<LdapGroupSettings, "baseDn">>;
}

const groups = { name: "cn", members: "member", membersAre: "dn", nested: true } as const;
const groupsOfNames = { ...groups, filter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))" };
const users = { filter: "(objectClass=inetOrgPerson)", email: "mail", userName: "uid", name: "cn" };
const traits389 = {
  entryId: "nsUniqueId",
  changeStamp: "modifyTimestamp",
  hasPrimaryGroups: false,
  reportsRefreshDeletes: false,
} as const;

/** The configuration overrides each key of `users`, `groups` and `changeStamp`. */
export const presets: Readonly<Record<LdapPreset, Preset>> = {
  openldap: {
    entryId: "entryUUID",
    changeStamp: "entryCSN",
    hasPrimaryGroups: false,
    reportsRefreshDeletes: true,
    users: { ...users, id: "entryUUID", disabledBy: ["pwdAccountLockedTime"] },
    groups: { ...groupsOfNames, id: "entryUUID" },
  },
  "389ds": {
    ...traits389,
    users: { ...users, id: "nsUniqueId", disabledBy: ["nsAccountLock"] },
    groups: { ...groupsOfNames, id: "nsUniqueId" },
  },
  freeipa: {
    ...traits389,
    users: {
      ...users,
      filter: "(objectClass=posixAccount)",
      id: "ipaUniqueID",
      name: "displayName",
      disabledBy: ["nsAccountLock"],
    },
    groups: { ...groups, filter: "(objectClass=ipaUserGroup)", id: "ipaUniqueID" },
  },
  activedirectory: {
    entryId: "objectGUID",
    changeStamp: null,
    hasPrimaryGroups: true,
    reportsRefreshDeletes: false,
    users: {
      // Contacts have an address but no account. They are read so that `status` can list them.
      filter: "(&(objectCategory=person)(|(objectClass=user)(objectClass=contact)))",
      id: "objectGUID",
      email: "mail",
      userName: "userPrincipalName",
      name: "displayName",
      disabledBy: ["userAccountControl", "accountExpires"],
    },
    groups: { ...groups, filter: "(objectClass=group)", id: "objectGUID" },
  },
};
