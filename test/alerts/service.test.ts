import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { type AlertChannel, SendError } from "../../src/alerts/channel.ts";
import type { AlertFacts } from "../../src/alerts/conditions.ts";
import { createFactsReader } from "../../src/alerts/facts.ts";
import type { AlertMessage } from "../../src/alerts/incidents.ts";
import { createAlerts } from "../../src/alerts/service.ts";
import { RollcallError } from "../../src/domain/model/errors.ts";
import { openSqliteStore } from "../../src/store/index.ts";

const minute = 60_000;
const quiet: AlertFacts = {
  sources: [],
  targets: [],
  tokens: [],
  database: null,
  clockStep: null,
  newestStoredMs: null,
};

/** Alerts with a clock that only `sleep` moves. */
function startWorld() {
  const clock = { nowMs: Date.UTC(2030, 0, 1) };
  const beginMs = clock.nowMs;
  const sent: { readonly atMs: number; readonly message: AlertMessage }[] = [];
  const counts: string[] = [];
  const logs: string[] = [];
  let kept: string | null = null;
  let ids = 0;
  const world = {
    /** Since when acme fails; null while it works. */
    failingSinceMs: null as number | null,
    database: null as AlertFacts["database"],
    send: async (_message: AlertMessage, _signal: AbortSignal): Promise<string> => "200",
    put: async (state: string): Promise<void> => {
      kept = state;
    },
    read: async (): Promise<string | null> => kept,
  };
  const facts = async (): Promise<AlertFacts> => ({
    ...quiet,
    database: world.database,
    targets: [
      {
        name: "acme",
        failingSinceMs: world.failingSinceMs,
        errorCode: "TARGET_UNREACHABLE",
        errorMessage: "no connection",
        held: { keys: [], reasons: {}, sinceMs: null },
        removalLimit: { allowed: 3, spent: 0, windowMs: 86_400_000 },
        failures: [],
      },
    ],
  });
  const channel: AlertChannel = {
    name: "ops",
    type: "test",
    kinds: null,
    minSeverity: "warning",
    everyMs: 24 * 60 * minute,
    perHour: 5,
    send: async (message, signal) => {
      const said = await world.send(message, signal);
      sent.push({ atMs: clock.nowMs - beginMs, message });
      return said;
    },
  };
  /** Runs a new process until `untilMs`. `each` is called before the facts are read. */
  const run = async (untilMs: number, each: (atMs: number) => void = () => undefined): Promise<void> => {
    const stopping = new AbortController();
    const alerts = createAlerts({
      channels: [channel],
      limits: { failingForMs: 15 * minute, briefMs: minute, gatherMs: minute / 2 },
      recoverAfterMs: 5 * minute,
      facts,
      store: { alertState: () => world.read(), putAlertState: (state) => world.put(state) },
      now: () => clock.nowMs,
      sleep: async (ms) => {
        clock.nowMs += ms;
        // Lets a pending delivery finish.
        for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
        each(clock.nowMs - beginMs);
        if (clock.nowMs - beginMs >= untilMs) stopping.abort();
      },
      newId: () => `id-${++ids}`,
      log: (level, message, fields) => logs.push(`${level} ${message} ${JSON.stringify(fields)}`),
      counted: (...args) => counts.push(args.join(" ")),
    });
    await alerts.run(stopping.signal);
  };
  const told = (): readonly string[] =>
    sent.map(({ atMs, message }) => `${Math.floor(atMs / minute)} ${message.event} ${message.title}`);
  return { clock, beginMs, world, run, told, sent, counts, logs };
}

