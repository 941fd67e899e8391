import type { Sleep } from "../../src/targets/kit/rate-limiter.ts";

/** A clock that moves only when somebody sleeps, or by hand. */
export interface VirtualTime {
  readonly clock: () => number;
  readonly sleep: Sleep;
  /** All sleeps so far, milliseconds. */
  readonly slept: readonly number[];
  advance(ms: number): void;
}

export function virtualTime(startMs = Date.UTC(2026, 10, 22)): VirtualTime {
  let nowMs = startMs;
  const slept: number[] = [];
  return {
    clock: () => nowMs,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      slept.push(ms);
      const untilMs = nowMs + ms;
      await Promise.resolve();
      nowMs = Math.max(nowMs, untilMs); // sleeps at the same time overlap
    },
    slept,
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

/** Everything that an iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** Never aborted. */
export const patient = new AbortController().signal;
