import { describe, expect, it } from "vitest";
import type { Diff } from "../../src/domain/decide/comparison.ts";
import { compareEntities, compareMemberships } from "../../src/domain/decide/diff.ts";
import { indexObserved } from "../../src/domain/decide/match.ts";
import type { Memberships, Observed, ObservedAccount, TargetSupports } from "../../src/domain/model/account.ts";
import type { DirectoryGroup, DirectoryUser } from "../../src/domain/model/entities.ts";
import { type Link, type LinkNote, maxLookups } from "../../src/domain/model/link.ts";
import type { ChangeOp } from "../../src/domain/model/plan.ts";
import type { TargetPolicy } from "../../src/domain/model/policy.ts";
import type { InputGroup, InputUser, SyncInput } from "../../src/domain/model/sync-input.ts";
import { everything, lenient, linkOf, member, nowMs, observed, person, team } from "./model.ts";

const ada = (
  user: Partial<DirectoryUser> = {},
  link: Partial<Link> | null = null,
  groupIds: readonly string[] = [],
): InputUser => ({
  user: person("ada", user),
  link: link === null ? null : linkOf("ada", { remoteId: "r", ...link }),
  groupIds,
  emailOwnerId: "ada",
});
const eng = (group: Partial<DirectoryGroup> = {}, link: Partial<Link> | null = null): InputGroup => ({
  group: team("eng", group),
  link: link === null ? null : linkOf("eng", { kind: "group", remoteId: "g", ...link }),
});
const seen = (more: Partial<ObservedAccount> = {}): ObservedAccount =>
  member("r", { email: "ada@example.com", externalId: "x-ada", ...more });

interface Situation {
  readonly users?: readonly InputUser[];
  readonly groups?: readonly InputGroup[];
  readonly observed?: Partial<Observed>;
  readonly lists?: Memberships;
  readonly by?: "group" | "account";
  readonly losers?: Memberships;
  readonly policy?: Partial<TargetPolicy>;
  readonly supports?: Partial<TargetSupports>;
  readonly dirtyGroupIds?: readonly string[];
  readonly reinvites?: readonly string[];
}

function compare({
  users = [],
  groups = [],
  lists = new Map(),
  by = "group",
  losers = new Map(),
  policy,
  supports,
  dirtyGroupIds,
  reinvites = [],
  ...more
}: Situation): Diff {
  const input: SyncInput = {
    isComplete: true,
    users,
    groups,
    dirtyGroupIds: new Set(dirtyGroupIds ?? groups.map(({ group }) => group.id)),
    owners: new Map(users.map((each) => [each.user.id, each])),
    reinvites: new Map(reinvites.map((id) => [id, nowMs])),
  };
  const rules = { ...lenient, ...policy };
  const entities = compareEntities({
    input,
    observation: indexObserved(observed(more.observed)),
    policy: rules,
    supports: { ...everything, ...supports },
    nowMs,
  });
  return compareMemberships(entities, { by, lists, ofRemovedGroups: losers }, rules);
}

