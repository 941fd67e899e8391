import { InvalidArgumentError } from "commander";

/** A point in time as given on the command line, once it is known what time it is now. */
export type Moment = (nowMs: number) => number;

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A length of time as given on the command line, in milliseconds: `90s`, `30m`, `24h`, `90d`. */
export function span(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * unitMs[unit as keyof typeof unitMs];
  if (!(ms > 0 && ms <= tenYearsMs))
    throw new InvalidArgumentError("a duration looks like 30m, 24h or 90d, up to 3650d.");
  return ms;
}

const tenYearsMs = 3650 * unitMs.d;

/** `90s`, `30m`, `24h`, `30d`: that long ago; else a date or time in ISO 8601, without a zone in UTC. */
export function moment(text: string): Moment {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) {
    const agoMs = Number(count) * unitMs[unit as keyof typeof unitMs];
    return (nowMs) => nowMs - agoMs;
  }
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
