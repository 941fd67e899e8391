import { describe, expect, it } from "vitest";
import { type Desired, desiredStateOf, isPushed, scopeOf } from "../../src/domain/decide/desired-state.ts";
import type { DirectoryUser } from "../../src/domain/model/entities.ts";
import type { TargetPolicy } from "../../src/domain/model/policy.ts";
import type { InputUser } from "../../src/domain/model/sync-input.ts";
import { dayMs, lenient, linkOf, nowMs, person, team } from "./model.ts";

const of = (user: Partial<DirectoryUser>, more: Partial<InputUser> = {}): InputUser => ({
  user: person("ada", user),
  link: null,
  groupIds: [],
  emailOwnerId: "ada",
  ...more,
});
const gone = (days: number) => of({ absentSinceMs: nowMs - days * dayMs });
const everybody = null;
const inScope = new Set(["vault"]);

describe("desire", () => {
  const cases: readonly (readonly [string, InputUser, ReadonlySet<string> | null, Partial<TargetPolicy>, Desired])[] = [
    ["active", of({}), everybody, {}, { state: "active" }],
    ["active and in scope", of({}, { groupIds: ["other", "vault"] }), inScope, {}, { state: "active" }],
    ["inactive", of({ isActive: false }), everybody, {}, { state: "suspended", claim: "by-email" }],
    [
      "inactive, remove",
      of({ isActive: false }),
      everybody,
      { onDeactivate: "remove" },
      { state: "removed", claim: "by-email" },
    ],
    [
      "inactive, ignore",
      of({ isActive: false }),
      everybody,
      { onDeactivate: "ignore" },
      { state: "untouched", note: null },
    ],
    ["out of scope", of({}, { groupIds: ["other"] }), inScope, {}, { state: "suspended", claim: "by-external-id" }],
    [
      "out of scope, remove",
      of({}),
      inScope,
      { onDeactivate: "remove" },
      { state: "removed", claim: "by-external-id" },
    ],
    ["out of scope, ignore", of({}), inScope, { onDeactivate: "ignore" }, { state: "untouched", note: null }],
    ["a scope that nobody is in", of({}), new Set(), {}, { state: "suspended", claim: "by-external-id" }],
    [
      "inactive and out of scope claims no address",
      of({ isActive: false }),
      inScope,
      {},
      { state: "suspended", claim: "by-external-id" },
    ],
    ["gone", gone(1), everybody, {}, { state: "suspended", claim: "by-external-id" }],
    [
      "gone: onDelete counts, not onDeactivate",
      gone(1),
      everybody,
      { onDeactivate: "ignore", onDelete: "remove" },
      { state: "removed", claim: "by-external-id" },
    ],
    ["gone, ignore", gone(1), everybody, { onDelete: "ignore" }, { state: "untouched", note: null }],
    [
      "gone for less than removeAfter",
      gone(29),
      everybody,
      { removeAfterMs: 30 * dayMs },
      { state: "suspended", claim: "by-external-id" },
    ],
    [
      "gone for exactly removeAfter",
      gone(30),
      everybody,
      { removeAfterMs: 30 * dayMs },
      { state: "removed", claim: "by-external-id" },
    ],
    [
      "gone for long, ignore stays ignore",
      gone(99),
      everybody,
      { removeAfterMs: 30 * dayMs, onDelete: "ignore" },
      { state: "untouched", note: null },
    ],
    [
      "gone and out of scope is gone",
      of({ absentSinceMs: nowMs }),
      inScope,
      { onDeactivate: "ignore" },
      { state: "suspended", claim: "by-external-id" },
    ],
    ["no address", of({ email: null }), everybody, {}, { state: "untouched", note: "no-email" }],
    ["no address and gone", of({ email: null, absentSinceMs: 1 }), everybody, {}, { state: "untouched", note: null }],
    [
      "another keeps the address",
      of({}, { emailOwnerId: "bob" }),
      everybody,
      {},
      { state: "untouched", note: "conflict" },
    ],
    [
      "another keeps the address, inactive",
      of({ isActive: false }, { emailOwnerId: "bob" }),
      everybody,
      {},
      { state: "untouched", note: "conflict" },
    ],
    [
      "who is gone, and nobody looked after here has the address",
      of({ absentSinceMs: 1 }, { emailOwnerId: "bob" }),
      everybody,
      { onDelete: "remove" },
      { state: "removed", claim: "by-external-id" },
    ],
  ];
  it.each(cases)("%s", (_name, who, scope, policy, wanted) => {
    expect(desiredStateOf(who, { scope, policy: { ...lenient, ...policy }, nowMs })).toEqual(wanted);
  });

  const leaver = of({ absentSinceMs: 1 }, { emailOwnerId: "bob" });
  const linked = linkOf("ada", { remoteId: "m1" });
  const owner = (user: Partial<DirectoryUser>, more: Partial<InputUser> = {}) =>
    of({ id: "bob", ...user }, { emailOwnerId: "bob", ...more });
  it.each([
    ["is active here: gives way silently", leaver, owner({}), everybody, "untouched"],
    [
      "is inactive here: gives way, the member is claimed by address",
      leaver,
      owner({ isActive: false }),
      everybody,
      "untouched",
    ],
    ["is out of scope: goes like anybody who leaves", leaver, owner({}, { groupIds: [] }), inScope, "suspended"],
    [
      "has a member of their own: goes like anybody who leaves",
      { ...leaver, link: linked },
      owner({}, { link: linkOf("bob", { remoteId: "m2" }) }),
      everybody,
      "suspended",
    ],
    [
      "has taken over the very member: gives way silently",
      { ...leaver, link: linked },
      owner({}, { link: linkOf("bob", { remoteId: "m1" }) }),
      everybody,
      "untouched",
    ],
    [
      "has a member, which the leaver has given up: gives way silently",
      leaver,
      owner({}, { link: linkOf("bob", { remoteId: "m1" }) }),
      everybody,
      "untouched",
    ],
  ])("who is gone while the new owner of the address %s", (_name, who, has, scope, state) => {
    expect(desiredStateOf(who, { emailOwner: has, scope, policy: lenient, nowMs }).state).toBe(state);
  });

  it("leaves nobody's own member to another who claims the address", () => {
    const who = of({ isActive: false }, { emailOwnerId: "bob", link: linked });
    const wanted = (hasAccount: boolean) =>
      desiredStateOf(who, { scope: everybody, policy: lenient, nowMs, hasAccount });
    expect(wanted(true)).toMatchObject({ state: "suspended" });
    expect(wanted(false)).toEqual({ state: "untouched", note: "conflict" });
  });
});

describe("the groups of a target", () => {
  it.each([
    [null, [], true],
    [["eng*"], [], true],
    [["ops*"], [], false],
    [[], [], false],
    [null, ["*-core"], false],
    [["eng*"], ["ENG-CORE"], false],
  ] as const)("include %j, exclude %j: %s", (groupInclude, groupExclude, expected) => {
    expect(isPushed(team("1", { displayName: "eng-core" }), { ...lenient, groupInclude, groupExclude })).toBe(expected);
  });

  it("decide who belongs there: present ones only, by any pattern", () => {
    const groups = [
      team("a", { displayName: "Vault-EU" }),
      team("b", { displayName: "vault-us", absentSinceMs: 1 }),
      team("c", { displayName: "eng" }),
      team("d", { displayName: "admins" }),
    ];
    const slice = groups.map((group) => ({ group, link: null }));
    expect(scopeOf(slice, { ...lenient, userGroups: ["vault-*", "adm?ns"] })).toEqual(new Set(["a", "d"]));
    expect(scopeOf(slice, { ...lenient, userGroups: [] })).toEqual(new Set());
    expect(scopeOf(slice, lenient)).toBeNull();
  });
});
