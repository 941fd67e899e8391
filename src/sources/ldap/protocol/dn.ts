// Standard attribute types are the same by name and by OID (RFC 4514 §3).
const nameOfOid: Readonly<Record<string, string>> = {
  "2.5.4.3": "cn",
  "2.5.4.6": "c",
  "2.5.4.7": "l",
  "2.5.4.8": "st",
  "2.5.4.9": "street",
  "2.5.4.10": "o",
  "2.5.4.11": "ou",
  "0.9.2342.19200300.100.1.25": "dc",
  "0.9.2342.19200300.100.1.1": "uid",
  commonname: "cn",
  countryname: "c",
  localityname: "l",
  stateorprovincename: "st",
  organizationname: "o",
  organizationalunitname: "ou",
  domaincomponent: "dc",
  userid: "uid",
};

/**
 * One spelling of a DN, for comparison only. Escapes (RFC 4514) are decoded, letters folded, runs of spaces reduced to one
 * (caseIgnoreMatch, RFC 4518 §2.6), and the parts of a multi-valued RDN sorted. Other text is trimmed and folded.
 */
export const normalizeDn = (dn: string): string =>
  parseDn(dn)
    ?.map((parts) => [...parts].sort().join("+"))
    .join(",") ?? fold(dn);

/** True if `dn` is `base` or lies below it. Both can have any spelling. */
export function isWithin(dn: string, base: string): boolean {
  const inner = normalizeDn(dn);
  const outer = normalizeDn(base);
  return outer === "" || inner === outer || inner.endsWith(`,${outer}`);
}

const fold = (text: string): string => text.normalize("NFKC").trim().replace(/ +/g, " ").toLowerCase();

/** The RDNs from the leaf up, each a list of `type=value` in one spelling; null if the text is not a DN. */
function parseDn(dn: string): readonly (readonly string[])[] | null {
  if (dn.trim() === "") return [];
  // Type and value of one part. The quotes are those of RFC 2253; `;` separates in RFC 1779.
  // No text matches in two ways, so that the time is linear also for hostile names.
  const part =
    /\s*(?:oid\.)?([a-z][a-z0-9-]*|[0-9.]+)\s*=(?: *"([^"\\]*(?:\\.[^"\\]*)*)" *|([^\\,;+]*(?:\\.?[^\\,;+]*)*))([,;+]|$)/isy;
  const names: string[][] = [[]];
  for (;;) {
    const [, type = "", quoted, plain = "", separator] = part.exec(dn) ?? [];
    if (separator === undefined) return null;
    const name = type.toLowerCase();
    const raw = quoted ?? plain;
    const value = fold(raw.includes("\\") ? raw.replace(/((?:\\[0-9a-f]{2})+)|\\(.?)/gis, decodeEscape) : raw);
    names.at(-1)?.push(`${nameOfOid[name] ?? name}=${value.replace(/[\\,+=]/g, "\\$&")}`);
    if (separator === "") return names;
    if (separator !== "+") names.push([]);
  }
}

const decodeEscape = (_: string, hex: string | undefined, character = ""): string =>
  hex === undefined ? character : Buffer.from(hex.replaceAll("\\", ""), "hex").toString("utf8");
