import type { TokenStore } from "../domain/ports/directory-store.ts";
import type { SyncStore } from "../domain/ports/sync-store.ts";
import type { Logger } from "../telemetry/index.ts";

/** How often a source is noted to have been heard of. */
const heardEveryMs = 10_000;

/** Notes when a SCIM source was last heard of, now and then: `status` tells it from another process. `now` in milliseconds since the epoch. */
export function heardOf(
  store: Pick<SyncStore, "putConnection">,
  now: () => number,
  logger: Pick<Logger, "warn">,
): (source: string) => void {
  const notedAtMs = new Map<string, number>();
  return (name) => {
    const atMs = now();
    // As far back as forward: a clock that is set back must not end it until it has caught up.
    if (Math.abs(atMs - (notedAtMs.get(name) ?? 0)) < heardEveryMs) return;
    notedAtMs.set(name, atMs);
    store
      .putConnection({
        name,
        role: "source",
        type: "scim",
        lastSuccessAtMs: atMs,
        failingSinceMs: null,
        retryAtMs: null,
        errorCode: null,
        errorMessage: null,
      })
      .catch((error: unknown) => logger.warn(`source ${name}: could not note that it was heard of`, { error }));
  };
}

/** How often the use of a token is noted. */
const usedEveryMs = 60_000;

/** Notes when a stored token was last used, at most once a minute each, beside the request: it neither waits for that nor fails with it. */
export function tokenUse(
  store: Pick<TokenStore, "noteTokenUse">,
  now: () => number,
  logger: Pick<Logger, "warn">,
): (id: string) => void {
  const notedAtMs = new Map<string, number>();
  return (id) => {
    const atMs = now();
    if (Math.abs(atMs - (notedAtMs.get(id) ?? 0)) < usedEveryMs) return;
    notedAtMs.set(id, atMs);
    store
      .noteTokenUse(new Map([[id, atMs]]))
      .catch((error: unknown) => logger.warn(`token ${id}: could not note that it was used`, { error }));
  };
}
