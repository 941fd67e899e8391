import { type Config, storeName } from "../config/index.ts";
import type { Cause } from "../domain/model/entities.ts";
import { hasCode, RollcallError } from "../domain/model/errors.ts";
import type { DirectoryStore, ReconcileLock } from "../domain/ports/directory-store.ts";
import type { Logger } from "../telemetry/index.ts";
import { isoTime } from "../text/times.ts";
import type { Context } from "./context.ts";
import { reviewSources } from "./removed-sources.ts";

/** What happens after the start on a restored database, and what to do. */
export const afterRestore =
  'changes that only the backup requests are held until you approve them ("rollcall plan"), and so are removals of one window. Let the identity providers send everything again, and check "rollcall token list": tokens that were revoked since the backup are valid again';

/** Checks whether the database is a backup that was put back: call this before anything else. Returns the message for the operator, or null. */
export async function noticeRestore(
  store: DirectoryStore,
  targets: readonly { readonly name: string }[],
  nowMs: number,
): Promise<string | null> {
  const madeAtMs = await store.noticeRestore(
    targets.map(({ name }) => name),
    nowMs,
  );
  if (madeAtMs === null) return null;
  return `this database is the backup of ${isoTime(madeAtMs)}: ${afterRestore}`;
}

/**
 * Checks the database before anything else uses it: warns about a restored backup and about removed sources.
 * @throws `CONFIG_INVALID` if a source has another type than before
 */
export async function reviewDatabase(
  config: Config,
  store: DirectoryStore,
  nowMs: number,
  { warn }: Pick<Logger, "warn">,
): Promise<void> {
  const restored = await noticeRestore(store, config.targets, nowMs);
  if (restored !== null) warn(restored);
  await reviewSources(config, store, warn);
}

/**
 * Marks the database as an old copy that was put back. Only `backup` marks its copies by itself.
 * @throws `STORE_LOCKED` while a process reconciles, `STORE_UNAVAILABLE` without a database
 */
export async function markRestored(context: Pick<Context, "database" | "now">, config: Config, cause: Cause) {
  const place = storeName(config.store);
  await using cleanup = new AsyncDisposableStack();
  const lock = await lockStopped(context, config);
  cleanup.defer(() => lock.release());
  const store = await context.database(config).openToRead();
  if (store === null)
    throw new RollcallError("STORE_UNAVAILABLE", `database ${place} does not exist; put the copy there first`);
  cleanup.defer(() => store.close());
  const targets = config.targets.map(({ name }) => name);
  return { place, targets, ...(await store.markRestored(targets, cause, context.now())) };
}

/** @throws `STORE_LOCKED` with what to do */
async function lockStopped(context: Pick<Context, "database">, config: Config): Promise<ReconcileLock> {
  try {
    return await context.database(config).lock();
  } catch (error) {
    if (!hasCode(error, "STORE_LOCKED")) throw error;
    throw new RollcallError(
      "STORE_LOCKED",
      `"rollcall serve" or "rollcall sync" works on ${storeName(config.store)}: stop it, run this command, and start it again. It may already have made changes from the old copy. They stay; "rollcall audit --since" shows them`,
      { cause: error },
    );
  }
}
