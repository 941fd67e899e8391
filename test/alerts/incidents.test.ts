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
const down = (version = "", sinceMs = 0): Condition => ({
  key: "target-failing:acme",
  kind: "target-failing",
  severity: "critical",
  subject: "acme",
  sinceMs,
  title: "target acme has been failing",
  text: "",
  version,
  facts: {},
});
const held: Condition = { ...down(), key: "removals-held:acme", kind: "removals-held", severity: "warning" };

/** Plays moments one after the other; every second one with the incidents as a restart reads them. Gives what was told when. */
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

describe("what is told of what goes on", () => {
  it("is told once, again after a day, and when it is over", () => {
    expect(
      play([at(0, down()), at(1, down()), at(60, down()), at(1441, down()), at(1442), at(1446), at(1447), at(1500)]),
    ).toEqual(["0 ops alert target-failing", "1441 ops reminder target-failing", "1447 ops recovery target-failing"]);
  });

  it("is one incident as long as it comes and goes", () => {
    const moments = Array.from({ length: 400 }, (_, index) => (index % 2 === 0 ? at(index, down()) : at(index)));
    expect(play([...moments, at(400), at(405)])).toEqual([
      "0 ops alert target-failing",
      // The last time it was there was minute 398.
      "405 ops recovery target-failing",
    ]);
  });

  it("says how long it lasted, from its beginning to its end", () => {
    const rules = { recoverAfterMs: 5 * minute, channels: [channel("ops")] };
    const there = advance([], [down("", 0)], rules, 15 * minute);
    const gone = advance(there.incidents, [], rules, 22 * minute);
    expect(gone.notices).toEqual([]);
    const [over] = advance(gone.incidents, [], rules, 27 * minute).notices;
    expect(over).toMatchObject({
      event: "recovery",
      title: "target acme works again, was failing for 22 min",
      facts: { lastedSeconds: 22 * 60 },
    });
  });

  it("takes longer to be over each time it comes again soon", () => {
    // There for a minute, gone for 22: at first over after 5 minutes, then after 10, 20, and then not any more.
    const moments = Array.from({ length: 24 * 60 }, (_, minutes) =>
      minutes % 23 === 0 ? at(minutes, down()) : at(minutes),
    );
    expect(play(moments).map((line) => line.split(" ops ")[1])).toEqual([
      "alert target-failing",
      "recovery target-failing",
      "alert target-failing",
      "recovery target-failing",
      "alert target-failing",
      "recovery target-failing",
      "alert target-failing",
    ]);
    // After six quiet hours it is new again.
    expect(
      play([
        at(0, down()),
        at(1),
        at(6),
        at(7, down()),
        at(8),
        at(13),
        at(18),
        at(379),
        at(380, down()),
        at(381),
        at(386),
      ]),
    ).toEqual([
      "0 ops alert target-failing",
      "6 ops recovery target-failing",
      "7 ops alert target-failing",
      "18 ops recovery target-failing",
      "380 ops alert target-failing",
      "386 ops recovery target-failing",
    ]);
  });

  it("is told again when it becomes another one, not more often than every 15 minutes", () => {
    const moments = Array.from({ length: 46 }, (_, index) => at(index, down(`digest ${index}`)));
    expect(play(moments)).toEqual([0, 15, 30, 45].map((minutes) => `${minutes} ops alert target-failing`));
  });

  it("goes to whom it concerns", () => {
    const channels = [
      channel("all"),
      channel("critical", { minSeverity: "critical" }),
      channel("held", { kinds: ["removals-held"], everyMs: hour }),
    ];
    expect(play([at(0, down(), held), at(61, down(), held), at(62), at(67)], { channels })).toEqual([
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

  it("tells a channel that is new what goes on already", () => {
    const rules = { recoverAfterMs: 0, channels: [channel("ops")] };
    const { incidents } = advance([], [down()], rules, 0);
    const { notices } = advance(incidents, [down()], { ...rules, channels: [channel("ops"), channel("new")] }, minute);
    expect(notices.map((notice) => notice.channel)).toEqual(["new"]);
  });

  it("does not fall silent for years when the clock jumps back", () => {
    const year = 365 * 24 * 60;
    expect(play([at(year, down()), at(10, down()), at(11, down()), at(year), at(10), at(15)])).toEqual([
      `${year} ops alert target-failing`,
      "10 ops reminder target-failing",
      "15 ops recovery target-failing",
    ]);
  });
});
