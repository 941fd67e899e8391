import { accountStates } from "./account.ts";
import type { EntityKind } from "./entities.ts";

export const ownerships = ["created", "adopted"] as const;
/** `adopted`: the account or group existed before Rollcall. */
export type Ownership = (typeof ownerships)[number];

export const linkNotes = [
  "not-in-target",
  "out-of-scope",
  "protected",
  "conflict",
  "no-email",
  "email-differs",
  "ambiguous",
  "staged",
  "unknown-state",
  "suspended-by-others",
  "source-gone",
  "drift",
] as const;
/** Why an entity needs no call although the target does not show it as desired. */
export type LinkNote = (typeof linkNotes)[number];

export const observedStates = [...accountStates, "absent"] as const;
/** The state of an account at the last observation. */
export type ObservedState = (typeof observedStates)[number];

/** Maximum observations of an account that no list shows and that should lose access. With one full run per hour: a day. */
export const maxLookups = 28;

/** Number of observations without the account since the last change of the user. */
export const timesNotFound = (link: Link | null, rev: number): number =>
  link?.note === "not-in-target" && link.attemptedRev === rev ? link.attempts : 0;

/** One row per target and entity. */
export interface Link {
  readonly target: string;
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly remoteId: string | null;
  readonly ownership: Ownership | null;
  /** The `rev` (of a group: `definitionRev`) that the target is known to show. 0 before the first success. */
  readonly appliedRev: number;
  /** True if the account had access at the last observation. Always false for groups. */
  readonly hasAccess: boolean;
  /** State at the last observation. Null: never observed, changed by a call since, or in doubt. Always null for groups. */
  readonly observedState: ObservedState | null;
  /** When Rollcall first observed that state or caused it. A repeated invitation counts from its last mail. */
  readonly observedSinceMs: number | null;
  /** True from Rollcall's own suspension until the account is active again. */
  readonly isSuspendedByUs: boolean;
  readonly note: LinkNote | null;
  /** Failed attempts, or observations without the account (see `timesNotFound`). */
  readonly attempts: number;
  /** The `rev` of the last attempt. A newer one is tried at once, whatever `retryAtMs` says. */
  readonly attemptedRev: number;
  readonly retryAtMs: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly lastSuccessAtMs: number | null;
}

/** True if the entity has changed since the target was last known to show it. Derived, never stored. */
export const isDirty = (rev: number, link: Link | null): boolean => link === null || rev > link.appliedRev;
