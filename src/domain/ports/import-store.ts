import type { Cause } from "../model/entities.ts";

/** How entries refer to each other: `dn:<normalized DN>`, `uid:<lower case>`, `rid:<primary group id>`. It can change. */
export type Locator = string;

/** A user of a polled source, converted. */
export interface SourceUser {
  /** The source's key, which never changes: entryUUID, nsUniqueId, ipaUniqueID, objectGUID. */
  readonly externalId: string;
  /** The name of the entry in the server's list of changes. Equals `externalId` if no other id attribute is configured. */
  readonly entryId: string;
  readonly userName: string;
  /** Trimmed, lower case. Null: the entry has none. */
  readonly email: string | null;
  readonly displayName: string;
  readonly isActive: boolean;
  /** When the entry becomes inactive without a change, in milliseconds since the epoch. Null: never. */
  readonly activeUntilMs: number | null;
  readonly locators: readonly Locator[];
  /** Groups that the entry names (memberOf, the primary group). */
  readonly memberOf: readonly Locator[];
}

/** A group of a polled source. Nested groups are members too; the store flattens them. */
export interface SourceGroup {
  readonly externalId: string;
  readonly entryId: string;
  readonly displayName: string;
  readonly locators: readonly Locator[];
  /** Direct members, users and groups. Unknown locators are kept: they may resolve later. */
  readonly members: readonly Locator[];
  /** Groups that the entry names (memberOf). */
  readonly memberOf: readonly Locator[];
}

export interface CommitOptions {
  /** A snapshot that keeps a smaller share of the known users is refused. 0 to 100. */
  readonly minKeptPercent: number;
  /** True if the snapshot may shrink by any amount. */
  readonly acceptShrink: boolean;
  /** The next `PollState.cursor`. Null: the next poll must be a full one. */
  readonly cursor: string | null;
  readonly nowMs: number;
}

/** Result of a commit. All zero: only the cursor was written. */
export interface CommitResult {
  readonly usersAdded: number;
  readonly usersChanged: number;
  /** Users that are absent now. */
  readonly usersRemoved: number;
  readonly groupsAdded: number;
  readonly groupsChanged: number;
  readonly groupsRemoved: number;
  readonly membershipsAdded: number;
  readonly membershipsRemoved: number;
  /** Missing from this snapshot for the first time. If the next one lacks them too, they become absent. */
  readonly unconfirmedMissing: number;
}

/** A complete read in progress. Nothing is visible before `commit`. Pages come in any order. */
export interface Snapshot {
  /** Returns external ids that came before in this snapshot. The first entry counts. */
  addUsers(page: readonly SourceUser[]): Promise<readonly string[]>;
  addGroups(page: readonly SourceGroup[]): Promise<readonly string[]>;
  /**
   * Makes the snapshot the state of the source. Unchanged rows keep their `rev`. A missing entry becomes absent only if the
   * last snapshot lacked it too. Throws `SNAPSHOT_REFUSED` if it shrinks too much, `REV_MISMATCH` if another poll has begun.
   */
  commit(options: CommitOptions, cause: Cause): Promise<CommitResult>;
  /** Discards the snapshot. */
  abort(): Promise<void>;
}

/** The changes since the cursor. */
export interface SourceDelta {
  readonly users: readonly SourceUser[];
  readonly groups: readonly SourceGroup[];
  /** Entry ids that were deleted or no longer match the search. They become absent at once. Unknown ids are ignored. */
  readonly goneEntryIds: readonly string[];
}

/** A count with examples from the last poll, shown by `status`. Maximum 50 examples. */
export interface PollFinding {
  readonly kind:
    | "without-email"
    | "contact"
    | "duplicate-email"
    | "duplicate-id"
    | "without-id"
    | "referral"
    | "warning";
  readonly count: number;
  readonly examples: readonly string[];
}

/** Stored state of a polled source. */
export interface PollState {
  readonly cursor: string | null;
  readonly lastSuccessAtMs: number | null;
  readonly lastFullAtMs: number | null;
  readonly failingSinceMs: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly unconfirmedMissing: number;
  readonly users: number;
  readonly groups: number;
}

/** Result of a poll. A commit writes its own part. */
export type PollRecord =
  | {
      readonly ok: true;
      readonly isFull: boolean;
      readonly atMs: number;
      readonly findings: readonly PollFinding[] | null;
    }
  | { readonly ok: false; readonly atMs: number; readonly errorCode: string; readonly errorMessage: string };

/** Writes of a polled source. One snapshot or delta per source at a time. Writes throw `STORE_UNAVAILABLE` (try again later). */
export interface ImportStore {
  beginSnapshot(source: string): Promise<Snapshot>;
  /** Throws `SNAPSHOT_REFUSED` if it removes more users than `minKeptPercent` allows. */
  applyDelta(source: string, delta: SourceDelta, options: CommitOptions, cause: Cause): Promise<CommitResult>;
  /** By entry id: the locators of present entries. A difference shows a rename. */
  locatorsOf(source: string, entryIds: readonly string[]): Promise<ReadonlyMap<string, readonly Locator[]>>;
  /** Entry ids of groups with one of these locators as a member. */
  groupsNaming(source: string, locators: readonly Locator[]): Promise<readonly string[]>;
  pollState(source: string): Promise<PollState>;
  /** How the present users of a source were written. Null: there are none. */
  originOf(source: string): Promise<"polled" | "written" | null>;
  /** Findings of the last full poll, with the store's own: users without e-mail address, addresses that several users have. */
  findings(source: string): Promise<readonly PollFinding[]>;
  recordPoll(source: string, record: PollRecord): Promise<void>;
}
