import type { TokenStore } from "../domain/ports/directory-store.ts";
import type { SyncStore } from "../domain/ports/sync-store.ts";
import type { Logger } from "../telemetry/index.ts";

/** Minimum time between two notes about the same source. */
const sourceEveryMs = 10_000;
/** Minimum time between two notes about the same token. */
const tokenEveryMs = 60_000;

/**
 * Returns a function that writes a note about a key, at most once in `everyMs` for each key. Nobody waits for the note,
 * and nothing fails with it. `now` in milliseconds since the epoch.
 */
function noteSometimes(
  everyMs: number,
  now: () => number,
  write: (key: string) => Promise<unknown>,
  failed: (key: string, error: unknown) => void,
): (key: string) => void {
  const notedAtMs = new Map<string, number>();
  return (key) => {
    // The absolute difference: a clock that is set back must not stop the notes until it has caught up.
    if (Math.abs(now() - (notedAtMs.get(key) ?? 0)) < everyMs) return;
    notedAtMs.set(key, now());
    write(key).catch((error: unknown) => failed(key, error));
  };
}

const healthy = { failingSinceMs: null, retryAtMs: null, errorCode: null, errorMessage: null };

/** Notes when a SCIM source sent its last request, so that `status` in another process can show it. */
export const noteLastSeen = (
  store: Pick<SyncStore, "putConnection">,
  now: () => number,
  logger: Pick<Logger, "warn">,
): ((source: string) => void) =>
  noteSometimes(
    sourceEveryMs,
    now,
    (name) => store.putConnection({ name, role: "source", type: "scim", lastSuccessAtMs: now(), ...healthy }),
    (name, error) => logger.warn(`source ${name}: could not store when it was last seen`, { error }),
  );

/** Notes when a stored token was last used. */
export const noteTokenUse = (
  store: Pick<TokenStore, "noteTokenUse">,
  now: () => number,
  logger: Pick<Logger, "warn">,
): ((id: string) => void) =>
  noteSometimes(
    tokenEveryMs,
    now,
    (id) => store.noteTokenUse(new Map([[id, now()]])),
    (id, error) => logger.warn(`token ${id}: could not store when it was last used`, { error }),
  );
