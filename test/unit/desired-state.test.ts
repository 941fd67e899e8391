import { describe, expect, it } from "vitest";
import { desiredStateOf, isPushed, scopeOf } from "../../src/domain/decide/desired-state.ts";
import type { DirectoryUser } from "../../src/domain/model/entities.ts";
import type { TargetPolicy } from "../../src/domain/model/policy.ts";
import type { InputUser } from "../../src/domain/model/sync-input.ts";
import { dayMs, lenient } from "../support/policy.ts";
import { merged, named, tableOf } from "../support/table.ts";
import { linkOf, nowMs, person, team } from "./model.ts";

const ada = (user: Partial<DirectoryUser> = {}, more: Partial<InputUser> = {}): InputUser => ({
  user: person("ada", user),
  link: null,
  groupIds: [],
  emailOwnerId: "ada",
  ...more,
});
const deletedFor = (days: number) => ada({ absentSinceMs: nowMs - days * dayMs });
const linked = (id: string, remoteId: string) => ({ link: linkOf(id, { remoteId }) });

const scopes = { everybody: null, vault: new Set(["vault"]), nobody: new Set<string>() };

describe("the desired state", () => {
  const users = {
    active: ada(),
    "active, in vault": ada({}, { groupIds: ["other", "vault"] }),
    "active, in other": ada({}, { groupIds: ["other"] }),
    "active, not the owner": ada({}, { emailOwnerId: "bob" }),
    "active, no address": ada({ email: null }),
    inactive: ada({ isActive: false }),
    "inactive, not the owner": ada({ isActive: false }, { emailOwnerId: "bob" }),
    "deleted now": ada({ absentSinceMs: nowMs }),
    "deleted 1 day ago": deletedFor(1),
    "deleted 29 days ago": deletedFor(29),
    "deleted 30 days ago": deletedFor(30),
    "deleted 99 days ago": deletedFor(99),
    "deleted, not the owner": ada({ absentSinceMs: 1 }, { emailOwnerId: "bob" }),
    "deleted, no address": ada({ email: null, absentSinceMs: 1 }),
  };
  const policies: Readonly<Record<string, Partial<TargetPolicy>>> = {
    "onDeactivate remove": { onDeactivate: "remove" },
    "onDeactivate ignore": { onDeactivate: "ignore" },
    "onDelete remove": { onDelete: "remove" },
    "onDelete ignore": { onDelete: "ignore" },
    "removeAfter 30d": { removeAfterMs: 30 * dayMs },
  };
  const cases = tableOf(
    ["user", "scope", "policy", "desired"],
    `
    name                                                   | user                    | scope     | policy                                | desired
    an active user is active                               | active                  | everybody |                                       | active
    an active user in scope is active                      | active, in vault        | vault     |                                       | active
    an inactive user is suspended                          | inactive                | everybody |                                       | suspended by-email
    onDeactivate remove removes an inactive user           | inactive                | everybody | onDeactivate remove                   | removed by-email
    onDeactivate ignore leaves an inactive user alone      | inactive                | everybody | onDeactivate ignore                   | untouched
    a user out of scope is suspended                       | active, in other        | vault     |                                       | suspended by-external-id
    onDeactivate remove removes a user out of scope        | active                  | vault     | onDeactivate remove                   | removed by-external-id
    onDeactivate ignore leaves a user out of scope alone   | active                  | vault     | onDeactivate ignore                   | untouched
    a scope without members suspends everybody             | active                  | nobody    |                                       | suspended by-external-id
    an inactive user out of scope claims no address        | inactive                | vault     |                                       | suspended by-external-id
    a deleted user is suspended                            | deleted 1 day ago       | everybody |                                       | suspended by-external-id
    onDelete counts for a deleted user, not onDeactivate   | deleted 1 day ago       | everybody | onDeactivate ignore + onDelete remove | removed by-external-id
    onDelete ignore leaves a deleted user alone            | deleted 1 day ago       | everybody | onDelete ignore                       | untouched
    before removeAfter a deleted user is suspended         | deleted 29 days ago     | everybody | removeAfter 30d                       | suspended by-external-id
    after removeAfter a deleted user is removed            | deleted 30 days ago     | everybody | removeAfter 30d                       | removed by-external-id
    onDelete ignore stays ignore after removeAfter         | deleted 99 days ago     | everybody | removeAfter 30d + onDelete ignore     | untouched
    a deleted user out of scope counts as deleted          | deleted now             | vault     | onDeactivate ignore                   | suspended by-external-id
    a user without address is left alone                   | active, no address      | everybody |                                       | untouched no-email
    a deleted user without address is left alone           | deleted, no address     | everybody |                                       | untouched
    a user whose address another user keeps is a conflict  | active, not the owner   | everybody |                                       | untouched conflict
    so is an inactive one                                  | inactive, not the owner | everybody |                                       | untouched conflict
    a deleted user is removed if the owner is not known    | deleted, not the owner  | everybody | onDelete remove                       | removed by-external-id
  `,
  );
  it.each(cases)("$name", ({ user, scope, policy, desired }) => {
    const rules = { ...lenient, ...merged(policies, policy) };
    const result = desiredStateOf(named(users, user), { scope: named(scopes, scope), policy: rules, nowMs });
    const detail = "claim" in result ? result.claim : "note" in result ? result.note : null;
    expect([result.state, ...(detail === null ? [] : [detail])].join(" ")).toBe(desired);
  });

  const bob = (user: Partial<DirectoryUser> = {}, more: Partial<InputUser> = {}) =>
    ada({ id: "bob", ...user }, { emailOwnerId: "bob", ...more });
  it.each([
    { owner: "is active", link: {}, emailOwner: bob(), scope: null, state: "untouched" },
    { owner: "is inactive", link: {}, emailOwner: bob({ isActive: false }), scope: null, state: "untouched" },
    { owner: "is out of scope", link: {}, emailOwner: bob(), scope: scopes.vault, state: "suspended" },
    {
      owner: "has another account",
      link: linked("ada", "m1"),
      emailOwner: bob({}, linked("bob", "m2")),
      scope: null,
      state: "suspended",
    },
    {
      owner: "has the same account",
      link: linked("ada", "m1"),
      emailOwner: bob({}, linked("bob", "m1")),
      scope: null,
      state: "untouched",
    },
    {
      owner: "has the account that the deleted user gave up",
      link: {},
      emailOwner: bob({}, linked("bob", "m1")),
      scope: null,
      state: "untouched",
    },
  ])("of a deleted user is $state if the new owner of the address $owner", ({ link, emailOwner, scope, state }) => {
    const leaver = ada({ absentSinceMs: 1 }, { emailOwnerId: "bob", ...link });
    expect(desiredStateOf(leaver, { emailOwner, scope, policy: lenient, nowMs }).state).toBe(state);
  });

  it("of a linked user does not depend on another user with the same address", () => {
    const user = ada({ isActive: false }, { emailOwnerId: "bob", ...linked("ada", "m1") });
    const desired = (hasAccount: boolean) => desiredStateOf(user, { scope: null, policy: lenient, nowMs, hasAccount });
    expect(desired(true)).toMatchObject({ state: "suspended" });
    expect(desired(false)).toEqual({ state: "untouched", note: "conflict" });
  });
});

