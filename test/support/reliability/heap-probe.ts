/**
 * Preloaded into `serve` by benches alone (`--expose-gc --import`): asked over the channel of a child process, it answers
 * with what is left after garbage collection. It opens no port, and production does not have it.
 */
import { setTimeout as delay } from "node:timers/promises";

/** Memory in bytes after everything that nobody holds was collected. */
export interface LiveMemory {
  /** Of V8's heap. */
  readonly heapBytes: number;
  /** Beside it, and held by objects in it: buffers, SQLite's statements, compiled code. */
  readonly externalBytes: number;
}

process.on("message", () => {
  void (async () => {
    // What weak references and finalizers hold goes in the round after the one that found it unused.
    for (let round = 0; round < 3; round += 1) {
      globalThis.gc?.();
      await delay(50);
    }
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    const live: LiveMemory = { heapBytes: heapUsed, externalBytes: external };
    process.send?.(live);
  })();
});
// Does not keep the process alive.
process.channel?.unref();
