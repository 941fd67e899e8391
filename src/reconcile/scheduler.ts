import type { EntityRef } from "../domain/model/entities.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import type { RunScope } from "../domain/model/sync-input.ts";
import type { ConnectionState } from "../domain/ports/sync-store.ts";
import { backoff } from "./link-updates.ts";
import type { Reconciler, RunReport } from "./reconciler.ts";

/** The parts of one target's loop. */
export interface LoopParts {
  readonly name: string;
  readonly type: string;
  readonly reconciler: Reconciler;
  readonly store: {
    onChange(listener: (changed: readonly EntityRef[]) => void): () => void;
    nextRetryAtMs(target: string): Promise<number | null>;
    putConnection(state: ConnectionState): Promise<void>;
    connections(): Promise<readonly ConnectionState[]>;
  };
  /** Calls the listener when somebody wants a full run at once. Returns how to stop listening. */
  readonly onSyncNow?: (listener: () => void) => () => void;
  readonly everyMs: number;
  readonly now: () => number;
  readonly random: () => number;
  /** Resolves after `ms`, or at once when aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
}

/** Changes that come within this time share one run. */
const gatherMs = 25;
/** Interval between checks for retries, approvals and the full run. They come from the clock or from another process. */
const tickMs = 1000;
/** For more changed entities than this, a scan costs the same. */
const maxHints = 500;
const minOutageRetryMs = 1000;
const maxOutageRetryMs = 5 * 60_000;

/**
 * Runs one target until `stopping`: the changed entities after a change, everything at the start, every `everyMs` and on
 * request. A target that fails as a whole is tried again after 1 s, doubling to 5 min. `abort` ends the current run.
 */
export async function runLoop(parts: LoopParts, stopping: AbortSignal, abort: AbortSignal): Promise<void> {
  const { store, now, sleep, everyMs } = parts;
  const changes = collectChanges();
  const unsubscribe = store.onChange(changes.add);
  // A request for a full run ends the pause after a failure. During a failing run it prevents the pause.
  let pause = new AbortController();
  const stopAsking = parts.onSyncNow?.(() => {
    changes.requestFullRun();
    pause.abort();
  });
  const health = targetHealth(parts);
  let fullAtMs = now();
  let outages = 0;
  const rest = async (): Promise<void> => {
    await Promise.race([changes.next(), sleep(Math.max(1, Math.min(tickMs, fullAtMs - now())), stopping)]);
    if (changes.isWaiting()) await sleep(gatherMs, stopping);
  };
  const isRetryDue = async (): Promise<boolean> =>
    ((await store.nextRetryAtMs(parts.name)) ?? Number.POSITIVE_INFINITY) <= now();
  try {
    while (!stopping.aborted) {
      if (pause.signal.aborted) pause = new AbortController();
      try {
        // A full run further away than `everyMs`: the clock has jumped back, and stored times lie in the future.
        const isFull = changes.isFullRunRequested() || now() >= fullAtMs || fullAtMs - now() > everyMs;
        if (!isFull && !changes.isWaiting() && !(await isRetryDue())) {
          await rest();
          continue;
        }
        // If the run fails, the next one is full too.
        if (isFull) fullAtMs = now();
        const report = await parts.reconciler.run(changes.take(isFull), abort);
        if (isFull) fullAtMs = now() + everyMs;
        if (report !== null) {
          // The run stopped at its limit: a scan finds the others, hinted or not.
          if (report.isCut) changes.requestScan();
          await health.succeeded(report);
        } else if (outages > 0) {
          // No work does not prove that the target works again: a full run does.
          fullAtMs = now();
        } else {
          // The change was not for this target, or the retry has nothing to try. Both can wait.
          await rest();
        }
        outages = 0;
      } catch (error) {
        if (abort.aborted) return;
        changes.requestScan();
        outages += 1;
        const backoffMs = backoff(outages, minOutageRetryMs, maxOutageRetryMs) * (0.75 + parts.random() / 2);
        const delayMs = Math.max(retryAfter(error), backoffMs);
        await health.failed(error, delayMs);
        await sleep(delayMs, AbortSignal.any([stopping, pause.signal]));
      }
    }
  } finally {
    unsubscribe();
    stopAsking?.();
  }
}

const retryAfter = (error: unknown): number => (error instanceof RollcallError ? (error.retryAfterMs ?? 0) : 0);

/** Collects what changed since the last run, so that a run need not scan all rows. */
function collectChanges() {
  let ids = new Set<string>();
  let isScanRequested = false;
  let isFullRunRequested = false;
  let wake: (() => void) | null = null;
  const isWaiting = (): boolean => isFullRunRequested || isScanRequested || ids.size > 0;
  return {
    add(refs: readonly EntityRef[]): void {
      for (const { id } of refs) {
        if (id === "*") isScanRequested = true;
        else ids.add(id);
      }
      if (ids.size > maxHints) isScanRequested = true;
      wake?.();
    },
    requestScan(): void {
      isScanRequested = true;
    },
    requestFullRun(): void {
      isFullRunRequested = true;
      wake?.();
    },
    isFullRunRequested: (): boolean => isFullRunRequested,
    isWaiting,
    /** Returns the scope of the next run, and forgets what it covers. */
    take(isFull: boolean): RunScope {
      const hints = isScanRequested ? null : [...ids];
      ids = new Set();
      isScanRequested = false;
      if (!isFull) return { kind: "dirty", hints, limit: maxHints };
      isFullRunRequested = false;
      return { kind: "all" };
    },
    /** Resolves at the next change, or at once if one came meanwhile. */
    next: (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
        if (isWaiting()) resolve();
      }),
  };
}

