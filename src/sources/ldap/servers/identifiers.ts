import { EqualityFilter, type Filter } from "ldapts";
import type { LdapEntry } from "../protocol/entry.ts";
import type { EntryIdAttribute } from "./presets.ts";

/** The first three parts of a GUID are little-endian (MS-DTYP 2.3.4). Swapping twice gives the same bytes. */
function swapGuid(bytes: Buffer): Buffer {
  const swapped = Buffer.from(bytes);
  swapped.subarray(0, 4).swap32();
  swapped.subarray(4, 8).swap16();
  return swapped;
}

const uuidOf = (bytes: Buffer): string => bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");

/** An objectGUID as the tools of Active Directory print it. */
export const printGuid = (bytes: Buffer): string => uuidOf(swapGuid(bytes));

/** A sync UUID (RFC 4533) as the server's id attribute prints it. 389 DS prints four parts of eight digits. */
export const printSyncUuid = (attribute: EntryIdAttribute, bytes: Buffer): string =>
  attribute === "nsUniqueId" ? (bytes.toString("hex").match(/.{8}/g) ?? []).join("-") : uuidOf(bytes);

/** The value of an id attribute. objectGUID is binary, all others are text. UUIDs become lower case. */
export function readId(entry: LdapEntry, attribute: string): string | null {
  if (attribute.toLowerCase() === "objectguid") {
    const bytes = entry.buffers(attribute)[0];
    return bytes?.length === 16 ? printGuid(bytes) : null;
  }
  const text = entry.text(attribute);
  return text !== null && /^[0-9a-f]{8}-[0-9a-f-]+$/i.test(text) ? text.toLowerCase() : text;
}

/** The filter that finds an entry by its id. */
export const idFilter = (attribute: EntryIdAttribute, id: string): Filter =>
  new EqualityFilter({
    attribute,
    value: attribute === "objectGUID" ? swapGuid(Buffer.from(id.replaceAll("-", ""), "hex")) : id,
  });