describe("alerts of a process", () => {
  it("report an outage and its end once, although the process restarts in between", async () => {
    const { world, run, told, beginMs, counts, logs } = startWorld();
    world.failingSinceMs = beginMs;
    for (const untilMin of [5, 20, 21, 40]) await run(untilMin * minute);
    expect(told()).toEqual(["15 alert target acme has been failing for 15 min"]);
    world.failingSinceMs = null;
    for (const untilMin of [41, 42, 60]) await run(untilMin * minute);
    expect(told().slice(1)).toEqual(["45 recovery target acme works again, after 40 min"]);
    expect(counts).toEqual(["ops target-failing sent", "ops target-failing sent"]);
    expect(logs.map((line) => line.split(" {")[0])).toEqual([
      "warn alert: target acme has been failing for 15 min",
      "info alert: target acme works again, after 40 min",
    ]);
  });

  it("report a target that fails again and again only once", async () => {
    const { clock, world, run, told } = startWorld();
    await run(10 * 60 * minute, (atMs) => {
      // Sixteen minutes away, four minutes there.
      const isAway = (atMs / minute) % 20 < 16;
      world.failingSinceMs = isAway ? (world.failingSinceMs ?? clock.nowMs) : null;
    });
    expect(told()).toEqual(["15 alert target acme has been failing for 15 min"]);
  });

  it("wait after a start, so that an old stored failure causes no message", async () => {
    const { clock, world, run, told, beginMs } = startWorld();
    world.failingSinceMs = beginMs - 86_400_000;
    await run(minute, (atMs) => {
      if (atMs > 10_000) world.failingSinceMs = null;
    });
    expect([told(), clock.nowMs > beginMs]).toEqual([[], true]);
  });

  it("retry a failed delivery and log it without a secret", async () => {
    const { world, run, told, beginMs, counts, logs } = startWorld();
    world.failingSinceMs = beginMs;
    let tries = 0;
    world.send = async () => {
      tries += 1;
      if (tries === 1) throw new SendError("example.com answered 503", 120_000);
      if (tries === 2) throw new Error("https://hooks.example.com/s3cr3t");
      return "200";
    };
    await run(30 * minute);
    expect(told()).toEqual(["17 alert target acme has been failing for 15 min"]);
    expect(counts).toEqual(["ops target-failing failed", "ops target-failing failed", "ops target-failing sent"]);
    expect(logs.slice(1).map((line) => line.split(" {")[0])).toEqual([
      "warn alerts: could not send to ops: example.com answered 503",
      "warn alerts: could not send to ops: unexpected error",
    ]);
    expect(inspect(logs)).not.toContain("s3cr3t");
  });

  it("store the attempt before they send", async () => {
    const { world, run, told, beginMs } = startWorld();
    world.failingSinceMs = beginMs;
    const kept: string[] = [];
    const put = world.put;
    world.put = async (state) => {
      kept.push(state);
      await put(state);
    };
    await run(16 * minute);
    expect(told()).toHaveLength(1);
    // Every state on disk from before the call on contains the attempt.
    const tries = kept.map((state) => JSON.parse(state).told[0]?.waiting?.attempts ?? null);
    expect(tries.join(" ").trim()).toBe("0 1");
  });

  it("work without the database and report that it is down", async () => {
    const { world, run, told, beginMs, clock } = startWorld();
    const away = async (): Promise<never> => {
      throw new RollcallError("STORE_UNAVAILABLE", "database: disk full");
    };
    world.put = away;
    world.read = away;
    world.database = { message: "database: disk full", sinceMs: beginMs };
    await run(20 * minute);
    expect(clock.nowMs - beginMs).toBeGreaterThanOrEqual(20 * minute);
    expect(told()).toEqual(["1 alert the database has accepted no writes for 62 s"]);
  });

  it("do not delay the end of the process when a receiver never answers", async () => {
    const { world, run, beginMs } = startWorld();
    world.failingSinceMs = beginMs;
    world.send = (_message, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    // Ends only if the call is aborted.
    await run(20 * minute);
  });
});

describe("the facts", () => {
  it("contain what the store knows, since when it accepts no writes, and the last jump of the clock", async () => {
    const clock = { nowMs: Date.UTC(2030, 0, 1), steadyMs: 0 };
    const store = await openSqliteStore(":memory:", { now: () => clock.nowMs });
    let isFull = false;
    const read = createFactsReader({
      store: {
        ...store,
        assertWritable: async () => {
          if (isFull) throw new RollcallError("STORE_UNAVAILABLE", "database: disk full");
        },
      },
      polledSources: ["corp"],
      targets: () => [{ name: "acme", guard: { percent: 5, atLeast: 3, atMost: 100, windowMs: 86_400_000 } }],
      now: () => clock.nowMs,
      steadyNow: () => clock.steadyMs,
    });
    await store.recordPoll("corp", {
      ok: false,
      atMs: clock.nowMs,
      errorCode: "SNAPSHOT_REFUSED",
      errorMessage: "few",
    });
    await store.putConnection({
      name: "acme",
      role: "target",
      type: "bitwarden",
      lastSuccessAtMs: clock.nowMs - 5,
      failingSinceMs: null,
      retryAtMs: null,
      errorCode: null,
      errorMessage: null,
    });
    await store.commit("acme", { charge: ["a", "b"] }, clock.nowMs);
    const first = await read();
    expect(first).toMatchObject({
      sources: [{ name: "corp", failingSinceMs: clock.nowMs, errorCode: "SNAPSHOT_REFUSED", errorMessage: "few" }],
      targets: [{ name: "acme", failingSinceMs: null, removalLimit: { allowed: 3, spent: 2, windowMs: 86_400_000 } }],
      database: null,
      clockStep: null,
      newestStoredMs: clock.nowMs,
    });
    const pass = (seconds: number): void => {
      clock.nowMs += seconds * 1000;
      clock.steadyMs += seconds * 1000;
    };
    isFull = true;
    pass(31);
    const sinceMs = clock.nowMs;
    expect((await read()).database).toEqual({ message: "database: disk full", sinceMs });
    pass(5);
    expect((await read()).database).toEqual({ message: "database: disk full", sinceMs });
    isFull = false;
    clock.nowMs -= 7_200_000;
    expect(await read()).toMatchObject({ database: null, clockStep: { byMs: -7_200_000, atMs: clock.nowMs } });
    await store.close();
    pass(5);
    // Nothing can be read: the last known facts stay, and the reason is added.
    expect(await read()).toMatchObject({ sources: first.sources, database: { message: expect.any(String) } });
  });
});
