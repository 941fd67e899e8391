import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyGuards } from "../../src/domain/decide/apply-guards.ts";
import type { ComparedGroup, ComparedUser, Diff, MembershipChange } from "../../src/domain/decide/comparison.ts";
import type { GuardContext } from "../../src/domain/decide/guards/guard.ts";
import { guards } from "../../src/domain/decide/guards/index.ts";
import { removalLimitOf } from "../../src/domain/decide/guards/removal-limit.ts";
import { compact } from "../../src/domain/decide/membership-calls.ts";
import { type Change, digestOf } from "../../src/domain/model/plan.ts";
import { dayMs, keysOf, lenient, member, nowMs, person, team } from "./model.ts";

describe("budgetOf", () => {
  it.each([
    // people, percent, atLeast, atMost, allowed
    [100, 5, 3, 100, 5],
    [119, 5, 3, 100, 5],
    [120, 5, 3, 100, 6],
    [59, 5, 0, 100, 2],
    [10, 5, 3, 100, 3],
    [0, 5, 3, 100, 3],
    [50_000, 5, 3, 100, 100],
    [10, 0, 0, 100, 0],
    [10, 100, 0, 100, 10],
    [10, 100, 0, 0, 0],
    [10, 5, 9, 4, 4],
    [1040, 5, 3, 100, 52],
  ])("%i people, %i %%, at least %i, at most %i: %i", (people, percent, atLeast, atMost, allowed) => {
    const input = { peopleWithAccess: people - 1, charged: new Set(["one"]), restored: null, nowMs };
    expect(removalLimitOf(input, { percent, atLeast, atMost, windowMs: dayMs })).toEqual({ allowed, spent: 1 });
  });
});

const user = (id: string): ComparedUser => ({
  ...{ user: person(id), link: null, groupIds: [], emailOwnerId: id },
  desired: { state: "active" },
  account: member(`r-${id}`),
  note: null,
  deferredUntilMs: null,
  hasManagedMemberships: true,
});
const group = (id: string): ComparedGroup => ({
  group: team(id),
  link: null,
  observed: { remoteId: `r-${id}`, name: id, externalId: `x-${id}` },
  note: null,
  isManaged: true,
});
const pair = (kind: MembershipChange["kind"], groupId: string, userId: string): MembershipChange => ({
  kind,
  member: user(userId),
  group: group(groupId),
});
const on = (id: string) => ({ userId: id, email: `${id}@example.com`, remoteId: `r-${id}` });
const suspend = (id: string): Change => ({ op: "suspend", ...on(id) });
const removeGroup = (id: string, memberCount: number): Change => ({
  op: "removeGroup",
  groupId: id,
  name: id,
  remoteId: `r-${id}`,
  memberCount,
});
const invite = (id: string): Change => ({
  op: "invite",
  userId: id,
  email: `${id}@example.com`,
  externalId: `x-${id}`,
});

interface Case extends Partial<Omit<GuardContext, "diff" | "policy">> {
  readonly changes?: readonly Change[];
  readonly pairs?: readonly MembershipChange[];
  readonly losersOfGroup?: ReadonlyMap<string, readonly string[]>;
  readonly allowed?: number;
  readonly maxSeats?: number | null;
}

function guarded({ changes = [], pairs = [], losersOfGroup = new Map(), allowed = 2, maxSeats = null, ...more }: Case) {
  const diff: Diff = {
    users: [],
    groups: [],
    changes,
    memberships: pairs,
    membersOfRemovedGroups: losersOfGroup,
    skipped: [],
  };
  const removalLimit = { percent: 0, atLeast: allowed, atMost: allowed, windowMs: dayMs };
  return applyGuards(guards, {
    diff,
    policy: { ...lenient, maxSeats, removalLimit },
    nowMs,
    peopleWithAccess: 100,
    charged: new Set(),
    returned: new Set<string>(),
    suspendedInWindow: new Set<string>(),
    approved: new Set(),
    dismissed: new Set(),
    seatsTaken: null,
    restored: null,
    ...more,
  });
}

const held = (result: ReturnType<typeof guarded>) => result.heldItems.map((item) => item.key);

