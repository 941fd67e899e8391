import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ConnectionState } from "../../src/domain/ports/sync-store.ts";
import { runLoop } from "../../src/reconcile/scheduler.ts";
import { noteLastSeen } from "../../src/server/last-seen.ts";
import { RateLimiter } from "../../src/targets/kit/rate-limiter.ts";
import { forever, makeWorld, settle, type World } from "../support/world.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Three people within 24 hours. */
const tight = { removalLimit: { percent: 5, atLeast: 3, atMost: 3, windowMs: dayMs } };

describe("a clock that jumps", () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld();
  });
  afterEach(() => world.close());

  const hireMany = async (count: number): Promise<readonly string[]> => {
    const ids = await Promise.all(Array.from({ length: count }, (_, index) => world.hire(`p${index}@example.com`)));
    await settle(world, world.reconciler("bitwarden", tight), "bw", "all");
    return ids;
  };
  const withAccess = (): number =>
    [...world.bitwarden.state.members.values()].filter(({ status }) => status >= 0).length;
  const fire = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) await world.update(id, { isActive: false });
  };
  const run = () => world.reconciler("bitwarden", tight).run({ kind: "all" }, forever);

  it("does not raise the limit by going back and forth", async () => {
    const startMs = world.clock.nowMs;
    await fire(await hireMany(30));
    await run();
    expect(withAccess()).toBe(27);
    // Forward by a day once: a skipped day counts like a day that has passed.
    world.clock.nowMs = startMs + dayMs + hourMs;
    await run();
    expect(withAccess()).toBe(24);
    for (let jump = 0; jump < 10; jump += 1) {
      world.clock.nowMs = jump % 2 === 0 ? startMs : startMs + dayMs + hourMs;
      await run();
    }
    expect(withAccess()).toBe(24);
  });

  it("does not release held changes by going back", async () => {
    await fire(await hireMany(20));
    await run();
    for (const backMs of [hourMs, dayMs, 400 * dayMs]) {
      world.clock.nowMs -= backMs;
      await run();
      expect(withAccess()).toBe(17);
    }
  });

  it("does not drop charges by going back and to the present again", async () => {
    const ids = await hireMany(20);
    const refused = { kind: "status", status: 400, body: { message: "not now" }, path: /revoke/, times: 3 } as const;
    world.bitwarden.faults.add(refused);
    await fire(ids.slice(0, 3));
    await run();
    const presentMs = world.clock.nowMs;
    world.clock.nowMs -= dayMs + hourMs;
    await run();
    expect(withAccess()).toBe(17);
    world.clock.nowMs = presentMs;
    await fire(ids.slice(3, 6));
    await run();
    expect(withAccess()).toBe(17);
  });

  it("does not delay retries, invitations and rate limits that lie in the future", async () => {
    const policy = { settleMs: 2000 };
    const reconciler = world.reconciler("bitwarden", policy);
    await world.hire("first@example.com");
    world.clock.nowMs += 3000;
    await settle(world, reconciler, "bw", "all");
    await world.hire("second@example.com");
    world.clock.nowMs -= 400 * dayMs;
    // The loop does this with its next tick: the clock went back further than `every`.
    await settle(world, reconciler, "bw", "all");
    expect([...world.bitwarden.state.allMails.keys()].sort()).toEqual(["first@example.com", "second@example.com"]);
  });

  it("does not delay the next full run by going back", async () => {
    const clock = { jumpMs: 0 };
    const now = (): number => Date.now() + clock.jumpMs;
    const stop = new AbortController();
    const { bitwarden, store, targets } = world;
    const reconciler = world.reconciler("bitwarden");
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 5)));
    const loop = runLoop(
      {
        name: "bw",
        type: "bitwarden",
        reconciler,
        store,
        everyMs: hourMs,
        now,
        random: () => 0.5,
        sleep,
        log: () => undefined,
      },
      stop.signal,
      stop.signal,
    );
    const looks = (): number => bitwarden.requests.count({ method: "GET", path: /\/members$/, status: 200 });
    await vi.waitUntil(() => looks() === 1);
    clock.jumpMs = -400 * dayMs;
    await vi.waitUntil(() => looks() === 2);
    stop.abort();
    await loop;
    await targets.bitwarden.close(AbortSignal.timeout(1000));
  });

  it("counts a removal of a long run from the time of its call", async () => {
    const ids = await hireMany(20);
    await fire(ids.slice(0, 3));
    // They wait until the minutes have passed.
    const { clock } = world;
    const slow = world.reconciler("bitwarden", tight);
    world.bitwarden.faults.add({ kind: "rateLimit", retryAfterSeconds: 60, path: /revoke/, times: 9 });
    const startMs = clock.nowMs;
    await slow.run({ kind: "all" }, forever);
    const tookMs = clock.nowMs - startMs;
    expect(withAccess()).toBe(17);
    expect(tookMs).toBeGreaterThan(60_000);
    clock.nowMs = startMs + dayMs + 1000;
    await fire(ids.slice(3, 6));
    await run();
    expect(withAccess()).toBe(17);
  });

  it("does not stop the last-seen times of sources", async () => {
    let nowMs = dayMs;
    const noted: (number | null)[] = [];
    const putConnection = async ({ lastSuccessAtMs }: ConnectionState) => void noted.push(lastSuccessAtMs);
    const heard = noteLastSeen({ putConnection }, () => nowMs, { warn: (message) => expect.fail(message) });
    heard("okta");
    nowMs += 9999;
    heard("okta");
    nowMs -= hourMs;
    heard("okta");
    heard("okta");
    nowMs += 10_000;
    heard("okta");
    expect(noted).toEqual([dayMs, dayMs + 9999 - hourMs, dayMs + 19_999 - hourMs]);
  });

  it("does not make the rate limiter wait for the clock", async () => {
    let nowMs = dayMs;
    const slept: number[] = [];
    const sleep = async (ms: number): Promise<void> => {
      slept.push(ms);
      nowMs += ms;
    };
    const limit = {
      perSecond: 4,
      perMinutePerPath: 5,
      readsPerSecond: 20,
      readsPerMinutePerPath: 180,
      tokensPerMinute: 5,
    };
    const limiter = new RateLimiter(limit, () => nowMs, sleep);
    for (let call = 0; call < 5; call += 1) await limiter.take("write", "POST /x", forever);
    nowMs -= hourMs;
    await limiter.take("write", "POST /x", forever);
    expect(Math.max(...slept)).toBeLessThanOrEqual(60_000);
  });

  it("counts a removal from its success, not from its first try", async () => {
    const ids = await hireMany(20);
    await fire(ids.slice(0, 3));
    world.bitwarden.faults.add({ kind: "status", status: 400, body: { message: "not now" }, path: /revoke/, times: 3 });
    await run();
    expect(withAccess()).toBe(20);
    // It works an hour before the window of the first try ends. Others leave an hour after that end.
    world.clock.nowMs += dayMs - hourMs;
    await run();
    expect(withAccess()).toBe(17);
    await fire(ids.slice(3, 9));
    world.clock.nowMs += 2 * hourMs;
    await run();
    expect(withAccess()).toBe(17);
    world.clock.nowMs += dayMs;
    await run();
    expect(withAccess()).toBe(14);
  });
});
