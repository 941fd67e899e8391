/** The weak ETag of a revision. It is also `meta.version` (RFC 7644 §3.14). */
export const toEtag = (rev: number): string => `W/"${rev}"`;

/** The revisions in `If-Match` or `If-None-Match`. A tag that is not from this server matches no revision. */
export type Versions = "any" | ReadonlySet<number>;

/** Null without the header. Weak and strong tags are equal: versions in SCIM are weak (RFC 7644 §3.14). */
export function parseVersions(header: string | undefined): Versions | null {
  if (header === undefined) return null;
  if (header.trim() === "*") return "any";
  return new Set(
    header.split(",").map((tag) => {
      const digits = /^\s*(?:W\/)?"?(\d{1,15})"?\s*$/.exec(tag)?.[1];
      return digits === undefined ? -1 : Number(digits);
    }),
  );
}

export const isNamed = (versions: Versions, rev: number): boolean => versions === "any" || versions.has(rev);
