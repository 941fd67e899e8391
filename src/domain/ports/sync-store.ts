import type { AuditEntry } from "../model/audit.ts";
import type { Cause, EntityKind } from "../model/entities.ts";
import type { HeldItem } from "../model/held-change.ts";
import type { Link } from "../model/link.ts";
import type { RestoredState } from "../model/restored-database.ts";
import type { LinkedUser, RemovedSource, RunScope, SyncInput } from "../model/sync-input.ts";

/** What a run leaves behind, written in one transaction. */
export interface RunRecord {
  /** The account that the target leads to, of a first run. */
  readonly account?: string;
  readonly links?: readonly Link[];
  readonly audit?: readonly AuditEntry[];
  /** People who lose access now: each costs one of the budget, once per window. Written before the call is made. */
  readonly charge?: readonly string[];
  /** People whose access, lost before the window, is given back now. Written before the call is made. */
  readonly returning?: readonly string[];
  /** People charged by this run whose removal the target refused for good: given back. */
  readonly refund?: readonly string[];
  /**
   * What is held now among the entities looked at; null `considered` means all. Held rows of other entities stay, and
   * those under a key of `keep`, which is being carried out: they were approved. A decision about what stays held stays.
   */
  readonly held?: {
    readonly considered: ReadonlySet<string> | null;
    readonly items: readonly HeldItem[];
    readonly keep: ReadonlySet<string>;
  };
  /** The restore of a backup has no consequences left here. */
  readonly endsRestore?: boolean;
  /** Keys whose removal is done: an approval is used up. */
  readonly done?: readonly string[];
  /** Entities that the target has now taken over all changes of, after a call, with the `rev` that it showed before. */
  readonly delivered?: readonly { readonly entityId: string; readonly sinceRev: number }[];
  /** Requests to invite again that are carried out or have nothing left to do. Later ones for the same person stay. */
  readonly answered?: readonly { readonly userId: string; readonly askedAtMs: number }[];
}

/** How a source or target is doing; survives a restart, so that `status` can tell from another process. */
export interface ConnectionState {
  readonly name: string;
  readonly role: "source" | "target";
  readonly type: string;
  readonly lastSuccessAtMs: number | null;
  readonly failingSinceMs: number | null;
  /** When a target that fails as a whole is tried again; null: when there is something to do, or nobody does. */
  readonly retryAtMs: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

export interface TargetCounts {
  readonly inSync: number;
  readonly pending: number;
  readonly failed: number;
  readonly held: number;
  /** People whom the target does not know and cannot be given (1Password): in none of the others. */
  readonly missing: number;
  /** Since when the oldest pending change waits; null when nothing is pending. */
  readonly oldestPendingMs: number | null;
}

/** An old copy, as somebody said it is. Times in milliseconds since the epoch. */
export interface MarkedRestore {
  /** When `backup` made it; null: it did not. */
  readonly madeAtMs: number | null;
  /** The newest row of its audit trail: it was made then or later. Null: it has none. */
  readonly newestAtMs: number | null;
  readonly isRepeated: boolean;
}

/** Links, budget, held removals and state of each target. `target` is its name in the configuration. */
export interface SyncStore {
  /** `sources`: those of the configuration; null: every one counts. */
  readInput(target: string, scope: RunScope, nowMs: number, sources?: readonly string[] | null): Promise<SyncInput>;
  /**
   * Which present person each of these members is linked to, by remote id; without who came from one of `removedSources` and
   * shares the e-mail address with somebody who did not.
   */
  linkedTo(
    target: string,
    remoteIds: readonly string[],
    removedSources?: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, string>>;
  /** Everybody, present or gone, who is linked to each of these members, by remote id. */
  linkedUsers(target: string, remoteIds: readonly string[]): Promise<ReadonlyMap<string, readonly LinkedUser[]>>;
  /** When the next retry of this target falls due; null when none waits. */
  nextRetryAtMs(target: string): Promise<number | null>;
  /** The account (`Target.account`) that the links of the target are of; null before the first run. */
  accountOf(target: string): Promise<string | null>;
  peopleWithAccess(target: string): Promise<number>;
  /** People charged to the budget after `sinceMs`, with when. */
  charges(target: string, sinceMs: number): Promise<ReadonlyMap<string, number>>;
  /** People who got access back after `sinceMs` (`RunRecord.returning`), with when. */
  returned(target: string, sinceMs: number): Promise<ReadonlyMap<string, number>>;
  held(target: string): Promise<readonly HeldItem[]>;
  /**
   * Is this file a copy that `backup` made, worked on for the first time? Then its word counts less from now on in these
   * connections (see `RestoredState`), approvals in it are void, and sources are polled completely. To be asked before
   * anything else is done. @returns when the backup was made; null: this is no copy, or was asked before.
   */
  noticeRestore(connections: readonly string[], nowMs: number): Promise<number | null>;
  /**
   * Somebody says that this file is an old copy that was put back, whoever made it: the same follows. Said again before
   * anything else has happened, it changes nothing but that the time begins anew.
   */
  markRestored(connections: readonly string[], cause: Cause, nowMs: number): Promise<MarkedRestore>;
  /** Null: not restored, or over. */
  restored(
    target: string,
    about: { readonly userIds: readonly string[]; readonly groupIds: readonly string[] },
  ): Promise<RestoredState | null>;
  /**
   * The requests that changed these entities since the target last showed them as wanted: request ids by entity id, the
   * newest first, at most 10 of each. Who changed without a request, or not at all (drift), is left out.
   */
  causes(target: string, entityIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** @throws `DISMISSED`, with nothing written, when a key of `held.keep` was dismissed since the run asked: it is to ask again. */
  commit(target: string, record: RunRecord, nowMs: number): Promise<void>;
  /**
   * Lets what is held with exactly that digest (see `namedBy`) pass once, dismissed or not. The caution after a restore
   * ends when nothing is left that is held for it. Gives the number; 0 when there is no such digest.
   */
  approve(target: string, digest: string, cause: Cause, nowMs: number): Promise<number>;
  /** Stores removals as held and approved that a fresh plan showed under that digest. */
  approveItems(target: string, items: readonly HeldItem[], cause: Cause, nowMs: number): Promise<void>;
  /**
   * Has what is held with exactly that digest wait whatever the budget allows, until somebody approves it or nothing asks
   * for it any more. What is held later is not dismissed. Gives the number; 0 when there is no such digest.
   */
  dismiss(target: string, digest: string, cause: Cause, nowMs: number): Promise<number>;
  /** Stores removals as held and dismissed that a fresh plan showed under that digest. */
  dismissItems(target: string, items: readonly HeldItem[], cause: Cause, nowMs: number): Promise<void>;

  putConnection(state: ConnectionState): Promise<void>;
  connections(): Promise<readonly ConnectionState[]>;
  /** People and groups present, per source. */
  sourceCounts(): Promise<
    ReadonlyMap<string, { readonly users: number; readonly groups: number; readonly lastChangeAtMs: number | null }>
  >;
  /**
   * Sources that are not among these, with their people who are active and whose address nobody else has, and their
   * groups whose name no other group has; without those of which nothing is left.
   */
  removedSources(sources: readonly string[]): Promise<readonly RemovedSource[]>;
  /** Counts entities of these kinds; a target without groups is only asked for its people. */
  targetCounts(target: string, kinds?: readonly EntityKind[]): Promise<TargetCounts>;
}