describe("the guard", () => {
  it("lets the first pass as far as the budget reaches, and holds the rest under a digest", () => {
    const result = guarded({ changes: ["a", "b", "c", "d"].map(suspend) });
    expect(keysOf(result.plan.changes)).toEqual(["access:a", "access:b"]);
    expect(result.plan.held).toEqual([
      { change: suspend("c"), reason: "budget", isDismissed: false },
      { change: suspend("d"), reason: "budget", isDismissed: false },
    ]);
    expect(result.entries.charge).toEqual(["a", "b"]);
    expect(result.removalLimit).toEqual({ allowed: 2, spent: 0 });
    expect(result.plan.heldDigest).toBe(digestOf(["access:d", "access:c"]));
  });

  it("counts what was charged in the window, and asks for a person once", () => {
    const result = guarded({ changes: [suspend("a"), suspend("b"), suspend("c")], charged: new Set(["z", "b"]) });
    expect(keysOf(result.plan.changes)).toEqual(["access:b"]);
    expect(result.entries.charge).toEqual([]);
    expect(held(result)).toEqual(["access:a", "access:c"]);
  });

  it("takes a person's groups for one loss", () => {
    const result = guarded({
      allowed: 1,
      pairs: [pair("remove", "eng", "a"), pair("remove", "ops", "a"), pair("remove", "eng", "b")],
    });
    expect(keysOf(result.plan.changes)).toEqual(["member:eng:a", "member:ops:a"]);
    expect(result.entries.charge).toEqual(["a"]);
    expect(held(result)).toEqual(["member:eng:b"]);
  });

  it("spends on people before memberships, on memberships before groups", () => {
    const result = guarded({
      allowed: 2,
      changes: [removeGroup("old", 1), suspend("a")],
      pairs: [pair("remove", "eng", "b")],
      losersOfGroup: new Map([["old", ["c"]]]),
    });
    expect(keysOf(result.plan.changes)).toEqual(["access:a", "member:eng:b"]);
    expect(held(result)).toEqual(["group:old"]);
  });

  it("lets a group cost its members, whole or not at all, less who paid already", () => {
    const losersOfGroup = new Map([["old", ["a", "b", "remote:x"]]]);
    expect(held(guarded({ allowed: 2, changes: [removeGroup("old", 3)], losersOfGroup }))).toEqual(["group:old"]);
    expect(guarded({ allowed: 3, changes: [removeGroup("old", 3)], losersOfGroup }).entries.charge).toEqual([
      "a",
      "b",
      "remote:x",
    ]);
    const paid = guarded({ allowed: 3, changes: [suspend("a"), removeGroup("old", 3)], losersOfGroup });
    expect(paid.entries.charge).toEqual(["a", "b", "remote:x"]);
    expect(paid.plan.held).toEqual([]);
    expect(
      guarded({ allowed: 0, changes: [removeGroup("empty", 0)], losersOfGroup: new Map([["empty", []]]) }).plan.held,
    ).toEqual([]);
  });

  it("lets a small one pass after a big one had to wait", () => {
    const losersOfGroup = new Map([
      ["big", ["a", "b", "c"]],
      ["small", ["d"]],
    ]);
    const result = guarded({ allowed: 2, changes: [removeGroup("big", 3), removeGroup("small", 1)], losersOfGroup });
    expect(keysOf(result.plan.changes)).toEqual(["group:small"]);
    expect(held(result)).toEqual(["group:big"]);
  });

  it("lets what was approved pass at no cost", () => {
    const approved = new Set(["access:c", "member:eng:d", "group:old"]);
    const result = guarded({
      allowed: 1,
      approved,
      changes: [suspend("a"), suspend("b"), suspend("c"), removeGroup("old", 2)],
      pairs: [pair("remove", "eng", "d")],
      losersOfGroup: new Map([["old", ["e", "f"]]]),
    });
    expect(keysOf(result.plan.changes)).toEqual(["access:a", "access:c", "group:old", "member:eng:d"]);
    expect(result.entries.charge).toEqual(["a"]);
    expect(held(result)).toEqual(["access:b"]);
  });

  it("has what was dismissed wait, whatever the budget and whoever paid already", () => {
    const result = guarded({
      allowed: 100,
      charged: new Set(["a"]),
      dismissed: new Set(["access:a", "member:eng:d", "group:old", "access:gone"]),
      changes: [suspend("a"), suspend("b"), removeGroup("old", 1), removeGroup("new", 1)],
      pairs: [pair("remove", "eng", "d"), pair("remove", "eng", "e")],
      losersOfGroup: new Map([
        ["old", ["f"]],
        ["new", ["g"]],
      ]),
    });
    expect(keysOf(result.plan.changes)).toEqual(["access:b", "group:new", "member:eng:e"]);
    expect([...held(result)].sort()).toEqual(["access:a", "group:old", "member:eng:d"]);
    expect(result.heldItems.every(({ isDismissed }) => isDismissed)).toBe(true);
    expect([...result.entries.charge].sort()).toEqual(["b", "e", "g"]);
    expect(result.entries.renew).toEqual([]);
  });

  it("shows what was dismissed beside what is undecided, each under a digest of its own", () => {
    const result = guarded({
      allowed: 0,
      dismissed: new Set(["member:eng:a", "access:c"]),
      changes: [suspend("b"), suspend("c")],
      pairs: [pair("remove", "eng", "a"), pair("remove", "eng", "d")],
    });
    expect(result.plan.held.map(({ change, isDismissed }) => [...keysOf([change]), isDismissed])).toEqual([
      ["access:b", false],
      ["member:eng:d", false],
      ["access:c", true],
      ["member:eng:a", true],
    ]);
    expect(result.plan).toMatchObject({
      heldDigest: digestOf(held(result)),
      undecidedDigest: digestOf(["access:b", "member:eng:d"]),
      dismissedDigest: digestOf(["access:c", "member:eng:a"]),
    });
  });

  it("never holds what takes nothing away", () => {
    const result = guarded({
      allowed: 0,
      changes: [invite("a"), { op: "adopt", externalId: "x", ...on("b") }],
      pairs: [pair("add", "eng", "b")],
    });
    expect(result.plan.changes).toHaveLength(3);
    expect(result.entries.charge).toEqual([]);
    expect(result.plan.heldDigest).toBeNull();
  });

  it("shows held memberships by group, one item for each", () => {
    const result = guarded({
      allowed: 0,
      pairs: [pair("remove", "eng", "a"), pair("remove", "ops", "a"), pair("remove", "eng", "b")],
    });
    expect(result.plan.held.map(({ change }) => keysOf([change]))).toEqual([
      ["member:eng:a", "member:eng:b"],
      ["member:ops:a"],
    ]);
    expect(held(result)).toEqual(["member:eng:a", "member:ops:a", "member:eng:b"]);
  });

  it("puts what takes access away first, and memberships after both their ends", () => {
    const changes: Change[] = [
      removeGroup("old", 0),
      invite("i"),
      { op: "reinvite", ...on("r") },
      { op: "createGroup", groupId: "g", name: "g", externalId: "x" },
      { op: "restore", ...on("r") },
      { op: "adopt", externalId: "x", ...on("d") },
      suspend("s"),
    ];
    const { plan } = guarded({ changes, pairs: [pair("add", "g", "i")] });
    expect(plan.changes.map((change) => change.op)).toEqual([
      "suspend",
      "createGroup",
      "adopt",
      "restore",
      "reinvite",
      "invite",
      "setGroups",
      "removeGroup",
    ]);
  });
});

