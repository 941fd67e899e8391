import type { Cause } from "../model/entities.ts";

/**
 * A name by which entries refer to each other: `dn:<normalised DN>`, `uid:<lower case>` or `rid:<primary group id>`.
 * Locators change (a rename, a move); they are never identity.
 */
export type Locator = string;

/** A person as a polled source shows them, converted. */
export interface SourceUser {
  /** The source's immutable key: entryUUID, nsUniqueId, ipaUniqueID, objectGUID. */
  readonly externalId: string;
  /** By what the server's list of changes names the entry; equals `externalId` unless another id attribute is configured. */
  readonly entryId: string;
  readonly userName: string;
  /** Trimmed, lower case; null when the entry has none. */
  readonly email: string | null;
  readonly displayName: string;
  readonly isActive: boolean;
  /** Milliseconds since the epoch from when on the account is inactive without any change of the entry; null for never. */
  readonly activeUntilMs: number | null;
  readonly locators: readonly Locator[];
  /** Groups that this person names (memberOf, the primary group). */
  readonly memberOf: readonly Locator[];
}

/** A group as a polled source shows it. Nested groups are members too: the store flattens them. */
export interface SourceGroup {
  readonly externalId: string;
  readonly entryId: string;
  readonly displayName: string;
  readonly locators: readonly Locator[];
  /** Direct members, people and groups alike; locators that resolve to nobody are kept: they may resolve later. */
  readonly members: readonly Locator[];
  /** Groups that this group names (memberOf). */
  readonly memberOf: readonly Locator[];
}

export interface CommitOptions {
  /** 0 to 100: a picture that still has fewer than this share of the people of the last one is refused. */
  readonly minKeptPercent: number;
  /** Lets one shrink through. */
  readonly acceptShrink: boolean;
  /** What the source wants back as `PollState.cursor`; null when only a complete poll may follow. */
  readonly cursor: string | null;
  readonly nowMs: number;
}

/** What a commit did. All zero: nothing was written but the cursor. */
export interface CommitResult {
  readonly usersAdded: number;
  readonly usersChanged: number;
  /** People and groups now absent. */
  readonly usersRemoved: number;
  readonly groupsAdded: number;
  readonly groupsChanged: number;
  readonly groupsRemoved: number;
  readonly membershipsAdded: number;
  readonly membershipsRemoved: number;
  /** Missing from this complete picture for the first time: absent if the next one lacks them too. */
  readonly unconfirmedMissing: number;
}

/** A complete picture being staged: nothing is visible before `commit`. Pages arrive in any order. */
export interface Snapshot {
  /** @returns external ids that came before in this picture; the first one is kept. */
  addUsers(page: readonly SourceUser[]): Promise<readonly string[]>;
  addGroups(page: readonly SourceGroup[]): Promise<readonly string[]>;
  /**
   * Makes the picture the state of the source. Unchanged rows keep their `rev`. Who is missing becomes absent only when
   * the last complete picture lacked them too.
   * @throws `SNAPSHOT_REFUSED` with the numbers when it shrinks too much; `REV_MISMATCH` when another poll began meanwhile
   */
  commit(options: CommitOptions, cause: Cause): Promise<CommitResult>;
  /** Drops what was staged. */
  abort(): Promise<void>;
}

/** What changed since the cursor, entry by entry. */
export interface SourceDelta {
  readonly users: readonly SourceUser[];
  readonly groups: readonly SourceGroup[];
  /** Entry ids that the server says are deleted, or that changed and are no longer within the search: absent at once. Unknown ids are ignored. */
  readonly goneEntryIds: readonly string[];
}

/** Counts and examples from the last poll, shown by `status`. `examples` holds at most 50 names. */
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

/** How a polled source is doing; survives a restart. */
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

/** What `recordPoll` keeps besides what a commit writes itself. */
export type PollRecord =
  | {
      readonly ok: true;
      readonly isFull: boolean;
      readonly atMs: number;
      readonly findings: readonly PollFinding[] | null;
    }
  | { readonly ok: false; readonly atMs: number; readonly errorCode: string; readonly errorMessage: string };

/**
 * The directory as a polled source writes it (architecture, idea 4). One snapshot or delta per source at a time.
 * All writes throw `STORE_UNAVAILABLE` (try again later).
 */
export interface ImportStore {
  beginSnapshot(source: string): Promise<Snapshot>;
  /** @throws `SNAPSHOT_REFUSED` when more people go than `minKeptPercent` allows. */
  applyDelta(source: string, delta: SourceDelta, options: CommitOptions, cause: Cause): Promise<CommitResult>;
  /** The locators of entries known and present, by entry id: tells a rename. */
  locatorsOf(source: string, entryIds: readonly string[]): Promise<ReadonlyMap<string, readonly Locator[]>>;
  /** Entry ids of the groups that name one of these locators as a member. */
  groupsNaming(source: string, locators: readonly Locator[]): Promise<readonly string[]>;
  pollState(source: string): Promise<PollState>;
  /** How the people who are present in a source came there; null when there are none. */
  originOf(source: string): Promise<"polled" | "written" | null>;
  /** Of the last complete poll, with what the store can tell by itself: people without e-mail, addresses that several people claim. */
  findings(source: string): Promise<readonly PollFinding[]>;
  recordPoll(source: string, record: PollRecord): Promise<void>;
}
