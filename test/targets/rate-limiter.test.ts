import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CallKind, defaultRateLimit, RateLimiter } from "../../src/targets/kit/rate-limiter.ts";
import { patient, virtualTime } from "./virtual-time.ts";

describe("RateLimiter", () => {
  it("calls are spaced evenly, and wait when the minute is full", async () => {
    const time = virtualTime(0);
    const limiter = new RateLimiter({ ...defaultRateLimit, perSecond: 2, perMinutePerPath: 5 }, time.clock, time.sleep);
    const atMs: number[] = [];
    for (let call = 0; call < 7; call += 1) {
      await limiter.take("write", "POST /a", patient);
      atMs.push(time.clock());
    }
    expect(atMs).toEqual([0, 500, 1_000, 1_500, 2_000, 60_000, 60_500]);
  });

  it("paths, reads and tokens are counted separately", async () => {
    const time = virtualTime(0);
    const unlimited = Number.POSITIVE_INFINITY;
    const limit = {
      perSecond: unlimited,
      perMinutePerPath: 1,
      readsPerSecond: unlimited,
      readsPerMinutePerPath: 1,
      tokensPerMinute: 1,
    };
    const limiter = new RateLimiter(limit, time.clock, time.sleep);
    for (const [kind, path] of [
      ["write", "PUT /a"],
      ["write", "PUT /b"],
      ["read", "GET /a"],
      ["token", "POST /token"],
    ] as const) {
      await limiter.take(kind, path, patient);
    }
    expect(time.slept).toEqual([]);
    await limiter.take("token", "POST /other-token", patient);
    expect(time.slept).toEqual([60_000]);
  });

  it("a limit of one call per millisecond is no limit, and less than one per minute is one", async () => {
    const time = virtualTime(0);
    const none = 1e9;
    const limit = {
      perSecond: none,
      perMinutePerPath: none,
      readsPerSecond: none,
      readsPerMinutePerPath: 0.5,
      tokensPerMinute: none,
    };
    const limiter = new RateLimiter(limit, time.clock, time.sleep);
    for (let call = 0; call < 1_000; call += 1) await limiter.take("write", "POST /a", patient);
    expect(time.slept).toEqual([]);
    await limiter.take("read", "GET /a", patient);
    await limiter.take("read", "GET /a", patient);
    expect(time.slept).toEqual([60_000]);
  });

  it("an aborted call stops waiting", async () => {
    const time = virtualTime(0);
    const limiter = new RateLimiter(defaultRateLimit, time.clock, time.sleep);
    await expect(limiter.take("write", "POST /a", AbortSignal.abort(new Error("stop")))).rejects.toThrow("stop");
  });

  it("no window ever has more calls than its limit", async () => {
    const call = fc.record({ path: fc.constantFrom("POST /a", "POST /b"), pauseMs: fc.nat({ max: 900 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 80 }), async (calls) => {
        const time = virtualTime(0);
        const limiter = new RateLimiter(
          { ...defaultRateLimit, perSecond: 3, perMinutePerPath: 10 },
          time.clock,
          time.sleep,
        );
        const made: { path: string; atMs: number }[] = [];
        const make = async (kind: CallKind, path: string): Promise<void> => {
          await limiter.take(kind, path, patient);
          made.push({ path, atMs: time.clock() });
        };
        for (const { path, pauseMs } of calls) {
          await Promise.all([make("write", path), make("write", path)]);
          time.advance(pauseMs);
        }
        for (const { path, atMs } of made) {
          const within = (ms: number): typeof made =>
            made.filter((other) => other.atMs > atMs - ms && other.atMs <= atMs);
          expect(within(1_000).length).toBeLessThanOrEqual(3);
          expect(within(60_000).filter((other) => other.path === path).length).toBeLessThanOrEqual(10);
        }
      }),
      { numRuns: 30 },
    );
  });
});