describe("the groups of a target", () => {
  it.each([
    { groupInclude: null, groupExclude: [], isIncluded: true },
    { groupInclude: ["eng*"], groupExclude: [], isIncluded: true },
    { groupInclude: ["ops*"], groupExclude: [], isIncluded: false },
    { groupInclude: [], groupExclude: [], isIncluded: false },
    { groupInclude: null, groupExclude: ["*-core"], isIncluded: false },
    { groupInclude: ["eng*"], groupExclude: ["ENG-CORE"], isIncluded: false },
  ])("include $groupInclude and exclude $groupExclude: $isIncluded", ({ groupInclude, groupExclude, isIncluded }) => {
    const group = team("1", { displayName: "eng-core" });
    expect(isPushed(group, { ...lenient, groupInclude, groupExclude })).toBe(isIncluded);
  });

  it("define the scope by any pattern, if they are present", () => {
    const groups = [
      team("a", { displayName: "Vault-EU" }),
      team("b", { displayName: "vault-us", absentSinceMs: 1 }),
      team("c", { displayName: "eng" }),
      team("d", { displayName: "admins" }),
    ].map((group) => ({ group, link: null }));
    expect(scopeOf(groups, { ...lenient, userGroups: ["vault-*", "adm?ns"] })).toEqual(new Set(["a", "d"]));
    expect(scopeOf(groups, { ...lenient, userGroups: [] })).toEqual(new Set());
    expect(scopeOf(groups, lenient)).toBeNull();
  });
});
