/** One answered request. Bodies and headers are not kept, because they contain secrets. */
export interface LoggedRequest {
  readonly atMs: number;
  readonly method: string;
  /** Path with its query string. */
  readonly path: string;
  /** HTTP status; 0 when the connection was reset or got no answer. */
  readonly status: number;
}

/** Which requests to count. Default: all. */
export interface RequestFilter {
  readonly method?: string;
  readonly path?: RegExp;
  readonly status?: number;
}

/** Log of the requests to an emulator with a maximum size, so that tests can count calls. */
export class RequestLog {
  /** All requests since the start or the last `clear`. */
  total = 0;
  /** Exceptions in the emulator that were answered with 500. Each is a bug of the emulator. */
  readonly failures: unknown[] = [];
  readonly #limit: number;
  readonly #byRoute = new Map<string, number>();
  #entries: LoggedRequest[] = [];
  #dropped = 0;

  /** @param limit entries kept; the oldest tenth is dropped when it is exceeded */
  constructor(limit = 20_000) {
    this.#limit = limit;
  }

  /** The latest requests, oldest first. */
  get entries(): readonly LoggedRequest[] {
    return this.#entries;
  }

  /** Requests per route, such as `POST /api/public/members/{id}/revoke`; never dropped. */
  get byRoute(): ReadonlyMap<string, number> {
    return this.#byRoute;
  }

  /** @internal the server writes here */
  record(entry: LoggedRequest, route: string): void {
    this.total += 1;
    this.#byRoute.set(route, (this.#byRoute.get(route) ?? 0) + 1);
    this.#entries.push(entry);
    if (this.#entries.length <= this.#limit) return;
    const excess = Math.ceil(this.#limit / 10);
    this.#entries = this.#entries.slice(excess);
    this.#dropped += excess;
  }

  /**
   * Counts logged requests.
   * Throws when entries were dropped, because the number would be wrong. `byRoute` is then still correct.
   */
  count(filter: RequestFilter = {}): number {
    if (this.#dropped > 0)
      throw new Error(`request log: ${this.#dropped} entries were dropped, count by route instead`);
    return this.#entries.filter((entry) => matches(entry, filter)).length;
  }

  /** Requests that may change something: all but GET and requests for tokens. */
  countWrites(): number {
    let writes = 0;
    for (const [route, count] of this.#byRoute) {
      if (!route.startsWith("GET ") && !/\/(connect|oauth2?)\/(token|revoke)$/.test(route)) writes += count;
    }
    return writes;
  }

  clear(): void {
    this.total = 0;
    this.#dropped = 0;
    this.#entries = [];
    this.#byRoute.clear();
  }
}

function matches(entry: LoggedRequest, filter: RequestFilter): boolean {
  if (filter.method !== undefined && entry.method !== filter.method) return false;
  if (filter.status !== undefined && entry.status !== filter.status) return false;
  return filter.path === undefined || entry.path.search(filter.path) >= 0;
}
