import { InvalidArgumentError } from "commander";

/** A time on the command line. It may depend on the time of the call: `24h` is 24 hours ago. */
export type TimeArgument = (nowMs: number) => number;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Returns the length of `90s`, `30m`, `24h` or `90d` in milliseconds; null for anything else. */
function parseDuration(text: string): number | null {
  const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = unitMs[unit ?? ""];
  return count === undefined || factor === undefined ? null : Number(count) * factor;
}

const maxDurationMs = 3650 * 86_400_000;

/** Parses a length of time, in milliseconds. Maximum ten years. */
export function parseLongDuration(text: string): number {
  const ms = parseDuration(text) ?? 0;
  if (ms < 1000 || ms > maxDurationMs)
    throw new InvalidArgumentError("a duration looks like 30m, 24h or 90d, up to 3650d.");
  return ms;
}

/** The longest time that a timer of Node.js can wait. */
const maxTimerMs = 2 ** 31 - 1;

/** Parses a timeout, in milliseconds. */
export function parseTimeout(text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new InvalidArgumentError("a duration looks like 30s, 10m or 2h.");
  if (ms < 1 || ms > maxTimerMs) throw new InvalidArgumentError("it must be between 1ms and 24d.");
  return ms;
}

/** Parses `24h` or `30d` (that long ago), or a date or time in ISO 8601. A time without a zone is in UTC. */
export function parseTime(text: string): TimeArgument {
  const agoMs = parseDuration(text);
  if (agoMs !== null) return (nowMs) => nowMs - agoMs;
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text.slice(10));
  const atMs = /^\d{4}-\d\d-\d\d/.test(text)
    ? Date.parse(hasZone || text.length === 10 ? text : `${text}Z`)
    : Number.NaN;
  if (Number.isNaN(atMs))
    throw new InvalidArgumentError(
      "a time looks like 2026-11-01, 2026-11-01T08:00Z, or 24h and 30d for that long ago.",
    );
  return () => atMs;
}

/** Returns a parser of whole numbers from 1 to `max`. `mistake` is the message for anything else. */
export const parseNumber =
  (max: number, mistake: string) =>
  (text: string): number => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < 1 || number > max) throw new InvalidArgumentError(mistake);
    return number;
  };
