/** ISO 8601 in UTC, or null. */
export function isoTime(ms: number): string;
export function isoTime(ms: number | null): string | null;
export function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** "40 s", "12 min", "3 h", "2 days": rounded. A unit is used from one and a half of it, days from two. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** "3 min ago", "in 2 h"; "never" for null. */
export function ago(ms: number | null, nowMs: number): string {
  if (ms === null) return "never";
  if (ms > nowMs) return `in ${duration(ms - nowMs)}`;
  return nowMs - ms < 5000 ? "just now" : `${duration(nowMs - ms)} ago`;
}

type TimeKey = `${"at" | "since" | "until" | `${string}${"At" | "Since" | "Until"}`}Ms`;
type WithIsoTimes<T> = {
  [K in keyof T as K extends TimeKey ? (K extends `${infer Name}Ms` ? Name : never) : K]: K extends TimeKey
    ? string | null
    : T[K];
};

/** The times of a document for people and programs: `createdAtMs: 0` becomes `createdAt: "1970-01-01T00:00:00.000Z"`. */
export function withIsoTimes<T extends object>(row: T): WithIsoTimes<T> {
  const entries = Object.entries(row).map(([key, value]) =>
    /^(at|since|until|.*(At|Since|Until))Ms$/.test(key) ? [key.slice(0, -2), isoTime(value)] : [key, value],
  );
  return Object.fromEntries(entries);
}