describe("seats", () => {
  const restore = (id: string): Change => ({ op: "restore", ...on(id) });

  it.each([
    // max, taken, passing
    [null, null, 3],
    [10, 8, 2],
    [10, 7, 3],
    [10, 10, 0],
    [10, 15, 0],
    [10, null, 0],
  ])("%j of them, %j taken: %i pass", (maxSeats, seatsTaken, passing) => {
    const result = guarded({ changes: [invite("a"), restore("b"), invite("c")], maxSeats, seatsTaken });
    expect(result.plan.changes).toHaveLength(passing);
    expect(result.plan.held.every(({ reason }) => reason === "seats")).toBe(true);
    expect(result.plan.held).toHaveLength(3 - passing);
    expect(result.plan.heldDigest).toBeNull();
  });

  it("keep back what goes with a person who waits, and nobody else's", () => {
    const result = guarded({
      changes: [restore("b"), { op: "reinvite", ...on("b") }, { op: "reinvite", ...on("z") }],
      pairs: [pair("add", "eng", "b"), pair("add", "eng", "z")],
      maxSeats: 1,
      seatsTaken: 1,
    });
    expect(result.plan.changes).toEqual([
      { op: "reinvite", ...on("z") },
      expect.objectContaining({ op: "setGroups", userId: "z" }),
    ]);
    expect(held(result)).toEqual(["seat:b"]);
  });
});

