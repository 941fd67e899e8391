/**
 * Read position in a directory that only stamps its entries (entryCSN, modifyTimestamp). Only the server's clock counts.
 * An entry can become visible a little after others with a later stamp. An entry that changes during a poll can have an
 * earlier stamp than the newest one of that poll. So the newest stamp becomes the position only after a later poll.
 */
export interface StampMark {
  /** All entries with this stamp or an earlier one have been read; null: none. */
  readonly since: string | null;
  /** The newest stamp seen so far. */
  readonly newest: string | null;
  /** Our clock when `newest` was first seen. Only differences are used. */
  readonly newestSeenAtMs: number;
}

/** Maximum time from an entry's stamp until it is visible. Twice the resolution of modifyTimestamp is included. */
export const overlapMs = 5000;

/** Start and end of a poll by our clock, and the newest stamp that it read. */
export interface StampedPoll {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly newest: string | null;
}

/** Stamps of one server compare as text. */
export const newerStamp = (a: string | null, b: string | null): string | null =>
  a === null || (b !== null && b > a) ? b : a;

/**
 * The mark after a poll that read everything after `mark.since`.
 *
 * | the newest stamp was first seen | `since` becomes |
 * |---|---|
 * | at least `overlapMs` before this poll began | that stamp |
 * | later | unchanged |
 */
export function advanceMark(mark: StampMark, { startedAtMs, endedAtMs, newest: read }: StampedPoll): StampMark {
  const isSettled = mark.newest !== null && startedAtMs - mark.newestSeenAtMs >= overlapMs;
  const newest = newerStamp(mark.newest, read);
  return {
    since: isSettled ? mark.newest : mark.since,
    newest,
    newestSeenAtMs: newest === mark.newest ? mark.newestSeenAtMs : endedAtMs,
  };
}

/**
 * The mark after a full poll. A change during the poll is stamped later than its newest stamp minus its duration.
 * A stamp that an earlier poll saw at least `overlapMs` before is settled, as in `advanceMark`.
 */
export function markAfterFull(before: StampMark | null, poll: StampedPoll): StampMark {
  const { startedAtMs, endedAtMs, newest } = poll;
  const bound = newest === null ? null : earlier(newest, endedAtMs - startedAtMs + overlapMs);
  if (before === null) return { since: bound, newest, newestSeenAtMs: endedAtMs };
  const advanced = advanceMark(before, poll);
  return { ...advanced, since: newerStamp(bound, advanced.since) };
}

/** A stamp `byMs` earlier, in the same form: `20261122013550Z` or `20261122013550.123456Z#000000#000#000000`. */
export function earlier(stamp: string, byMs: number): string {
  const iso = stamp.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d).*$/, "$1-$2-$3T$4:$5:$6Z");
  const digits = new Date(Date.parse(iso) - Math.ceil(byMs / 1000) * 1000)
    .toISOString()
    .replace(/\D/g, "")
    .slice(0, 14);
  return stamp.includes("#") ? `${digits}.000000Z#000000#000#000000` : `${digits}Z`;
}
