import type { Memberships, ObservedAccount, ObservedGroup, TargetSupports } from "../model/account.ts";
import type { LinkNote } from "../model/link.ts";
import type { Change, SkippedChange } from "../model/plan.ts";
import type { TargetPolicy } from "../model/policy.ts";
import type { InputGroup, InputUser, SyncInput } from "../model/sync-input.ts";
import type { Desired } from "./desired-state.ts";
import type { Observation } from "./match.ts";

/** The input of a comparison of desired and observed state. */
export interface CompareInput {
  readonly input: SyncInput;
  readonly observation: Observation;
  readonly policy: TargetPolicy;
  readonly supports: TargetSupports;
  readonly nowMs: number;
  /** Remote ids of accounts that somebody approved for the new owner of their e-mail address. Default none. */
  readonly approvedReassignments?: ReadonlySet<string>;
  /** False for a plan: it shows each invitation, also one that still settles. Default true. */
  readonly defersInvitations?: boolean;
}

/** A user with their desired state and their account. */
export interface ComparedUser extends InputUser {
  readonly desired: Desired;
  readonly account: ObservedAccount | null;
  readonly note: LinkNote | null;
  /** The invitation waits until then. Null: nothing is deferred. */
  readonly deferredUntilMs: number | null;
  /** True if the account with the user's address belonged to a deleted user with another name. Default false. */
  readonly isEmailReassigned?: boolean;
  /** True if Rollcall may write the memberships of this user. */
  readonly hasManagedMemberships: boolean;
  /** True if the user should lose access and no list has shown the account so far. Default false. */
  readonly isNotFoundYet?: boolean;
}

/** A group with its counterpart in the target. */
export interface ComparedGroup extends InputGroup {
  readonly observed: ObservedGroup | null;
  readonly note: LinkNote | null;
  /** True if Rollcall may write memberships of this group: it is present, pushed and not ambiguous. */
  readonly isManaged: boolean;
}

/** The result for one user or group. */
export interface Compared<T> {
  readonly entity: T;
  readonly changes: readonly Change[];
  readonly skipped: readonly SkippedChange[];
}

/** One user to be added to or removed from one group. */
export interface MembershipChange {
  readonly kind: "add" | "remove";
  readonly member: ComparedUser;
  readonly group: ComparedGroup;
}

/** Users and groups compared. Memberships are not read yet. */
export interface EntityDiff {
  readonly users: readonly ComparedUser[];
  readonly groups: readonly ComparedGroup[];
  readonly changes: readonly Change[];
  readonly skipped: readonly SkippedChange[];
  /** True if no group of the sources matches `userGroups`: nobody belongs in the target. Default false. */
  readonly isScopeEmpty?: boolean;
}

/** Everything that is missing in the target, before the guards. */
export interface Diff extends EntityDiff {
  readonly memberships: readonly MembershipChange[];
  /** By id of a group to be removed: the charge ids of its members (see `accountChargeId`). */
  readonly membersOfRemovedGroups: ReadonlyMap<string, readonly string[]>;
}

/** The memberships that the target shows. */
export interface ObservedMemberships {
  /** Which side `lists` is keyed by. An id without a list was not read. */
  readonly by: "group" | "account";
  readonly lists: Memberships;
  /** Remote account ids, by remote id of a group that is to be removed. */
  readonly ofRemovedGroups: Memberships;
}

/** A managed group's id in the target: as observed, or as linked if this run did not read the group. */
export const remoteGroupId = ({ observed, link }: ComparedGroup): string | null =>
  observed?.remoteId ?? link?.remoteId ?? null;
