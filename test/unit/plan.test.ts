import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Change, digestOf, entitiesOf, removalKeys } from "../../src/domain/model/plan.ts";

const p = { userId: "u1", email: "ada@example.com", remoteId: "r1" };
const q = { userId: "u2", email: "bob@example.com", remoteId: null };
const g = { groupId: "g1", name: "eng", remoteId: "rg1" };
const h = { groupId: "g2", name: "ops", remoteId: null };

const cases: readonly (readonly [Change, readonly string[], readonly string[]])[] = [
  [{ op: "invite", userId: "u1", email: "e", externalId: "x" }, ["user u1"], []],
  [{ op: "adopt", externalId: "x", ...p }, ["user u1"], []],
  [{ op: "restore", ...p }, ["user u1"], []],
  [{ op: "reinvite", ...p }, ["user u1"], []],
  [{ op: "suspend", ...p }, ["user u1"], ["access:u1"]],
  [{ op: "remove", ...p }, ["user u1"], ["access:u1"]],
  [{ op: "createGroup", groupId: "g1", name: "n", externalId: "x" }, ["group g1"], []],
  [{ op: "adoptGroup", externalId: "x", ...g }, ["group g1"], []],
  [{ op: "renameGroup", externalId: "x", ...g }, ["group g1"], []],
  [{ op: "removeGroup", memberCount: 3, ...g }, ["group g1"], ["group:g1"]],
  [{ op: "setMembers", add: [p], remove: [q], ...g }, ["user u1", "user u2"], ["member:g1:u2"]],
  [{ op: "setGroups", add: [g], remove: [h], ...p }, ["user u1"], ["member:g2:u1"]],
];

describe("a change", () => {
  it.each(cases)("$op is about these entities and takes these away", (change, entities, keys) => {
    expect(entitiesOf(change).map(({ kind, id }) => `${kind} ${id}`)).toEqual(entities);
    expect(removalKeys(change)).toEqual(keys);
  });

  it("has the same keys from the person's side as from the group's", () => {
    expect(removalKeys({ op: "setGroups", add: [], remove: [g], ...p })).toEqual(
      removalKeys({ op: "setMembers", add: [], remove: [p], ...g }),
    );
  });
});

describe("a digest", () => {
  it("does not depend on the order, and tells sets apart", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 1 }), fc.string(), (keys, extra) => {
        expect(digestOf([...keys].reverse())).toBe(digestOf(keys));
        expect(digestOf(keys)).toMatch(/^[0-9a-f]{16}$/);
        if (!keys.includes(extra) && !/\n/.test(extra + keys.join("")))
          expect(digestOf([...keys, extra])).not.toBe(digestOf(keys));
      }),
    );
  });

  it("leaves its argument as it was, and is null for nothing", () => {
    const keys = ["b", "a"];
    digestOf(keys);
    expect(keys).toEqual(["b", "a"]);
    expect(digestOf([])).toBeNull();
  });
});
