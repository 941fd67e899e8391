import type { Cause, JsonObject } from "../model/entities.ts";

/**
 * What the SCIM source keeps and asks for. `resource` is the SCIM resource as it should be read back, without what is
 * derived: no `id`, `meta`, `schemas`, no `groups` of a person, no `members` of a group; never a `password`.
 */
export interface UserRecord {
  readonly id: string;
  readonly rev: number;
  readonly createdAtMs: number;
  /** When the person's own attributes changed last; a change of membership bumps `rev` only. */
  readonly modifiedAtMs: number;
  readonly resource: JsonObject;
}

export interface UserWrite {
  readonly resource: JsonObject;
  readonly userName: string;
  /** The SCIM attribute of the identity provider, compared exactly. */
  readonly externalId: string | null;
  /** The address that targets are given; see requirement 41. */
  readonly email: string | null;
  /** All addresses, for filters. */
  readonly emails: readonly string[];
  readonly displayName: string;
  readonly isActive: boolean;
}

export interface GroupRecord {
  readonly id: string;
  readonly rev: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly resource: JsonObject;
}

export interface GroupWrite {
  readonly resource: JsonObject;
  readonly displayName: string;
  readonly externalId: string | null;
}

/** One step on a group's members, by row; steps run in order. Ids that name no person of the source are left out and reported. */
export type MemberEdit =
  | { readonly op: "add"; readonly userIds: readonly string[] }
  | { readonly op: "remove"; readonly userIds: readonly string[] }
  | { readonly op: "replace"; readonly userIds: readonly string[] };

/** What an update makes of a group; `write` null leaves the attributes alone. */
export interface GroupEdit {
  readonly write: GroupWrite | null;
  readonly members: readonly MemberEdit[];
}

export interface GroupResult {
  readonly record: GroupRecord;
  readonly unknownMembers: readonly string[];
}

/** A reference shown in `groups` of a person or `members` of a group. */
export interface Reference {
  readonly id: string;
  readonly displayName: string;
}

/**
 * What the store can decide by its columns. Text is compared without regard to case except `id` and `externalId`.
 * Times are milliseconds. `emails` holds when any address of the person matches; `members` when any member (a group's),
 * `groups` when any group (a person's) has that id.
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

/** `userName` exists for people only, `displayName` for both kinds. */
export type TextField = "id" | "userName" | "externalId" | "displayName" | "emails";

export interface ListQuery {
  readonly where: Criterion;
  /** Null sorts by creation: stable under paging. */
  readonly sort: {
    readonly field: "id" | "userName" | "externalId" | "displayName" | "createdAtMs" | "modifiedAtMs";
    readonly isDescending: boolean;
  } | null;
  /** 0-based. */
  readonly offset: number;
  /** 0 counts only. */
  readonly limit: number;
}

export interface ListPage<T> {
  readonly total: number;
  readonly records: readonly T[];
}

/**
 * The directory as a SCIM source reads and writes it. Writes are durable when the promise resolves, and each is one
 * transaction with its audit row. Everything is confined to `source`: an id of another source does not exist here.
 *
 * Writes throw `UNIQUENESS` (a userName, or a group's displayName where `isNameUnique`, is taken),
 * `REV_MISMATCH` (`expectedRev` given and different), `NOT_FOUND`, `UNKNOWN_MEMBER` (only with `unknownMembers: "reject"`),
 * `STORE_UNAVAILABLE` (try again later). A callback that throws rolls its write back and the error reaches the caller.
 */
export interface ScimStore {
  getUser(source: string, id: string): Promise<UserRecord | null>;
  listUsers(source: string, query: ListQuery): Promise<ListPage<UserRecord>>;
  /** Pages of at most `pageSize` in order of creation, for conditions that columns can't decide. Other work runs between pages. */
  scanUsers(source: string, where: Criterion, pageSize: number): AsyncIterable<readonly UserRecord[]>;
  createUser(source: string, write: UserWrite, cause: Cause): Promise<UserRecord>;
  /** `edit` is called inside the transaction with the present record; null means that nothing changes (`rev` and `modifiedAtMs` stay). */
  updateUser(
    source: string,
    id: string,
    expectedRev: number | null,
    edit: (present: UserRecord) => UserWrite | null,
    cause: Cause,
  ): Promise<UserRecord>;
  deleteUser(source: string, id: string, expectedRev: number | null, cause: Cause): Promise<void>;
  /** Groups of each person, by user id; people without groups are left out. */
  groupsOfUsers(source: string, userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Reference[]>>;

  getGroup(source: string, id: string): Promise<GroupRecord | null>;
  listGroups(source: string, query: ListQuery): Promise<ListPage<GroupRecord>>;
  scanGroups(source: string, where: Criterion, pageSize: number): AsyncIterable<readonly GroupRecord[]>;
  createGroup(
    source: string,
    write: GroupWrite,
    memberIds: readonly string[],
    options: GroupOptions,
    cause: Cause,
  ): Promise<GroupResult>;
  /**
   * `edit` is called inside the transaction with the present record; it may read the members there (rarely needed: a
   * value filter on something else than `value`). Null means that nothing changes. An edit that adds present members or
   * removes absent ones changes nothing either: `rev` and `modifiedAtMs` stay.
   */
  updateGroup(
    source: string,
    id: string,
    expectedRev: number | null,
    edit: (
      present: GroupRecord,
      members: () => Promise<readonly Reference[]>,
    ) => GroupEdit | null | Promise<GroupEdit | null>,
    options: GroupOptions,
    cause: Cause,
  ): Promise<GroupResult>;
  deleteGroup(source: string, id: string, expectedRev: number | null, cause: Cause): Promise<void>;
  /** Members of each group, by group id, in a stable order; groups without members are left out. */
  membersOfGroups(source: string, groupIds: readonly string[]): Promise<ReadonlyMap<string, readonly Reference[]>>;
}

export interface GroupOptions {
  /** Refuse a displayName that another group of the source has. */
  readonly isNameUnique: boolean;
  readonly unknownMembers: "skip" | "reject";
}

/** A SCIM bearer token as stored: the token itself is shown once and never kept. */
export interface StoredToken {
  readonly id: string;
  readonly source: string;
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  readonly label: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
  /** From then on it is refused; null: never. */
  readonly expiresAtMs: number | null;
  /** To within a minute; null: not yet, or not since releases note it. */
  readonly lastUsedAtMs: number | null;
}

/** How long before its end people are told that a token expires. */
export const tokenNoticeMs = 14 * 24 * 3_600_000;

/** Tokens that people should replace soon: neither revoked nor over yet, but within `tokenNoticeMs`. */
export const expiringSoon = (tokens: readonly StoredToken[], nowMs: number): readonly StoredToken[] =>
  tokens.filter(
    ({ revokedAtMs, expiresAtMs }) =>
      revokedAtMs === null && expiresAtMs !== null && expiresAtMs > nowMs && expiresAtMs - nowMs <= tokenNoticeMs,
  );

/** Would a request with it be answered? */
export const isTokenGood = ({ revokedAtMs, expiresAtMs }: StoredToken, nowMs: number): boolean =>
  revokedAtMs === null && (expiresAtMs === null || expiresAtMs > nowMs);

/** What has become of a token. */
export const tokenState = (token: StoredToken, nowMs: number): "good" | "expired" | "revoked" => {
  if (token.revokedAtMs !== null) return "revoked";
  return isTokenGood(token, nowMs) ? "good" : "expired";
};
