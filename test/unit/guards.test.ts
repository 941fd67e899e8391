import { describe, expect, it } from "vitest";
import { applyGuards } from "../../src/domain/decide/apply-guards.ts";
import type { Diff, MembershipChange } from "../../src/domain/decide/comparison.ts";
import type { GuardContext } from "../../src/domain/decide/guards/guard.ts";
import { guards } from "../../src/domain/decide/guards/index.ts";
import { removalLimitOf } from "../../src/domain/decide/guards/removal-limit.ts";
import { type Change, digestOf } from "../../src/domain/model/plan.ts";
import { dayMs, lenient } from "../support/policy.ts";
import { keysOf, membership, nowMs } from "./model.ts";

describe("the removal limit", () => {
  it.each([
    { people: 100, percent: 5, atLeast: 3, atMost: 100, allowed: 5 },
    { people: 119, percent: 5, atLeast: 3, atMost: 100, allowed: 5 },
    { people: 120, percent: 5, atLeast: 3, atMost: 100, allowed: 6 },
    { people: 59, percent: 5, atLeast: 0, atMost: 100, allowed: 2 },
    { people: 10, percent: 5, atLeast: 3, atMost: 100, allowed: 3 },
    { people: 1, percent: 5, atLeast: 3, atMost: 100, allowed: 3 },
    { people: 50_000, percent: 5, atLeast: 3, atMost: 100, allowed: 100 },
    { people: 10, percent: 0, atLeast: 0, atMost: 100, allowed: 0 },
    { people: 10, percent: 100, atLeast: 0, atMost: 100, allowed: 10 },
    { people: 10, percent: 100, atLeast: 0, atMost: 0, allowed: 0 },
    { people: 10, percent: 5, atLeast: 9, atMost: 4, allowed: 4 },
    { people: 1040, percent: 5, atLeast: 3, atMost: 100, allowed: 52 },
  ])(
    "of $people people is $percent %, at least $atLeast, at most $atMost: $allowed",
    ({ people, allowed, ...limits }) => {
      // One of them has lost access within the window already.
      const input = { peopleWithAccess: people - 1, charged: new Set(["one"]), restored: null, nowMs };
      expect(removalLimitOf(input, { ...limits, windowMs: dayMs })).toEqual({ allowed, spent: 1 });
    },
  );

  it("is 0 for one window after a restore", () => {
    const limit = { percent: 5, atLeast: 3, atMost: 100, windowMs: dayMs };
    const allowedAfter = (ms: number) => {
      const input = { peopleWithAccess: 100, charged: new Set<string>(), restored: { atMs: nowMs - ms }, nowMs };
      return removalLimitOf(input, limit).allowed;
    };
    expect([allowedAfter(0), allowedAfter(dayMs - 1), allowedAfter(dayMs)]).toEqual([0, 0, 5]);
  });
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
  readonly memberships?: readonly MembershipChange[];
  readonly membersOfRemovedGroups?: ReadonlyMap<string, readonly string[]>;
  readonly allowed?: number;
  readonly maxSeats?: number | null;
}

function guarded({
  changes = [],
  memberships = [],
  membersOfRemovedGroups = new Map(),
  allowed = 2,
  maxSeats = null,
  ...more
}: Case) {
  const diff: Diff = {
    users: [],
    groups: [],
    changes,
    memberships,
    membersOfRemovedGroups,
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

describe("the guards", () => {
  it("let removals pass up to the limit, and hold the others under a digest", () => {
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

  it("count each user once per window", () => {
    const result = guarded({ changes: [suspend("a"), suspend("b"), suspend("c")], charged: new Set(["z", "b"]) });
    expect(keysOf(result.plan.changes)).toEqual(["access:b"]);
    expect(result.entries.charge).toEqual([]);
    expect(held(result)).toEqual(["access:a", "access:c"]);
  });

  it("count several groups of one user as one loss", () => {
    const result = guarded({
      allowed: 1,
      memberships: [
        membership("remove", "eng", "a"),
        membership("remove", "ops", "a"),
        membership("remove", "eng", "b"),
      ],
    });
    expect(keysOf(result.plan.changes)).toEqual(["member:eng:a", "member:ops:a"]);
    expect(result.entries.charge).toEqual(["a"]);
    expect(held(result)).toEqual(["member:eng:b"]);
  });

  it("spend the limit on accounts first, then memberships, then groups", () => {
    const result = guarded({
      allowed: 2,
      changes: [removeGroup("old", 1), suspend("a")],
      memberships: [membership("remove", "eng", "b")],
      membersOfRemovedGroups: new Map([["old", ["c"]]]),
    });
    expect(keysOf(result.plan.changes)).toEqual(["access:a", "member:eng:b"]);
    expect(held(result)).toEqual(["group:old"]);
  });

  it("charge a group for all its members, except those already charged, or hold it whole", () => {
    const membersOfRemovedGroups = new Map([["old", ["a", "b", "remote:x"]]]);
    expect(held(guarded({ allowed: 2, changes: [removeGroup("old", 3)], membersOfRemovedGroups }))).toEqual([
      "group:old",
    ]);
    expect(guarded({ allowed: 3, changes: [removeGroup("old", 3)], membersOfRemovedGroups }).entries.charge).toEqual([
      "a",
      "b",
      "remote:x",
    ]);
    const paid = guarded({ allowed: 3, changes: [suspend("a"), removeGroup("old", 3)], membersOfRemovedGroups });
    expect(paid.entries.charge).toEqual(["a", "b", "remote:x"]);
    expect(paid.plan.held).toEqual([]);
    expect(
      guarded({ allowed: 0, changes: [removeGroup("empty", 0)], membersOfRemovedGroups: new Map([["empty", []]]) }).plan
        .held,
    ).toEqual([]);
  });

  it("let a small removal pass after a large one is held", () => {
    const membersOfRemovedGroups = new Map([
      ["big", ["a", "b", "c"]],
      ["small", ["d"]],
    ]);
    const result = guarded({
      allowed: 2,
      changes: [removeGroup("big", 3), removeGroup("small", 1)],
      membersOfRemovedGroups,
    });
    expect(keysOf(result.plan.changes)).toEqual(["group:small"]);
    expect(held(result)).toEqual(["group:big"]);
  });

  it("let approved removals pass at no cost", () => {
    const approved = new Set(["access:c", "member:eng:d", "group:old"]);
    const result = guarded({
      allowed: 1,
      approved,
      changes: [suspend("a"), suspend("b"), suspend("c"), removeGroup("old", 2)],
      memberships: [membership("remove", "eng", "d")],
      membersOfRemovedGroups: new Map([["old", ["e", "f"]]]),
    });
    expect(keysOf(result.plan.changes)).toEqual(["access:a", "access:c", "group:old", "member:eng:d"]);
    expect(result.entries.charge).toEqual(["a"]);
    expect(held(result)).toEqual(["access:b"]);
  });

  it("hold dismissed removals, whatever the limit and the charges", () => {
    const result = guarded({
      allowed: 100,
      charged: new Set(["a"]),
      dismissed: new Set(["access:a", "member:eng:d", "group:old", "access:gone"]),
      changes: [suspend("a"), suspend("b"), removeGroup("old", 1), removeGroup("new", 1)],
      memberships: [membership("remove", "eng", "d"), membership("remove", "eng", "e")],
      membersOfRemovedGroups: new Map([
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

  it("show dismissed and undecided removals apart, each with its own digest", () => {
    const result = guarded({
      allowed: 0,
      dismissed: new Set(["member:eng:a", "access:c"]),
      changes: [suspend("b"), suspend("c")],
      memberships: [membership("remove", "eng", "a"), membership("remove", "eng", "d")],
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

  it("never hold changes that take nothing away", () => {
    const result = guarded({
      allowed: 0,
      changes: [invite("a"), { op: "adopt", externalId: "x", ...on("b") }],
      memberships: [membership("add", "eng", "b")],
    });
    expect(result.plan.changes).toHaveLength(3);
    expect(result.entries.charge).toEqual([]);
    expect(result.plan.heldDigest).toBeNull();
  });

  it("show held memberships by group, with one item each", () => {
    const result = guarded({
      allowed: 0,
      memberships: [
        membership("remove", "eng", "a"),
        membership("remove", "ops", "a"),
        membership("remove", "eng", "b"),
      ],
    });
    expect(result.plan.held.map(({ change }) => keysOf([change]))).toEqual([
      ["member:eng:a", "member:eng:b"],
      ["member:ops:a"],
    ]);
    expect(held(result)).toEqual(["member:eng:a", "member:ops:a", "member:eng:b"]);
  });

  it("put removals first, and memberships after their users and groups", () => {
    const changes: Change[] = [
      removeGroup("old", 0),
      invite("i"),
      { op: "reinvite", ...on("r") },
      { op: "createGroup", groupId: "g", name: "g", externalId: "x" },
      { op: "restore", ...on("r") },
      { op: "adopt", externalId: "x", ...on("d") },
      suspend("s"),
    ];
    const { plan } = guarded({ changes, memberships: [membership("add", "g", "i")] });
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

  it("hold everything of a user whose invitation is held, and nothing of others", () => {
    const result = guarded({
      changes: [restore("b"), { op: "reinvite", ...on("b") }, { op: "reinvite", ...on("z") }],
      memberships: [membership("add", "eng", "b"), membership("add", "eng", "z")],
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

describe("the guards after a restore", () => {
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

  it("hold all that only the copy asks for, and let pass what a source has reported since", () => {
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
      memberships: [
        membership("add", "eng", "old"),
        membership("remove", "new", "old"),
        membership("add", "new", "old"),
        membership("remove", "ops", "old"),
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

  it("add no user to a group whose invitation is held", () => {
    const result = guarded({ restored, changes: [invite("seen")], memberships: [membership("add", "new", "seen")] });
    expect(result.plan.changes).toEqual([]);
    expect(held(result)).toEqual(["invite:seen"]);
  });

  it("let exactly the approved changes pass", () => {
    const result = guarded({
      restored,
      approved: new Set(["invite:old", "join:ops:old", "access:seen"]),
      changes: [invite("old"), suspend("seen")],
      memberships: [membership("add", "ops", "old"), membership("add", "eng", "old")],
    });
    expect(keysOf(result.plan.changes)).toEqual(["access:seen"]);
    expect(result.plan.changes.map(({ op }) => op)).toEqual(["suspend", "invite", "setGroups"]);
    expect(held(result)).toEqual(["join:eng:old"]);
  });

  it.each([
    ["while it lasts", restored],
    ["once others were approved", { ...restored, isReviewed: true }],
  ])("hold dismissed changes %s", (_when, state) => {
    const result = guarded({
      restored: state,
      allowed: 10,
      dismissed: new Set(["invite:seen", "join:eng:old", "access:old"]),
      changes: [invite("seen"), invite("new"), suspend("old")],
      memberships: [membership("add", "eng", "old"), membership("add", "new", "seen"), membership("add", "new", "new")],
    });
    expect([...held(result)].sort()).toEqual(["access:old", "invite:seen", "join:eng:old"]);
    expect(result.plan.changes.map(({ op }) => op)).toEqual(["invite", "setGroups"]);
  });

  it("let a change of a source pass although the same change of the copy was dismissed", () => {
    const result = guarded({
      restored: { ...restored, staleUserIds: new Set(["old"]) },
      allowed: 10,
      dismissed: new Set(["invite:seen"]),
      changes: [invite("seen")],
    });
    expect(held(result)).toEqual([]);
    expect(result.plan.changes).toEqual([invite("seen")]);
  });

  it("let all changes of the copy pass after a review", () => {
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
