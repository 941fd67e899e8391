import type { GroupAssessment, UserAssessment } from "../domain/decide/observed-user.ts";
import type { EntityKind } from "../domain/model/entities.ts";
import type { RollcallError } from "../domain/model/errors.ts";
import { type Link, type ObservedState, timesNotFound } from "../domain/model/link.ts";

/** A link before anything is known. */
const blank = (target: string, kind: EntityKind, entityId: string): Link => ({
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

/**
 * What an observation says about a person's link, nothing applied yet. `matched` are the remote ids of all members that
 * were found for somebody: who gives way to another (rehired under a new id, say) lets go of a member that the other has
 * taken over, or the two would fight over it as soon as their addresses differ.
 */
export function seenUser(
  target: string,
  { person, member, note, wanted }: UserAssessment,
  matched: ReadonlySet<string> = new Set(),
  /** Remote ids of members whom Rollcall suspended, under whatever entry: who takes one over takes that over too. */
  ownSuspensions: ReadonlySet<string> = new Set(),
): Link {
  const before = person.link ?? blank(target, "user", person.user.id);
  if (wanted.state === "untouched" && member === null) {
    const isTakenOver = before.remoteId !== null && matched.has(before.remoteId);
    // Not looked for: what was known before stays known.
    return isTakenOver
      ? { ...before, remoteId: null, ownership: null, hasAccess: false, isSuspendedByUs: false, note }
      : { ...before, note };
  }
  return {
    ...before,
    remoteId: member?.remoteId ?? null,
    ownership:
      member === null
        ? null
        : (before.ownership ?? (member.externalId === person.user.externalId ? "created" : "adopted")),
    hasAccess: member !== null && member.state !== "suspended" && member.state !== "unknown",
    // It counted looks in vain, not tries that failed.
    attempts: member !== null && timesNotFound(before, before.attemptedRev) > 0 ? 0 : before.attempts,
    isSuspendedByUs: member?.state === "suspended" && (before.isSuspendedByUs || ownSuspensions.has(member.remoteId)),
    note,
  };
}

/** `link` with what an observation shows of the person; since when stays while it is the same. */
export function withSeen(
  link: Link,
  { person, wanted, member, note, isHandedOn }: UserAssessment,
  nowMs: number,
): Link {
  if (member !== null) return shown(link, member.state, nowMs);
  if (wanted.state !== "untouched")
    return shown(link, note === "ambiguous" || isHandedOn === true ? null : "absent", nowMs);
  // Not looked for; what another has taken over is no longer this person's.
  return link.remoteId === null && person.link?.remoteId != null ? shown(link, null, nowMs) : link;
}

/** `link` with what the target shows of the person now. */
export const shown = (link: Link, seenState: ObservedState | null, nowMs: number): Link =>
  link.observedState === seenState
    ? link
    : { ...link, observedState: seenState, observedSinceMs: seenState === null ? null : nowMs };

/** What an observation says about a group's link; a group that was not asked for keeps its remote id. */
export function seenGroup(target: string, { item, group, note }: GroupAssessment, isComplete: boolean): Link {
  const before = item.link ?? blank(target, "group", item.group.id);
  if (group === null) return isComplete ? { ...before, remoteId: null, ownership: null, note } : { ...before, note };
  return {
    ...before,
    remoteId: group.remoteId,
    ownership: before.ownership ?? (group.externalId === item.group.externalId ? "created" : "adopted"),
    note,
  };
}

/** The target shows this `rev` as wanted. */
export const settled = (link: Link, rev: number, nowMs: number): Link => ({
  ...link,
  appliedRev: rev,
  attemptedRev: rev,
  attempts: 0,
  retryAtMs: null,
  errorCode: null,
  errorMessage: null,
  lastSuccessAtMs: nowMs,
});

/** Settled as far as the target shows, and looked for again: soon at first, then by every full look. */
export function sought(link: Link, rev: number, nowMs: number): Link {
  const times = timesNotFound(link, rev) + 1;
  const waitMs = soonSoughtAfterMs[times - 1];
  return { ...settled(link, rev, nowMs), attempts: times, retryAtMs: waitMs === undefined ? null : nowMs + waitMs };
}

/** Longer than `sync` waits for a retry. */
const soonSoughtAfterMs: readonly number[] = [20_000, 60_000, 180_000];

/** Waits without having failed: an invitation that settles, a removal that is held, an import not seen yet. */
export const waiting = (link: Link, rev: number, retryAtMs: number): Link => ({
  ...link,
  attemptedRev: rev,
  retryAtMs,
  errorCode: null,
  errorMessage: null,
});

/** First retry after 1 s, doubling to 15 min; a permanent refusal an hour; with jitter, so that they do not come together. */
export function failed(link: Link, rev: number, error: RollcallError, nowMs: number, random: () => number): Link {
  const attempts = link.attempts + 1;
  const backoffMs = error.isPermanent ? permanentRetryMs : backoff(attempts, firstRetryMs, lastRetryMs);
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

const firstRetryMs = 1000;
const lastRetryMs = 15 * 60_000;
const permanentRetryMs = 60 * 60_000;

/** `first` doubling with each attempt (1-based), at most `last`. */
export const backoff = (attempt: number, first: number, last: number): number =>
  Math.min(last, first * 2 ** Math.min(attempt - 1, 30));

/** Is there anything to write? A run over 50,000 people that are in sync writes nothing. */
export function isSameLink(a: Link | null, b: Link): boolean {
  if (a === null) return false;
  return linkFields.every((field) => a[field] === b[field]);
}

const linkFields = [
  "remoteId",
  "ownership",
  "appliedRev",
  "hasAccess",
  "observedState",
  "observedSinceMs",
  "isSuspendedByUs",
  "note",
  "attempts",
  "attemptedRev",
  "retryAtMs",
  "errorCode",
  "errorMessage",
] as const satisfies readonly (keyof Link)[];
