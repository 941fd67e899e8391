import { isUnfinished, type Reconciler, type RunReport } from "./reconciler.ts";

export interface ConvergeParts {
  readonly name: string;
  readonly reconciler: Reconciler;
  readonly nextRetryAtMs: () => Promise<number | null>;
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onReport?: (report: RunReport) => void;
}

/** Maximum wait for a retry. A longer backoff needs a person, or the next `sync`. */
const maxWaitMs = 15_000;

/** Runs one target until nothing is left that can be delivered now: one full run, then the rest. Ends when `signal` aborts. */
export async function converge(
  { reconciler, nextRetryAtMs, now, sleep, onReport }: ConvergeParts,
  signal: AbortSignal,
): Promise<void> {
  let report = await reconciler.run({ kind: "all" }, signal);
  for (;;) {
    if (report !== null) onReport?.(report);
    if (report === null || !isUnfinished(report)) {
      const nextMs = await nextRetryAtMs();
      if (nextMs === null || nextMs - now() > maxWaitMs) return;
    }
    const waitMs = Math.max(0, ((await nextRetryAtMs()) ?? now()) - now());
    if (waitMs > maxWaitMs) return;
    await sleep(waitMs, signal);
    signal.throwIfAborted();
    report = await reconciler.run({ kind: "dirty", hints: null, limit: 1000 }, signal);
  }
}
