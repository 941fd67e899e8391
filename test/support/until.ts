import { setTimeout as delay } from "node:timers/promises";

/** Calls `ask` until it does not throw, and returns its answer. Throws its last error after `withinMs`. */
export async function until<T>(ask: () => T | Promise<T>, withinMs = 120_000): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > endMs) throw error;
    }
    await delay(20);
  }
}

/** Waits until the condition is true. Throws `what` after `withinMs`. */
export const untilTrue = (
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs?: number,
): Promise<void> =>
  until(async () => {
    if (!(await condition())) throw new Error(`not so in time: ${what}`);
  }, withinMs);