describe("one person", () => {
  const off = { isActive: false };
  const ours = { isSuspendedByUs: true };
  const missed = { remoteId: null, note: "not-in-target" } as const;
  const cases: readonly (readonly [
    string,
    InputUser,
    Partial<ObservedAccount> | null,
    Partial<TargetPolicy>,
    Partial<TargetSupports>,
    readonly ChangeOp[],
    LinkNote | null,
    readonly ChangeOp[],
  ])[] = [
    // who, what is seen, policy, supports, changes, note, skipped
    ["active, nobody", ada(), null, {}, {}, ["invite"], null, []],
    ["active, nobody, can't invite", ada(), null, {}, { invite: false }, [], "not-in-target", []],
    ["active, nobody, protected", ada(), null, { protect: ["Ada@example.com"] }, {}, [], "protected", []],
    ["active, active", ada(), {}, {}, {}, [], null, []],
    ["active, invited", ada(), { state: "invited" }, {}, {}, [], null, []],
    ["active, accepted", ada(), { state: "accepted" }, {}, {}, [], null, []],
    ["active, not ours", ada(), { externalId: null }, {}, {}, ["adopt"], null, []],
    ["active, somebody else's key", ada(), { externalId: "x-old" }, {}, {}, ["adopt"], null, []],
    ["active, no keys there", ada(), { externalId: null }, {}, { externalIds: false }, [], null, []],
    ["active, other address", ada({}, {}), { email: "old@example.com" }, {}, {}, [], "email-differs", []],
    ["active, suspended", ada(), { state: "suspended" }, {}, {}, ["restore"], null, []],
    [
      "active, suspended, never took the invitation up",
      ada(),
      { state: "suspended", hasAccount: false },
      {},
      {},
      ["restore", "reinvite"],
      null,
      [],
    ],
    [
      "active, suspended, account not known",
      ada(),
      { state: "suspended", hasAccount: null },
      {},
      {},
      ["restore"],
      null,
      [],
    ],
    [
      "active, suspended and not ours",
      ada(),
      { state: "suspended", externalId: null },
      {},
      {},
      ["adopt", "restore"],
      null,
      [],
    ],
    [
      "active, suspended by us, own",
      ada({}, ours),
      { state: "suspended" },
      { reactivate: "own" },
      {},
      ["restore"],
      null,
      [],
    ],
    [
      "active, suspended by others, own",
      ada({}, {}),
      { state: "suspended" },
      { reactivate: "own" },
      {},
      [],
      "suspended-by-others",
      ["restore"],
    ],
    [
      "active, suspended by others, never linked, own",
      ada(),
      { state: "suspended" },
      { reactivate: "own" },
      {},
      [],
      "suspended-by-others",
      ["restore"],
    ],
    [
      "active, suspended by us, never",
      ada({}, ours),
      { state: "suspended" },
      { reactivate: "never" },
      {},
      [],
      "suspended-by-others",
      ["restore"],
    ],
    ["active, staged", ada(), { state: "staged", externalId: null }, {}, {}, [], "staged", []],
    ["active, unknown", ada(), { state: "unknown" }, {}, {}, [], "unknown-state", []],
    ["active, owner", ada(), { role: "owner", externalId: null, state: "suspended" }, {}, {}, [], "protected", []],
    ["inactive, nobody", ada(off), null, {}, {}, [], null, []],
    ["inactive, active", ada(off), {}, {}, {}, ["suspend"], null, []],
    ["inactive, invited", ada(off), { state: "invited" }, {}, {}, ["suspend"], null, []],
    ["inactive, staged", ada(off), { state: "staged" }, {}, {}, ["suspend"], null, []],
    ["inactive, suspended", ada(off), { state: "suspended" }, {}, {}, [], null, []],
    ["inactive, unknown", ada(off), { state: "unknown" }, {}, {}, [], "unknown-state", ["suspend"]],
    ["inactive, owner", ada(off), { role: "owner" }, {}, {}, [], "protected", ["suspend"]],
    ["inactive, protected role", ada(off), { role: "admin" }, { protect: ["Admin"] }, {}, [], "protected", ["suspend"]],
    ["inactive, protected address", ada(off), {}, { protect: ["ada@example.com"] }, {}, [], "protected", ["suspend"]],
    ["inactive, remove", ada(off), {}, { onDeactivate: "remove" }, {}, ["remove"], null, []],
    [
      "inactive, remove, suspended",
      ada(off),
      { state: "suspended" },
      { onDeactivate: "remove" },
      {},
      ["remove"],
      null,
      [],
    ],
    [
      "inactive, remove, can't remove",
      ada(off),
      {},
      { onDeactivate: "remove" },
      { remove: false },
      ["suspend"],
      null,
      [],
    ],
    [
      "inactive, remove, can't remove, suspended",
      ada(off),
      { state: "suspended" },
      { onDeactivate: "remove" },
      { remove: false },
      [],
      null,
      [],
    ],
    ["inactive, nobody, can't invite", ada(off), null, {}, { invite: false }, [], "not-in-target", []],
    ["inactive, ignore", ada(off), {}, { onDeactivate: "ignore" }, {}, [], null, []],
    ["gone, stranger with the address", ada({ absentSinceMs: 1 }), { externalId: null }, {}, {}, [], null, []],
    ["gone, linked", ada({ absentSinceMs: 1 }, {}), { externalId: null }, {}, {}, ["suspend"], null, []],
    [
      "out of scope, stranger with the address",
      ada(),
      { externalId: null },
      { userGroups: ["vault"] },
      {},
      [],
      "out-of-scope",
      [],
    ],
    ["gone, missed so far", ada({ absentSinceMs: 1 }, missed), { externalId: null }, {}, {}, ["suspend"], null, []],
    ["gone, missed still", ada({ absentSinceMs: 1 }, missed), null, {}, { invite: false }, [], "not-in-target", []],
    [
      "gone, sought long enough",
      ada({ absentSinceMs: 1 }, { ...missed, attempts: maxLookups, attemptedRev: 1 }),
      null,
      {},
      { invite: false },
      [],
      null,
      [],
    ],
    [
      "gone, turns up while sought, report",
      ada({ absentSinceMs: 1 }, { ...missed, attempts: 1, attemptedRev: 1 }),
      {},
      { driftPolicy: "report" },
      { invite: false },
      ["suspend"],
      null,
      [],
    ],
    ["gone, was there", ada({ absentSinceMs: 1 }, {}), null, {}, { invite: false }, [], null, []],
    [
      "out of scope, missed so far",
      ada({}, missed),
      { externalId: null },
      { userGroups: ["vault"] },
      {},
      ["suspend"],
      null,
      [],
    ],
    ["out of scope, linked", ada({}, {}), {}, { userGroups: ["vault"] }, {}, ["suspend"], null, []],
    ["drift, enforce", ada({}, { appliedRev: 1 }), null, {}, {}, ["invite"], null, []],
    ["drift, report", ada({}, { appliedRev: 1 }), null, { driftPolicy: "report" }, {}, [], "drift", ["invite"]],
    ["changed, report", ada({ rev: 2 }, { appliedRev: 1 }), null, { driftPolicy: "report" }, {}, ["invite"], null, []],
  ];
  it.each(cases)("%s", (_name, who, shown, policy, supports, ops, note, skipped) => {
    const result = compare({
      users: [who],
      observed: { accounts: shown === null ? [] : [seen(shown)] },
      policy,
      supports,
    });
    expect(result.changes.map((change) => change.op)).toEqual(ops);
    expect(result.users[0]?.note).toBe(note);
    expect(result.skipped.map(({ change }) => change.op)).toEqual(skipped);
    for (const { reason } of result.skipped) expect(reason).not.toBe("");
  });

  it("is invited only after the settle delay", () => {
    const policy = { settleMs: 2000 };
    const young = compare({ users: [ada({ createdAtMs: nowMs - 1999 })], policy });
    expect(young.changes).toEqual([]);
    expect(young.users[0]?.deferredUntilMs).toBe(nowMs + 1);
    expect(compare({ users: [ada({ createdAtMs: nowMs - 2000 })], policy }).changes).toEqual([
      { op: "invite", userId: "ada", email: "ada@example.com", externalId: "x-ada" },
    ]);
  });
});

