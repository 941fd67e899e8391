import type { ConsoleStatus } from "./parts.ts";

/** Counting 50,000 people takes a while: pages within so long of each other share one count. */
const keptMs = 2000;

/** The status, asked at most once in two seconds however many pages are open. */
export interface StatusMemory {
  get(): Promise<ConsoleStatus>;
  /** After somebody did something, the next page counts anew. */
  forget(): void;
}

export function createStatusMemory(ask: () => Promise<ConsoleStatus>, now: () => number): StatusMemory {
  let known: { readonly atMs: number; readonly answer: Promise<ConsoleStatus> } | null = null;
  const forget = (): void => {
    known = null;
  };
  return {
    forget,
    get() {
      if (known !== null && Math.abs(now() - known.atMs) < keptMs) return known.answer;
      const answer = ask();
      known = { atMs: now(), answer };
      // A failure is told to those who wait for it, and to nobody after them.
      answer.catch(forget);
      return answer;
    },
  };
}
