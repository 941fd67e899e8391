/** Work that runs until somebody stops it. */
export interface Stoppable {
  /** Settles as the work does. */
  readonly ended: Promise<void>;
  /** Asks the work to end, and aborts it after `graceMs`. Resolves when it has ended. */
  stop(graceMs: number): Promise<void>;
}

/** Starts work. `stopping`: take no new work. `abort`: end the work under way too. */
export function startStoppable(work: (stopping: AbortSignal, abort: AbortSignal) => Promise<void>): Stoppable {
  const [stopping, abort] = [new AbortController(), new AbortController()];
  const ended = work(stopping.signal, abort.signal);
  return {
    ended,
    async stop(graceMs) {
      stopping.abort();
      const cut = setTimeout(() => abort.abort(), graceMs);
      await ended.finally(() => clearTimeout(cut));
    },
  };
}
