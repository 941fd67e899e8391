/** JSON as parsed; what a SCIM resource is made of. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** A person as a source describes them (architecture, idea 1). */
export interface DirectoryUser {
  /** Ours, a UUID; the SCIM `id` of people who come over SCIM. */
  readonly id: string;
  /** Name of the source in the configuration. */
  readonly source: string;
  /** The source's immutable key: SCIM id, objectGUID, entryUUID, nsUniqueId. Never a DN or an e-mail address. */
  readonly externalId: string;
  /** Trimmed, lower case; null when the source gives none. */
  readonly email: string | null;
  readonly displayName: string;
  readonly isActive: boolean;
  /** Grows with every change of this person, memberships included. */
  readonly rev: number;
  readonly createdAtMs: number;
  /** Since when the source no longer has this person; null while it has. */
  readonly absentSinceMs: number | null;
}

/** A group as a source describes it. Its members are rows of their own. */
export interface DirectoryGroup {
  readonly id: string;
  readonly source: string;
  readonly externalId: string;
  readonly displayName: string;
  /** Grows with every change of the group, memberships included. */
  readonly rev: number;
  /** The `rev` of the last change of the group itself (name, presence): what makes its link dirty. A change of membership makes the *person* dirty. */
  readonly definitionRev: number;
  readonly absentSinceMs: number | null;
}

export type EntityKind = "user" | "group";

export interface EntityRef {
  readonly kind: EntityKind;
  readonly id: string;
}

/** Who or what asked for a change; stored with it. Never a secret. */
export interface Cause {
  /** e.g. `scim:okta`, `ldap:corp`, `cli:approve`, `reconcile`. */
  readonly actor: string;
  /** Joins a log line and an audit row; null outside a request. */
  readonly requestId: string | null;
}

/** Trimmed and lower case: how e-mail addresses are stored and compared. */
export const normalizeEmail = (value: string): string => value.trim().toLowerCase();
