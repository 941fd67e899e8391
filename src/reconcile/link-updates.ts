import { isDeepStrictEqual } from "node:util";
import type { ComparedGroup, ComparedUser } from "../domain/decide/comparison.ts";
import type { EntityKind } from "../domain/model/entities.ts";
import type { RollcallError } from "../domain/model/errors.ts";
import { type Link, type ObservedState, timesNotFound } from "../domain/model/link.ts";
import type { Change } from "../domain/model/plan.ts";

/** A link before the first observation. */
export const newLink = (target: string, kind: EntityKind, entityId: string): Link => ({
  target,
  kind,
  entityId,
  remoteId: null,
  ownership: null,
  appliedRev: 0,
  hasAccess: false,
  observedState: null,
  observedSinceMs: null,
  isSuspendedByUs: false,
  note: null,
  attempts: 0,
  attemptedRev: 0,
  retryAtMs: null,
  errorCode: null,
  errorMessage: null,
  lastSuccessAtMs: null,
});

export interface LinkContext {
  readonly target: string;
  /** Remote ids of all accounts that were matched. A user whose account another user took over gives up the link. */
  readonly matched: ReadonlySet<string>;
  /** Remote ids of accounts that Rollcall suspended, under whatever user. A new owner inherits that fact. */
  readonly ownSuspensions: ReadonlySet<string>;
  readonly nowMs: number;
}

/**
 * Returns a user's link after an observation, before any change is applied.
 *
 * | observed | link |
 * |---|---|
 * | the account | linked to it, with its state |
 * | no account, and the user is not `untouched` | unlinked: absent, or in doubt if ambiguous or reassigned |
 * | no account, the user is `untouched`, and another user has the account now | unlinked |
 * | no account, the user is `untouched` | unchanged: nobody asked for the account |
 */
export function linkOfUser(compared: ComparedUser, { target, matched, ownSuspensions, nowMs }: LinkContext): Link {
  const { user, account, note, desired } = compared;
  const before = { ...(compared.link ?? newLink(target, "user", user.id)), note };
  const unlinked = { ...before, remoteId: null, ownership: null, hasAccess: false, isSuspendedByUs: false };
  if (account !== null)
    return withState(
      {
        ...before,
        remoteId: account.remoteId,
        ownership: before.ownership ?? (account.externalId === user.externalId ? "created" : "adopted"),
        hasAccess: account.state !== "suspended" && account.state !== "unknown",
        // These attempts counted observations without the account, not failed calls.
        attempts: timesNotFound(compared.link, before.attemptedRev) > 0 ? 0 : before.attempts,
        isSuspendedByUs:
          account.state === "suspended" && (before.isSuspendedByUs || ownSuspensions.has(account.remoteId)),
      },
      account.state,
      nowMs,
    );
  if (desired.state !== "untouched") {
    const isInDoubt = note === "ambiguous" || compared.isEmailReassigned === true;
    return withState(unlinked, isInDoubt ? null : "absent", nowMs);
  }
  return before.remoteId !== null && matched.has(before.remoteId) ? withState(unlinked, null, nowMs) : before;
}

/** Keeps `observedSinceMs` while the state is the same. */
const withState = (link: Link, observedState: ObservedState | null, nowMs: number): Link =>
  link.observedState === observedState
    ? link
    : { ...link, observedState, observedSinceMs: observedState === null ? null : nowMs };

/** Returns a group's link after an observation. An incomplete observation leaves the link of a group that it lacks. */
export function linkOfGroup(target: string, { group, link, observed, note }: ComparedGroup, isComplete: boolean): Link {
  const before = { ...(link ?? newLink(target, "group", group.id)), note };
  if (observed === null) return isComplete ? { ...before, remoteId: null, ownership: null } : before;
  const ownership = before.ownership ?? (observed.externalId === group.externalId ? "created" : "adopted");
  return { ...before, remoteId: observed.remoteId, ownership };
}

