import { describe, expect, it } from "vitest";
import type { Desired } from "../../src/domain/decide/desired-state.ts";
import { claimsOf, indexObserved, matchAccount, matchGroup } from "../../src/domain/decide/match.ts";
import type { ObservedGroup } from "../../src/domain/model/account.ts";
import type { DirectoryGroup } from "../../src/domain/model/entities.ts";
import type { Link } from "../../src/domain/model/link.ts";
import type { InputGroup } from "../../src/domain/model/sync-input.ts";
import { named, tableOf } from "../support/table.ts";
import { account, linkOf, observed, person, team } from "./model.ts";

describe("a user's account", () => {
  const accounts = {
    linked: account("linked", { email: "old@example.com" }),
    keyed: account("keyed", { email: "other@example.com", externalId: "x-ada" }),
    "keyed twin": account("keyed twin", { email: "other@example.com", externalId: "x-ada" }),
    "same address": account("same address", { email: " Ada@Example.com " }),
    "address twin": account("address twin", { email: "ada@example.com" }),
    bob: account("bob"),
  };
  const desired: Readonly<Record<string, Desired>> = {
    active: { state: "active" },
    inactive: { state: "suspended", claim: "by-email" },
    "out of scope": { state: "suspended", claim: "by-external-id" },
    deleted: { state: "removed", claim: "by-external-id" },
  };
  const cases = tableOf(
    ["link", "accounts", "user", "match"],
    `
    name                                                          | link   | accounts                    | user         | match
    is the linked one, whatever the others show                   | linked | linked, keyed, same address | active       | linked by link
    is the one with our key if the linked one is gone             | lost   | keyed, same address         | active       | keyed by externalId
    is the one with the address, in any letter case               |        | same address                | active       | same address by email
    of an inactive user is the one with the address               |        | same address                | inactive     | same address by email
    of a user out of scope is not found by the address alone      |        | same address                | out of scope | none
    of a deleted user is not found by the address alone           |        | same address                | deleted      | none
    of a deleted user is the one with our key                     |        | keyed, same address         | deleted      | keyed by externalId
    of a deleted user is the linked one                           | linked | linked                      | deleted      | linked by link
    is ambiguous if several have our key                          |        | keyed, keyed twin           | active       | ambiguous
    is ambiguous if several have the address                      |        | same address, address twin  | active       | ambiguous
    is not found if nothing fits                                  |        | bob                         | active       | none
  `,
  );
  const matched = (match: ReturnType<typeof matchAccount>) =>
    match.kind === "one" ? `${match.item.remoteId} by ${match.by}` : match.kind;
  it.each(cases)("$name", ({ link, accounts: shown, user, match }) => {
    const input = {
      user: person("ada"),
      link: link === "" ? null : linkOf("ada", { remoteId: link }),
      groupIds: [],
      emailOwnerId: "ada",
    };
    const observation = indexObserved(observed({ accounts: shown.split(", ").map((each) => named(accounts, each)) }));
    expect(matched(matchAccount(input, named(desired, user), observation))).toBe(match);
  });

  it("is found only by link and key if the user has no address", () => {
    const input = { user: person("ada", { email: null }), link: null, groupIds: [], emailOwnerId: null };
    const observation = indexObserved(observed({ accounts: [account("x", { email: "" })] }));
    expect(matchAccount(input, { state: "active" }, observation)).toEqual({ kind: "none" });
  });
});

