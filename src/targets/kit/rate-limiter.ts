/** Maximum `limit` calls within any `windowMs` milliseconds. */
interface Window {
  readonly limit: number;
  readonly windowMs: number;
}

/** Maximum calls to a vendor. Reads and tokens have their own limits. */
export interface RateLimit {
  /** Writes per second, over all paths, evenly spaced. The network can delay one burst into the next. Default 4. */
  readonly perSecond: number;
  /** Writes per minute with the same verb and path. Default 55. */
  readonly perMinutePerPath: number;
  /** Reads per second, over all paths, evenly spaced. Default 20. */
  readonly readsPerSecond: number;
  /** Reads per minute of the same path. Default 180. */
  readonly readsPerMinutePerPath: number;
  /** Access tokens per minute. Default 5. */
  readonly tokensPerMinute: number;
}

/**
 * Below the limits of Bitwarden's cloud: per minute 60 writes and 200 reads of a path, 10 tokens of an address
 * (`src/Api/appsettings.json`, `src/Identity/appsettings.json` of bitwarden/server 2026.8.0). 1Password documents none.
 */
export const defaultRateLimit: RateLimit = {
  perSecond: 4,
  perMinutePerPath: 55,
  readsPerSecond: 20,
  readsPerMinutePerPath: 180,
  tokensPerMinute: 5,
};

/** The kind of a call, which decides its limits. */
export type CallKind = "read" | "write" | "token";

/** Waits `ms` milliseconds; rejects with the signal's reason when it is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** With more keys of verb and path than this, the idle ones are removed. */
const sweepAbove = 1_000;
const minuteMs = 60_000;

const atLeastOne = (limit: number): number => Math.max(1, Math.floor(limit));

/** Sliding windows below the limits of the vendor. A 429 costs a minute; waiting costs a moment. */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #clock: () => number;
  readonly #sleep: Sleep;
  /** Times of the latest calls by key, ascending, milliseconds. */
  readonly #calls = new Map<string, number[]>();

  constructor(limit: RateLimit, clock: () => number, sleep: Sleep) {
    this.#limit = limit;
    this.#clock = clock;
    this.#sleep = sleep;
  }

  /** Resolves when the call may be made, and counts it. `path` is the verb with the path, e.g. `POST /public/members`. */
  async take(kind: CallKind, path: string, signal: AbortSignal): Promise<void> {
    const windows = this.#windowsOf(kind, path);
    for (;;) {
      signal.throwIfAborted();
      const nowMs = this.#clock();
      const waitMs = Math.max(...windows.map(([key, window]) => this.#waitMs(key, window, nowMs)));
      if (waitMs <= 0) {
        if (this.#calls.size > sweepAbove) this.#sweep(nowMs);
        for (const [key] of windows) this.#calls.set(key, [...(this.#calls.get(key) ?? []), nowMs]);
        return;
      }
      await this.#sleep(waitMs, signal);
    }
  }

  /** Returns the windows of the call. A limit of one call per millisecond or more is no limit. */
  #windowsOf(kind: CallKind, path: string): readonly (readonly [string, Window])[] {
    const limit = this.#limit;
    const [perSecond, perMinute] =
      kind === "read" ? [limit.readsPerSecond, limit.readsPerMinutePerPath] : [limit.perSecond, limit.perMinutePerPath];
    const windows: readonly (readonly [string, Window])[] =
      kind === "token"
        ? [["token", { limit: atLeastOne(limit.tokensPerMinute), windowMs: minuteMs }]]
        : [
            [kind, { limit: 1, windowMs: Math.ceil(1_000 / perSecond) }],
            [path, { limit: atLeastOne(perMinute), windowMs: minuteMs }],
          ];
    return windows.filter(([, window]) => window.windowMs / window.limit > 1);
  }

  /** Returns the time until `window` has a free place, in milliseconds. Drops old calls, and calls in the future after the clock jumped back. */
  #waitMs(key: string, window: Window, nowMs: number): number {
    const calls = (this.#calls.get(key) ?? []).filter((atMs) => atMs > nowMs - window.windowMs && atMs <= nowMs);
    this.#calls.set(key, calls);
    const oldest = calls[calls.length - window.limit];
    return oldest === undefined ? 0 : oldest + window.windowMs - nowMs;
  }

  #sweep(nowMs: number): void {
    for (const [key, calls] of this.#calls) {
      if ((calls.at(-1) ?? 0) <= nowMs - minuteMs) this.#calls.delete(key);
    }
  }
}