/** Stores how the target is, and logs when that changes. While all is well it is stored at most once a second. */
function targetHealth({ name, type, store, now, log }: LoopParts) {
  let state: ConnectionState | null = null;
  const healthy = { failingSinceMs: null, retryAtMs: null, errorCode: null, errorMessage: null };
  const unknown: ConnectionState = { name, role: "target", type, lastSuccessAtMs: null, ...healthy };
  /** Read when it is first needed: the loop survives a database that does not answer. */
  const present = async (): Promise<ConnectionState> => {
    state ??= (await store.connections()).find((each) => each.role === "target" && each.name === name) ?? unknown;
    return state;
  };
  const put = async (next: ConnectionState): Promise<void> => {
    state = next;
    try {
      await store.putConnection(next);
    } catch (error) {
      log("error", `target ${name}: its state could not be stored`, { error });
    }
  };
  return {
    async succeeded({ applied, failed, unconfirmed, plan }: RunReport): Promise<void> {
      const before = await present();
      if (before.failingSinceMs !== null)
        log("info", `target ${name}: works again`, { failedForMs: now() - before.failingSinceMs });
      if (applied + failed + unconfirmed > 0)
        log(
          "info",
          `target ${name}: ${applied} applied, ${unconfirmed} to confirm, ${failed} failed, ${plan.held.length} held`,
        );
      const isFresh =
        before.failingSinceMs === null && before.lastSuccessAtMs !== null && now() - before.lastSuccessAtMs < tickMs;
      if (!isFresh) await put({ ...before, ...healthy, type, lastSuccessAtMs: now() });
    },
    async failed(error: unknown, retryInMs: number): Promise<void> {
      const code = error instanceof RollcallError ? error.code : "UNEXPECTED";
      log("error", `target ${name}: ${messageOf(error)}; next try in ${Math.round(retryInMs / 1000)} s`, {
        code,
        error,
      });
      const before = await present().catch(() => unknown);
      await put({
        ...before,
        type,
        failingSinceMs: before.failingSinceMs ?? now(),
        retryAtMs: now() + Math.round(retryInMs),
        errorCode: code,
        errorMessage: messageOf(error).slice(0, 1000),
      });
    },
  };
}
