import { describe, expect, it } from "vitest";
import {
  type AlertFacts,
  type AlertLimits,
  type Condition,
  conditions,
  type TargetFacts,
} from "../../src/alerts/conditions.ts";
import { digestOf } from "../../src/domain/model/plan.ts";

const nowMs = Date.UTC(2030, 0, 15);
const minute = 60_000;
const day = 86_400_000;
const limits: AlertLimits = { failingForMs: 15 * minute, briefMs: minute, gatherMs: minute / 2 };

const quiet: AlertFacts = {
  sources: [],
  targets: [],
  tokens: [],
  database: null,
  clockStep: null,
  newestStoredMs: nowMs,
};
const health = { failingSinceMs: null, errorCode: null, errorMessage: null };
const target = (more: Partial<TargetFacts>): AlertFacts => ({
  ...quiet,
  targets: [
    {
      name: "acme",
      ...health,
      held: { keys: [], reasons: {}, sinceMs: null },
      removalLimit: { allowed: 10, spent: 0, windowMs: day },
      failures: [],
      ...more,
    },
  ],
});
const failing = (minutes: number, errorCode: string) => ({
  failingSinceMs: nowMs - minutes * minute,
  errorCode,
  errorMessage: `acme: it said 502 about ada.lovelace+x@example.com, twice`,
});
const source = (minutes: number, errorCode: string): AlertFacts => ({
  ...quiet,
  sources: [{ name: "corp", ...failing(minutes, errorCode) }],
});
const held = (count: number, seconds: number) => ({
  held: {
    keys: Array.from({ length: count }, (_, index) => `access:${index}`),
    reasons: { budget: count },
    sinceMs: count === 0 ? null : nowMs - seconds * 1000,
  },
});
const refused = (count: number, code = "TARGET_REFUSED") => ({
  failures: Array.from({ length: count }, (_, index) => ({ entityId: `id-${index}`, code })),
});
const used = (spent: number, allowed: number) => ({ removalLimit: { allowed, spent, windowMs: day } });
const token = (days: number, label = ""): AlertFacts => ({
  ...quiet,
  tokens: [{ source: "okta", label, expiresAtMs: nowMs + days * day }],
});
const clockStep = (seconds: number, minutesAgo: number): AlertFacts => ({
  ...quiet,
  clockStep: { byMs: seconds * 1000, atMs: nowMs - minutesAgo * minute },
});

