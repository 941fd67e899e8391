import type { Cause, EntityRef } from "../../domain/model/entities.ts";
import type { CommitResult } from "../../domain/ports/import-store.ts";
import type { Dialect, Sql } from "../database/driver.ts";

type Counts = { -readonly [K in keyof CommitResult]: CommitResult[K] };

/** One commit under way: what its steps share. */
export interface Changing {
  readonly sql: Sql;
  readonly dialect: Dialect;
  readonly source: string;
  readonly cause: Cause;
  readonly nowMs: number;
  readonly counts: Counts;
  /** What listeners are told; more than `refsAtMost` are not kept. */
  readonly refs: { push(ref: EntityRef): void };
  /** People made by this commit: their `rev` is new anyway. */
  readonly newUsers: Set<number>;
  readonly newGroups: Set<number>;
  /** Addresses that somebody gained or lost. */
  readonly claimedEmails: Set<string>;
  /** Groups whose own edges changed. */
  readonly touchedGroups: Set<number>;
  /** Locators that came, went or changed hands: groups that name them have other members now. */
  readonly touchedLocators: Set<string>;
}

export const noChanges = (): Counts => ({
  usersAdded: 0,
  usersChanged: 0,
  usersRemoved: 0,
  groupsAdded: 0,
  groupsChanged: 0,
  groupsRemoved: 0,
  membershipsAdded: 0,
  membershipsRemoved: 0,
  unconfirmedMissing: 0,
});
