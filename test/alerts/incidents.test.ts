import { describe, expect, it } from "vitest";
import type { Condition } from "../../src/alerts/conditions.ts";
import {
  type AlertState,
  advance,
  attempted,
  type ChannelRules,
  delivered,
  dueMessage,
  emptyState,
  failed,
  type IncidentRules,
  isGivenUp,
  parseState,
} from "../../src/alerts/incidents.ts";

const minute = 60_000;
const hour = 60 * minute;
const channel = (name: string, more: Partial<ChannelRules> = {}): ChannelRules => ({
  name,
  kinds: null,
  minSeverity: "warning",
  everyMs: 24 * hour,
  ...more,
});
const down = (sinceMs = 0): Condition => ({
  key: "target-failing:acme",
  kind: "target-failing",
  severity: "critical",
  subject: "acme",
  sinceMs,
  title: "target acme has been failing",
  text: "",
  size: 0,
  facts: {},
});
const held = (size: number): Condition => ({
  ...down(),
  key: "removals-held:acme",
  kind: "removals-held",
  severity: "warning",
  size,
});

let ids = 0;
const rulesWith = (rules: Partial<IncidentRules> = {}): IncidentRules => ({
  recoverAfterMs: 5 * minute,
  channels: [channel("ops")],
  newId: () => `id-${++ids}`,
  ...rules,
});
const restarted = (state: AlertState): AlertState => parseState(JSON.stringify(state)) ?? emptyState;
/** Delivers everything that is due in a channel and returns the titles. */
function sendAll(state: AlertState, nowMs: number, perHour = 20, name = "ops"): readonly [AlertState, string[]] {
  const sent: string[] = [];
  let rest = state;
  for (;;) {
    const due = dueMessage(rest, { name, perHour }, nowMs);
    if (due === null) return [rest, sent];
    sent.push(due.message.title);
    rest = delivered(attempted(rest, due.message.id, nowMs), name, due.message.id, nowMs);
  }
}

/** Runs the moments in order and returns the messages. At every second moment the state is read as after a restart. */
function play(
  moments: readonly (readonly [atMs: number, ...Condition[]])[],
  rules: Partial<IncidentRules> = {},
): readonly string[] {
  let state = emptyState;
  return moments.flatMap(([atMs, ...conditions], index) => {
    const before = index % 2 === 0 ? state : restarted(state);
    const known = new Set(before.told.map(({ message }) => message.id));
    const after = advance(before, conditions, rulesWith(rules), atMs);
    state = after;
    for (const { name } of rules.channels ?? [channel("ops")]) [state] = sendAll(state, atMs, 1000, name);
    return after.told
      .filter(({ message }) => !known.has(message.id))
      .map(({ channel: to, message: { event, kind } }) => `${atMs / minute} ${to} ${event} ${kind}`);
  });
}
const at = (minutes: number, ...conditions: Condition[]) => [minutes * minute, ...conditions] as const;

