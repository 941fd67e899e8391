import { describe, expect, it } from "vitest";
import type { Condition } from "../../src/alerts/conditions.ts";
import { advance, type ChannelRules, type Incident, type IncidentRules } from "../../src/alerts/incidents.ts";

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

/** Runs the moments in order and returns the messages. At every second moment the incidents are read from JSON, as after a restart. */
function play(
  moments: readonly (readonly [atMs: number, ...Condition[]])[],
  rules: Partial<IncidentRules> = {},
): readonly string[] {
  let incidents: readonly Incident[] = [];
  return moments.flatMap(([atMs, ...conditions], index) => {
    const before = index % 2 === 0 ? incidents : (JSON.parse(JSON.stringify(incidents)) as Incident[]);
    const step = advance(
      before,
      conditions,
      { recoverAfterMs: 5 * minute, channels: [channel("ops")], ...rules },
      atMs,
    );
    incidents = step.incidents;
    return step.notices.map(({ channel: to, event, kind }) => `${atMs / minute} ${to} ${event} ${kind}`);
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
    const rules = { recoverAfterMs: 5 * minute, channels: [channel("ops")] };
    const there = advance([], [down(0)], rules, 15 * minute);
    const gone = advance(there.incidents, [], rules, 22 * minute);
    expect(gone.notices).toEqual([]);
    const [over] = advance(gone.incidents, [], rules, 27 * minute).notices;
    expect(over).toMatchObject({
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
      "0 critical alert target-failing",
      "0 all alert removals-held",
      "0 held alert removals-held",
      "61 held reminder removals-held",
      "67 all recovery target-failing",
      "67 critical recovery target-failing",
      "67 all recovery removals-held",
      "67 held recovery removals-held",
    ]);
  });

  it("is told to a new channel although it began earlier", () => {
    const rules = { recoverAfterMs: 0, channels: [channel("ops")] };
    const { incidents } = advance([], [down()], rules, 0);
    const { notices } = advance(incidents, [down()], { ...rules, channels: [channel("ops"), channel("new")] }, minute);
    expect(notices.map((notice) => notice.channel)).toEqual(["new"]);
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
