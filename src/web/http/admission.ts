import type { Admit, Admittance } from "../../sources/scim/options.ts";

/** Limits of SCIM requests; see `server.limits` of the configuration. */
export interface AdmissionLimits {
  /** For all sources together. */
  readonly requestsInFlight: number;
  readonly requestsInFlightPerSource: number;
  /** Average per source. */
  readonly requestsPerSecond: number;
  /** Maximum requests of a source at once after a quiet time. */
  readonly burst: number;
}

/** Reason of a refusal; label of `rollcall_scim_shed_total`. */
export type ShedReason = "connections" | "inFlight" | "inFlightOfSource" | "memory" | "rate" | "wrongTokens";

type Refused = Extract<Admittance, { readonly kind: "refused" }>;

export interface AdmissionParts {
  /** A monotonic clock in milliseconds. */
  readonly monotonic: () => number;
  readonly onShed: (shed: { readonly source: string; readonly reason: ShedReason }) => void;
}

/** Maximum bytes of request bodies in memory: those of a few large Bulk requests. */
const maxBodyBytes = 128 * 1024 * 1024;
const maxBodyBytesPerSource = 64 * 1024 * 1024;
/** Within a second, the requests in progress are finished: docs/reliability.md, "Load". */
const retryMs = 1000;

interface Load {
  requests: number;
  bytes: number;
}

interface SourceLoad extends Load {
  /** Requests that may come at once at `refilledAtMs`. */
  tokens: number;
  refilledAtMs: number;
}

/**
 * Decides which requests are accepted. Runs after the token was checked and before the body is read, so a refusal costs
 * almost nothing. Limits the number and the bytes of requests, for each source and for all of them.
 */
export function createAdmission(limits: AdmissionLimits, { monotonic, onShed }: AdmissionParts): Admit {
  const all: Load = { requests: 0, bytes: 0 };
  // Bounded by the number of configured sources, because only valid tokens get here.
  const sources = new Map<string, SourceLoad>();

  const loadOf = (source: string): SourceLoad => {
    const known = sources.get(source);
    if (known !== undefined) return known;
    const made = { requests: 0, bytes: 0, tokens: limits.burst, refilledAtMs: monotonic() };
    sources.set(source, made);
    return made;
  };

  const refusal = (load: SourceLoad, source: string, bytes: number): readonly [ShedReason, Refused] | null => {
    if (all.requests >= limits.requestsInFlight) return busy("inFlight", `${all.requests} requests are in progress`);
    if (load.requests >= limits.requestsInFlightPerSource)
      return busy("inFlightOfSource", `${load.requests} requests of source ${source} are in progress`);
    const isTooMuch = all.bytes + bytes > maxBodyBytes || load.bytes + bytes > maxBodyBytesPerSource;
    // A single request is always accepted. The size of one body is limited elsewhere.
    if (isTooMuch && load.requests > 0) return busy("memory", "other requests use all the memory for request bodies");
    if (load.tokens < 1) {
      const detail = `source ${source} sends more than ${limits.requestsPerSecond} requests a second; try again later`;
      const retryAfterMs = Math.max(retryMs, ((1 - load.tokens) / limits.requestsPerSecond) * 1000);
      return ["rate", { kind: "refused", status: 429, retryAfterMs, detail }];
    }
    return null;
  };

  return ({ source, bodyBytes: bytes }) => {
    const load = loadOf(source);
    refill(load, limits, monotonic());
    const refused = refusal(load, source, bytes);
    if (refused !== null) {
      onShed({ source, reason: refused[0] });
      return refused[1];
    }
    load.tokens -= 1;
    add(all, 1, bytes);
    add(load, 1, bytes);
    let isIn = true;
    return {
      kind: "admitted",
      leave: () => {
        if (!isIn) return;
        isIn = false;
        add(all, -1, -bytes);
        add(load, -1, -bytes);
      },
    };
  };
}

const busy = (reason: ShedReason, why: string): readonly [ShedReason, Refused] => [
  reason,
  { kind: "refused", status: 503, retryAfterMs: retryMs, detail: `${why}; try again` },
];

function add(load: Load, requests: number, bytes: number): void {
  load.requests += requests;
  load.bytes += bytes;
}

function refill(load: SourceLoad, { requestsPerSecond, burst }: AdmissionLimits, nowMs: number): void {
  const elapsedMs = Math.max(0, nowMs - load.refilledAtMs);
  load.tokens = Math.min(burst, load.tokens + (elapsedMs / 1000) * requestsPerSecond);
  load.refilledAtMs = nowMs;
}

/** Minimum time between two log lines about refusals. */
const logEveryMs = 10_000;

/** Logs refusals with their number from time to time. One line per refusal would add load. */
export function createShedReport(
  log: (message: string, fields: Readonly<Record<string, unknown>>) => void,
  monotonic: () => number,
) {
  let loggedAtMs = Number.NEGATIVE_INFINITY;
  const counts = new Map<string, number>();
  return ({ source, reason }: { readonly source: string; readonly reason: ShedReason }): void => {
    const key = source === "" ? reason : `${reason} of ${source}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (monotonic() - loggedAtMs < logEveryMs) return;
    loggedAtMs = monotonic();
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    log(`scim: ${total} ${total === 1 ? "request" : "requests"} refused with Retry-After since the last report`, {
      refused: Object.fromEntries(counts),
    });
    counts.clear();
  };
}
