import { describe, expect, it } from "vitest";
import type { Diff } from "../../src/domain/decide/comparison.ts";
import { compareEntities, compareMemberships } from "../../src/domain/decide/diff.ts";
import { indexObserved } from "../../src/domain/decide/match.ts";
import type { Memberships, Observed, ObservedAccount, TargetSupports } from "../../src/domain/model/account.ts";
import type { DirectoryGroup, DirectoryUser } from "../../src/domain/model/entities.ts";
import { type Link, type LinkNote, maxLookups } from "../../src/domain/model/link.ts";
import type { TargetPolicy } from "../../src/domain/model/policy.ts";
import type { InputGroup, InputUser, SyncInput } from "../../src/domain/model/sync-input.ts";
import { lenient } from "../support/policy.ts";
import { merged, named, tableOf } from "../support/table.ts";
import { account, everything, linkOf, nowMs, observed, person, team } from "./model.ts";

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
  account("r", { email: "ada@example.com", externalId: "x-ada", ...more });

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

/** What a case leads to, for example "adopt (restore) suspended-by-others": changes, skipped changes, note. */
const resultOf = ({ changes, skipped }: Diff, note: LinkNote | null | undefined): string =>
  [...changes.map(({ op }) => op), ...skipped.map(({ change }) => `(${change.op})`), ...(note ? [note] : [])].join(" ");

const policies: Readonly<Record<string, Partial<TargetPolicy>>> = {
  "protect ADA": { protect: ["Ada@example.com"] },
  "protect ada": { protect: ["ada@example.com"] },
  "protect admin": { protect: ["Admin"] },
  "reactivate own": { reactivate: "own" },
  "reactivate never": { reactivate: "never" },
  remove: { onDeactivate: "remove" },
  ignore: { onDeactivate: "ignore" },
  "vault only": { userGroups: ["vault"] },
  "report drift": { driftPolicy: "report" },
  "exclude e*": { groupExclude: ["e*"] },
  "include none": { groupInclude: [] },
};

