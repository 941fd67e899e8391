/** Kinds of LDAP server. A new name is a compile error until `sources/ldap/servers/presets.ts` describes it. */
export const ldapPresets = ["openldap", "389ds", "freeipa", "activedirectory"] as const;
export type LdapPreset = (typeof ldapPresets)[number];

/** Attributes that mark an account as disabled. A new name is a compile error until `read/convert.ts` can read it. */
export const disabledMarkers = [
  "userAccountControl",
  "accountExpires",
  "nsAccountLock",
  "pwdAccountLockedTime",
] as const;
export type DisabledMarker = (typeof disabledMarkers)[number];

/** How changes are found between full polls. `auto` takes the best that the server offers. */
export const deltaModes = ["auto", "sync", "stamp", "usn", "off"] as const;
export type DeltaMode = (typeof deltaModes)[number];

/** How Rollcall authenticates. `external`: the client certificate is the identity (SASL EXTERNAL). */
export type LdapBind<Password> =
  | { readonly kind: "anonymous" | "external" }
  | { readonly kind: "simple"; readonly dn: string; readonly password: Password };

/** A missing key takes the value of the preset. */
export interface LdapUserSettings {
  readonly baseDn: string;
  readonly filter?: string;
  /** Attribute that never changes. */
  readonly id?: string;
  readonly email?: string;
  /** Attribute whose value, followed by `emailSuffix`, is the address. With `email` too: only for users without one. */
  readonly emailPrefix?: string;
  /** For example `@example.com`. */
  readonly emailSuffix?: string;
  readonly userName?: string;
  readonly name?: string;
  /** Attribute with the groups of a user. It replaces the members that groups list. */
  readonly memberOf?: string;
  readonly disabledBy?: readonly DisabledMarker[];
  /** Filter for inactive users, in addition to `disabledBy`. The server evaluates it. */
  readonly inactiveWhen?: string;
}

/** A missing key takes the value of the preset. */
export interface LdapGroupSettings {
  readonly baseDn: string;
  readonly filter?: string;
  readonly id?: string;
  readonly name?: string;
  /** Attribute with the members: DNs, or uids if `membersAre` is `uid`. */
  readonly members?: string;
  readonly membersAre?: "dn" | "uid";
  /** True if members of nested groups also belong to the outer group. */
  readonly nested?: boolean;
}

/** Where to connect, and as whom. */
export interface LdapServers<Password, Tls> {
  /** Tried in order. Empty if `domain` is given. */
  readonly url: readonly string[];
  /** DNS domain of an Active Directory. SRV records name its domain controllers. */
  readonly domain: string | null;
  readonly bind: LdapBind<Password>;
  readonly tls: Tls;
  readonly connectTimeoutMs: number;
  /** Maximum time for one page or other operation. */
  readonly timeoutMs: number;
}

/** A polled LDAP directory as configured, complete with its defaults. The preset is not applied yet. */
export interface LdapSource<Password, Tls> extends LdapServers<Password, Tls> {
  readonly name: string;
  readonly preset: LdapPreset;
  readonly everyMs: number;
  /** Maximum time between two full polls. */
  readonly fullEveryMs: number;
  /** Entries per page. 1,000 is the maximum of Active Directory. */
  readonly pageSize: number;
  readonly delta: DeltaMode;
  /** Attribute that grows with each change, for `delta: stamp`. Default: the attribute of the preset. */
  readonly changeStamp?: string;
  readonly users: LdapUserSettings;
  /** Missing: no groups are read. */
  readonly groups?: LdapGroupSettings;
  /** A snapshot is refused if it keeps a smaller share of the known users. 0 to 100. */
  readonly minKeptPercent: number;
}
