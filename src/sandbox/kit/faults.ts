/** What a fault does to a request it matches. */
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
  /** TCP reset after the work: it is done (and persisted), the answer is never sent. */
  | { readonly kind: "resetAfter" }
  /** Waits, then goes on. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Never answers and does nothing. */
  | { readonly kind: "hang" }
  /** Does the work, never answers. */
  | { readonly kind: "hangAfter" }
  /** Token requests: the token dies after `afterSeconds` although `expires_in` says otherwise. */
  | { readonly kind: "expireEarly"; readonly afterSeconds: number }
  /** 1Password lists: every answer carries the same `next_page_token`, for ever. */
  | { readonly kind: "repeatPageToken" }
  /** 1Password lists: the page comes back without its results; the token goes on. */
  | { readonly kind: "dropPage" }
  /** 1Password lists: the page has no `next_page_token` although more users follow. */
  | { readonly kind: "truncateList" };

/** Which requests a fault hits, and how often. */
export interface FaultMatch {
  /** Upper-case HTTP method; default any. */
  readonly method?: string;
  /** Tested against the path with its query string; default any. */
  readonly path?: RegExp;
  /** How many matching requests pass unharmed first; default 0. */
  readonly skip?: number;
  /** How often it strikes; default 1, or without end when `probability` is given. `Infinity` is allowed. */
  readonly times?: number;
  /** Chance of striking a matching request, 0 to 1; default 1. */
  readonly probability?: number;
}

export type Fault = FaultEffect & FaultMatch;

/** What the faults that matched one request add up to. */
export interface Strike {
  readonly delayMs: number;
  /** The one effect that replaces or swallows the answer, if any. */
  readonly terminal: FaultEffect | undefined;
  readonly expireEarlySeconds: number | undefined;
  readonly repeatPageToken: boolean;
  readonly dropPage: boolean;
  readonly truncateList: boolean;
}

interface ArmedFault {
  readonly fault: Fault;
  skipsLeft: number;
  timesLeft: number;
}

/** Fault injection of one emulator; set by tests, and at run time. */
export class Faults {
  /** Added to every answer, in milliseconds. */
  latencyMs = 0;
  /** Requests struck so far. */
  struck = 0;
  #armed: ArmedFault[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Arms a fault; the returned function disarms it. Faults are tried in the order they were added. */
  add(fault: Fault): () => void {
    const timesLeft = fault.times ?? (fault.probability === undefined ? 1 : Number.POSITIVE_INFINITY);
    const armed: ArmedFault = { fault, skipsLeft: fault.skip ?? 0, timesLeft };
    this.#armed.push(armed);
    return () => {
      this.#armed = this.#armed.filter((other) => other !== armed);
    };
  }

  /** Disarms everything and takes the latency away. */
  clear(): void {
    this.#armed = [];
    this.latencyMs = 0;
  }

  /** How many armed faults may still strike. */
  get armed(): number {
    return this.#armed.length;
  }

  /** Consumes the faults that hit this request. After the first terminal effect the rest stay armed. */
  strike(method: string, target: string): Strike {
    let delayMs = this.latencyMs;
    let terminal: FaultEffect | undefined;
    let expireEarlySeconds: number | undefined;
    const shape = { repeatPageToken: false, dropPage: false, truncateList: false };
    let hit = false;
    for (const armed of [...this.#armed]) {
      if (!this.#fires(armed, method, target)) continue;
      hit = true;
      const fault = armed.fault;
      if (fault.kind === "delay") delayMs += fault.ms;
      else if (fault.kind === "expireEarly") expireEarlySeconds = fault.afterSeconds;
      else if (fault.kind === "repeatPageToken" || fault.kind === "dropPage" || fault.kind === "truncateList")
        shape[fault.kind] = true;
      else {
        terminal = fault;
        break;
      }
    }
    if (hit) this.struck += 1;
    return { delayMs, terminal, expireEarlySeconds, ...shape };
  }

  #fires(armed: ArmedFault, method: string, target: string): boolean {
    const { fault } = armed;
    if (fault.method !== undefined && fault.method !== method) return false;
    // A regexp with the g flag remembers where it stopped; a copy without that memory is tested instead.
    if (fault.path !== undefined && target.search(fault.path) < 0) return false;
    if (armed.skipsLeft > 0) {
      armed.skipsLeft -= 1;
      return false;
    }
    if (fault.probability !== undefined && this.#random() >= fault.probability) return false;
    armed.timesLeft -= 1;
    if (armed.timesLeft <= 0) this.#armed = this.#armed.filter((other) => other !== armed);
    return true;
  }
}