describe("an invitation without an answer", () => {
  const unanswered = { remoteId: null, appliedRev: 0, attempts: 1 };
  it.each([
    ["may be under way still: a full look does not repeat it", { retryAtMs: nowMs + 3000 }, nowMs + 3000],
    ["is repeated when it should have been seen", { retryAtMs: nowMs }, null],
    ["is repeated when the clock was set back", { retryAtMs: nowMs + 61_000 }, null],
    ["that failed is repeated", { retryAtMs: nowMs + 3000, errorCode: "TARGET_REFUSED" }, null],
  ])("%s", (_name, link, until) => {
    const result = compare({ users: [ada({}, { ...unanswered, ...link })] });
    expect(result.users[0]?.deferredUntilMs).toBe(until);
    expect(result.changes).toHaveLength(until === null ? 1 : 0);
  });
});

describe("one group", () => {
  const there = (more: object = {}) => ({ groups: [{ remoteId: "g", name: "eng", externalId: "x-eng", ...more }] });
  const cases: readonly (readonly [
    string,
    InputGroup,
    Partial<Observed>,
    Partial<TargetPolicy>,
    readonly ChangeOp[],
    LinkNote | null,
    boolean,
  ])[] = [
    ["present, none", eng(), {}, {}, ["createGroup"], null, true],
    ["present, there", eng(), there(), {}, [], null, true],
    ["present, other name", eng(), there({ name: "old" }), {}, ["renameGroup"], null, true],
    ["present, not ours", eng(), there({ externalId: null }), {}, ["adoptGroup"], null, true],
    ["present, somebody else's", eng(), there({ externalId: "x-other" }), {}, ["createGroup"], null, true],
    [
      "present, linked, key lost",
      eng({}, {}),
      there({ externalId: null, name: "old" }),
      {},
      ["adoptGroup"],
      null,
      true,
    ],
    [
      "present, ambiguous",
      eng(),
      { groups: [...there().groups, { remoteId: "twin", name: "eng", externalId: "x-eng" }] },
      {},
      [],
      "ambiguous",
      false,
    ],
    ["present, not pushed", eng(), there({ name: "old" }), { groupExclude: ["e*"] }, [], "out-of-scope", false],
    ["gone, linked", eng({ absentSinceMs: 1 }, {}), there({ externalId: null }), {}, ["removeGroup"], null, false],
    ["gone, our key", eng({ absentSinceMs: 1 }), there(), {}, ["removeGroup"], null, false],
    ["gone, stranger with the name", eng({ absentSinceMs: 1 }), there({ externalId: null }), {}, [], null, false],
    ["gone, none", eng({ absentSinceMs: 1 }), {}, {}, [], null, false],
    [
      "gone, not pushed any more",
      eng({ absentSinceMs: 1 }, {}),
      there(),
      { groupInclude: [] },
      ["removeGroup"],
      null,
      false,
    ],
    ["linked, gone from all there is", eng({}, {}), {}, {}, ["createGroup"], null, true],
    ["linked, not asked for", eng({}, {}), { isComplete: false }, {}, [], null, true],
    [
      "ambiguous when last seen, not asked for",
      eng({}, { remoteId: null, note: "ambiguous" }),
      { isComplete: false },
      {},
      [],
      "ambiguous",
      false,
    ],
    [
      "ambiguous when last seen, now none",
      eng({}, { remoteId: null, note: "ambiguous" }),
      {},
      {},
      ["createGroup"],
      null,
      true,
    ],
    [
      "linked, asked for and missing",
      eng({}, {}),
      { isComplete: false, missingRemoteIds: ["g"] },
      {},
      ["createGroup"],
      null,
      true,
    ],
    ["drift, report", eng({}, { appliedRev: 1 }), there({ name: "old" }), { driftPolicy: "report" }, [], "drift", true],
  ];
  it.each(cases)("%s", (_name, item, shown, policy, ops, note, isManaged) => {
    const result = compare({ groups: [item], observed: shown, policy });
    expect(result.changes.map((change) => change.op)).toEqual(ops);
    expect(result.groups[0]).toMatchObject({ note, isManaged });
  });

  it("is left alone where the target has no groups, and unless it is to be looked at", () => {
    expect(compare({ groups: [eng()], supports: { groups: false } })).toMatchObject({
      changes: [],
      groups: [{ isManaged: false }],
    });
    expect(compare({ groups: [eng()], dirtyGroupIds: [] }).changes).toEqual([]);
  });

  it("tells how many lose it", () => {
    expect(
      compare({ groups: [eng({ absentSinceMs: 1 }, {})], observed: there(), losers: new Map([["g", ["a", "b"]]]) })
        .changes,
    ).toMatchObject([{ op: "removeGroup", memberCount: 2 }]);
  });
});

