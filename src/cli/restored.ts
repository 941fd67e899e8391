import type { DirectoryStore } from "../domain/store.ts";
import { isoTime } from "./render.ts";

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
  return `this database is the backup of ${isoTime(madeAtMs)}: what only it asks for, taking or giving access, is held until you approve it ("rollcall plan"), and removals of one window are. Have the identity providers send everything again, and look at "rollcall token list": tokens revoked since then are good again`;
}
