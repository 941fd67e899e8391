/** An answer that several callers share for a short time. */
export interface ShortMemory<T> {
  get(): Promise<T>;
  /** The next caller asks again. */
  forget(): void;
}

/**
 * Asks at most once in `forMs`. A failure goes to everybody who waits for it; with `keepsFailures` also to those who come
 * within `forMs`.
 */
export function createShortMemory<T>(
  ask: () => Promise<T>,
  { now, forMs = 2000, keepsFailures = false }: { now: () => number; forMs?: number; keepsFailures?: boolean },
): ShortMemory<T> {
  let known: { readonly atMs: number; readonly answer: Promise<T> } | null = null;
  const forget = (): void => {
    known = null;
  };
  return {
    forget,
    get() {
      // A clock that is set back does not make the answer last longer.
      if (known !== null && Math.abs(now() - known.atMs) < forMs) return known.answer;
      const answer = ask();
      known = { atMs: now(), answer };
      answer.catch(keepsFailures ? () => undefined : forget);
      return answer;
    },
  };
}
