import type { AuditEntry } from "../model/audit.ts";
import type { Cause, EntityKind } from "../model/entities.ts";
import type { HeldItem } from "../model/held-change.ts";
import type { Link } from "../model/link.ts";
import type { RestoredState } from "../model/restored-database.ts";
import type { LinkedUser, RemovedSource, RunScope, SyncInput } from "../model/sync-input.ts";

/** The writes of a run, made in one transaction. */
export interface RunRecord {
  /** `Target.account`, in the first run. */
  readonly account?: string;
  readonly links?: readonly Link[];
  readonly audit?: readonly AuditEntry[];
  /** Charge ids that use up the removal limit. Each counts once per window. Written before the call. */
  readonly charge?: readonly string[];
  /** Ids of users who get access back that they lost before the window. Written before the call. */
  readonly returning?: readonly string[];
  /** Charge ids of this run whose removal the target refused permanently. They no longer count. */
  readonly refund?: readonly string[];
  /**
   * The held changes of the entities in `considered` (null: of all). Rows of other entities stay. So do rows under a key of
   * `keep`: they were approved and are carried out now. A change that stays held keeps its decision.
   */
  readonly held?: {
    readonly considered: ReadonlySet<string> | null;
    readonly items: readonly HeldItem[];
    readonly keep: ReadonlySet<string>;
  };
  /** True if the restore of a backup has no effect any more. */
  readonly endsRestore?: boolean;
  /** Keys of changes that are done. Their approvals are used up. */
  readonly done?: readonly string[];
  /** Entities that are in sync now, after a call, with the `rev` that the target showed before. */
  readonly delivered?: readonly { readonly entityId: string; readonly sinceRev: number }[];
  /** Requests to send an invitation again that are done or no longer needed. Later requests stay. */
  readonly answered?: readonly { readonly userId: string; readonly askedAtMs: number }[];
}

/** Health of a source or target. Stored, so that `status` can show it from another process. */
export interface ConnectionState {
  readonly name: string;
  readonly role: "source" | "target";
  readonly type: string;
  readonly lastSuccessAtMs: number | null;
  readonly failingSinceMs: number | null;
  /** When a target that fails as a whole is tried again. Null: with the next change, or no process runs. */
  readonly retryAtMs: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

export interface TargetCounts {
  readonly inSync: number;
  readonly pending: number;
  readonly failed: number;
  readonly held: number;
  /** Users without an account in a target that can't invite (1Password). Not counted in the other numbers. */
  readonly missing: number;
  /** Since when the oldest pending change waits. Null: nothing is pending. */
  readonly oldestPendingMs: number | null;
}

/** A database that somebody marked as restored. Times in milliseconds since the epoch. */
export interface MarkedRestore {
  /** When `backup` made it. Null: another program did. */
  readonly madeAtMs: number | null;
  /** Time of the newest audit row. Null: there is none. */
  readonly newestAtMs: number | null;
  readonly isRepeated: boolean;
}

/** Links, limits, held changes and state of each target. `target` is its name in the configuration. */
export interface SyncStore {
  /** `sources`: names of the configured sources. Null: every source counts. */
  readInput(target: string, scope: RunScope, nowMs: number, sources?: readonly string[] | null): Promise<SyncInput>;
  /**
   * By remote id: the present user who is linked to the account. Left out: users of `removedSources` if a user of another
   * source has the same e-mail address.
   */
  linkedTo(
    target: string,
    remoteIds: readonly string[],
    removedSources?: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, string>>;
  /** By remote id: all users, present or deleted, who are linked to the account. */
  linkedUsers(target: string, remoteIds: readonly string[]): Promise<ReadonlyMap<string, readonly LinkedUser[]>>;
  /** When the next retry of this target is due. Null: none waits. */
  nextRetryAtMs(target: string): Promise<number | null>;
  /** The account (`Target.account`) that the links of the target belong to. Null before the first run. */
  accountOf(target: string): Promise<string | null>;
  peopleWithAccess(target: string): Promise<number>;
  /** Charge ids of the removals after `sinceMs`, with their time. */
  charges(target: string, sinceMs: number): Promise<ReadonlyMap<string, number>>;
  /** Ids of users who got access back after `sinceMs` (`RunRecord.returning`), with the time. */
  returned(target: string, sinceMs: number): Promise<ReadonlyMap<string, number>>;
  held(target: string): Promise<readonly HeldItem[]>;
  /**
   * Checks whether this file is a copy made by `backup` and opened for the first time. If so, it counts as restored for these
   * targets (see `RestoredState`), its approvals are void, and sources are polled completely. Must be the first call.
   * Returns when the backup was made, or null.
   */
  noticeRestore(targets: readonly string[], nowMs: number): Promise<number | null>;
  /** Marks this file as restored, with the same effects. A second call without other changes only starts the window again. */
  markRestored(targets: readonly string[], cause: Cause, nowMs: number): Promise<MarkedRestore>;
  /** Null: not restored, or the restore has no effect any more. The sets contain only ids that were asked for. */
  restored(
    target: string,
    about: { readonly userIds: readonly string[]; readonly groupIds: readonly string[] },
  ): Promise<RestoredState | null>;
  /**
   * By entity id: the requests that changed the entity since the target last showed it as desired. Newest first, maximum 10.
   * Entities that no request changed are left out.
   */
  causes(target: string, entityIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Throws `DISMISSED` and writes nothing if a key of `held.keep` was dismissed since the run read it. */
  commit(target: string, record: RunRecord, nowMs: number): Promise<void>;
  /**
   * Approves exactly the held changes of that digest (see `namedBy`), dismissed or not. They pass once. Returns their number, 0
   * if the digest names none.
   */
  approve(target: string, digest: string, cause: Cause, nowMs: number): Promise<number>;
  /** Stores changes of a new plan as held and approved. */
  approveItems(target: string, items: readonly HeldItem[], cause: Cause, nowMs: number): Promise<void>;
  /**
   * Dismisses exactly the held changes of that digest: they wait, whatever the limit allows, until they are approved or no longer
   * needed. Returns their number, 0 if the digest names none.
   */
  dismiss(target: string, digest: string, cause: Cause, nowMs: number): Promise<number>;
  /** Stores changes of a new plan as held and dismissed. */
  dismissItems(target: string, items: readonly HeldItem[], cause: Cause, nowMs: number): Promise<void>;

  putConnection(state: ConnectionState): Promise<void>;
  connections(): Promise<readonly ConnectionState[]>;
  /** Number of present users and groups by source. */
  sourceCounts(): Promise<
    ReadonlyMap<string, { readonly users: number; readonly groups: number; readonly lastChangeAtMs: number | null }>
  >;
  /**
   * Returns the sources that are not in `sources`. Counted are active users whose address no configured source has, and groups
   * whose name no configured source has. A source with neither is left out.
   */
  removedSources(sources: readonly string[]): Promise<readonly RemovedSource[]>;
  /** Counts entities of these kinds. */
  targetCounts(target: string, kinds?: readonly EntityKind[]): Promise<TargetCounts>;
}
