import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RollcallError } from "../../src/domain/model/errors.ts";
import type { Link } from "../../src/domain/model/link.ts";
import type { Change } from "../../src/domain/model/plan.ts";
import type { TargetPolicy } from "../../src/domain/model/policy.ts";
import type { RunScope } from "../../src/domain/model/sync-input.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type { UserWrite } from "../../src/domain/ports/scim-store.ts";
import type { Outcome } from "../../src/domain/ports/target.ts";
import { createReconciler, type Reconciler, type RunReport } from "../../src/reconcile/reconciler.ts";
import { type LoopParts, runLoop } from "../../src/reconcile/scheduler.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { lenient } from "../support/policy.ts";
import { linkOf, ModelTarget } from "../unit/model.ts";

const cause = { actor: "t", requestId: null };
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const startMs = 1_800_000_000_000;

/**
 * A clock that moves only when told to, from one sleeper to the next. It moves once the loop can't go on without it: no
 * call that it waits for is open, and no code is left to run.
 */
class Timeline {
  nowMs = startMs;
  #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  #events = 0;
  #open = new Set<Promise<unknown>>();

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> => {
    this.#events += 1;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#sleepers.push({ atMs: this.nowMs + ms, wake: resolve });
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  };

  /** Time stands still until `call` settles. */
  track<T>(call: T): T {
    this.#events += 1;
    if (call instanceof Promise) {
      this.#open.add(call);
      call.catch(() => undefined).finally(() => this.#open.delete(call));
    }
    return call;
  }

  async quiet(): Promise<void> {
    for (let seen = -1, rounds = 0; this.#open.size > 0 || seen !== this.#events; rounds += 1) {
      if (rounds > 20_000) throw new Error("the loop never waits: a busy loop");
      seen = this.#events;
      await Promise.allSettled(this.#open);
      // Every continuation that needs no timer and no I/O has run when this returns.
      await setImmediate();
    }
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      await this.quiet();
      const next = this.#sleepers.reduce((least, each) => Math.min(least, each.atMs), Number.POSITIVE_INFINITY);
      if (next > endMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      const due = this.#sleepers.filter((each) => each.atMs <= this.nowMs);
      this.#sleepers = this.#sleepers.filter((each) => each.atMs > this.nowMs);
      for (const each of due) each.wake();
    }
    this.nowMs = endMs;
    await this.quiet();
  }
}

interface Run {
  readonly atMs: number;
  readonly scope: RunScope;
}

const report = (more: Partial<RunReport> = {}): RunReport => ({
  plan: { changes: [], held: [], skipped: [], heldDigest: null, undecidedDigest: null, dismissedDigest: null },
  isCut: false,
  applied: 0,
  unconfirmed: 0,
  failed: 0,
  outcomes: [],
  ...more,
});
const outage = (retryAfterMs?: number) =>
  new RollcallError(
    "TARGET_UNREACHABLE",
    "target model: no answer",
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );

let time: Timeline;
let store: DirectoryStore;
let runs: Run[];
let loops: (() => Promise<void>)[];
beforeEach(async () => {
  time = new Timeline();
  runs = [];
  loops = [];
  const real = await openSqliteStore(":memory:", { now: () => time.nowMs });
  store = new Proxy(real, {
    get(of, key) {
      const value: unknown = Reflect.get(of, key);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => time.track(Reflect.apply(value, of, args));
    },
  });
});
afterEach(async () => {
  for (const stop of loops) await stop();
  await store.close();
});

const write = (name: string, more: Partial<UserWrite> = {}): UserWrite => ({
  resource: { userName: name, active: more.isActive ?? true },
  userName: name,
  externalId: null,
  email: `${name}@example.com`,
  emails: [],
  displayName: name,
  isActive: true,
  ...more,
});
const hire = async (name: string): Promise<string> => (await store.createUser("okta", write(name), cause)).id;
const set = (id: string, name: string, isActive: boolean) =>
  store.updateUser("okta", id, null, () => write(name, { isActive }), cause);
const storeWith = (more: Partial<LoopParts["store"]>): LoopParts["store"] => ({
  onChange: (listener) => store.onChange(listener),
  connections: () => store.connections(),
  putConnection: (each) => store.putConnection(each),
  nextRetryAtMs: (target) => store.nextRetryAtMs(target),
  ...more,
});
const sinceStart = () => runs.map((run) => run.atMs - startMs);
const hints = (run: Run | undefined) => (run?.scope.kind === "dirty" ? run.scope.hints : "all");
const state = async () => (await store.connections()).find((each) => each.name === "model");

/** Starts a loop around `run`; gives what stops it. */
function start(run: Reconciler["run"], more: Partial<LoopParts> = {}) {
  let isRunning = false;
  const reconciler: Reconciler = {
    async run(scope, signal) {
      if (isRunning) throw new TypeError("two runs at once");
      isRunning = true;
      runs.push({ atMs: time.track(time.nowMs), scope });
      try {
        return await run(scope, signal);
      } finally {
        isRunning = false;
        time.track(undefined);
      }
    },
    plan: () => Promise.reject(new TypeError("not asked for")),
  };
  const stopping = new AbortController();
  const abort = new AbortController();
  const logged: string[] = [];
  let isOver = false;
  const loop = runLoop(
    {
      name: "model",
      type: "bitwarden",
      reconciler,
      store,
      everyMs: hour,
      now: () => time.nowMs,
      random: () => 0.5,
      sleep: time.sleep,
      log: (level, message) => logged.push(`${level}: ${message}`),
      ...more,
    },
    stopping.signal,
    abort.signal,
  ).finally(() => {
    isOver = true;
  });
  const stop = async (): Promise<void> => {
    stopping.abort();
    await loop;
  };
  loops.push(stop);
  return { stopping, abort, loop, stop, logged, isOver: () => isOver };
}

const nothing = async () => null;
const fine = async () => report();

describe("the loop of a target", () => {
  it("runs in full at the start and then at each interval, and not in between", async () => {
    start(fine, { everyMs: minute });
    await time.advance(5 * minute + 1);
    expect(runs.map(hints)).toEqual(Array(6).fill("all"));
    expect(sinceStart()).toEqual([0, 1, 2, 3, 4, 5].map((n) => n * minute));
  });

  it("wakes on a change, and processes what changed", async () => {
    start(fine);
    await time.advance(10 * minute + 337);
    const id = await hire("ada");
    await time.advance(25);
    expect(runs.map(hints)).toEqual(["all", [id]]);
    await time.advance(minute);
    expect(runs).toHaveLength(2);
  });

  it("runs in full at once when asked to, and counts the interval from there", async () => {
    let ask: () => void = () => undefined;
    let isListening = false;
    const onSyncNow = (listener: () => void) => {
      [ask, isListening] = [listener, true];
      return () => {
        isListening = false;
      };
    };
    const { stop } = start(fine, { onSyncNow });
    await time.advance(10 * minute);
    ask();
    await time.advance(25);
    expect([runs.map(hints), sinceStart()]).toEqual([
      ["all", "all"],
      [0, 10 * minute + 25],
    ]);
    await time.advance(hour);
    expect(sinceStart()).toEqual([0, 10 * minute + 25, 70 * minute + 25]);
    await stop();
    expect(isListening).toBe(false);
  });

  it("ends the pause after a failure when asked to, and runs in full until that succeeds", async () => {
    let ask: () => void = () => undefined;
    const onSyncNow = (listener: () => void) => {
      ask = listener;
      return () => undefined;
    };
    let isOut = true;
    start(() => (isOut ? Promise.reject(outage(5 * minute)) : fine()), { onSyncNow });
    await time.advance(minute);
    ask();
    await time.advance(1);
    // Asked during a run that fails: the pause does not begin.
    isOut = false;
    ask();
    await time.advance(1);
    expect([runs.map(hints), sinceStart()]).toEqual([
      ["all", "all", "all"],
      [0, minute, minute + 1],
    ]);
    await time.advance(10 * minute);
    expect(runs).toHaveLength(3);
  });

  it("puts changes that come together into one run", async () => {
    start(fine);
    await time.advance(minute);
    const ids = [await hire("a"), await hire("b")];
    await time.advance(10);
    ids.push(await hire("c"));
    await time.advance(15);
    expect(runs.map(hints)).toEqual(["all", ids]);
  });

  it("scans when more entities changed than a run takes as hints", async () => {
    start(fine);
    await time.advance(minute);
    await Promise.all(Array.from({ length: 501 }, (_, index) => hire(`p${index}`)));
    await time.advance(100);
    expect(runs.slice(1).map(hints)).toEqual([null]);
    const { record } = await store.createGroup(
      "okta",
      { resource: {}, displayName: "eng", externalId: null },
      [],
      { isNameUnique: true, unknownMembers: "skip" },
      cause,
    );
    await time.advance(100);
    await store.deleteGroup("okta", record.id, null, cause);
    await time.advance(100);
    expect(runs.slice(2).map(hints)).toEqual([[record.id], null]);
  });

  it("never runs twice at once, and misses no change that comes meanwhile", async () => {
    const gates: (() => void)[] = [];
    start(() => new Promise((resolve) => gates.push(() => resolve(report()))));
    await time.advance(0);
    const id = await hire("ada");
    await time.advance(10 * minute);
    expect(runs).toHaveLength(1);
    gates.shift()?.();
    await time.advance(25);
    expect(runs.map(hints)).toEqual(["all", [id]]);
    const again = await hire("bob");
    gates.shift()?.();
    await time.advance(25);
    expect(hints(runs[2])).toEqual([again]);
    gates.shift()?.();
  });

  it("is not late for a change that comes while it asks for retries", async () => {
    let comes: (() => Promise<string>) | null = null;
    const nextRetryAtMs = async (target: string): Promise<number | null> => {
      const at = await store.nextRetryAtMs(target);
      const come = comes;
      comes = null;
      await come?.();
      return at;
    };
    start(fine, {
      store: storeWith({ nextRetryAtMs }),
    });
    await time.advance(500);
    comes = () => hire("ada");
    // The next check for retries is at 1 s. The run must not wait for the one after.
    await time.advance(second - 500 + 30);
    expect(runs).toHaveLength(2);
  });

  it("scans again only as long as a run was cut short", async () => {
    const reports = [report(), report({ isCut: true }), report({ isCut: true }), report()];
    start(async () => reports.shift() ?? report());
    await time.advance(minute);
    const id = await hire("ada");
    await time.advance(minute);
    expect(runs.map(hints)).toEqual(["all", [id], null, null]);
  });

  it("retries within a second after the retry time", async () => {
    const ada = await hire("ada");
    start(async () => {
      await store.commit(
        "model",
        { links: [linkOf(ada, { appliedRev: 1, retryAtMs: runs.length === 1 ? startMs + 90 * second : null })] },
        time.nowMs,
      );
      return report();
    });
    await time.advance(hour - 1);
    expect(runs.map(hints)).toEqual(["all", []]);
    expect(sinceStart()[1]).toBeGreaterThanOrEqual(90 * second);
    expect(sinceStart()[1]).toBeLessThanOrEqual(91 * second);
  });

  it("does not spin on a retry that is due and has nothing to try", async () => {
    await store.commit("model", { links: [linkOf("nobody", { retryAtMs: startMs + minute })] }, 0);
    start(nothing);
    await time.advance(11 * minute);
    expect(runs.length).toBeGreaterThan(10);
    expect(runs.length).toBeLessThanOrEqual(11 * 60 + 2);
  });

  it("does not spin on changes that are not for this target, and is still awake for the next", async () => {
    start(nothing);
    await time.advance(minute);
    for (let index = 0; index < 50; index += 1) {
      await hire(`p${index}`);
      await time.advance(25);
    }
    expect(runs.length).toBeLessThanOrEqual(52);
    const before = runs.length;
    await time.advance(10 * minute);
    expect(runs.length).toBeLessThanOrEqual(before + 1);
  });
});

describe("an outage", () => {
  it("is retried after 1 s, doubling to 5 min, is stored with the target, and ends at the first success", async () => {
    let isDown = false;
    const { logged } = start(async () => {
      if (isDown) throw outage();
      return report();
    });
    await time.advance(minute);
    const before = await state();
    expect(before).toMatchObject({
      role: "target",
      type: "bitwarden",
      failingSinceMs: null,
      errorCode: null,
      lastSuccessAtMs: startMs,
    });
    isDown = true;
    await hire("ada");
    await time.advance(25);
    const failingSinceMs = time.nowMs;
    expect(await state()).toMatchObject({
      failingSinceMs,
      retryAtMs: failingSinceMs + second,
      errorCode: "TARGET_UNREACHABLE",
      errorMessage: "target model: no answer",
      lastSuccessAtMs: startMs,
    });
    await time.advance(30 * minute);
    const waits = runs
      .slice(1)
      .map((run, index, all) => run.atMs - (all[index - 1] ?? run).atMs)
      .slice(1);
    expect(waits).toEqual(
      [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300].map((n) => n * second).slice(0, waits.length),
    );
    expect(waits.length).toBeGreaterThan(10);
    const retryAtMs = (runs.at(-1)?.atMs ?? 0) + 5 * minute;
    expect(await state()).toMatchObject({ failingSinceMs, retryAtMs });
    expect(logged.filter((line) => line.startsWith("error"))).toHaveLength(waits.length + 1);

    isDown = false;
    await time.advance(5 * minute);
    expect(await state()).toMatchObject({
      failingSinceMs: null,
      retryAtMs: null,
      errorCode: null,
      errorMessage: null,
      lastSuccessAtMs: runs.at(-1)?.atMs,
    });
    expect(logged.at(-1)).toContain("works again");

    const count = runs.length;
    isDown = true;
    await hire("bob");
    await time.advance(2 * second);
    // The backoff starts again: at once, and after 1 s.
    expect(runs.length).toBe(count + 2);
  });

  it("has jitter in its pauses, which are never shorter than the vendor asks", async () => {
    start(
      async () => {
        throw outage(90 * second);
      },
      { random: () => 0 },
    );
    await time.advance(5 * minute);
    const waits = sinceStart()
      .map((at, index, all) => at - (all[index - 1] ?? 0))
      .slice(1);
    expect(waits).toEqual([90, 90, 90].map((n) => n * second));
    const spread = sinceStart().length;
    expect(spread).toBe(4);
  });

  it("is followed by a scan for all that was missed, hinted or not", async () => {
    let isDown = false;
    start(async () => {
      if (isDown) throw outage();
      return report();
    });
    await time.advance(minute);
    isDown = true;
    await hire("ada");
    await time.advance(second);
    isDown = false;
    await time.advance(minute);
    expect(hints(runs.at(-1))).toBeNull();
  });

  it("does not end because a run has nothing to do: a full run decides", async () => {
    let mode: "fine" | "down" | "nothing" = "fine";
    start(async (scope) => {
      if (mode === "down") throw new TypeError("a bug");
      return mode === "nothing" && scope.kind === "dirty" ? null : report();
    });
    await time.advance(minute);
    mode = "down";
    await hire("ada");
    await time.advance(100);
    expect(await state()).toMatchObject({ errorCode: "UNEXPECTED", errorMessage: "a bug" });
    mode = "nothing";
    await time.advance(10 * second);
    expect(hints(runs.at(-1))).toBe("all");
    expect(await state()).toMatchObject({ failingSinceMs: null });
  });

  it("of the store does not end the loop", async () => {
    let isBroken = false;
    const failing =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      (...args: A): Promise<R> =>
        isBroken ? Promise.reject(new RollcallError("STORE_UNAVAILABLE", "database: disk I/O error")) : call(...args);
    const { isOver, logged } = start(failing(fine), {
      store: storeWith({
        putConnection: failing(store.putConnection),
        nextRetryAtMs: failing(store.nextRetryAtMs),
      }),
    });
    await time.advance(minute);
    isBroken = true;
    await time.advance(10 * minute);
    expect(isOver()).toBe(false);
    // Each try logs its failure, and that the state could not be stored.
    expect(logged.length).toBeGreaterThan(10);
    expect(logged.length).toBeLessThan(30);
    isBroken = false;
    await time.advance(6 * minute);
    const id = await hire("ada");
    await time.advance(second);
    expect(hints(runs.at(-1))).toEqual([id]);
  });
});

describe("stopping", () => {
  it.each([
    ["while it waits for changes", fine, minute],
    [
      "during the pause of an outage",
      async () => {
        throw outage();
      },
      10 * minute,
    ],
    ["while there is nothing to do", nothing, minute],
  ] as const)("ends it %s", async (_name, run, ms) => {
    const { stop } = start(run);
    await time.advance(ms);
    await stop();
    const count = runs.length;
    await hire("ada");
    await time.advance(hour);
    expect(runs).toHaveLength(count);
  });

  it("lets the current run finish, and starts no other", async () => {
    const gates: (() => void)[] = [];
    const { stopping, loop, isOver } = start(
      () => new Promise((resolve) => gates.push(() => resolve(report({ isCut: true })))),
    );
    await time.advance(0);
    stopping.abort();
    await time.advance(second);
    expect(isOver()).toBe(false);
    gates.shift()?.();
    await loop;
    expect(runs).toHaveLength(1);
  });

  it("with abort ends the current run too, and counts as no outage", async () => {
    const { stopping, abort, loop, logged } = start(
      (_scope, signal) =>
        new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(new RollcallError("ABORTED", "aborted"))),
        ),
    );
    await time.advance(0);
    stopping.abort();
    abort.abort();
    await loop;
    expect(logged).toEqual([]);
    expect(await state()).toBeUndefined();
  });
});

