/** One attribute and value of a relative name. */
interface NamePart {
  readonly type: string;
  readonly value: string;
}

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
 * A DN in one spelling, for comparison only: RFC 4514 escapes read, letters folded, spaces inside values made one
 * (caseIgnoreMatch, RFC 4518 §2.6), the parts of a multi-valued RDN sorted. Text that is no DN comes back trimmed and folded.
 */
export function normalizeDn(dn: string): string {
  const names = parseDn(dn);
  if (names === null) return fold(dn);
  return names
    .map((parts) =>
      parts
        .map(({ type, value }) => `${type}=${escapeValue(fold(value))}`)
        .sort()
        .join("+"),
    )
    .join(",");
}

/** True when `dn` lies under `base` or is it; both as given by the server or the operator. */
export function isWithin(dn: string, base: string): boolean {
  const inner = normalizeDn(dn);
  const outer = normalizeDn(base);
  return outer === "" || inner === outer || inner.endsWith(`,${outer}`);
}

const fold = (text: string): string => text.normalize("NFKC").trim().replace(/ +/g, " ").toLowerCase();

const escapeValue = (value: string): string => value.replace(/[\\,+=]/g, (character) => `\\${character}`);

/** Relative names from the leaf up; null for what is no DN. */
function parseDn(dn: string): readonly (readonly NamePart[])[] | null {
  if (dn.trim() === "") return [];
  const names: NamePart[][] = [[]];
  let position = 0;
  while (position <= dn.length) {
    const equals = dn.indexOf("=", position);
    if (equals < 0) return null;
    const name = dn
      .slice(position, equals)
      .trim()
      .toLowerCase()
      .replace(/^oid\./, "");
    if (!/^[a-z][a-z0-9-]*$|^[0-9.]+$/.test(name)) return null;
    const { value, end } = readValue(dn, equals + 1);
    names.at(-1)?.push({ type: nameOfOid[name] ?? name, value });
    if (end >= dn.length) return names;
    if (dn[end] === "," || dn[end] === ";") names.push([]);
    position = end + 1;
  }
  return null;
}

/** Reads up to the next separator that is not escaped. Quoted values are RFC 2253's. */
function readValue(dn: string, start: number): { readonly value: string; readonly end: number } {
  let end = start;
  while (dn[end] === " ") end += 1;
  if (dn[end] === '"') return readQuoted(dn, end + 1);
  // The common case: no escapes.
  const plain = /[\\,;+]/g;
  plain.lastIndex = end;
  const stop = plain.exec(dn);
  if (stop === null) return { value: dn.slice(end), end: dn.length };
  if (stop[0] !== "\\") return { value: dn.slice(end, stop.index), end: stop.index };
  const bytes: Buffer[] = [];
  while (end < dn.length && !",;+".includes(dn.charAt(end))) {
    if (dn[end] === "\\") {
      const hex = /^[0-9a-f]{2}/i.exec(dn.slice(end + 1, end + 3));
      bytes.push(hex === null ? Buffer.from(dn.charAt(end + 1)) : Buffer.from(hex[0], "hex"));
      end += hex === null ? 2 : 3;
    } else {
      const run = /^[^\\,;+]+/.exec(dn.slice(end))?.[0] ?? "";
      bytes.push(Buffer.from(run));
      end += run.length;
    }
  }
  return { value: Buffer.concat(bytes).toString("utf8"), end };
}

function readQuoted(dn: string, start: number): { readonly value: string; readonly end: number } {
  let value = "";
  let end = start;
  for (; end < dn.length && dn[end] !== '"'; end += 1) {
    if (dn[end] === "\\") end += 1;
    value += dn.charAt(end);
  }
  end += 1;
  while (dn[end] === " ") end += 1;
  return { value, end };
}