describe("memberships", () => {
  const groups = [eng(), { group: team("ops"), link: null }];
  const world: Partial<Observed> = {
    accounts: [seen()],
    groups: [
      { remoteId: "g", name: "eng", externalId: "x-eng" },
      { remoteId: "o", name: "ops", externalId: "x-ops" },
      { remoteId: "h", name: "by hand", externalId: null },
    ],
  };
  const pairs = (situation: Situation) =>
    compare({ groups, observed: world, ...situation }).memberships.map(
      ({ kind, group }) => `${kind} ${group.group.id}`,
    );

  it("are compared from either side, with the same result", () => {
    const users = [ada({}, null, ["eng"])];
    expect(
      pairs({
        users,
        by: "group",
        lists: new Map([
          ["g", ["stranger"]],
          ["o", ["r", "stranger"]],
        ]),
      }),
    ).toEqual(["add eng", "remove ops"]);
    expect(pairs({ users, by: "account", lists: new Map([["r", ["o", "h"]]]) })).toEqual(["add eng", "remove ops"]);
  });

  it("are left as they are where they were not read, or where the group is not managed", () => {
    expect(pairs({ users: [ada({}, null, ["eng"])], by: "account", lists: new Map() })).toEqual([]);
    expect(
      pairs({ users: [ada()], by: "account", lists: new Map([["r", ["g", "h"]]]), policy: { groupInclude: ["ops"] } }),
    ).toEqual([]);
  });

  it.each([
    ["suspended by others", { state: "suspended" as const }, { reactivate: "never" as const }, {}],
    ["an owner", { role: "owner" }, {}, {}],
    ["inactive", {}, {}, { isActive: false }],
    ["staged", { state: "staged" as const }, {}, {}],
  ])("of somebody %s are not touched", (_name, shown, policy, user) => {
    expect(
      pairs({
        users: [ada(user, null, ["eng"])],
        observed: { ...world, accounts: [seen(shown)] },
        by: "account",
        lists: new Map([["r", ["o"]]]),
        policy,
      }),
    ).toEqual([]);
  });

  it("of who is invited and of a group that is made come with them", () => {
    expect(
      compare({ users: [ada({}, null, ["eng"])], groups: [eng()] }).memberships.map((each) => [
        each.kind,
        each.member.account,
        each.group.observed,
      ]),
    ).toEqual([["add", null, null]]);
  });

  it("changed by hand are drift of the person", () => {
    const users = [ada({}, { appliedRev: 1 })];
    const situation: Situation = {
      users,
      by: "account",
      lists: new Map([["r", ["g"]]]),
      policy: { driftPolicy: "report" },
    };
    expect(pairs(situation)).toEqual([]);
    expect(compare({ groups, observed: world, ...situation }).skipped).toMatchObject([
      { change: { op: "setMembers", remove: [{ userId: "ada" }] } },
    ]);
    expect(pairs({ ...situation, policy: {} })).toEqual(["remove eng"]);
  });
});