describe("an incident", () => {
  it("is told when it begins, once a day while it lasts, and when it ends", () => {
    expect(
      play([at(0, down()), at(1, down()), at(60, down()), at(1441, down()), at(1442), at(1446), at(1447), at(1500)]),
    ).toEqual(["0 ops alert target-failing", "1441 ops reminder target-failing", "1447 ops recovery target-failing"]);
  });

  it("stays one incident while the trouble returns within the quiet time", () => {
    const moments = Array.from({ length: 400 }, (_, index) => (index % 2 === 0 ? at(index, down()) : at(index)));
    expect(play([...moments, at(400), at(405)])).toEqual([
      "0 ops alert target-failing",
      // The trouble was last there in minute 398.
      "405 ops recovery target-failing",
    ]);
  });

  it("says at its end how long it lasted", () => {
    const there = advance(emptyState, [down(0)], rulesWith(), 15 * minute);
    const gone = advance(there, [], rulesWith(), 22 * minute);
    expect(gone.told[0]?.message.event).toBe("alert");
    expect(advance(gone, [], rulesWith(), 27 * minute).told[0]?.message).toMatchObject({
      event: "recovery",
      title: "target acme works again, after 22 min",
      facts: { lastedSeconds: 22 * 60 },
    });
  });

  it("is told again when it has doubled, and not for each single change", () => {
    const sizes = Array.from({ length: 100 }, (_, index) => at(index, held(index + 1)));
    expect(play(sizes)).toEqual([0, 1, 3, 7, 15, 31, 63].map((minutes) => `${minutes} ops alert removals-held`));
  });

  it("is told again when new changes are held after a decision, however few", () => {
    expect(play([at(0, held(10)), at(1, held(3)), at(2, held(5)), at(3, held(6)), at(4), at(5, held(1))])).toEqual([
      "0 ops alert removals-held",
      "3 ops alert removals-held",
      "5 ops alert removals-held",
    ]);
  });

  it("is told again when it becomes critical, and not when it becomes a warning", () => {
    const token = (severity: Condition["severity"]): Condition => ({ ...down(), kind: "token-expiring", severity });
    expect(play([at(0, token("warning")), at(1, token("critical")), at(2, token("warning"))])).toEqual([
      "0 ops alert token-expiring",
      "1 ops alert token-expiring",
    ]);
  });

  it("ends after the quiet time, however often it returned before", () => {
    const moments = Array.from({ length: 69 }, (_, minutes) =>
      minutes % 23 === 0 ? at(minutes, down()) : at(minutes),
    );
    expect(play(moments)).toEqual([
      "0 ops alert target-failing",
      "6 ops recovery target-failing",
      "23 ops alert target-failing",
      "29 ops recovery target-failing",
      "46 ops alert target-failing",
      "52 ops recovery target-failing",
    ]);
  });

  it("is told to the channels that want its kind and severity", () => {
    const channels = [
      channel("all"),
      channel("critical", { minSeverity: "critical" }),
      channel("held", { kinds: ["removals-held"], everyMs: hour }),
    ];
    expect(play([at(0, down(), held(1)), at(61, down(), held(1)), at(62), at(67)], { channels })).toEqual([
      "0 all alert target-failing",
      "0 all alert removals-held",
      "0 critical alert target-failing",
      "0 held alert removals-held",
      "61 held reminder removals-held",
      "67 all recovery target-failing",
      "67 all recovery removals-held",
      "67 critical recovery target-failing",
      "67 held recovery removals-held",
    ]);
  });

  it("is told to a new channel although it began earlier", () => {
    const state = advance(emptyState, [down()], rulesWith(), 0);
    const channels = [channel("ops"), channel("new")];
    const { told } = advance(state, [down()], rulesWith({ channels }), minute);
    expect(told.map((each) => [each.channel, each.message.atMs])).toEqual([
      ["ops", 0],
      ["new", minute],
    ]);
  });

  it("is still told and ended after the clock was set back by a year", () => {
    const year = 365 * 24 * 60;
    expect(play([at(year, down()), at(10, down()), at(11, down()), at(year), at(10), at(15)])).toEqual([
      `${year} ops alert target-failing`,
      "10 ops reminder target-failing",
      "15 ops recovery target-failing",
    ]);
  });
});

