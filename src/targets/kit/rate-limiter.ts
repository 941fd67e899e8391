/** At most `limit` calls within any `windowMs` milliseconds. */
interface Window {
  readonly limit: number;
  readonly windowMs: number;
}

/** How many calls a vendor takes. Reads and tokens have gentle limits of their own (contract sheet Bitwarden §8: GET 200/min, token 10/min per address). */
export interface RateLimit {
  /** Writes per second, over all paths, evenly spaced: a burst that the network delays would meet the next one at the vendor. Default 4. */
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

/** Below Bitwarden cloud's limits (`src/Api/appsettings.json`, `src/Identity/appsettings.json`); 1Password documents none. */
export const defaultRateLimit: RateLimit = {
  perSecond: 4,
  perMinutePerPath: 55,
  readsPerSecond: 20,
  readsPerMinutePerPath: 180,
  tokensPerMinute: 5,
};

/** What a call counts as. */
export type CallKind = "read" | "write" | "token";

/** Waits `ms` milliseconds; rejects with the signal's reason when it is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** Above this many verb-and-path keys the idle ones are forgotten. */
const sweepAbove = 1_000;
const minuteMs = 60_000;

const atLeastOne = (limit: number): number => Math.max(1, Math.floor(limit));

/** Sliding windows, kept before the vendor has to enforce its own: a 429 costs a minute, waiting costs a moment. */
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

  /** The windows that the call falls into. A call a millisecond or more is no limit, and not kept. */
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

  /** How long until `window` has room, in milliseconds; drops what has left it, and what a clock that jumped back puts into the future. */
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
