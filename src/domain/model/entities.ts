/** JSON as parsed. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** A user as a source describes them. */
export interface DirectoryUser {
  /** Rollcall's own UUID. For users of a SCIM source it is the SCIM `id`. */
  readonly id: string;
  /** Name of the source in the configuration. */
  readonly source: string;
  /** The source's key, which never changes: SCIM id, objectGUID, entryUUID, nsUniqueId. Never a DN or an address. */
  readonly externalId: string;
  /** Trimmed, lower case. Null: the source has none. */
  readonly email: string | null;
  readonly displayName: string;
  readonly isActive: boolean;
  /** Grows with every change of the user, also of memberships. */
  readonly rev: number;
  readonly createdAtMs: number;
  /** When the user disappeared from the source. Null: present. */
  readonly absentSinceMs: number | null;
}

/** A group as a source describes it. Memberships are separate rows. */
export interface DirectoryGroup {
  readonly id: string;
  readonly source: string;
  readonly externalId: string;
  readonly displayName: string;
  /** Grows with every change of the group, also of memberships. */
  readonly rev: number;
  /** The `rev` of the last change of name or presence, which makes the link dirty. A new membership makes the user dirty. */
  readonly definitionRev: number;
  readonly absentSinceMs: number | null;
}

export const entityKinds = ["user", "group"] as const;
export type EntityKind = (typeof entityKinds)[number];

export interface EntityRef {
  readonly kind: EntityKind;
  readonly id: string;
}

/** The origin of a change, stored with it. Never contains a secret. */
export interface Cause {
  /** e.g. `scim:okta`, `ldap:corp`, `cli:approve`, `reconcile`. */
  readonly actor: string;
  /** Joins log lines and audit rows. Null outside a request. */
  readonly requestId: string | null;
}

/** E-mail addresses are stored and compared trimmed and in lower case. */
export const normalizeEmail = (value: string): string => value.trim().toLowerCase();
