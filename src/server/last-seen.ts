import type { TokenStore } from "../domain/ports/directory-store.ts";
import type { SyncStore } from "../domain/ports/sync-store.ts";
import type { Logger } from "../telemetry/index.ts";

/** Minimum time between two notes about the same source. */
const sourceEveryMs = 10_000;
/** Minimum time between two notes about the same token. */
const tokenEveryMs = 60_000;

/** Returns a function that is true at most once in `everyMs` for each key. `now` in milliseconds since the epoch. */
function onceEvery(everyMs: number, now: () => number): (key: string) => boolean {
  const notedAtMs = new Map<string, number>();
  return (key) => {
    // The absolute difference: a clock that is set back must not stop the notes until it has caught up.
    if (Math.abs(now() - (notedAtMs.get(key) ?? 0)) < everyMs) return false;
    notedAtMs.set(key, now());
    return true;
  };
}

/** Notes when a SCIM source sent its last request, so that `status` in another process can show it. */
export function noteLastSeen(
  store: Pick<SyncStore, "putConnection">,
  now: () => number,
  logger: Pick<Logger, "warn">,
): (source: string) => void {
  const isDue = onceEvery(sourceEveryMs, now);
  const healthy = { failingSinceMs: null, retryAtMs: null, errorCode: null, errorMessage: null };
  return (name) => {
    if (!isDue(name)) return;
    store
      .putConnection({ name, role: "source", type: "scim", lastSuccessAtMs: now(), ...healthy })
      .catch((error: unknown) => logger.warn(`source ${name}: could not store when it was last seen`, { error }));
  };
}

/** Notes when a stored token was last used. The request neither waits for the note nor fails with it. */
export function noteTokenUse(
  store: Pick<TokenStore, "noteTokenUse">,
  now: () => number,
  logger: Pick<Logger, "warn">,
): (id: string) => void {
  const isDue = onceEvery(tokenEveryMs, now);
  return (id) => {
    if (!isDue(id)) return;
    store
      .noteTokenUse(new Map([[id, now()]]))
      .catch((error: unknown) => logger.warn(`token ${id}: could not store when it was last used`, { error }));
  };
}
