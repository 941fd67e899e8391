import type { EntityKind } from "../../model/entities.ts";
import type { Change, HeldReason } from "../../model/plan.ts";
import type { TargetPolicy } from "../../model/policy.ts";
import type { RestoredState } from "../../model/restored-database.ts";
import type { Diff, MembershipChange } from "../comparison.ts";

/** The smallest thing that passes or is held: one access, one group, or one membership of one user. */
interface Unit {
  /** The stable key under which it is held and approved (see `removalKeys` and `grantKeys`). */
  readonly key: string;
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly change: Change;
  /** Null for a change that is not about a membership. */
  readonly membership: MembershipChange | null;
}

/** Takes access away. */
export interface Removal extends Unit {
  readonly effect: "takes";
  /** Whom it costs: user ids, or the charge ids of accounts without a user. */
  readonly chargeIds: readonly string[];
}

/** Gives access. */
export interface Grant extends Unit {
  readonly effect: "gives";
}

export type Candidate = Removal | Grant;

export const isRemoval = (candidate: Candidate): candidate is Removal => candidate.effect === "takes";
export const isGrant = (candidate: Candidate): candidate is Grant => candidate.effect === "gives";

/** The input of the guards, for one target. */
export interface GuardContext {
  readonly diff: Diff;
  readonly policy: TargetPolicy;
  readonly nowMs: number;
  /** Number of accounts with access now. */
  readonly peopleWithAccess: number;
  /** Charge ids of the removals within the window. Each counts once. */
  readonly charged: ReadonlySet<string>;
  /** Ids of users who got access back within the window. Users who also lost it within the window do not count. */
  readonly returned: ReadonlySet<string>;
  /** Remote ids of accounts that lost access within the window, whoever is linked to them now. */
  readonly suspendedInWindow: ReadonlySet<string>;
  /** Keys of held changes that somebody approved. They pass at no cost. */
  readonly approved: ReadonlySet<string>;
  /** Keys of held changes that somebody dismissed. They wait, whatever the limit allows. None of them is approved. */
  readonly dismissed: ReadonlySet<string>;
  /** Number of seats taken in the target. Null: not known, because the observation is not complete. */
  readonly seatsTaken: number | null;
  /** Null: the database was not restored, or the restore has no effect any more. */
  readonly restored: RestoredState | null;
}

/** Entries that the run must write before its first call. */
export interface LedgerEntries {
  /** Charge ids that use up the limit now. */
  readonly charge: readonly string[];
  /** Charge ids of the window that lose something again. They cost nothing, but their window starts again. */
  readonly renew: readonly string[];
  /** Ids of users who get access back and count against the return limit. */
  readonly returning: readonly string[];
}

export interface Verdict {
  readonly held: readonly Candidate[];
  readonly entries?: Partial<LedgerEntries>;
}

/** One rule. It holds changes for one reason, and leaves all others to the next guard. */
export interface Guard {
  readonly reason: HeldReason;
  /** `candidates` are in the order in which a limit is used up. Changes held by an earlier guard are not among them. */
  check(candidates: readonly Candidate[], context: GuardContext): Verdict;
  /** The key under which a candidate of this guard is held. Default: its own. */
  readonly keyOf?: (candidate: Candidate) => string;
}
