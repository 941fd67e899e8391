import type { AccountState } from "./account.ts";
import type { EntityKind } from "./entities.ts";

/** Did Rollcall make the remote entity, or take over one that was there? */
export type Ownership = "created" | "adopted";

/** Why an entity needs no call although the target does not show it as wanted. */
export type LinkNote =
  | "not-in-target"
  | "out-of-scope"
  | "protected"
  | "conflict"
  | "no-email"
  | "email-differs"
  | "ambiguous"
  | "staged"
  | "unknown-state"
  | "suspended-by-others"
  | "source-gone"
  | "drift";

/** What the target showed of a person when it was looked at: their state there, or that they are not there. */
export type ObservedState = AccountState | "absent";

/**
 * A target that can't be given people is looked through so often for who was in none of its lists and is to lose access:
 * a list may have lacked them every time so far. With a full look an hour, for a day.
 */
export const maxLookups = 28;

/** How often who is to lose access was looked for in vain since the last change of the person, as of `link`. */
export const timesNotFound = (link: Link | null, rev: number): number =>
  link?.note === "not-in-target" && link.attemptedRev === rev ? link.attempts : 0;

/** One row per (target, entity). Dirty is derived: `rev > appliedRev` (architecture, idea 3). */
export interface Link {
  readonly target: string;
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly remoteId: string | null;
  readonly ownership: Ownership | null;
  /** The `rev` (a group's `definitionRev`) that the target is known to show; 0 before the first success. */
  readonly appliedRev: number;
  /** Does this person have access in the target, as far as last seen? Always false for groups. */
  readonly hasAccess: boolean;
  /** What the target showed when it was last looked at; null: not looked at yet, changed by a call since, or in doubt. Null for groups. */
  readonly observedState: ObservedState | null;
  /** Since when, as far as Rollcall saw: first seen so, or made so by a call (an invitation sent again begins anew). */
  readonly observedSinceMs: number | null;
  /** True once Rollcall itself decided to suspend; cleared when it reactivates. */
  readonly isSuspendedByUs: boolean;
  readonly note: LinkNote | null;
  /** Of a person noted `not-in-target` who is to lose access: how often they were looked for (`timesNotFound`). */
  readonly attempts: number;
  /** The `rev` that was tried last: a newer one is tried at once, whatever `retryAtMs` says. */
  readonly attemptedRev: number;
  readonly retryAtMs: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly lastSuccessAtMs: number | null;
}

/** Dirty is derived, never stored: never looked at, or changed since the target was last known to show it. */
export const isDirty = (rev: number, link: Link | null): boolean => link === null || rev > link.appliedRev;
