/** A clock that runs faster than real time: an hour's outage takes seconds, and events keep their order. */
export class FastClock {
  #speed: number;
  #atMs: number;
  #since = performance.now();

  constructor(speed: number, startMs = Date.UTC(2026, 10, 22, 8)) {
    this.#speed = speed;
    this.#atMs = startMs;
  }

  now = (): number => Math.floor(this.#atMs + (performance.now() - this.#since) * this.#speed);

  /** Resolves when the clock has moved by `ms`, or at once when aborted. */
  sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
    const untilMs = this.now() + ms;
    return new Promise((resolve) => {
      // Sleeps in short parts, because the speed may change.
      const nap = (): void => {
        const leftMs = untilMs - this.now();
        if (leftMs <= 0 || signal?.aborted === true) resolve();
        else setTimeout(nap, Math.min(20, Math.max(1, leftMs / this.#speed)));
      };
      nap();
    });
  };

  get speed(): number {
    return this.#speed;
  }

  set speed(speed: number) {
    this.#atMs = this.#atMs + (performance.now() - this.#since) * this.#speed;
    this.#since = performance.now();
    this.#speed = speed;
  }
}