/** A target that answers for some users as the test says. */
class ScriptedTarget extends ModelTarget {
  readonly answers = new Map<string, "fails" | "is refused" | "stays unconfirmed">();
  override async *apply(changes: readonly Change[]): AsyncGenerator<Outcome> {
    for (const change of changes) {
      const answer = this.answers.get("email" in change ? change.email : change.name);
      if (answer === undefined) yield* super.apply([change]);
      else if (answer === "stays unconfirmed") yield { status: "unconfirmed", change };
      else
        yield {
          status: "failed",
          change,
          error: new RollcallError("TARGET_REFUSED", "no", { isPermanent: answer === "is refused" }),
        };
      this.attempts.push(change);
    }
  }
  readonly attempts: Change[] = [];
}

describe("the loop with a store and a target", () => {
  let target: ScriptedTarget;
  beforeEach(() => {
    target = new ScriptedTarget();
  });
  const begin = (policy: Partial<TargetPolicy> = {}, more: Partial<LoopParts> = {}) => {
    const reconciler = createReconciler({
      target,
      store,
      policy: { ...lenient, ...policy },
      now: () => time.nowMs,
      random: () => 0.5,
      heldRetryMs: 5 * minute,
    });
    return start(reconciler.run, more);
  };
  const stateOf = (name: string) =>
    [...target.accounts.values()].find((each) => each.email === `${name}@example.com`)?.state;
  const attemptsFor = (name: string) =>
    target.attempts.filter((change) => "email" in change && change.email === `${name}@example.com`).length;
  const none = { percent: 0, atLeast: 0, atMost: 0, windowMs: 24 * hour };
  const linkFor = async (id: string): Promise<Link | null | undefined> =>
    (await store.readInput("model", { kind: "all" }, time.nowMs)).users.find(({ user }) => user.id === id)?.link;

  it("delivers a change within the gathering time", async () => {
    begin();
    await time.advance(minute);
    const id = await hire("ada");
    await time.advance(25);
    expect(stateOf("ada")).toBe("invited");
    await set(id, "ada", false);
    await time.advance(25);
    expect(stateOf("ada")).toBe("suspended");
  });

  it("delivers more changes than one run takes", async () => {
    begin();
    await time.advance(minute);
    await Promise.all(Array.from({ length: 1300 }, (_, index) => hire(`p${index}`)));
    await time.advance(10 * second);
    expect(target.accounts.size).toBe(1300);
    expect(runs.length).toBeLessThan(10);
  });

  it("delivers a change while hundreds of other users are due for a retry", async () => {
    const ids = await Promise.all(Array.from({ length: 600 }, (_, index) => hire(`p${index}`)));
    for (let index = 0; index < 600; index += 1) target.answers.set(`p${index}@example.com`, "fails");
    begin();
    await time.advance(0);
    expect(ids).toHaveLength(600);
    await hire("ada");
    await time.advance(3 * second);
    expect(stateOf("ada")).toBe("invited");
  });

  it.each([
    ["fails", 6, 20],
    ["is refused", 1, 3],
    ["stays unconfirmed", 3, 15],
  ] as const)("a user whose change %s backs off alone, without a busy loop", async (answer, atLeast, atMost) => {
    target.answers.set("poison@example.com", answer);
    begin({}, { everyMs: 24 * hour });
    const poison = await hire("poison");
    await time.advance(second);
    for (const name of ["ada", "bob", "eve"]) {
      await hire(name);
      await time.advance(25);
      expect(stateOf(name)).toBe("invited");
    }
    await time.advance(hour);
    expect(attemptsFor("poison")).toBeGreaterThanOrEqual(atLeast);
    expect(attemptsFor("poison")).toBeLessThanOrEqual(atMost);
    expect(runs.length).toBeLessThan(2 * atMost + 10);
    expect(await state()).toMatchObject({ failingSinceMs: null });
    expect((await linkFor(poison))?.retryAtMs).toBeGreaterThan(time.nowMs);

    // A change of the user is tried at once, whatever the backoff.
    target.answers.clear();
    await set(poison, "poison", true);
    await time.advance(25);
    expect(stateOf("poison")).toBe("invited");
    expect(await store.nextRetryAtMs("model")).toBeNull();
  });

  it("checks held changes at intervals until they are approved, and then no more", async () => {
    begin({ removalLimit: none }, { everyMs: 24 * hour });
    const id = await hire("ada");
    await time.advance(second);
    await set(id, "ada", false);
    await time.advance(2 * hour);
    expect(stateOf("ada")).toBe("invited");
    expect(runs.length).toBeGreaterThan(20);
    expect(runs.length).toBeLessThan(30);
    const [held] = await store.held("model");
    expect(held).toMatchObject({ key: `access:${id}`, approvedAtMs: null });
    // As another process would do it: no listener is called.
    expect(await store.approveItems("model", held === undefined ? [] : [held], cause, time.nowMs)).toBeUndefined();
    await time.advance(second);
    expect(stateOf("ada")).toBe("suspended");
    expect(await store.held("model")).toEqual([]);
    const count = runs.length;
    await time.advance(2 * hour);
    expect(runs).toHaveLength(count);
  });

  it("does not spin on an approved removal that the target refuses", async () => {
    begin({ removalLimit: none }, { everyMs: 24 * hour });
    const id = await hire("ada");
    await time.advance(second);
    await set(id, "ada", false);
    await time.advance(second);
    target.answers.set("ada@example.com", "is refused");
    await store.approveItems("model", await store.held("model"), cause, time.nowMs);
    await time.advance(3 * hour);
    expect(attemptsFor("ada")).toBeLessThanOrEqual(6);
    expect(runs.length).toBeLessThan(12);
    target.answers.clear();
    await time.advance(hour + minute);
    expect(stateOf("ada")).toBe("suspended");
  });

  it("carries out held removals as the window moves, without an approval", async () => {
    begin({ removalLimit: { percent: 0, atLeast: 1, atMost: 1, windowMs: 10 * minute } }, { everyMs: 24 * hour });
    const ids = [await hire("a"), await hire("b"), await hire("c")];
    await time.advance(second);
    for (const [index, id] of ids.entries()) await set(id, "abc"[index] ?? "", false);
    await time.advance(second);
    const suspended = () => ["a", "b", "c"].filter((name) => stateOf(name) === "suspended").length;
    expect(suspended()).toBe(1);
    await time.advance(10 * minute + second);
    expect(suspended()).toBe(2);
    await time.advance(10 * minute + second);
    expect(suspended()).toBe(3);
    expect(runs.length).toBeLessThan(15);
  });

  it.each([
    ["missing seats", { maxSeats: 0 }, 14],
    ["an invitation that settles", { settleMs: 10 * minute }, 4],
    ["drift that is only reported", { driftPolicy: "report" as const }, 4],
    ["a scope without members", { userGroups: ["nobody"] }, 4],
  ])("does not spin on %s", async (_name, policy, atMost) => {
    begin(policy, { everyMs: 24 * hour });
    await hire("ada");
    await hire("bob");
    await time.advance(second);
    target.accounts.clear();
    await time.advance(hour);
    expect(runs.length).toBeLessThanOrEqual(atMost);
  });

  it("does not spin on drift that is held", async () => {
    begin({ removalLimit: none }, { everyMs: 10 * minute });
    const ada = await hire("ada");
    const { record } = await store.createGroup(
      "okta",
      { resource: {}, displayName: "eng", externalId: null },
      [],
      { isNameUnique: true, unknownMembers: "skip" },
      cause,
    );
    await time.advance(second);
    const [remoteGroup] = target.groups.keys();
    const [remoteMember] = target.accounts.keys();
    target.memberships.get(remoteGroup ?? "")?.add(remoteMember ?? "");
    await time.advance(10 * minute);
    expect((await store.held("model")).map((each) => each.key)).toEqual([`member:${record.id}:${ada}`]);
    const count = runs.length;
    await time.advance(2 * hour);
    expect(runs.length - count).toBeLessThan(40);
    expect(target.memberships.get(remoteGroup ?? "")?.size).toBe(1);
  });

  it("writes its state at most once a second while all is well", async () => {
    let puts = 0;
    const putConnection: DirectoryStore["putConnection"] = (each) => {
      puts += 1;
      return store.putConnection(each);
    };
    begin({}, { store: storeWith({ putConnection }) });
    await time.advance(second);
    for (let index = 0; index < 100; index += 1) {
      await hire(`p${index}`);
      await time.advance(50);
    }
    expect(runs.length).toBeGreaterThan(50);
    expect(puts).toBeLessThanOrEqual(8);
  });
});