/**
 * Returns the link after the target applied a change. `remoteId` is the new id, if the change created something.
 *
 * | change | remote id | access | observed state |
 * |---|---|---|---|
 * | invite | new | yes | invited |
 * | reinvite | | | invited, since now |
 * | restore | | yes | not known: invited, accepted or active |
 * | suspend | | no | suspended |
 * | remove | none | no | absent |
 * | createGroup | new | | |
 * | removeGroup | none | | |
 * | all others | | | |
 */
export function withApplied(link: Link, change: Change, remoteId: string | null, nowMs: number): Link {
  switch (change.op) {
    case "invite":
      return withState({ ...link, remoteId, ownership: "created", hasAccess: true }, "invited", nowMs);
    case "reinvite":
      return { ...link, observedState: "invited", observedSinceMs: nowMs };
    case "restore":
      return withState({ ...link, hasAccess: true, isSuspendedByUs: false }, null, nowMs);
    case "suspend":
      return withState({ ...link, hasAccess: false }, "suspended", nowMs);
    case "remove":
      return withState({ ...link, remoteId: null, ownership: null, hasAccess: false }, "absent", nowMs);
    case "createGroup":
      return { ...link, remoteId, ownership: "created" };
    case "removeGroup":
      return { ...link, remoteId: null, ownership: null, hasAccess: false };
    case "adopt":
    case "adoptGroup":
    case "renameGroup":
    case "setMembers":
    case "setGroups":
      return link;
    default:
      return change satisfies never;
  }
}

/** The target shows this `rev` as desired. */
export const inSync = (link: Link, rev: number, nowMs: number): Link => ({
  ...link,
  appliedRev: rev,
  attemptedRev: rev,
  attempts: 0,
  retryAtMs: null,
  errorCode: null,
  errorMessage: null,
  lastSuccessAtMs: nowMs,
});

/** In sync as far as the target shows. Rollcall looks for the account again: soon at first, then with every full run. */
export function notFoundYet(link: Link, rev: number, nowMs: number): Link {
  const attempts = timesNotFound(link, rev) + 1;
  const waitMs = lookupDelaysMs[attempts - 1];
  return { ...inSync(link, rev, nowMs), attempts, retryAtMs: waitMs === undefined ? null : nowMs + waitMs };
}

/** Longer than `sync` waits for a retry. */
const lookupDelaysMs: readonly number[] = [20_000, 60_000, 180_000];

/** Waits without a failure: an invitation that settles, a held removal, an import that no observation shows yet. */
export const waiting = (link: Link, rev: number, retryAtMs: number): Link => ({
  ...link,
  attemptedRev: rev,
  retryAtMs,
  errorCode: null,
  errorMessage: null,
});

/** Retries after 1 s, doubling to 15 min. A permanent refusal waits an hour. The jitter is a quarter to both sides. */
export function failed(link: Link, rev: number, error: RollcallError, nowMs: number, random: () => number): Link {
  const attempts = link.attempts + 1;
  const backoffMs = error.isPermanent ? permanentRetryMs : backoff(attempts, minRetryMs, maxRetryMs);
  const delayMs = Math.max(error.retryAfterMs ?? 0, backoffMs * (0.75 + random() / 2));
  return {
    ...link,
    attempts,
    attemptedRev: rev,
    retryAtMs: nowMs + Math.round(delayMs),
    errorCode: error.code,
    errorMessage: error.message.slice(0, 1000),
  };
}

const minRetryMs = 1000;
const maxRetryMs = 15 * 60_000;
const permanentRetryMs = 60 * 60_000;

/** Returns `first`, doubled with each further attempt, at most `last`. The first attempt is 1. */
export const backoff = (attempt: number, first: number, last: number): number =>
  Math.min(last, first * 2 ** Math.min(attempt - 1, 30));

/** False if the link must be written. A run over 50,000 users that are in sync writes nothing. */
export const isSameLink = (a: Link | null, b: Link): boolean =>
  a !== null && isDeepStrictEqual({ ...a, lastSuccessAtMs: null }, { ...b, lastSuccessAtMs: null });
