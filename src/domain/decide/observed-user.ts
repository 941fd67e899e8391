import type { Memberships, ObservedAccount, ObservedGroup, TargetSupports } from "../model/account.ts";
import type { LinkNote } from "../model/link.ts";
import type { Change, SkippedChange } from "../model/plan.ts";
import type { TargetPolicy } from "../model/policy.ts";
import type { InputGroup, InputUser, SyncInput } from "../model/sync-input.ts";
import type { Wanted } from "./desired-state.ts";
import type { World } from "./match.ts";

/** What one look at a person found. */
export interface UserAssessment {
  readonly person: InputUser;
  readonly wanted: Wanted;
  readonly member: ObservedAccount | null;
  readonly note: LinkNote | null;
  /** The invitation settles until then; null: nothing is put off. */
  readonly deferredUntilMs: number | null;
  /** The member was somebody's who is gone and has another name: nobody has said yet that it is theirs. Default false. */
  readonly isHandedOn?: boolean;
  /** May memberships of this person be written? */
  readonly hasManagedMemberships: boolean;
  /** To lose access, never linked and not found: to be looked for again, as a list may have lacked them. */
  readonly isSought?: boolean;
}

/** What one look at a group found. */
export interface GroupAssessment {
  readonly item: InputGroup;
  readonly group: ObservedGroup | null;
  readonly note: LinkNote | null;
  /** Present, pushed and not in doubt: memberships in it may be written. */
  readonly isManaged: boolean;
}

/** One person to be put into or taken out of one group. */
export interface Pair {
  readonly kind: "add" | "remove";
  readonly person: UserAssessment;
  readonly group: GroupAssessment;
}

/** The difference between what is wanted and what is, before the guard. */
export interface Diff {
  readonly users: readonly UserAssessment[];
  readonly groups: readonly GroupAssessment[];
  readonly changes: readonly Change[];
  readonly pairs: readonly Pair[];
  readonly skipped: readonly SkippedChange[];
  /** No group of the directory matches `userGroups`: nobody belongs in the target. Default false. */
  readonly isScopeEmpty?: boolean;
}

export interface DiffInput {
  readonly slice: SyncInput;
  readonly world: World;
  readonly memberships: KnownMemberships;
  /** Remote member ids of groups that are gone from the directory, by remote group id. */
  readonly losers: Memberships;
  readonly policy: TargetPolicy;
  readonly supports: TargetSupports;
  readonly nowMs: number;
  /** Remote ids of members of whom somebody has said that they are theirs who have the address now. Default none. */
  readonly givenOn?: ReadonlySet<string>;
  /** False: what will be done, not when: no invitation is put off. Default true. */
  readonly defersInvitations?: boolean;
}

/** Memberships as read: by group, by member, or none yet. */
export interface KnownMemberships {
  readonly by: "group" | "account";
  readonly lists: Memberships;
}

/** What follows from one look at a person or group. */
export interface Verdict<T> {
  readonly assessment: T;
  readonly changes: readonly Change[];
  readonly skipped: readonly SkippedChange[];
}