describe("a group is the one that", () => {
  const bare: ObservedGroup = { remoteId: "bare", name: "eng", externalId: null };
  const ours: ObservedGroup = { remoteId: "ours", name: "renamed by hand", externalId: "x-eng" };
  const others: ObservedGroup = { remoteId: "others", name: "eng", externalId: "x-somebody" };
  const find = (
    groups: readonly ObservedGroup[],
    more: {
      readonly group?: Partial<DirectoryGroup>;
      readonly link?: Partial<Link>;
      readonly besides?: readonly InputGroup[];
      readonly takesOver?: boolean;
    } = {},
  ) => {
    const item: InputGroup = {
      group: team("eng", more.group),
      link: more.link === undefined ? null : linkOf("eng", { kind: "group", ...more.link }),
    };
    const observation = indexObserved(observed({ groups }));
    return matchGroup(
      item,
      observation,
      claimsOf([item, ...(more.besides ?? [])], () => true, observation),
      () => more.takesOver === true,
    );
  };
  const namesake = (link: Partial<Link> | null, more: Partial<DirectoryGroup> = {}): InputGroup => ({
    group: team("eng2", { displayName: "eng", ...more }),
    link: link === null ? null : linkOf("eng2", { kind: "group", ...link }),
  });

  it("takes over from a deleted namesake, but not if it has its own and nobody asked for it", () => {
    const theirs: ObservedGroup = { remoteId: "theirs", name: "eng", externalId: "x-eng2" };
    const gone = namesake({ remoteId: "theirs" }, { absentSinceMs: 1 });
    const heirsOf = (link: Partial<Link> | null, isComplete: boolean) => {
      const item = { group: team("eng"), link: link === null ? null : linkOf("eng", { kind: "group", ...link }) };
      return [
        ...claimsOf([item, gone], () => true, indexObserved({ ...observed({ groups: [theirs] }), isComplete })).heirs,
      ];
    };
    expect(heirsOf(null, true)).toEqual([["theirs", "eng"]]);
    expect(heirsOf({ remoteId: "deleted by hand" }, true)).toEqual([["theirs", "eng"]]);
    expect(heirsOf({ remoteId: "its own" }, false)).toEqual([]);
  });

  it("is linked, else carries our key, else has the name and no key", () => {
    expect(find([bare, ours, others], { link: { remoteId: "others" } })).toEqual({
      kind: "one",
      item: others,
      by: "link",
    });
    expect(find([bare, ours, others], { link: { remoteId: "gone" } })).toEqual({
      kind: "one",
      item: ours,
      by: "externalId",
    });
    expect(find([bare, others])).toEqual({ kind: "one", item: bare, by: "name" });
    expect(find([others])).toEqual({ kind: "none" });
    expect(find([{ ...bare, name: "Eng" }])).toEqual({ kind: "none" });
  });

  it("has the name and another system's key, if it may be taken over", () => {
    expect(find([others], { takesOver: true })).toEqual({ kind: "one", item: others, by: "name" });
    expect(find([bare, others], { takesOver: true })).toEqual({ kind: "ambiguous" });
    expect(find([others], { takesOver: true, group: { absentSinceMs: 1 } })).toEqual({ kind: "none" });
    // The key or the link of another group of ours: never.
    const keyed = namesake(null, { externalId: "x-somebody", displayName: "else" });
    expect(find([others], { takesOver: true, besides: [keyed] })).toEqual({ kind: "none" });
    expect(find([others], { takesOver: true, besides: [namesake({ remoteId: "others" })] })).toEqual({ kind: "none" });
    expect(find([others], { takesOver: true, besides: [namesake(null)] })).toEqual({ kind: "ambiguous" });
  });

  it("is ambiguous if several fit", () => {
    expect(find([bare, { ...bare, remoteId: "twin" }])).toEqual({ kind: "ambiguous" });
    expect(find([ours, { ...ours, remoteId: "twin" }])).toEqual({ kind: "ambiguous" });
  });

  it("is not found by name if the group is deleted", () => {
    expect(find([bare], { group: { absentSinceMs: 1 } })).toEqual({ kind: "none" });
    expect(find([ours], { group: { absentSinceMs: 1 } })).toMatchObject({ by: "externalId" });
  });

  it("never belongs to two groups: not if it is linked to another, and to none if two claim it", () => {
    expect(find([bare], { besides: [namesake({ remoteId: "bare" })] })).toEqual({ kind: "none" });
    expect(find([bare], { besides: [namesake(null)] })).toEqual({ kind: "ambiguous" });
    expect(find([bare], { besides: [namesake({ remoteId: "gone" })] })).toEqual({ kind: "ambiguous" });
    expect(find([bare], { besides: [namesake(null, { absentSinceMs: 1 })] })).toMatchObject({
      kind: "one",
      by: "name",
    });
    expect(find([bare, { ...others, externalId: "x-eng2" }], { besides: [namesake(null)] })).toMatchObject({
      kind: "one",
      by: "name",
    });
  });
});
