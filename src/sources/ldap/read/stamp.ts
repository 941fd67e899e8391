/**
 * How far changes have been read in a directory that only stamps its entries (entryCSN, modifyTimestamp), by the
 * server's clock alone. An entry may become visible a little after others with a later stamp, and what changes while a
 * list is being read carries an earlier stamp than the list's newest entry. So the newest stamp is not trusted at once:
 * only when a later poll has read past it does the mark move there.
 */
export interface StampMark {
  /** Everything stamped up to and including this has been read; null: nothing. */
  readonly since: string | null;
  /** The newest stamp seen so far. */
  readonly newest: string | null;
  /** Our clock when `newest` was first seen: only differences are used. */
  readonly newestSeenAtMs: number;
}

/** How long an entry may take from its stamp to being visible, and twice the resolution of modifyTimestamp. */
export const overlapMs = 5000;

/** When a poll ran by our clock, and the newest stamp that it met. */
export interface StampedPoll {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly newest: string | null;
}

/**
 * The mark after a poll that read everything after `mark.since`.
 *
 * | first saw the newest stamp | `since` becomes |
 * |---|---|
 * | long enough before this poll began | that stamp |
 * | just now | stays |
 */
export function advanceMark(mark: StampMark, poll: StampedPoll): StampMark {
  const isSettled = mark.newest !== null && poll.startedAtMs - mark.newestSeenAtMs >= overlapMs;
  const isNewer = poll.newest !== null && (mark.newest === null || poll.newest > mark.newest);
  return {
    since: isSettled ? mark.newest : mark.since,
    newest: isNewer ? poll.newest : mark.newest,
    newestSeenAtMs: isNewer ? poll.endedAtMs : mark.newestSeenAtMs,
  };
}

/**
 * The mark after a complete poll. What changed while it ran is stamped after its newest entry minus its duration; and
 * what the poll before had seen long enough ago was all visible when this one began.
 */
export function markAfterFull(before: StampMark | null, { startedAtMs, endedAtMs, newest }: StampedPoll): StampMark {
  const settled = before === null ? null : advanceMark(before, { startedAtMs, endedAtMs, newest }).since;
  const bound = newest === null ? null : earlier(newest, endedAtMs - startedAtMs + overlapMs);
  const isNewer = newest !== null && (before?.newest ?? "") < newest;
  return {
    since: settled !== null && (bound === null || settled > bound) ? settled : bound,
    newest: isNewer ? newest : (before?.newest ?? null),
    newestSeenAtMs: isNewer || before === null ? endedAtMs : before.newestSeenAtMs,
  };
}

/** A stamp so much before another, in the same form: `20261122013550Z` or `20261122013550.123456Z#000000#000#000000`. */
export function earlier(stamp: string, byMs: number): string {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(stamp) ?? [];
  const atMs =
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)) -
    Math.ceil(byMs / 1000) * 1000;
  const digits = new Date(atMs).toISOString().replace(/\D/g, "").slice(0, 14);
  return stamp.includes("#") ? `${digits}.000000Z#000000#000#000000` : `${digits}Z`;
}