/** Every pair of some calls, as text. */
const told = (changes: readonly Change[]): readonly string[] =>
  changes
    .flatMap((change) => {
      if (change.op === "setMembers")
        return [
          ...change.add.map((each) => `+${change.groupId} ${each.userId}`),
          ...change.remove.map((each) => `-${change.groupId} ${each.userId}`),
        ];
      if (change.op === "setGroups")
        return [
          ...change.add.map((each) => `+${each.groupId} ${change.userId}`),
          ...change.remove.map((each) => `-${each.groupId} ${change.userId}`),
        ];
      return [];
    })
    .sort();

describe("compact", () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

  it("makes one call of one person in ten groups, and of ten people in one group", () => {
    expect(compact(numbers(10).map((id) => pair("add", id, "a")))).toMatchObject([{ op: "setGroups", userId: "a" }]);
    expect(compact(numbers(10).map((id) => pair(Number(id) % 2 ? "add" : "remove", "eng", id)))).toMatchObject([
      { op: "setMembers", groupId: "eng" },
    ]);
    expect(compact([])).toEqual([]);
  });

  it("fills small teams and company-wide groups group by group: 30 calls, not one for each of 200 people", () => {
    const pairs = numbers(200).flatMap((id) => [
      pair("add", `team${Number(id) % 20}`, id),
      ...numbers(10).map((wide) => pair("add", `wide${wide}`, id)),
    ]);
    expect(compact(pairs)).toHaveLength(30);
  });

  it("says each pair once, and with no more calls than the fewest times the logarithm of the largest", () => {
    const edge = fc.record({ group: fc.nat(4), user: fc.nat(4), isAdd: fc.boolean() });
    fc.assert(
      fc.property(fc.uniqueArray(edge, { selector: (each) => `${each.group} ${each.user}`, minLength: 1 }), (edges) => {
        const calls = compact(
          edges.map((each) => pair(each.isAdd ? "add" : "remove", `g${each.group}`, `u${each.user}`)),
        );
        expect(told(calls)).toEqual(
          edges.map((each) => `${each.isAdd ? "+" : "-"}g${each.group} u${each.user}`).sort(),
        );
        // The fewest, by trying every set of people and groups: who covers all pairs.
        const bits = (set: number) => set.toString(2).replaceAll("0", "").length;
        const fewest = numbers(1 << 10)
          .map(Number)
          .filter((set) => edges.every((each) => set & (1 << each.group) || set & (1 << (5 + each.user))))
          .reduce((least, set) => Math.min(least, bits(set)), 10);
        const largest = Math.max(
          ...edges.flatMap(({ group: at, user: who }) => [
            edges.filter((each) => each.group === at).length,
            edges.filter((each) => each.user === who).length,
          ]),
        );
        const harmonic = Array.from({ length: largest }, (_, index) => 1 / (index + 1)).reduce(
          (sum, each) => sum + each,
          0,
        );
        expect(calls.length).toBeLessThanOrEqual(fewest * harmonic + 1e-9);
      }),
      { numRuns: 150 },
    );
  });

  it("copes with 50,000 people in one group and 100,000 pairs", () => {
    const one = group("everyone");
    const teams = numbers(300).map(group);
    const pairs = numbers(50_000).flatMap((id): MembershipChange[] => {
      const who = user(id);
      return [
        { kind: "add", member: who, group: one },
        { kind: "add", member: who, group: teams[Number(id) % 300] ?? one },
      ];
    });
    const startedMs = performance.now();
    expect(compact(pairs)).toHaveLength(301);
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });
});

