import type { Cause, JsonObject } from "../model/entities.ts";

/**
 * A stored user or group of a SCIM source. `resource` lacks the derived attributes: `id`, `meta`, `schemas`, `groups` of
 * a user, `members` of a group. It never has a `password`.
 */
export interface ScimRecord {
  readonly id: string;
  readonly rev: number;
  readonly createdAtMs: number;
  /** Last change of its own attributes. A change of membership increases only `rev`. */
  readonly modifiedAtMs: number;
  readonly resource: JsonObject;
}

export interface UserWrite {
  readonly resource: JsonObject;
  readonly userName: string;
  /** The SCIM attribute `externalId`. It is compared exactly. */
  readonly externalId: string | null;
  /** The address that targets get. */
  readonly email: string | null;
  /** All addresses, for filters. */
  readonly emails: readonly string[];
  readonly displayName: string;
  readonly isActive: boolean;
}

export interface GroupWrite {
  readonly resource: JsonObject;
  readonly displayName: string;
  readonly externalId: string | null;
}

/** One edit of a group's members. Edits run in order. Unknown user ids are left out and reported. */
export interface MemberEdit {
  readonly op: "add" | "remove" | "replace";
  readonly userIds: readonly string[];
}

/** An edit of a group. `write` null: the attributes stay. */
export interface GroupEdit {
  readonly write: GroupWrite | null;
  readonly members: readonly MemberEdit[];
}

export interface GroupResult {
  readonly record: ScimRecord;
  readonly unknownMembers: readonly string[];
}

/** A reference in `groups` of a user or `members` of a group. */
export interface Reference {
  readonly id: string;
  readonly displayName: string;
}

/**
 * A condition that columns can decide. Letter case counts only for `id` and `externalId`. Times are in milliseconds. `emails`,
 * `members` and `groups` hold if any of the values matches.
 */
export type Criterion =
  | { readonly op: "and" | "or"; readonly of: readonly Criterion[] }
  | { readonly op: "not"; readonly of: Criterion }
  | { readonly op: "all" }
  | { readonly op: "none" }
  | { readonly op: "pr"; readonly field: "externalId" | "emails" | "members" | "groups" }
  | {
      readonly op: "eq" | "co" | "sw" | "ew" | "gt" | "ge" | "lt" | "le";
      readonly field: TextField;
      readonly value: string;
    }
  | {
      readonly op: "eq" | "gt" | "ge" | "lt" | "le";
      readonly field: "createdAtMs" | "modifiedAtMs";
      readonly value: number;
    }
  | { readonly op: "eq"; readonly field: "isActive"; readonly value: boolean }
  | { readonly op: "eq"; readonly field: "members" | "groups"; readonly value: string };

/** `userName` and `emails` exist only for users. */
export type TextField = "id" | "userName" | "externalId" | "displayName" | "emails";

export interface ListQuery {
  readonly where: Criterion;
  /** Null: by creation, which is stable under paging. */
  readonly sort: {
    readonly field: "id" | "userName" | "externalId" | "displayName" | "createdAtMs" | "modifiedAtMs";
    readonly isDescending: boolean;
  } | null;
  /** 0-based. */
  readonly offset: number;
  /** 0: only count. */
  readonly limit: number;
}

export interface ListPage<T> {
  readonly total: number;
  readonly records: readonly T[];
}

/**
 * Reads and writes of a SCIM source. A write is durable when the promise resolves. It is one transaction with its audit row.
 * An id of another source does not exist here.
 *
 * Writes throw `UNIQUENESS` (the userName, or with `isNameUnique` the displayName, is taken), `REV_MISMATCH` (`expectedRev` is
 * given and differs), `NOT_FOUND`, `UNKNOWN_MEMBER` (only with `unknownMembers: "reject"`) and `STORE_UNAVAILABLE` (try again
 * later). A callback that throws rolls the write back.
 */
export interface ScimStore {
  getUser(source: string, id: string): Promise<ScimRecord | null>;
  listUsers(source: string, query: ListQuery): Promise<ListPage<ScimRecord>>;
  /** Yields pages in order of creation, for conditions that columns can't decide. Other work runs between pages. */
  scanUsers(source: string, where: Criterion, pageSize: number): AsyncIterable<readonly ScimRecord[]>;
  createUser(source: string, write: UserWrite, cause: Cause): Promise<ScimRecord>;
  /** Calls `edit` with the present record inside the transaction. If it returns null, nothing changes, not even `rev`. */
  updateUser(
    source: string,
    id: string,
    expectedRev: number | null,
    edit: (present: ScimRecord) => UserWrite | null,
    cause: Cause,
  ): Promise<ScimRecord>;
  deleteUser(source: string, id: string, expectedRev: number | null, cause: Cause): Promise<void>;
  /** Groups by user id. Users without groups are left out. */
  groupsOfUsers(source: string, userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Reference[]>>;

  getGroup(source: string, id: string): Promise<ScimRecord | null>;
  listGroups(source: string, query: ListQuery): Promise<ListPage<ScimRecord>>;
  scanGroups(source: string, where: Criterion, pageSize: number): AsyncIterable<readonly ScimRecord[]>;
  createGroup(
    source: string,
    write: GroupWrite,
    memberIds: readonly string[],
    options: GroupOptions,
    cause: Cause,
  ): Promise<GroupResult>;
  /**
   * Calls `edit` with the present record inside the transaction. `members` reads the members, for a value filter on something
   * else than `value`. Nothing changes, not even `rev`, if `edit` returns null or its members are as before.
   */
  updateGroup(
    source: string,
    id: string,
    expectedRev: number | null,
    edit: (
      present: ScimRecord,
      members: () => Promise<readonly Reference[]>,
    ) => GroupEdit | null | Promise<GroupEdit | null>,
    options: GroupOptions,
    cause: Cause,
  ): Promise<GroupResult>;
  deleteGroup(source: string, id: string, expectedRev: number | null, cause: Cause): Promise<void>;
  /** Members by group id, in a stable order. Groups without members are left out. */
  membersOfGroups(source: string, groupIds: readonly string[]): Promise<ReadonlyMap<string, readonly Reference[]>>;
}

export interface GroupOptions {
  /** True if a displayName that another group of the source has is refused. */
  readonly isNameUnique: boolean;
  readonly unknownMembers: "skip" | "reject";
}

/** A stored SCIM bearer token. The token itself is shown once and never stored. */
export interface StoredToken {
  readonly id: string;
  readonly source: string;
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  readonly label: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
  /** When it expires. Null: never. */
  readonly expiresAtMs: number | null;
  /** To within a minute. Null: not known. */
  readonly lastUsedAtMs: number | null;
}

/** How long before its expiry a token is reported. */
export const tokenNoticeMs = 14 * 24 * 3_600_000;

/** Returns valid tokens that expire within `tokenNoticeMs`. */
export const expiringSoon = (tokens: readonly StoredToken[], nowMs: number): readonly StoredToken[] =>
  tokens.filter(
    ({ revokedAtMs, expiresAtMs }) =>
      revokedAtMs === null && expiresAtMs !== null && expiresAtMs > nowMs && expiresAtMs - nowMs <= tokenNoticeMs,
  );

/** True if a request with this token is accepted. */
export const isTokenGood = ({ revokedAtMs, expiresAtMs }: StoredToken, nowMs: number): boolean =>
  revokedAtMs === null && (expiresAtMs === null || expiresAtMs > nowMs);

export const tokenState = (token: StoredToken, nowMs: number): "good" | "expired" | "revoked" => {
  if (token.revokedAtMs !== null) return "revoked";
  return isTokenGood(token, nowMs) ? "good" : "expired";
};
