import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchesAny } from "../../src/domain/model/policy.ts";

describe("patterns of group names", () => {
  it.each([
    ["eng", "eng", true],
    ["eng", "engine", false],
    ["eng", "my eng", false],
    ["ENG-*", "eng-core", true],
    ["eng-*", "ENG-CORE", true],
    ["eng-*", "eng-", true],
    ["eng-*", "eng", false],
    ["*", "", true],
    ["*", "anything\nat all", true],
    ["", "", true],
    ["", "a", false],
    ["?", "a", true],
    ["?", "", false],
    ["?", "😀", true],
    ["??", "😀", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["*core", "eng-core", true],
    ["*core", "core-eng", false],
    ["a*b*c", "a-b-b-c-c", true],
    ["a*b*c", "a-c-b", false],
    ["**a**", "xax", true],
    ["a.c", "abc", false],
    ["a+(b)[c]{1}^$|\\", "a+(b)[c]{1}^$|\\", true],
    ["ü*", "Übung", true],
  ])("%j and %j: %s", (pattern, name, expected) => {
    expect(matchesAny([pattern], name)).toBe(expected);
  });

  it("match when any of several does, and never when there is none", () => {
    expect(matchesAny(["ops", "e*"], "eng")).toBe(true);
    expect(matchesAny([], "eng")).toBe(false);
  });

  it("do not blow up on a name that almost fits", () => {
    const name = "a".repeat(5000);
    // With backtracking over every star this would not end.
    for (const pattern of ["a*a*a*a*b", `${"a*".repeat(30)}b`, `${"*?".repeat(30)}b`])
      expect(matchesAny([pattern], name)).toBe(false);
  });

  it("mean what the plain definition means", () => {
    const means = (pattern: string, name: string): boolean =>
      pattern === ""
        ? name === ""
        : pattern[0] === "*"
          ? means(pattern.slice(1), name) || (name !== "" && means(pattern, name.slice(1)))
          : name !== "" && (pattern[0] === "?" || pattern[0] === name[0]) && means(pattern.slice(1), name.slice(1));
    const word = (letters: string) =>
      fc.array(fc.constantFrom(...letters), { maxLength: 8 }).map((each) => each.join(""));
    fc.assert(
      fc.property(word("ab*?"), word("ab"), (pattern, name) => matchesAny([pattern], name) === means(pattern, name)),
      { numRuns: 3000 },
    );
  });
});