describe("the conditions for alerts", () => {
  it.each<readonly [string, AlertFacts, readonly string[]]>([
    ["nothing when all is well", quiet, []],
    ["a target that has failed for 14 minutes", target(failing(14, "TARGET_UNREACHABLE")), []],
    [
      "a target that has failed for 15",
      target(failing(15, "TARGET_UNREACHABLE")),
      ["target-failing:acme critical: target acme has been failing for 15 min"],
    ],
    [
      "rejected credentials for a minute, which replace the failing target",
      target(failing(1, "TARGET_REFUSED_CREDENTIALS")),
      ["credential-rejected:acme critical: target acme rejects its credentials"],
    ],
    [
      "rejected credentials for 10 hours",
      target(failing(600, "TARGET_REFUSED_CREDENTIALS")),
      ["credential-rejected:acme critical: target acme rejects its credentials"],
    ],
    ["rejected credentials for less than a minute", target(failing(0.9, "TARGET_REFUSED_CREDENTIALS")), []],
    ["a source that fails for 14 minutes", source(14, "SOURCE_UNAVAILABLE"), []],
    [
      "a source that fails for 3 hours",
      source(180, "SOURCE_UNAVAILABLE"),
      ["source-failing:corp critical: source corp could not be read for 3 h"],
    ],
    [
      "a refused snapshot",
      source(1, "SNAPSHOT_REFUSED"),
      [
        "snapshot-refused:corp critical: source corp shows far fewer people than before, or far more enabled ones, and was refused",
      ],
    ],
    ["removals held for 29 s", target(held(7, 29)), []],
    ["removals held for 30 s", target(held(7, 30)), ["removals-held:acme warning: 7 removals are held in acme"]],
    ["one removal held", target(held(1, 3600)), ["removals-held:acme warning: 1 removal is held in acme"]],
    ["people whose calls fail temporarily", target(refused(9, "TARGET_UNREACHABLE")), []],
    ["people refused", target(refused(3)), ["people-refused:acme warning: acme refuses 3 people or groups"]],
    ["a removal limit of which 7 of 10 are used", target(used(7, 10)), []],
    [
      "a removal limit of which 8 of 10 are used",
      target(used(8, 10)),
      ["budget-nearly-spent:acme warning: 8 of 10 removals that acme allows in 24 h are used"],
    ],
    ["a removal limit of 0", target(used(0, 0)), []],
    ["a token that expires in 15 days", token(15), []],
    [
      "a token that expires in 13 days",
      token(13, "production"),
      ["token-expiring:okta warning: the SCIM token of okta (production) expires in 13 days"],
    ],
    ["an expired token", token(-1), ["token-expiring:okta critical: the SCIM token of okta has expired"]],
    ["a token that never expires", { ...quiet, tokens: [{ source: "okta", label: "", expiresAtMs: null }] }, []],
    [
      "a database without writes for 59 s",
      { ...quiet, database: { message: "disk full", sinceMs: nowMs - 59_000 } },
      [],
    ],
    [
      "a database without writes for 60 s",
      { ...quiet, database: { message: "disk full", sinceMs: nowMs - 60_000 } },
      ["database critical: the database has accepted no writes for 60 s"],
    ],
    ["a small step of the clock", clockStep(-30, 1), []],
    ["a clock set back", clockStep(-7200, 1), ["clock critical: the clock was set back by 2 h"]],
    ["a clock set forward", clockStep(7200, 59), ["clock critical: the clock was set forward by 2 h"]],
    ["a clock set an hour ago", clockStep(7200, 61), []],
    [
      "a stored time in the future",
      { ...quiet, newestStoredMs: nowMs + 3 * day },
      ["clock critical: the clock is 3 days behind the newest stored time"],
    ],
    [
      "several troubles, those of the whole installation first",
      {
        ...target({ ...failing(20, "TARGET_UNREACHABLE"), ...held(2, 60), ...refused(1), ...used(10, 10) }),
        database: { message: "disk full", sinceMs: nowMs - day },
      },
      [
        "database critical: the database has accepted no writes for 24 h",
        "target-failing:acme critical: target acme has been failing for 20 min",
        "removals-held:acme warning: 2 removals are held in acme",
        "people-refused:acme warning: acme refuses 1 person or group",
        "budget-nearly-spent:acme warning: 10 of 10 removals that acme allows in 24 h are used",
      ],
    ],
  ])("report %s", (_, facts, expected) => {
    const found = conditions(facts, limits, nowMs);
    expect(found.map(print)).toEqual(expected);
    // The same facts give the same result.
    expect(conditions(facts, limits, nowMs)).toEqual(found);
  });

  it.each([
    ["target-failing:acme", target(failing(0.1, "TARGET_UNREACHABLE"))],
    ["credential-rejected:acme", target(failing(0.1, "TARGET_REFUSED_CREDENTIALS"))],
    ["source-failing:corp", source(0.1, "SOURCE_UNAVAILABLE")],
    ["snapshot-refused:corp", source(0.1, "SNAPSHOT_REFUSED")],
    ["database", { ...quiet, database: { message: "disk full", sinceMs: nowMs - 6000 } }],
  ])("need no minimum time while their incident is open: %s", (key, facts) => {
    expect(conditions(facts, limits, nowMs)).toEqual([]);
    expect(conditions(facts, limits, nowMs, new Set([key])).map((each) => each.key)).toEqual([key]);
  });

  it("of held removals say how to approve and to dismiss them, and how many they are", () => {
    const [seven, eight] = [7, 8].map((count) => conditions(target(held(count, 60)), limits, nowMs)[0]);
    const digest = digestOf(held(7, 0).held.keys) ?? "";
    expect(seven?.text).toContain(`rollcall approve acme ${digest}`);
    expect(seven?.text).toContain(`rollcall dismiss acme ${digest}`);
    expect(seven?.facts).toEqual({ count: 7, restored: 0, digest, allowed: 10, spent: 0 });
    expect(seven?.key).toBe(eight?.key);
    expect([seven?.size, eight?.size]).toEqual([7, 8]);
  });

  it.each([
    [
      { budget: 7 },
      "7 removals are held in acme",
      "7 removals exceed the limit of 10 in 24 h. They wait for a decision.",
    ],
    [
      { restored: 7 },
      "7 changes are held in acme",
      "7 changes come only from the restored backup. They wait for a decision.",
    ],
    [
      { scope: 7 },
      "7 removals are held in acme",
      "7 people would lose access because no group matches users.groups of this target. They wait for a decision.",
    ],
    [
      { budget: 6, restored: 1 },
      "7 changes are held in acme",
      "6 removals exceed the limit of 10 in 24 h. 1 change comes only from the restored backup. They wait for a decision.",
    ],
    [
      { returning: 6, "handed-on": 1 },
      "7 changes are held in acme",
      "6 people would get back access that ended some time ago, more than usual. 1 person has an address that belonged to somebody who left. They wait for a decision.",
    ],
  ])("say why changes are held: %j", (reasons, title, text) => {
    const [told] = conditions(target({ held: { ...held(7, 60).held, reasons } }), limits, nowMs);
    expect(told?.title).toBe(title);
    expect(told?.text.slice(0, text.length)).toBe(text);
  });

  it("contain no e-mail address", () => {
    const all = [
      source(60, "SOURCE_UNAVAILABLE"),
      source(60, "SNAPSHOT_REFUSED"),
      target(failing(60, "TARGET_UNREACHABLE")),
      target(failing(60, "TARGET_REFUSED_CREDENTIALS")),
      { ...quiet, database: { message: "no room for ada@example.com", sinceMs: nowMs - day } },
    ].flatMap((facts) => conditions(facts, limits, nowMs));
    expect(all).toHaveLength(5);
    expect(JSON.stringify(all)).not.toMatch(/example\.com|lovelace/);
    expect(all[2]?.text).toContain("it said 502 about …, twice");
  });
});

const print = ({ key, severity, title }: Condition): string =>
  `${key.split(":").slice(0, 2).join(":")} ${severity}: ${title}`;
