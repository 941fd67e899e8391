/** The meaning of a 403 about one user. */
export interface Refusal {
  /** The vendor's slug, or a replacement. */
  readonly words: string;
  /** False if the cause may also be the application or the account. */
  readonly isKnown: boolean;
  readonly advice: string;
}

interface KnownRefusal {
  readonly slug: string;
  readonly advice: string;
}

// 1Password gives 403 with gRPC code 7 for every refusal; only the slug differs.
const known: readonly KnownRefusal[] = [
  // elastic/kibana, one_password.ts and its tests, read 2026-10-07: the only body on record
  { slug: "no_owner_remain", advice: "make someone else an owner in 1Password first" },
];

const unknownAdvice =
  "externally managed administrators can't be suspended, and the OAuth application needs the permissions to suspend and to reactivate users";

/** Explains a refusal. `slug` is the `message` of the answer; null if it has none. */
export function refusalOf(slug: string | null): Refusal {
  const words = slug === null || slug.trim() === "" ? "403 without a reason" : slug.slice(0, 200);
  const match = known.find((refusal) => refusal.slug === slug);
  return { words, isKnown: match !== undefined, advice: match?.advice ?? unknownAdvice };
}
