import type { GuardedPlan } from "../domain/decide/apply-guards.ts";
import type { Diff } from "../domain/decide/comparison.ts";
import type { Observation } from "../domain/decide/match.ts";
import type { HeldItem } from "../domain/model/held-change.ts";
import type { Link } from "../domain/model/link.ts";
import type { TargetPolicy } from "../domain/model/policy.ts";
import type { RestoredState } from "../domain/model/restored-database.ts";
import type { SyncInput } from "../domain/model/sync-input.ts";
import type { SyncStore } from "../domain/ports/sync-store.ts";
import type { Outcome, Target } from "../domain/ports/target.ts";
import type { Tracer } from "../telemetry/index.ts";

/** The parts of a reconciler. */
export interface ReconcileContext {
  readonly target: Target;
  readonly store: SyncStore;
  readonly policy: TargetPolicy;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** 0 to below 1. */
  readonly random: () => number;
  /** Maximum time until a held change is checked again. */
  readonly heldRetryMs: number;
  /** False for a plan (see `CompareInput`). Default true. */
  readonly defersInvitations?: boolean;
  /** Names of the sources of the configuration. Null: every source counts. Default null. */
  readonly sources?: readonly string[] | null;
  /** Called with each outcome as it comes, and the ids of the requests that caused it, newest first. */
  readonly onOutcome?: (outcome: Outcome, requestIds: readonly string[]) => void;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/** The facts that a run reads from the store. */
export interface RunInput {
  readonly sync: SyncInput;
  readonly held: readonly HeldItem[];
  /** Charge ids of the removals within the window, with their time. */
  readonly charged: ReadonlyMap<string, number>;
  /** Ids of the users who got access back within the window, with their time. */
  readonly returned: ReadonlyMap<string, number>;
  /** Number of accounts with access at the last observation. */
  readonly peopleWithAccess: number;
  readonly restored: RestoredState | null;
  /** True if no run has recorded the account of the target (`Target.account`) yet. */
  readonly isFirstRun: boolean;
}

/** Everything that a run knows and decided before it changes anything. */
export interface Decision {
  readonly input: RunInput;
  readonly observation: Observation;
  readonly diff: Diff;
  readonly guarded: GuardedPlan;
}

/** How one user or group proceeds during a run. */
export interface Progress {
  link: Link;
  readonly rev: number;
  /** Number of changes of this run that are not done yet. */
  openChanges: number;
  /** True if a change is held: the entity stays dirty, whatever becomes of the others. */
  readonly isHeld: boolean;
  /** Attempts before this run. A run is one attempt, however many of its changes fail. */
  readonly earlierAttempts: number;
  /** True if a change of this run failed. A later one does not hide that. */
  hasFailed: boolean;
}

/** State of a run from its first write to its last. */
export interface Run {
  readonly progress: ReadonlyMap<string, Progress>;
  /** Request ids by entity id (see `SyncStore.causes`). */
  readonly causes: ReadonlyMap<string, readonly string[]>;
}