describe("two people who are gone and had the same member", () => {
  it.each([
    ["remove", { onDelete: "remove" }],
    ["suspend", { onDelete: "suspend" }],
  ] as const)("%s: once", (op, policy) => {
    // The member carries the first one's key; the second one took the address over, and the member with it.
    const gone = { absentSinceMs: 1 };
    const second = {
      ...ada({ ...gone, id: "ada2", externalId: "x-ada2" }),
      link: linkOf("ada2", { remoteId: "r" }),
      emailOwnerId: "ada2",
    };
    const { changes } = compare({
      users: [{ ...ada(gone), emailOwnerId: "ada2" }, second],
      observed: { accounts: [seen({ state: "active" })] },
      policy,
    });
    expect(changes).toMatchObject([{ op, remoteId: "r" }]);
  });
});

describe("a namesake with another system's key", () => {
  const theirs = { groups: [{ remoteId: "g", name: "eng", externalId: "cn=eng,ou=groups" }] };

  it("is told when a second group is made beside it, and taken over where that is allowed", () => {
    expect(compare({ groups: [eng()], observed: theirs })).toMatchObject({
      changes: [{ op: "createGroup", name: "eng" }],
      skipped: [{ change: { op: "adoptGroup", remoteId: "g" }, reason: expect.stringContaining("groups.takeOver") }],
    });
    expect(compare({ groups: [eng()], observed: theirs, policy: { groupTakeOver: ["e*"] } })).toMatchObject({
      changes: [{ op: "adoptGroup", remoteId: "g", externalId: "x-eng" }],
      skipped: [],
    });
  });
});
