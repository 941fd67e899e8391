/** One answered request. Bodies and headers are not kept, because they contain secrets. */
export interface LoggedRequest {
  readonly atMs: number;
  readonly method: string;
  /** Path with its query string. */
  readonly path: string;
  /** HTTP status; 0 when the connection was reset or got no answer. */
  readonly status: number;
}

const maxEntries = 20_000;

/** Log of the requests to an emulator, so that tests can count calls. */
export class RequestLog {
  /** All requests since the start or the last `clear`. */
  total = 0;
  /** Exceptions in the emulator that were answered with 500. Each is a bug of the emulator. */
  readonly failures: unknown[] = [];
  /** The latest 20,000 requests, oldest first. When there are more, the oldest tenth is dropped. */
  readonly entries: LoggedRequest[] = [];
  /** Requests per route, such as `POST /api/public/members/{id}/revoke`; never dropped. */
  readonly byRoute = new Map<string, number>();

  /** @internal the server writes here */
  record(entry: LoggedRequest, route: string): void {
    this.total += 1;
    this.byRoute.set(route, (this.byRoute.get(route) ?? 0) + 1);
    this.entries.push(entry);
    if (this.entries.length > maxEntries) this.entries.splice(0, maxEntries / 10);
  }

  /**
   * Counts logged requests; default all.
   * Throws when entries were dropped, because the number would be wrong. `byRoute` is then still correct.
   */
  count(filter: { readonly method?: string; readonly path?: RegExp; readonly status?: number } = {}): number {
    const { method, path, status } = filter;
    if (this.total > this.entries.length) throw new Error("request log: entries were dropped, count by route instead");
    return this.entries.filter(
      (entry) =>
        (method === undefined || entry.method === method) &&
        (status === undefined || entry.status === status) &&
        (path === undefined || entry.path.search(path) >= 0),
    ).length;
  }

  /** Requests that may change something: all but GET and requests for tokens. */
  countWrites(): number {
    let writes = 0;
    for (const [route, count] of this.byRoute) {
      if (!route.startsWith("GET ") && !/\/(connect|oauth2?)\/(token|revoke)$/.test(route)) writes += count;
    }
    return writes;
  }

  clear(): void {
    this.total = 0;
    this.entries.length = 0;
    this.byRoute.clear();
  }
}
