import { EqualityFilter, type Filter } from "ldapts";
import type { LdapEntry } from "../protocol/entry.ts";
import type { EntryIdAttribute } from "./options.ts";

/** A GUID as Active Directory's tools print it: the first three parts are little-endian (MS-DTYP 2.3.4). */
export function printGuid(bytes: Buffer): string {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return printUuid(Buffer.from(order.map((index) => bytes[index] ?? 0)));
}

/** A UUID (RFC 9562 §4) of 16 bytes in network order. */
export function printUuid(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** 389 DS prints the same 16 bytes in four parts of eight digits. */
export const printNsUniqueId = (bytes: Buffer): string => (bytes.toString("hex").match(/.{8}/g) ?? []).join("-");

/** The bytes of a printed GUID: what a filter on objectGUID compares with. */
function guidBytes(printed: string): Buffer {
  const bytes = Buffer.from(printed.replaceAll("-", ""), "hex");
  return Buffer.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((index) => bytes[index] ?? 0));
}

/** The value of an id attribute; objectGUID is binary, all others are text. UUIDs are folded: they name the same in any case. */
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
  new EqualityFilter({ attribute, value: attribute === "objectGUID" ? guidBytes(id) : id });

/** A sync UUID (RFC 4533) as the server's id attribute prints it: nsUniqueId in 389 DS, entryUUID elsewhere. */
export const printSyncUuid = (attribute: EntryIdAttribute, bytes: Buffer): string =>
  attribute === "nsUniqueId" ? printNsUniqueId(bytes) : printUuid(bytes);
