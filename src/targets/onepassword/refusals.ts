/** What a 403 on one person means. */
export interface Refusal {
  /** The vendor's slug, or what came instead. */
  readonly words: string;
  /** False: it may as well be about the application or the account. */
  readonly isKnown: boolean;
  readonly advice: string;
}

interface KnownRefusal {
  readonly slug: string;
  readonly advice: string;
}

// 1Password gives 403 with gRPC code 7 for every refusal; the slug tells them apart (contract sheet §6).
const known: readonly KnownRefusal[] = [
  // elastic/kibana, one_password.ts and its tests, read 2026-10-07: the only body on record
  { slug: "no_owner_remain", advice: "make someone else an owner in 1Password first" },
];

const unknownAdvice =
  "externally managed administrators can't be suspended, and the OAuth application needs the permissions to suspend and to reactivate users";

/** `slug` is the `message` of the answer; null when it had none. */
export function refusalOf(slug: string | null): Refusal {
  const words = slug === null || slug.trim() === "" ? "403 without a reason" : slug.slice(0, 200);
  const match = known.find((refusal) => refusal.slug === slug);
  return { words, isKnown: match !== undefined, advice: match?.advice ?? unknownAdvice };
}
