import { setImmediate as turn } from "node:timers/promises";
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
import { lenient, linkOf, ModelTarget } from "../unit/model.ts";

const cause = { actor: "t", requestId: null };
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const startMs = 1_800_000_000_000;

/** Time that moves when told to, from one waiting sleeper to the next; `touch` says that something is going on. */
class Timeline {
  nowMs = startMs;
  #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  #activity = 0;
  readonly touch = (): void => {
    this.#activity += 1;
  };
  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> => {
    this.touch();
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { atMs: this.nowMs + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  };

  /** Until nothing has happened for some turns of the event loop: whoever could go on waits for the clock. */
  async quiet(): Promise<void> {
    for (let seen = -1, still = 0, turns = 0; still < 6; turns += 1) {
      if (turns > 20_000) throw new Error("never comes to rest: a busy loop");
      still = seen === this.#activity ? still + 1 : 0;
      seen = this.#activity;
      await turn();
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
  // Every call on the store is something going on.
  store = new Proxy(real, {
    get(of, key) {
      const value: unknown = Reflect.get(of, key);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        time.touch();
        const result: unknown = Reflect.apply(value, of, args);
        return result instanceof Promise ? result.finally(time.touch) : result;
      };
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
      runs.push({ atMs: time.nowMs, scope });
      time.touch();
      try {
        return await run(scope, signal);
      } finally {
        isRunning = false;
        time.touch();
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
  it("looks at everything at the start, then every so often, and at nothing in between", async () => {
    start(fine, { everyMs: minute });
    await time.advance(5 * minute + 1);
    expect(runs.map(hints)).toEqual(Array(6).fill("all"));
    expect(sinceStart()).toEqual([0, 1, 2, 3, 4, 5].map((n) => n * minute));
  });

  it("wakes on a change, and looks at what changed", async () => {
    start(fine);
    await time.advance(10 * minute + 337);
    const id = await hire("ada");
    await time.advance(25);
    expect(runs.map(hints)).toEqual(["all", [id]]);
    await time.advance(minute);
    expect(runs).toHaveLength(2);
  });

  it("looks at everything when asked to, at once, and then keeps its hours", async () => {
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

  it("does not wait out a failure when asked, and looks at everything until it has", async () => {
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
    // Asked in the middle of a run that fails: the wait does not begin.
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

  it("gathers what changes together", async () => {
    start(fine);
    await time.advance(minute);
    const ids = [await hire("a"), await hire("b")];
    await time.advance(10);
    ids.push(await hire("c"));
    await time.advance(15);
    expect(runs.map(hints)).toEqual(["all", ids]);
  });

  it("looks for itself when too much changed to be told one by one", async () => {
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

  it("never runs twice at once, and misses nothing that changes meanwhile", async () => {
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

  it("is not late for a change that comes while it looks for retries", async () => {
    let comes: (() => Promise<string>) | null = null;
    const nextRetryAtMs = async (target: string): Promise<number | null> => {
      const at = await store.nextRetryAtMs(target);
      const come = comes;
      comes = null;
      await come?.();
      return at;
    };
    start(fine, {
      store: {
        onChange: (listener) => store.onChange(listener),
        connections: () => store.connections(),
        putConnection: (each) => store.putConnection(each),
        nextRetryAtMs,
      },
    });
    await time.advance(500);
    comes = () => hire("ada");
    // The next look for retries is at 1 s; the run must not wait for the one after.
    await time.advance(second - 500 + 30);
    expect(runs).toHaveLength(2);
  });

  it("goes on scanning while a look was cut short, and not a moment longer", async () => {
    const reports = [report(), report({ isCut: true }), report({ isCut: true }), report()];
    start(async () => reports.shift() ?? report());
    await time.advance(minute);
    const id = await hire("ada");
    await time.advance(minute);
    expect(runs.map(hints)).toEqual(["all", [id], null, null]);
  });

  it("tries what is due, within a second", async () => {
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
  it("is tried again after 1 s, doubling to 5 min, told in the target's state, and over at the first success", async () => {
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
    // From the start again: at once, and after 1 s.
    expect(runs.length).toBe(count + 2);
  });

  it("has its pauses spread by a quarter, and never shorter than the vendor asks", async () => {
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

  it("makes it look for everything it missed, hinted or not", async () => {
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

  it("is not taken for over because there is nothing to do: a full look tells", async () => {
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
      store: {
        onChange: (listener) => store.onChange(listener),
        connections: () => store.connections(),
        putConnection: failing(store.putConnection),
        nextRetryAtMs: failing(store.nextRetryAtMs),
      },
    });
    await time.advance(minute);
    isBroken = true;
    await time.advance(10 * minute);
    expect(isOver()).toBe(false);
    // Each try tells that it failed, and that not even that could be stored.
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
    ["while it rests", fine, minute],
    [
      "while it waits out an outage",
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

  it("lets the run under way finish, and starts no other", async () => {
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

  it("by force ends the run too, and is no outage", async () => {
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

/** A target that answers for some people as it is told. */
class MoodyTarget extends ModelTarget {
  readonly moods = new Map<string, "fails" | "refuses" | "unconfirmed">();
  override async *apply(changes: readonly Change[]): AsyncGenerator<Outcome> {
    for (const change of changes) {
      const mood = this.moods.get("email" in change ? change.email : change.name);
      if (mood === undefined) yield* super.apply([change]);
      else if (mood === "unconfirmed") yield { status: "unconfirmed", change };
      else
        yield {
          status: "failed",
          change,
          error: new RollcallError("TARGET_REFUSED", "no", { isPermanent: mood === "refuses" }),
        };
      this.attempts.push(change);
    }
  }
  readonly attempts: Change[] = [];
}

describe("the loop with a store and a target", () => {
  let target: MoodyTarget;
  beforeEach(() => {
    target = new MoodyTarget();
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
    [...target.members.values()].find((each) => each.email === `${name}@example.com`)?.state;
  const attemptsFor = (name: string) =>
    target.attempts.filter((change) => "email" in change && change.email === `${name}@example.com`).length;
  const none = { percent: 0, atLeast: 0, atMost: 0, windowMs: 24 * hour };
  const linkFor = async (id: string): Promise<Link | null | undefined> =>
    (await store.readInput("model", { kind: "all" }, time.nowMs)).users.find(({ user }) => user.id === id)?.link;

  it("delivers what changes within the time of gathering", async () => {
    begin();
    await time.advance(minute);
    const id = await hire("ada");
    await time.advance(25);
    expect(stateOf("ada")).toBe("invited");
    await set(id, "ada", false);
    await time.advance(25);
    expect(stateOf("ada")).toBe("suspended");
  });

  it("brings in many thousands of changes, more than one look takes", async () => {
    begin();
    await time.advance(minute);
    await Promise.all(Array.from({ length: 1300 }, (_, index) => hire(`p${index}`)));
    await time.advance(10 * second);
    expect(target.members.size).toBe(1300);
    expect(runs.length).toBeLessThan(10);
  });

  it("does not forget a person who changes while hundreds of others are due", async () => {
    const ids = await Promise.all(Array.from({ length: 600 }, (_, index) => hire(`p${index}`)));
    for (let index = 0; index < 600; index += 1) target.moods.set(`p${index}@example.com`, "fails");
    begin();
    await time.advance(0);
    expect(ids).toHaveLength(600);
    await hire("ada");
    await time.advance(3 * second);
    expect(stateOf("ada")).toBe("invited");
  });

  it.each([
    ["fails", 6, 20],
    ["refuses", 1, 3],
    ["unconfirmed", 3, 15],
  ] as const)("lets who %s back off alone, without a busy loop", async (mood, atLeast, atMost) => {
    target.moods.set("poison@example.com", mood);
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

    // Who changes is tried at once, whatever the pause.
    target.moods.clear();
    await set(poison, "poison", true);
    await time.advance(25);
    expect(stateOf("poison")).toBe("invited");
    expect(await store.nextRetryAtMs("model")).toBeNull();
  });

  it("looks at what is held now and then, until it is approved, and then no more", async () => {
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
    // As another process does it: no listener hears of it.
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
    target.moods.set("ada@example.com", "refuses");
    await store.approveItems("model", await store.held("model"), cause, time.nowMs);
    await time.advance(3 * hour);
    expect(attemptsFor("ada")).toBeLessThanOrEqual(6);
    expect(runs.length).toBeLessThan(12);
    target.moods.clear();
    await time.advance(hour + minute);
    expect(stateOf("ada")).toBe("suspended");
  });

  it("takes the rest as the window rolls, without a person", async () => {
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
    ["seats that are missing", { maxSeats: 0 }, 14],
    ["an invitation that settles", { settleMs: 10 * minute }, 4],
    ["drift that is only reported", { driftPolicy: "report" as const }, 4],
    ["a scope that nobody is in", { userGroups: ["nobody"] }, 4],
  ])("does not spin on %s", async (_name, policy, atMost) => {
    begin(policy, { everyMs: 24 * hour });
    await hire("ada");
    await hire("bob");
    await time.advance(second);
    target.members.clear();
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
    const [remoteMember] = target.members.keys();
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
    begin(
      {},
      {
        store: {
          onChange: (listener) => store.onChange(listener),
          connections: () => store.connections(),
          nextRetryAtMs: (name) => store.nextRetryAtMs(name),
          putConnection: (each) => {
            puts += 1;
            return store.putConnection(each);
          },
        },
      },
    );
    await time.advance(second);
    for (let index = 0; index < 100; index += 1) {
      await hire(`p${index}`);
      await time.advance(50);
    }
    expect(runs.length).toBeGreaterThan(50);
    expect(puts).toBeLessThanOrEqual(8);
  });
});