describe("the guard after a restore", () => {
  const restored = {
    atMs: 0,
    isReviewed: false,
    staleUserIds: new Set(["old", "seen"]),
    staleGroupIds: new Set(["gone"]),
    memberships: new Set(["eng:old", "ops:old"]),
  };
  const restore = (id: string): Change => ({
    op: "restore",
    userId: id,
    email: `${id}@example.com`,
    remoteId: `r-${id}`,
  });

  it("holds all that only the copy asks for, taking and giving, and lets pass what a source has told since", () => {
    const result = guarded({
      restored,
      allowed: 10,
      charged: new Set(["old"]),
      changes: [
        suspend("old"),
        suspend("told"),
        invite("seen"),
        invite("new"),
        restore("told2"),
        removeGroup("gone", 0),
      ],
      pairs: [
        pair("add", "eng", "old"),
        pair("remove", "new", "old"),
        pair("add", "new", "old"),
        pair("remove", "ops", "old"),
      ],
    });
    // Who was charged costs no more, but has perhaps been given it back meanwhile: held all the same.
    expect([...held(result)].sort()).toEqual([
      "access:old",
      "group:gone",
      "invite:seen",
      "join:eng:old",
      "member:new:old",
    ]);
    expect(result.heldItems.every(({ reason }) => reason === "restored")).toBe(true);
    expect(result.plan.held.every(({ reason }) => reason === "restored")).toBe(true);
    expect([...keysOf(result.plan.changes)].sort()).toEqual(["access:told", "member:ops:old"]);
    expect(result.plan.changes.map(({ op }) => op)).toEqual(expect.arrayContaining(["invite", "restore"]));
    expect(result.plan.heldDigest).toBe(digestOf(held(result)));
  });

  it("does not put somebody into a group whose invitation it holds", () => {
    const result = guarded({ restored, changes: [invite("seen")], pairs: [pair("add", "new", "seen")] });
    expect(result.plan.changes).toEqual([]);
    expect(held(result)).toEqual(["invite:seen"]);
  });

  it("lets what was approved of it pass, and only that", () => {
    const result = guarded({
      restored,
      approved: new Set(["invite:old", "join:ops:old", "access:seen"]),
      changes: [invite("old"), suspend("seen")],
      pairs: [pair("add", "ops", "old"), pair("add", "eng", "old")],
    });
    expect(keysOf(result.plan.changes)).toEqual(["access:seen"]);
    expect(result.plan.changes.map(({ op }) => op)).toEqual(["suspend", "invite", "setGroups"]);
    expect(held(result)).toEqual(["join:eng:old"]);
  });

  it.each([
    ["while it lasts", restored],
    ["once others were approved", { ...restored, isReviewed: true }],
  ])("has what was dismissed of it wait %s", (_when, state) => {
    const result = guarded({
      restored: state,
      allowed: 10,
      dismissed: new Set(["invite:seen", "join:eng:old", "access:old"]),
      changes: [invite("seen"), invite("new"), suspend("old")],
      pairs: [pair("add", "eng", "old"), pair("add", "new", "seen"), pair("add", "new", "new")],
    });
    expect([...held(result)].sort()).toEqual(["access:old", "invite:seen", "join:eng:old"]);
    expect(result.plan.changes.map(({ op }) => op)).toEqual(["invite", "setGroups"]);
  });

  it("takes a no to the copy for no answer to a source that tells of somebody anew", () => {
    const result = guarded({
      restored: { ...restored, staleUserIds: new Set(["old"]) },
      allowed: 10,
      dismissed: new Set(["invite:seen"]),
      changes: [invite("seen")],
    });
    expect(held(result)).toEqual([]);
    expect(result.plan.changes).toEqual([invite("seen")]);
  });

  it("lets it all pass once somebody has approved it", () => {
    const approved = new Set(["access:old"]);
    const result = guarded({
      restored: { ...restored, atMs: nowMs, isReviewed: true },
      approved,
      changes: [suspend("old"), suspend("told"), invite("seen")],
    });
    expect(keysOf(result.plan.changes)).toEqual(["access:old"]);
    expect(result.plan.changes).toContainEqual(invite("seen"));
    expect(result.heldItems).toMatchObject([{ key: "access:told", reason: "budget" }]);
  });
});
