import { isoTime, printJson } from "../cli/output/print.ts";
import { type Config, storeName } from "../config/index.ts";
import { hasCode, RollcallError } from "../domain/model/errors.ts";
import type { DirectoryStore, ReconcileLock } from "../domain/ports/directory-store.ts";
import { locateConfigOpenable } from "./config-location.ts";
import type { Context, GlobalOptions } from "./context.ts";

const consequences =
  'what only it asks for, taking or giving access, is held until you approve it ("rollcall plan"), and removals of one window are. Have the identity providers send everything again, and look at "rollcall token list": tokens revoked since then are good again';

/**
 * Asks the store whether it is a backup that was put back; to be done before anything else is.
 * @returns what to tell the operator; null when it is none.
 */
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
  return `this database is the backup of ${isoTime(madeAtMs)}: ${consequences}`;
}

/** `rollcall restored`: says of a database that it is an old copy, which nothing in it tells where `backup` did not make it. */
export async function restored(context: Context, options: GlobalOptions): Promise<number> {
  const config = await locateConfigOpenable(context, options);
  const place = storeName(config.store);
  const { terminal, env, now } = context;
  await using cleanup = new AsyncDisposableStack();
  const lock = await lockStopped(context, config);
  cleanup.defer(() => lock.release());
  const store = await context.openStoreToRead(config);
  if (store === null)
    throw new RollcallError("STORE_UNAVAILABLE", `database ${place}: there is none; put the copy there first`);
  cleanup.defer(() => store.close());
  const targets = config.targets.map(({ name }) => name);
  const cause = { actor: `cli:restored (${env["SUDO_USER"] ?? env["USER"] ?? "unknown user"})`, requestId: null };
  const { madeAtMs, newestAtMs, isRepeated } = await store.markRestored(targets, cause, now());
  const [backupAt, newestAt] = [isoTime(madeAtMs), isoTime(newestAtMs)];
  if (options.json) printJson(terminal, { database: place, backupAt, newestAt, repeated: isRepeated, targets });
  else if (isRepeated)
    terminal.out(`${place}: was noted as an old copy before, and nothing has happened since; that stays, from now on`);
  else
    terminal.out(
      `${place}: noted as an old copy that was put back, ${backupAt !== null ? `the backup of ${backupAt}` : newestAt === null ? "an empty one" : `whose newest row is of ${newestAt}`}. When "rollcall serve" is started now, ${consequences}.`,
    );
  return 0;
}

/** @throws `STORE_LOCKED` that says what to do here */
async function lockStopped(context: Context, config: Config): Promise<ReconcileLock> {
  try {
    return await context.lock(config);
  } catch (error) {
    if (!hasCode(error, "STORE_LOCKED")) throw error;
    throw new RollcallError(
      "STORE_LOCKED",
      `"rollcall serve" or "rollcall sync" works on ${storeName(config.store)}: stop it, then say this, then start it again. What it has done since it was started on the old copy is done: "rollcall audit --since" shows it`,
      { cause: error },
    );
  }
}
