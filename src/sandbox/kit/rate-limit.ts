/** A maximum number of requests per window. */
export interface RateRule {
  readonly limit: number;
  readonly windowMs: number;
  /** How the vendor writes the window, such as `1m`. */
  readonly period: string;
}

export interface RateVerdict {
  readonly rule: RateRule;
  readonly retryAfterSeconds: number;
}

interface Counter {
  /** Times of the requests that still count, oldest first. */
  times: number[];
  readonly windowMs: number;
}

const sweepAbove = 10_000;

/** Sliding-window counters by key; refused requests do not count. */
export class RateLimiter {
  readonly #clock: () => number;
  readonly #counters = new Map<string, Counter>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Counts a request under all rules, or returns the rule that it breaks. */
  admit(key: string, rules: readonly RateRule[]): RateVerdict | undefined {
    const now = this.#clock();
    const counters = rules.map((rule) => this.#counter(`${rule.period} ${key}`, rule.windowMs, now));
    for (const [index, rule] of rules.entries()) {
      const times = counters[index]?.times ?? [];
      const oldest = times[times.length - rule.limit];
      if (oldest !== undefined)
        return { rule, retryAfterSeconds: Math.max(1, Math.ceil((oldest + rule.windowMs - now) / 1000)) };
    }
    for (const counter of counters) counter.times.push(now);
    return undefined;
  }

  #counter(key: string, windowMs: number, now: number): Counter {
    const known = this.#counters.get(key);
    if (known !== undefined) {
      known.times = known.times.filter((time) => time > now - windowMs);
      return known;
    }
    if (this.#counters.size > sweepAbove) this.#sweep(now);
    const counter: Counter = { times: [], windowMs };
    this.#counters.set(key, counter);
    return counter;
  }

  #sweep(now: number): void {
    for (const [key, { times, windowMs }] of this.#counters) {
      if ((times.at(-1) ?? 0) <= now - windowMs) this.#counters.delete(key);
    }
  }
}
