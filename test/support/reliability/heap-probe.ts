/**
 * Benches preload this into `serve` (`--expose-gc --import`). It answers a message of the parent process with the memory
 * that is left after garbage collection. It opens no port and is not part of the product.
 */
import { setTimeout as delay } from "node:timers/promises";

/** Memory in bytes after garbage collection. */
export interface LiveMemory {
  /** Of V8's heap. */
  readonly heapBytes: number;
  /** Outside the heap, held by objects in it: buffers, SQLite statements, compiled code. */
  readonly externalBytes: number;
}

process.on("message", () => {
  void (async () => {
    // Objects behind weak references and finalizers are collected one round later.
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