describe("one user", () => {
  const missed = { remoteId: null, note: "not-in-target" } as const;
  const users = {
    active: ada(),
    "active, linked": ada({}, {}),
    "active, suspended by us": ada({}, { isSuspendedByUs: true }),
    "active, never found": ada({}, missed),
    "active, in sync": ada({}, { appliedRev: 1 }),
    "active, changed": ada({ rev: 2 }, { appliedRev: 1 }),
    inactive: ada({ isActive: false }),
    deleted: ada({ absentSinceMs: 1 }),
    "deleted, linked": ada({ absentSinceMs: 1 }, {}),
    "deleted, never found": ada({ absentSinceMs: 1 }, missed),
    "deleted, not found once": ada({ absentSinceMs: 1 }, { ...missed, attempts: 1, attemptedRev: 1 }),
    "deleted, never found, maximum": ada({ absentSinceMs: 1 }, { ...missed, attempts: maxLookups, attemptedRev: 1 }),
  };
  const accounts: Readonly<Record<string, Partial<ObservedAccount>>> = {
    active: {},
    invited: { state: "invited" },
    accepted: { state: "accepted" },
    suspended: { state: "suspended" },
    staged: { state: "staged" },
    unknown: { state: "unknown" },
    owner: { role: "owner" },
    admin: { role: "admin" },
    "without key": { externalId: null },
    "other key": { externalId: "x-old" },
    "other address": { email: "old@example.com" },
    "never accepted": { hasAccount: false },
    "acceptance unknown": { hasAccount: null },
  };
  const abilities: Readonly<Record<string, Partial<TargetSupports>>> = {
    "no invite": { invite: false },
    "no remove": { remove: false },
    "no keys": { externalIds: false },
  };
  const cases = tableOf(
    ["user", "account", "policy", "supports", "result"],
    `
    name                                                              | user                          | account                         | policy           | supports  | result
    an active user without an account is invited                      | active                        | none                            |                  |           | invite
    nobody is invited where that is impossible                        | active                        | none                            |                  | no invite | not-in-target
    a protected address is not invited                                | active                        | none                            | protect ADA      |           | protected
    an active account stays                                           | active                        | active                          |                  |           |
    an invited account stays                                          | active                        | invited                         |                  |           |
    an accepted account stays                                         | active                        | accepted                        |                  |           |
    an account without a key is adopted                               | active                        | without key                     |                  |           | adopt
    an account with another key is adopted                            | active                        | other key                       |                  |           | adopt
    no account is adopted where there are no keys                     | active                        | without key                     |                  | no keys   |
    another address is noted                                          | active, linked                | other address                   |                  |           | email-differs
    a suspended account is restored                                   | active                        | suspended                       |                  |           | restore
    a suspended account that never accepted is invited again          | active                        | suspended + never accepted      |                  |           | restore reinvite
    a suspended account that may have accepted is not invited again   | active                        | suspended + acceptance unknown  |                  |           | restore
    a suspended account without a key is adopted and restored         | active                        | suspended + without key         |                  |           | adopt restore
    reactivate own restores Rollcall's own suspension                 | active, suspended by us       | suspended                       | reactivate own   |           | restore
    reactivate own leaves the suspension of somebody else             | active, linked                | suspended                       | reactivate own   |           | (restore) suspended-by-others
    reactivate own leaves a suspension from before Rollcall           | active                        | suspended                       | reactivate own   |           | (restore) suspended-by-others
    reactivate never leaves every suspension                          | active, suspended by us       | suspended                       | reactivate never |           | (restore) suspended-by-others
    a staged account is left alone                                    | active                        | staged + without key            |                  |           | staged
    an unknown state is left alone                                    | active                        | unknown                         |                  |           | unknown-state
    a suspended owner is left alone                                   | active                        | suspended + owner + without key |                  |           | protected
    an inactive user without an account needs nothing                 | inactive                      | none                            |                  |           |
    the account of an inactive user is suspended                      | inactive                      | active                          |                  |           | suspend
    the invitation of an inactive user is suspended                   | inactive                      | invited                         |                  |           | suspend
    the staged account of an inactive user is suspended               | inactive                      | staged                          |                  |           | suspend
    a suspended account of an inactive user stays                     | inactive                      | suspended                       |                  |           |
    an unknown state is not suspended                                 | inactive                      | unknown                         |                  |           | (suspend) unknown-state
    an owner is not suspended                                         | inactive                      | owner                           |                  |           | (suspend) protected
    a protected role is not suspended                                 | inactive                      | admin                           | protect admin    |           | (suspend) protected
    a protected address is not suspended                              | inactive                      | active                          | protect ada      |           | (suspend) protected
    onDeactivate remove removes                                       | inactive                      | active                          | remove           |           | remove
    onDeactivate remove removes a suspended account                   | inactive                      | suspended                       | remove           |           | remove
    a target that can't remove suspends instead                       | inactive                      | active                          | remove           | no remove | suspend
    a target that can't remove leaves a suspended account             | inactive                      | suspended                       | remove           | no remove |
    an inactive user who may appear later is noted                    | inactive                      | none                            |                  | no invite | not-in-target
    onDeactivate ignore does nothing                                  | inactive                      | active                          | ignore           |           |
    a stranger with a deleted user's address stays                    | deleted                       | without key                     |                  |           |
    the linked account of a deleted user is suspended                 | deleted, linked               | without key                     |                  |           | suspend
    a stranger with the address of a user out of scope stays          | active                        | without key                     | vault only       |           | out-of-scope
    a deleted user's account that appears late is suspended           | deleted, never found          | without key                     |                  |           | suspend
    a deleted user's account that did not appear yet is noted         | deleted, never found          | none                            |                  | no invite | not-in-target
    the search for a deleted user's account ends                      | deleted, never found, maximum | none                            |                  | no invite |
    an account that appears late is no drift                          | deleted, not found once       | active                          | report drift     | no invite | suspend
    a deleted user's account that is gone needs nothing               | deleted, linked               | none                            |                  | no invite |
    an account that appears late for a user out of scope is suspended | active, never found           | without key                     | vault only       |           | suspend
    a linked user out of scope is suspended                           | active, linked                | active                          | vault only       |           | suspend
    drift is undone                                                   | active, in sync               | none                            |                  |           | invite
    driftPolicy report only shows drift                               | active, in sync               | none                            | report drift     |           | (invite) drift
    driftPolicy report carries out a change of the source             | active, changed               | none                            | report drift     |           | invite
  `,
  );
  it.each(cases)("$name", ({ user, account, policy, supports, result }) => {
    const difference = compare({
      users: [named(users, user)],
      observed: { accounts: account === "none" ? [] : [seen(merged(accounts, account))] },
      policy: merged(policies, policy),
      supports: merged(abilities, supports),
    });
    expect(resultOf(difference, difference.users[0]?.note)).toBe(result);
    for (const { reason } of difference.skipped) expect(reason).not.toBe("");
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
    ["is not repeated by a full run while the target may still work on it", { retryAtMs: nowMs + 3000 }, nowMs + 3000],
    ["is repeated when the observation should show it", { retryAtMs: nowMs }, null],
    ["is repeated when the clock was set back", { retryAtMs: nowMs + 61_000 }, null],
    ["that failed is repeated", { retryAtMs: nowMs + 3000, errorCode: "TARGET_REFUSED" }, null],
  ])("%s", (_name, link, until) => {
    const result = compare({ users: [ada({}, { ...unanswered, ...link })] });
    expect(result.users[0]?.deferredUntilMs).toBe(until);
    expect(result.changes).toHaveLength(until === null ? 1 : 0);
  });
});

