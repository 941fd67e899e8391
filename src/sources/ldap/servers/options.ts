/** What one preset means: how the server names entries and tells of changes. */
export type PresetName = "openldap" | "389ds" | "freeipa" | "activedirectory";

/** Markers of a disabled account, read from the entry. More than one may be looked at. */
export type DisabledMarker = "userAccountControl" | "accountExpires" | "nsAccountLock" | "pwdAccountLockedTime";

/** How changes are found between complete polls; `auto` takes the best that the server offers. */
export type DeltaMode = "auto" | "sync" | "stamp" | "usn" | "off";

export interface LdapTls {
  /** Upgrade an `ldap://` connection before anything is sent. Default false. */
  readonly startTls?: boolean;
  /** PEM texts of the private certificate authorities, in place of the system's. */
  readonly ca?: string;
  /** Client certificate and key, PEM. */
  readonly cert?: string;
  readonly key?: string;
  /** The name to look for in the server's certificate; default the host of the URL. */
  readonly servername?: string;
  /** Default true. */
  readonly rejectUnauthorized?: boolean;
}

export interface LdapUserOptions {
  readonly baseDn: string;
  readonly filter?: string;
  /** Immutable id attribute. */
  readonly id?: string;
  readonly email?: string;
  /** In place of `email`: this attribute's value with `emailSuffix` behind it. With `email` given too: for who has none. */
  readonly emailPrefix?: string;
  /** e.g. `@example.com`. */
  readonly emailSuffix?: string;
  readonly userName?: string;
  readonly name?: string;
  /** Attribute in which a person names their groups; read in place of the groups' `members`. */
  readonly memberOf?: string | null;
  readonly disabledBy?: readonly DisabledMarker[];
  /** Whoever matches is inactive, besides `disabledBy`. The server evaluates it. */
  readonly inactiveWhen?: string | null;
}

export interface LdapGroupOptions {
  readonly baseDn: string;
  readonly filter?: string;
  readonly id?: string;
  readonly name?: string;
  /** Attribute with the members: DNs, or uids where `membersAre` says so. */
  readonly members?: string;
  readonly membersAre?: "dn" | "uid";
  /** Members of nested groups belong to the outer group too. Default true. */
  readonly nested?: boolean;
}

/** An LDAP source as configured; every key that a preset knows may be left out. Secrets are resolved, durations are milliseconds. */
export interface LdapOptions {
  readonly preset: PresetName;
  /** Tried in order. Exactly one of `url` and `domain`. */
  readonly url?: readonly string[];
  /** DNS domain of an Active Directory: domain controllers are found by SRV records. */
  readonly domain?: string;
  readonly bindDn?: string;
  readonly bindPassword?: string;
  /** `external` takes the client certificate as identity. Default: simple when there is a bindDn, else anonymous. */
  readonly bind?: "simple" | "external" | "anonymous";
  readonly tls?: LdapTls;
  /** Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** For each page or other operation. Default 60,000. */
  readonly timeoutMs?: number;
  /** Default 300,000 (5 min). */
  readonly everyMs?: number;
  /** Default 86,400,000 (24 h). */
  readonly fullEveryMs?: number;
  /** 1 to 1,000, which is Active Directory's limit. Default 1,000. */
  readonly pageSize?: number;
  readonly delta?: DeltaMode;
  /** Attribute that grows with each change, for `delta: stamp`: entryCSN or modifyTimestamp. */
  readonly changeStamp?: string;
  readonly users: LdapUserOptions;
  /** Left out: no groups. */
  readonly groups?: LdapGroupOptions;
  /** Default 80. */
  readonly minKeptPercent?: number;
}

/** `LdapOptions` with the preset filled in. */
export interface LdapSettings {
  readonly name: string;
  readonly preset: PresetName;
  readonly url: readonly string[];
  readonly domain: string | null;
  readonly bind:
    | { readonly kind: "anonymous" | "external" }
    | { readonly kind: "simple"; readonly dn: string; readonly password: string };
  readonly tls: LdapTls;
  readonly connectTimeoutMs: number;
  readonly timeoutMs: number;
  readonly everyMs: number;
  readonly fullEveryMs: number;
  readonly pageSize: number;
  readonly delta: DeltaMode;
  readonly changeStamp: string;
  /** How this server names an entry for ever, whatever is configured as id. */
  readonly entryId: EntryIdAttribute;
  readonly users: Required<Omit<LdapUserOptions, "emailPrefix" | "emailSuffix" | "memberOf" | "inactiveWhen">> & {
    readonly emailPrefix: string | null;
    /** False when `emailPrefix` stands in place of `email`. */
    readonly readsEmail: boolean;
    readonly emailSuffix: string;
    readonly memberOf: string | null;
    readonly inactiveWhen: string | null;
  };
  readonly groups: Required<LdapGroupOptions> | null;
  readonly minKeptPercent: number;
}

/** The operational attribute that names an entry for ever. */
export type EntryIdAttribute = "entryUUID" | "nsUniqueId" | "objectGUID";
