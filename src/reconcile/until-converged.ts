import { isUnfinished, type Reconciler, type RunReport } from "./reconciler.ts";

export interface ConvergeParts {
  readonly name: string;
  readonly reconciler: Reconciler;
  readonly nextRetryAtMs: () => Promise<number | null>;
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onReport?: (report: RunReport) => void;
}

/** Retries further away than this are left to the next `sync`: something that backs off for long needs a person. */
const patienceMs = 15_000;

/** One target until nothing is dirty that this run can deliver: a full look, then what is left. Aborted by `signal`. */
export async function converge(
  { reconciler, nextRetryAtMs, now, sleep, onReport }: ConvergeParts,
  signal: AbortSignal,
): Promise<void> {
  let report = await reconciler.run({ kind: "all" }, signal);
  for (;;) {
    if (report !== null) onReport?.(report);
    if (report === null || !isUnfinished(report)) {
      const nextMs = await nextRetryAtMs();
      if (nextMs === null || nextMs - now() > patienceMs) return;
    }
    const waitMs = Math.max(0, ((await nextRetryAtMs()) ?? now()) - now());
    if (waitMs > patienceMs) return;
    await sleep(waitMs, signal);
    signal.throwIfAborted();
    report = await reconciler.run({ kind: "dirty", hints: null, limit: 1000 }, signal);
  }
}