describe("one group", () => {
  const inTarget = (more: object = {}) => ({ groups: [{ remoteId: "g", name: "eng", externalId: "x-eng", ...more }] });
  const items = {
    new: eng(),
    linked: eng({}, {}),
    "in sync": eng({}, { appliedRev: 1 }),
    ambiguous: eng({}, { remoteId: null, note: "ambiguous" }),
    deleted: eng({ absentSinceMs: 1 }),
    "deleted, linked": eng({ absentSinceMs: 1 }, {}),
  };
  const observations: Readonly<Record<string, Partial<Observed>>> = {
    none: {},
    same: inTarget(),
    "other name": inTarget({ name: "old" }),
    "other key": inTarget({ externalId: "x-other" }),
    "without key": inTarget({ externalId: null }),
    "other name, without key": inTarget({ externalId: null, name: "old" }),
    twins: { groups: [...inTarget().groups, { remoteId: "twin", name: "eng", externalId: "x-eng" }] },
    "not asked for": { isComplete: false },
    missing: { isComplete: false, missingRemoteIds: ["g"] },
  };
  const cases = tableOf(
    ["group", "observed", "policy", "isManaged", "result"],
    `
    name                                                        | group           | observed                | policy       | isManaged | result
    a new group is created                                      | new             | none                    |              | yes       | createGroup
    a group that is there needs nothing                         | new             | same                    |              | yes       |
    a group with another name is renamed                        | new             | other name              |              | yes       | renameGroup
    a group without a key is adopted                            | new             | without key             |              | yes       | adoptGroup
    a group with another key stays                              | new             | other key               |              | yes       | createGroup
    a linked group that lost its key is adopted again           | linked          | other name, without key |              | yes       | adoptGroup
    twins are left alone                                        | new             | twins                   |              | no        | ambiguous
    an excluded group is left alone                             | new             | other name              | exclude e*   | no        | out-of-scope
    a deleted group is removed by its link                      | deleted, linked | without key             |              | no        | removeGroup
    a deleted group is removed by its key                       | deleted         | same                    |              | no        | removeGroup
    a stranger with a deleted group's name stays                | deleted         | without key             |              | no        |
    a deleted group that is not there needs nothing             | deleted         | none                    |              | no        |
    a deleted group is removed although it is excluded now      | deleted, linked | same                    | include none | no        | removeGroup
    a linked group that a complete observation lacks is created | linked          | none                    |              | yes       | createGroup
    a linked group that nobody asked for needs nothing          | linked          | not asked for           |              | yes       |
    an ambiguous group stays so if nobody asked for it          | ambiguous       | not asked for           |              | no        | ambiguous
    an ambiguous group without twins left is created            | ambiguous       | none                    |              | yes       | createGroup
    a linked group that is missing when asked for is created    | linked          | missing                 |              | yes       | createGroup
    driftPolicy report only shows drift                         | in sync         | other name              | report drift | yes       | drift
  `,
  );
  it.each(cases)("$name", ({ group, observed: shown, policy, isManaged, result }) => {
    const difference = compare({
      groups: [named(items, group)],
      observed: named(observations, shown),
      policy: merged(policies, policy),
    });
    const [compared] = difference.groups;
    expect(resultOf({ ...difference, skipped: [] }, compared?.note)).toBe(result);
    expect(compared?.isManaged).toBe(isManaged === "yes");
  });

  it("is left alone if the target has no groups, and if it is not dirty", () => {
    expect(compare({ groups: [eng()], supports: { groups: false } })).toMatchObject({
      changes: [],
      groups: [{ isManaged: false }],
    });
    expect(compare({ groups: [eng()], dirtyGroupIds: [] }).changes).toEqual([]);
  });

  it("that is removed shows its number of members", () => {
    expect(
      compare({ groups: [eng({ absentSinceMs: 1 }, {})], observed: inTarget(), losers: new Map([["g", ["a", "b"]]]) })
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

  it("stay as they are if they were not read, or if the group is not managed", () => {
    expect(pairs({ users: [ada({}, null, ["eng"])], by: "account", lists: new Map() })).toEqual([]);
    expect(
      pairs({ users: [ada()], by: "account", lists: new Map([["r", ["g", "h"]]]), policy: { groupInclude: ["ops"] } }),
    ).toEqual([]);
  });

  it.each([
    ["suspended by others", { state: "suspended" as const }, { reactivate: "never" as const }, {}],
    ["who is an owner", { role: "owner" }, {}, {}],
    ["inactive", {}, {}, { isActive: false }],
    ["staged", { state: "staged" as const }, {}, {}],
  ])("of a user %s are not changed", (_name, shown, policy, user) => {
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

  it("of an invited user and of a created group come with them", () => {
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

describe("two deleted users who had the same account", () => {
  it.each([
    ["remove", { onDelete: "remove" }],
    ["suspend", { onDelete: "suspend" }],
  ] as const)("cause one %s", (op, policy) => {
    // The account carries the first one's key. The second one took over the address, and the account with it.
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

  it("is reported if a second group is created beside it, and adopted if that is allowed", () => {
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
