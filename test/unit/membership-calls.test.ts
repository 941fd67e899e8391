import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MembershipChange } from "../../src/domain/decide/comparison.ts";
import { compact } from "../../src/domain/decide/membership-calls.ts";
import type { Change } from "../../src/domain/model/plan.ts";
import { comparedGroup, comparedUser, membership } from "./model.ts";

/** Every membership change of some calls, as text. */
const changesOf = (changes: readonly Change[]): readonly string[] =>
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

  it("makes one call for one user in ten groups, and one for ten users in one group", () => {
    expect(compact(numbers(10).map((id) => membership("add", id, "a")))).toMatchObject([
      { op: "setGroups", userId: "a" },
    ]);
    expect(compact(numbers(10).map((id) => membership(Number(id) % 2 ? "add" : "remove", "eng", id)))).toMatchObject([
      { op: "setMembers", groupId: "eng" },
    ]);
    expect(compact([])).toEqual([]);
  });

  it("fills small and large groups with one call per group, not one per user", () => {
    const pairs = numbers(200).flatMap((id) => [
      membership("add", `team${Number(id) % 20}`, id),
      ...numbers(10).map((wide) => membership("add", `wide${wide}`, id)),
    ]);
    expect(compact(pairs)).toHaveLength(30);
  });

  it("contains each change once, with at most the fewest calls times the logarithm of the largest", () => {
    const edge = fc.record({ group: fc.nat(4), user: fc.nat(4), isAdd: fc.boolean() });
    fc.assert(
      fc.property(fc.uniqueArray(edge, { selector: (each) => `${each.group} ${each.user}`, minLength: 1 }), (edges) => {
        const calls = compact(
          edges.map((each) => membership(each.isAdd ? "add" : "remove", `g${each.group}`, `u${each.user}`)),
        );
        expect(changesOf(calls)).toEqual(
          edges.map((each) => `${each.isAdd ? "+" : "-"}g${each.group} u${each.user}`).sort(),
        );
        // The fewest calls: the smallest set of users and groups that covers all changes.
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

  it("takes 100,000 changes of 50,000 users", () => {
    const one = comparedGroup("everyone");
    const teams = numbers(300).map(comparedGroup);
    const pairs = numbers(50_000).flatMap((id): MembershipChange[] => {
      const who = comparedUser(id);
      return [
        { kind: "add", member: who, group: one },
        { kind: "add", member: who, group: teams[Number(id) % 300] ?? one },
      ];
    });
    // A quadratic search would not end within the timeout of a test.
    expect(compact(pairs)).toHaveLength(301);
  });
});
