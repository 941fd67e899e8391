/** What is worked on at once, and how fast it may come; see `server.limits` of the configuration. */
export interface AdmissionLimits {
  /** Of all sources together. */
  readonly requestsInFlight: number;
  readonly requestsInFlightPerSource: number;
  /** Of each source, in the long run. */
  readonly requestsPerSecond: number;
  /** Requests of a source that may come at once after a quiet time. */
  readonly burst: number;
}

/** Why a request was refused; the label of `rollcall_scim_shed_total`. */
export type ShedReason = "connections" | "inFlight" | "inFlightOfSource" | "memory" | "rate" | "wrongTokens";

/** A request that may go on: `leave` when its answer is away, or nobody waits for it any more. More than once does no harm. */
export interface Admitted {
  readonly kind: "admitted";
  readonly leave: () => void;
}

/** A request that is to come again later. */
export interface Refused {
  readonly kind: "refused";
  /** 503: the process has enough to do. 429 (RFC 6585 §4): this source has sent enough. */
  readonly status: 429 | 503;
  readonly retryAfterMs: number;
  readonly detail: string;
}

/** What {@link createAdmission} needs besides its limits. */
export interface AdmissionParts {
  /** A clock that never goes back, in milliseconds. */
  readonly monotonic: () => number;
  readonly onShed: (shed: { readonly source: string; readonly reason: ShedReason }) => void;
}

/** Bodies are in memory while a request is worked on: as many bytes of them, at most, as a few large Bulk requests have. */
const bodyBytes = 128 * 1024 * 1024;
const bodyBytesPerSource = 64 * 1024 * 1024;
/** What waits is worked off within a second: `docs/reliability.md`, "Load". */
const retryMs = 1000;

interface Load {
  requests: number;
  bytes: number;
}

interface SourceLoad extends Load {
  /** Requests that may come now, as of `refilledAtMs`. */
  tokens: number;
  refilledAtMs: number;
}

/**
 * Decides which requests are taken on. Asked after the token is known to be good and before a byte of the body is read;
 * a refusal costs next to nothing, and what is taken on is bounded in number and in bytes, for all and for each source.
 */
export function createAdmission(limits: AdmissionLimits, { monotonic, onShed }: AdmissionParts) {
  const all: Load = { requests: 0, bytes: 0 };
  // As many as the configuration has sources: only good tokens lead here.
  const sources = new Map<string, SourceLoad>();

  const loadOf = (source: string): SourceLoad => {
    const known = sources.get(source);
    if (known !== undefined) return known;
    const made = { requests: 0, bytes: 0, tokens: limits.burst, refilledAtMs: monotonic() };
    sources.set(source, made);
    return made;
  };

  const refusal = (load: SourceLoad, source: string, bytes: number): readonly [ShedReason, Refused] | null => {
    if (all.requests >= limits.requestsInFlight)
      return busy("inFlight", `${all.requests} requests are being worked on already`);
    if (load.requests >= limits.requestsInFlightPerSource)
      return busy("inFlightOfSource", `${load.requests} requests of source ${source} are being worked on already`);
    const isTooMuch = all.bytes + bytes > bodyBytes || load.bytes + bytes > bodyBytesPerSource;
    // One that comes alone is always let in, whatever it brings: its own limit is elsewhere.
    if (isTooMuch && load.requests > 0)
      return busy("memory", "bodies of other requests fill the memory that is for them");
    if (load.tokens < 1) {
      const detail = `source ${source} sends more than ${limits.requestsPerSecond} requests a second; try again later`;
      const retryAfterMs = Math.max(retryMs, ((1 - load.tokens) / limits.requestsPerSecond) * 1000);
      return ["rate", { kind: "refused", status: 429, retryAfterMs, detail }];
    }
    return null;
  };

  return ({
    source,
    bodyBytes: bytes,
  }: {
    readonly source: string;
    readonly bodyBytes: number;
  }): Admitted | Refused => {
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

/** How often refusals are logged, at most. */
const tellEveryMs = 10_000;

/** Tells of refusals in a line now and then, with their number: a line for each would be one more load. */
export function createShedReport(
  log: (message: string, fields: Readonly<Record<string, unknown>>) => void,
  monotonic: () => number,
) {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  const counts = new Map<string, number>();
  return ({ source, reason }: { readonly source: string; readonly reason: ShedReason }): void => {
    const key = source === "" ? reason : `${reason} of ${source}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (monotonic() - toldAtMs < tellEveryMs) return;
    toldAtMs = monotonic();
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    log(`scim: ${total} ${total === 1 ? "request" : "requests"} refused with Retry-After since this was last said`, {
      refused: Object.fromEntries(counts),
    });
    counts.clear();
  };
}
