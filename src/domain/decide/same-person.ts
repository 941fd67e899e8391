/** Who is, or was, somebody: as much of a person as tells two of them apart. */
export interface Named {
  /** Trimmed, lower case; null without one. */
  readonly email: string | null;
  readonly displayName: string;
}

/**
 * May these be one person, hired again or sent anew by another source? Their names say no, or nothing: one is no name (an
 * address, or what stands before its @), or all words of the shorter one begin, or are begun by, a word of the other
 * (`Clarke, Joan` and `Joan M. Clarke`; `J. Clarke`). A new surname is another name: somebody has to say who that is.
 */
export function mayBeSamePerson(one: Named, other: Named): boolean {
  const [shorter, longer] = [wordsOf(one), wordsOf(other)].sort((a, b) => a.length - b.length);
  if (shorter === undefined || longer === undefined || shorter.length === 0) return true;
  return shorter.every((word) => longer.some((each) => each.startsWith(word) || word.startsWith(each)));
}

/** The words of a name without case, accents and punctuation; none of what is no name. */
function wordsOf({ email, displayName }: Named): readonly string[] {
  if (displayName.includes("@") || displayName.trim().toLowerCase() === email?.split("@")[0]) return [];
  return (
    displayName
      .normalize("NFKD")
      .replace(/\p{M}/gu, "")
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}