describe("messages that wait", () => {
  const about = (name: string): Condition => ({ ...down(), key: name, title: `about ${name}` });
  const waiting = (names: string, rules?: Partial<IncidentRules>): AlertState =>
    advance(emptyState, Array.from(names, about), rulesWith(rules), 0);
  const due = (state: AlertState, nowMs: number) => {
    const found = dueMessage(state, { name: "ops", perHour: 20 }, nowMs);
    if (found === null) throw new Error("nothing is due");
    return found;
  };

  it("are sent in order, each once, at most perHour in an hour, and each channel has its own limit", () => {
    const state = waiting("abcde", { channels: [channel("ops"), channel("mail")] });
    const [full, sent] = sendAll(state, 0, 3);
    expect(sent).toEqual(["about a", "about b", "about c"]);
    expect(full.sentAtMs).toEqual({ ops: [0, 0, 0] });
    expect(dueMessage(full, { name: "ops", perHour: 3 }, hour - 1)).toBeNull();
    expect(sendAll(full, hour - 1, 3, "mail")[1]).toEqual(["about a", "about b", "about c"]);
    expect(sendAll(full, hour, 3)[1]).toEqual(["about d", "about e"]);
  });

  it("are replaced by the latest message about the same trouble", () => {
    const rules = rulesWith({ recoverAfterMs: 0 });
    const ended = advance(waiting("a"), [], rules, minute);
    expect(ended.told.map(({ message }) => message.event)).toEqual(["recovery"]);
    const again = advance(ended, [about("a")], rules, 2 * minute);
    expect(again.told.map(({ message }) => `${message.event} ${message.sinceMs}`)).toEqual(["alert 0"]);
    expect(advance(waiting("a"), [], rulesWith({ channels: [] }), 0).told).toEqual([]);
  });

  it("are not lost or repeated when a newer one is written while they are sent", () => {
    const state = waiting("a");
    const { message } = due(state, 0);
    const newer = advance(attempted(state, message.id, 0), [{ ...about("a"), size: 5 }], rulesWith(), 1);
    expect(sendAll(delivered(newer, "ops", message.id, 2), 3)[1]).toEqual(["about a"]);
  });

  it("are retried with pauses from 10 s to 15 min under the same id, and given up after a day", () => {
    let state = waiting("a");
    const triedAtS: number[] = [];
    const used = new Set<string>();
    for (let nowMs = 0; state.told[0]?.waiting != null; nowMs += 1000) {
      const found = dueMessage(state, { name: "ops", perHour: 20 }, nowMs);
      if (found === null) continue;
      triedAtS.push(nowMs / 1000);
      used.add(found.message.id);
      expect(isGivenUp(found.message, nowMs)).toBe(nowMs >= 24 * hour);
      state = failed(attempted(state, found.message.id, nowMs), found.message, null, nowMs);
    }
    expect(triedAtS.slice(0, 9)).toEqual([0, 10, 30, 70, 150, 310, 630, 1270, 2170]);
    expect(triedAtS.at(-1)).toBeGreaterThanOrEqual(86_400);
    expect(triedAtS.at(-1)).toBeLessThan(86_400 + 900);
    expect(used.size).toBe(1);
  });

  it("obey Retry-After of a receiver up to one hour", () => {
    const state = waiting("a");
    const { message } = due(state, 0);
    const tried = attempted(state, message.id, 0);
    const nextAtMs = [120_000, 9 * hour, 1].map((ms) => failed(tried, message, ms, 0).told[0]?.waiting?.nextAtMs);
    expect(nextAtMs).toEqual([120_000, hour, 10_000]);
  });

  it("count an attempt before it is made, so that a crash while sending does not send forever", () => {
    const state = waiting("a");
    const after = restarted(attempted(state, due(state, 0).message.id, 0));
    expect(after.told).toMatchObject([{ waiting: { attempts: 1, nextAtMs: 10_000 } }]);
    expect(sendAll(after, 9_999)[1]).toEqual([]);
    expect(sendAll(after, 10_000)[1]).toEqual(["about a"]);
  });

  it("are sent although their time lies far in the future because the clock was set back", () => {
    const state = advance(emptyState, [about("a")], rulesWith(), 999 * hour);
    expect(sendAll(state, 0)[1]).toEqual(["about a"]);
  });

  it.each([
    "",
    "{",
    "[]",
    '{"version":2,"incidents":[],"outbox":{"waiting":[],"sentAtMs":{}}}',
    '{"version":3,"told":[{}],"sentAtMs":{}}',
  ])("are not read from a stored state of another form: %s", (text) => expect(parseState(text)).toBeNull());
});
