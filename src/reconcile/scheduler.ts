import type { EntityRef } from "../domain/model/entities.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import type { RunScope } from "../domain/model/sync-input.ts";
import type { ConnectionState } from "../domain/ports/sync-store.ts";
import { backoff } from "./link-updates.ts";
import type { Reconciler, RunReport } from "./reconciler.ts";

/** What the loop of one target needs. */
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
  /** Calls the listener when somebody wants a full look at once. Returns how to stop listening. */
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
/** Retries, approvals and the full run are looked for this often: they come from the clock, or from another process. */
const tickMs = 1000;
/** More changed entities than this, and a scan finds them as cheaply. */
const hintsAtMost = 500;
const firstOutageRetryMs = 1000;
const lastOutageRetryMs = 5 * 60_000;

/**
 * Runs one target until `stopping`: targeted after a change, full every `everyMs`, at the start and when asked. A target that
 * fails as a whole is tried again after 1 s, doubling to 5 min. `abort` ends the run under way.
 */
export async function runLoop(parts: LoopParts, stopping: AbortSignal, abort: AbortSignal): Promise<void> {
  const { store, now, sleep, everyMs } = parts;
  const changes = changeCollector();
  const unsubscribe = store.onChange(changes.add);
  // Ends the wait after a failure; asked during the run that fails, it does not begin.
  let nap = new AbortController();
  const stopAsking = parts.onSyncNow?.(() => {
    changes.lookNow();
    nap.abort();
  });
  const health = connectionHealth(parts);
  let fullAtMs = now();
  let outages = 0;
  const rest = async (): Promise<void> => {
    await Promise.race([changes.next(), sleep(Math.max(1, Math.min(tickMs, fullAtMs - now())), stopping)]);
    if (changes.isWaiting()) await sleep(gatherMs, stopping);
  };
  try {
    while (!stopping.aborted) {
      nap = fresh(nap);
      try {
        if (changes.takeLook()) fullAtMs = now();
        // Further away than it was ever set: the clock has jumped back, and times stored before lie in the future.
        const isFull = now() >= fullAtMs || fullAtMs - now() > everyMs;
        const isDue =
          isFull ||
          changes.isWaiting() ||
          ((await store.nextRetryAtMs(parts.name)) ?? Number.POSITIVE_INFINITY) <= now();
        if (!isDue) {
          await rest();
          continue;
        }
        const scope: RunScope = isFull
          ? changes.takeAll()
          : { kind: "dirty", hints: changes.take(), limit: hintsAtMost };
        const report = await parts.reconciler.run(scope, abort);
        if (isFull) fullAtMs = now() + everyMs;
        if (report !== null) {
          // The slice met its limit: a scan finds what it left out, hinted or not.
          if (report.isCut) changes.scanAgain();
          await health.succeeded(report);
        } else if (outages > 0) {
          // Nothing to do says nothing about the target: a full look tells whether it works again.
          fullAtMs = now();
        } else {
          // Woken by what is not for this target (yet), or a retry that has nothing to try: nothing to hurry for.
          await rest();
        }
        outages = 0;
      } catch (error) {
        if (abort.aborted) return;
        changes.scanAgain();
        outages += 1;
        const delayMs = Math.max(
          retryAfter(error),
          backoff(outages, firstOutageRetryMs, lastOutageRetryMs) * (0.75 + parts.random() / 2),
        );
        await health.failed(error, delayMs);
        await sleep(delayMs, AbortSignal.any([stopping, nap.signal]));
      }
    }
  } finally {
    unsubscribe();
    stopAsking?.();
  }
}

const fresh = (controller: AbortController): AbortController =>
  controller.signal.aborted ? new AbortController() : controller;

const retryAfter = (error: unknown): number => (error instanceof RollcallError ? (error.retryAfterMs ?? 0) : 0);

/** Gathers what changed since the last run, so that a run need not look at everything. */
function changeCollector() {
  let ids = new Set<string>();
  // Everything that was dirty before the start is found by the first, full run.
  let isScan = false;
  let isLook = false;
  let wake: (() => void) | null = null;
  return {
    /** Somebody wants everything looked at. */
    lookNow(): void {
      isLook = true;
      wake?.();
    },
    takeLook(): boolean {
      const taken = isLook;
      isLook = false;
      return taken;
    },
    add(refs: readonly EntityRef[]): void {
      for (const { id } of refs) {
        if (id === "*") isScan = true;
        else ids.add(id);
      }
      if (ids.size > hintsAtMost) isScan = true;
      wake?.();
    },
    scanAgain(): void {
      isScan = true;
    },
    isWaiting: (): boolean => isLook || isScan || ids.size > 0,
    /** Null: look at all that is dirty. */
    take(): readonly string[] | null {
      const taken = isScan ? null : [...ids];
      ids = new Set();
      isScan = false;
      return taken;
    },
    takeAll(): RunScope {
      ids = new Set();
      isScan = false;
      return { kind: "all" };
    },
    /** At once when something came meanwhile. */
    next: (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
        if (isLook || isScan || ids.size > 0) resolve();
      }),
  };
}

/** Remembers how the target does, and says when it changes. Rewritten at most once a second while all is well. */
function connectionHealth({ name, type, store, now, log }: LoopParts) {
  let state: ConnectionState | null = null;
  const unknown: ConnectionState = {
    name,
    role: "target",
    type,
    lastSuccessAtMs: null,
    failingSinceMs: null,
    retryAtMs: null,
    errorCode: null,
    errorMessage: null,
  };
  /** Read when it is first needed: the loop outlasts a database that does not answer. */
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
      if (!isFresh)
        await put({
          ...before,
          type,
          lastSuccessAtMs: now(),
          failingSinceMs: null,
          retryAtMs: null,
          errorCode: null,
          errorMessage: null,
        });
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
