/** The effect of a fault on a request that matches. */
export type FaultEffect =
  /** Answers `status` with `body` as JSON (no body when absent) instead of doing the work. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Answers an HTML page, as a proxy in front of the vendor would. Default status 502. */
  | { readonly kind: "html"; readonly status?: number }
  /** Answers the vendor's 429 with `Retry-After`. */
  | { readonly kind: "rateLimit"; readonly retryAfterSeconds: number }
  /** Answers the vendor's 401, as if the token had expired. */
  | { readonly kind: "unauthorized" }
  /** TCP reset; nothing was done. */
  | { readonly kind: "resetBefore" }
  /** TCP reset after the work: the change is made and persisted, the answer is never sent. */
  | { readonly kind: "resetAfter" }
  /** Waits, then continues. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Never answers and does nothing. */
  | { readonly kind: "hang" }
  /** Does the work, never answers. */
  | { readonly kind: "hangAfter" }
  /** Token requests: the token expires after `afterSeconds` although `expires_in` says otherwise. */
  | { readonly kind: "expireEarly"; readonly afterSeconds: number }
  /** 1Password lists: every answer has the same `next_page_token`, without end. */
  | { readonly kind: "repeatPageToken" }
  /** 1Password lists: the page has no results, and the next page token is correct. */
  | { readonly kind: "dropPage" }
  /** 1Password lists: the page has no `next_page_token` although more users follow. */
  | { readonly kind: "truncateList" };

/** Which requests a fault hits, and how often. */
export interface FaultMatch {
  /** Upper-case HTTP method; default any. */
  readonly method?: string;
  /** Tested against the path with its query string; default any. */
  readonly path?: RegExp;
  /** How many matching requests pass first. Default 0. */
  readonly skip?: number;
  /** How many requests it hits. Default 1, or `Infinity` when `probability` is given. */
  readonly times?: number;
  /** Probability of hitting a matching request, 0 to 1. Default 1. */
  readonly probability?: number;
}

export type Fault = FaultEffect & FaultMatch;

/** Faults that change the work but not whether it is answered. A request can have several of them. */
const additive: ReadonlySet<Fault["kind"]> = new Set([
  "delay",
  "expireEarly",
  "repeatPageToken",
  "dropPage",
  "truncateList",
]);

interface ArmedFault {
  readonly fault: Fault;
  skipsLeft: number;
  timesLeft: number;
}

/** The faults of one emulator. Tests may change them at any time. */
export class Faults {
  /** Added to every answer, in milliseconds. */
  latencyMs = 0;
  /** Requests hit so far. */
  struck = 0;
  readonly #armed = new Set<ArmedFault>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Adds a fault; the returned function removes it. Faults are tried in the order in which they were added. */
  add(fault: Fault): () => void {
    const timesLeft = fault.times ?? (fault.probability === undefined ? 1 : Number.POSITIVE_INFINITY);
    const armed: ArmedFault = { fault, skipsLeft: fault.skip ?? 0, timesLeft };
    this.#armed.add(armed);
    return () => void this.#armed.delete(armed);
  }

  /** Removes all faults and the latency. */
  clear(): void {
    this.#armed.clear();
    this.latencyMs = 0;
  }

  /** How many faults may still hit a request. */
  get armed(): number {
    return this.#armed.size;
  }

  /** Returns the faults that hit this request and counts them. Faults after one that replaces the answer wait. */
  strike(method: string, target: string): readonly Fault[] {
    const hits: Fault[] = [];
    for (const armed of this.#armed) {
      if (!this.#fires(armed, method, target)) continue;
      hits.push(armed.fault);
      if (!additive.has(armed.fault.kind)) break;
    }
    if (hits.length > 0) this.struck += 1;
    return hits;
  }

  #fires(armed: ArmedFault, method: string, target: string): boolean {
    const { fault } = armed;
    if (fault.method !== undefined && fault.method !== method) return false;
    // `search` ignores the position that a regular expression with the g flag keeps.
    if (fault.path !== undefined && target.search(fault.path) < 0) return false;
    if (armed.skipsLeft > 0) {
      armed.skipsLeft -= 1;
      return false;
    }
    if (fault.probability !== undefined && this.#random() >= fault.probability) return false;
    armed.timesLeft -= 1;
    if (armed.timesLeft <= 0) this.#armed.delete(armed);
    return true;
  }
}
