import { hasCode } from "../../domain/model/errors.ts";
import type { ImportStore } from "../../domain/ports/import-store.ts";
import type { LdapPoller, PollReport } from "./poller.ts";

/** What the loop of one source needs. */
export interface PollLoopParts {
  readonly poller: Pick<LdapPoller, "poll" | "settings">;
  readonly store: Pick<ImportStore, "pollState">;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Resolves after `ms`, or at once when aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told after each poll, failed ones included; the poller has logged and recorded them. */
  readonly polled?: (report: PollReport | null) => void;
}

/**
 * Polls a source every `everyMs` until `stopping`; a restart does not poll sooner than that after the last success.
 * Who is missing for the first time is looked for again after `confirmMs`, so that a leaver need not wait a whole
 * period. `abort` ends the poll under way.
 */
export async function runPolls(parts: PollLoopParts, stopping: AbortSignal, abort: AbortSignal): Promise<void> {
  const { poller, store, now, sleep, polled } = parts;
  const { everyMs, name } = poller.settings;
  // A database that does not answer is told by the poll.
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

/** Long enough that a directory which is just being reloaded is whole again. */
const confirmMs = 60_000;
