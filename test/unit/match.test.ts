import { describe, expect, it } from "vitest";
import type { Desired } from "../../src/domain/decide/desired-state.ts";
import { claimsOf, indexObserved, matchAccount, matchGroup } from "../../src/domain/decide/match.ts";
import type { ObservedAccount, ObservedGroup } from "../../src/domain/model/account.ts";
import type { DirectoryGroup } from "../../src/domain/model/entities.ts";
import type { Link } from "../../src/domain/model/link.ts";
import type { InputGroup } from "../../src/domain/model/sync-input.ts";
import { linkOf, member, observed, person, team } from "./model.ts";

const active: Desired = { state: "active" };
const suspended: Desired = { state: "suspended", claim: "by-email" };
const outOfScope: Desired = { state: "suspended", claim: "by-external-id" };
const removed: Desired = { state: "removed", claim: "by-external-id" };

const linked = member("linked", { email: "old@example.com" });
const keyed = member("keyed", { email: "other@example.com", externalId: "x-ada" });
const named = member("named", { email: " Ada@Example.com " });

describe("a person is the member that", () => {
  const cases: readonly (readonly [string, string | null, readonly ObservedAccount[], Desired, unknown])[] = [
    [
      "is linked, whatever the rest says",
      "linked",
      [linked, keyed, named],
      active,
      { kind: "one", item: linked, by: "link" },
    ],
    [
      "carries our key, once the linked one is gone",
      "lost",
      [keyed, named],
      active,
      { kind: "one", item: keyed, by: "externalId" },
    ],
    ["has the address, in any case", null, [named], active, { kind: "one", item: named, by: "email" }],
    [
      "has the address, to be suspended as the directory says inactive",
      null,
      [named],
      suspended,
      { kind: "one", item: named, by: "email" },
    ],
    ["- by the address alone nobody out of scope loses anything", null, [named], outOfScope, { kind: "none" }],
    ["- by the address alone nobody who is gone loses anything", null, [named], removed, { kind: "none" }],
    ["carries our key, to be removed", null, [keyed, named], removed, { kind: "one", item: keyed, by: "externalId" }],
    ["is linked, to be removed", "linked", [linked], removed, { kind: "one", item: linked, by: "link" }],
    ["- several carry our key", null, [keyed, { ...keyed, remoteId: "twin" }], active, { kind: "ambiguous" }],
    ["- several have the address", null, [named, { ...named, remoteId: "twin" }], active, { kind: "ambiguous" }],
    ["- nobody is", null, [member("bob")], active, { kind: "none" }],
  ];
  it.each(cases)("%s", (_name, remoteId, members, wanted, expected) => {
    const slice = {
      user: person("ada"),
      link: remoteId === null ? null : linkOf("ada", { remoteId }),
      groupIds: [],
      emailOwnerId: "ada",
    };
    expect(matchAccount(slice, wanted, indexObserved(observed({ accounts: members })))).toEqual(expected);
  });

  it("has no address: only link and key count", () => {
    const slice = { user: person("ada", { email: null }), link: null, groupIds: [], emailOwnerId: null };
    expect(matchAccount(slice, active, indexObserved(observed({ accounts: [member("x", { email: "" })] })))).toEqual({
      kind: "none",
    });
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
    const world = indexObserved(observed({ groups }));
    return matchGroup(
      item,
      world,
      claimsOf([item, ...(more.besides ?? [])], () => true, world),
      () => more.takesOver === true,
    );
  };
  const namesake = (link: Partial<Link> | null, more: Partial<DirectoryGroup> = {}): InputGroup => ({
    group: team("eng2", { displayName: "eng", ...more }),
    link: link === null ? null : linkOf("eng2", { kind: "group", ...link }),
  });

  it("takes over what a namesake that is gone had, but not where it has its own and was not asked for", () => {
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

  it("is linked, else carries our key, else has the name and nobody's key", () => {
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

  it("has the name and another system's key, where that may be taken over", () => {
    expect(find([others], { takesOver: true })).toEqual({ kind: "one", item: others, by: "name" });
    expect(find([bare, others], { takesOver: true })).toEqual({ kind: "ambiguous" });
    expect(find([others], { takesOver: true, group: { absentSinceMs: 1 } })).toEqual({ kind: "none" });
    // The key or the link of another group of ours: never.
    const keyed = namesake(null, { externalId: "x-somebody", displayName: "else" });
    expect(find([others], { takesOver: true, besides: [keyed] })).toEqual({ kind: "none" });
    expect(find([others], { takesOver: true, besides: [namesake({ remoteId: "others" })] })).toEqual({ kind: "none" });
    expect(find([others], { takesOver: true, besides: [namesake(null)] })).toEqual({ kind: "ambiguous" });
  });

  it("- several are", () => {
    expect(find([bare, { ...bare, remoteId: "twin" }])).toEqual({ kind: "ambiguous" });
    expect(find([ours, { ...ours, remoteId: "twin" }])).toEqual({ kind: "ambiguous" });
  });

  it("is not taken by its name when the group is gone from the directory", () => {
    expect(find([bare], { group: { absentSinceMs: 1 } })).toEqual({ kind: "none" });
    expect(find([ours], { group: { absentSinceMs: 1 } })).toMatchObject({ by: "externalId" });
  });

  it("is never two groups at once: one that is linked to another is not taken, one that two claim is nobody's", () => {
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
