import { hasCode } from "../../domain/model/errors.ts";
import type { ImportStore } from "../../domain/ports/import-store.ts";
import type { LdapPoller, PollReport } from "./poller.ts";

export interface PollLoopParts {
  readonly poller: Pick<LdapPoller, "poll" | "settings">;
  readonly store: Pick<ImportStore, "pollState">;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Resolves after `ms`, or at once if aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Called after each poll, with null if it failed. The poller has logged and recorded it. */
  readonly polled?: (report: PollReport | null) => void;
}

/** Maximum wait until a second poll confirms missing entries. A directory that is reloaded is whole again by then. */
const confirmMs = 60_000;

/**
 * Polls a source every `everyMs` until `stopping`. After a restart, the first poll waits until `everyMs` after the last
 * success. If entries are missing for the first time, the next poll comes after `confirmMs`: a leaver then loses access
 * without a wait of a whole period. `abort` ends the poll under way.
 */
export async function runPolls(parts: PollLoopParts, stopping: AbortSignal, abort: AbortSignal): Promise<void> {
  const { poller, store, now, sleep, polled } = parts;
  const { everyMs, name } = poller.settings;
  // If the database does not answer, the poll reports that.
  const state = await store.pollState(name).catch(() => null);
  const isFresh = state !== null && state.lastSuccessAtMs !== null && state.failingSinceMs === null;
  let waitMs = isFresh ? Math.max(0, state.lastSuccessAtMs + everyMs - now()) : 0;
  while (!stopping.aborted) {
    await sleep(waitMs, stopping);
    if (stopping.aborted) return;
    const startedAtMs = now();
    waitMs = everyMs;
    try {
      const report = await poller.poll({ mode: "auto" }, abort);
      if (report.result.unconfirmedMissing > 0) waitMs = Math.min(everyMs, confirmMs);
      polled?.(report);
    } catch (error) {
      if (hasCode(error, "ABORTED")) return;
      polled?.(null);
    }
    waitMs = Math.max(0, waitMs - (now() - startedAtMs));
  }
}
