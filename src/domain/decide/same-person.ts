import type { DirectoryUser } from "../model/entities.ts";

type Named = Pick<DirectoryUser, "email" | "displayName">;

/**
 * True if the names do not exclude that two users are one person, for example rehired under a new entry. Every word of the
 * shorter name must begin a word of the longer one, or the other way round (`Clarke, Joan` and `Joan M. Clarke`; `J. Clarke`).
 * A display name that is only an address says nothing: then true. A new surname counts as another person.
 */
export function mayBeSamePerson(one: Named, other: Named): boolean {
  const [shorter, longer] = [wordsOf(one), wordsOf(other)].sort((a, b) => a.length - b.length);
  if (shorter === undefined || longer === undefined || shorter.length === 0) return true;
  return shorter.every((word) => longer.some((each) => each.startsWith(word) || word.startsWith(each)));
}

/** The words of a name without case, accents and punctuation. Empty if the display name is only an address. */
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
