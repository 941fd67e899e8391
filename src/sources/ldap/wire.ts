import { Ber, BerReader } from "ldapts";
import { RollcallError } from "../../domain/errors.ts";
import { LdapEntry } from "./entry.ts";

/** A control on an answer. */
export interface ResponseControl {
  readonly oid: string;
  readonly value: Buffer;
}

/** LDAPResult (RFC 4511 §4.1.9). */
export interface LdapResult {
  readonly code: number;
  readonly diagnostic: string;
  readonly referrals: readonly string[];
}

/** An answer of the server, as far as a reading client meets them. */
export type LdapMessage = { readonly messageId: number; readonly controls: readonly ResponseControl[] } & (
  | { readonly kind: "entry"; readonly entry: LdapEntry }
  | { readonly kind: "reference"; readonly uris: readonly string[] }
  | { readonly kind: "intermediate"; readonly oid: string; readonly value: Buffer }
  | { readonly kind: "done" | "bound" | "extended"; readonly result: LdapResult }
);

/** One message may not be larger: a group of a million members stays well below. */
const messageLimitBytes = 256 * 1024 * 1024;

/** Cuts the byte stream into LDAP messages. */
export class Framer {
  #chunks: Buffer[] = [];
  #size = 0;
  #wanted = 2;

  /**
   * The messages that are complete with this chunk.
   * @throws `SOURCE_INCOMPLETE` for what is not LDAP
   */
  push(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#wanted) return [];
    let bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    const messages: Buffer[] = [];
    for (;;) {
      this.#wanted = lengthOfMessage(bytes);
      if (bytes.length < this.#wanted) break;
      messages.push(bytes.subarray(0, this.#wanted));
      bytes = bytes.subarray(this.#wanted);
    }
    this.#chunks = bytes.length === 0 ? [] : [bytes];
    this.#size = bytes.length;
    return messages;
  }
}

/** Bytes of the first message with its header; when the header itself is cut off, a size that asks for more. */
function lengthOfMessage(bytes: Buffer): number {
  const short = bytes[1];
  if (bytes[0] !== undefined && bytes[0] !== 0x30)
    throw decodeError(`a message begins with byte 0x${bytes[0].toString(16)}`);
  if (short === undefined) return 2;
  if (short < 0x80) return 2 + short;
  const lengthBytes = short & 0x7f;
  if (lengthBytes === 0 || lengthBytes > 4) throw decodeError(`a length of ${lengthBytes} bytes`);
  if (bytes.length < 2 + lengthBytes) return 2 + lengthBytes;
  const length = 2 + lengthBytes + bytes.readUIntBE(2, lengthBytes);
  if (length > messageLimitBytes) throw decodeError(`a message of ${length} bytes, the limit is ${messageLimitBytes}`);
  return length;
}

const decodeError = (what: string, cause?: unknown): RollcallError =>
  new RollcallError("SOURCE_INCOMPLETE", `the server's answer is not LDAP: ${what}`, { cause });

/**
 * Decodes one message (RFC 4511 §4.1.1).
 * @throws `SOURCE_INCOMPLETE` for what is not LDAP
 */
export function decode(bytes: Buffer): LdapMessage {
  try {
    const reader = new BerReader(bytes);
    reader.readSequence();
    const messageId = reader.readInt() ?? 0;
    const tag = reader.readSequence() ?? 0;
    const end = reader.offset + reader.length;
    const body = decodeBody(reader, tag, end);
    reader.offset = end;
    return { messageId, controls: decodeControls(reader, bytes.length), ...body };
  } catch (error) {
    throw error instanceof RollcallError ? error : decodeError("a message can't be read", error);
  }
}

type Body = LdapMessage extends infer M ? (M extends unknown ? Omit<M, "messageId" | "controls"> : never) : never;

function decodeBody(reader: BerReader, tag: number, end: number): Body {
  switch (tag) {
    case 0x64:
      return { kind: "entry", entry: decodeEntry(reader, end) };
    case 0x65:
      return { kind: "done", result: decodeResult(reader, end) };
    case 0x61:
      return { kind: "bound", result: decodeResult(reader, end) };
    case 0x78:
      return { kind: "extended", result: decodeResult(reader, end) };
    case 0x73:
      return { kind: "reference", uris: strings(reader, end) };
    case 0x79:
      return decodeIntermediate(reader, end);
    default:
      throw decodeError(`operation 0x${tag.toString(16)}`);
  }
}

function decodeEntry(reader: BerReader, end: number): LdapEntry {
  const dn = reader.readString() ?? "";
  const values = new Map<string, readonly Buffer[]>();
  reader.readSequence();
  while (reader.offset < end) {
    reader.readSequence();
    const name = (reader.readString() ?? "").toLowerCase();
    reader.readSequence(0x31);
    const setEnd = reader.offset + reader.length;
    const list: Buffer[] = [];
    while (reader.offset < setEnd) list.push(octets(reader));
    values.set(name, list);
  }
  return new LdapEntry(dn, values);
}

function decodeResult(reader: BerReader, end: number): LdapResult {
  const code = reader.readEnumeration() ?? -1;
  reader.readString();
  const diagnostic = reader.readString() ?? "";
  if (reader.offset >= end || reader.peek() !== 0xa3) return { code, diagnostic, referrals: [] };
  reader.readSequence(0xa3);
  return { code, diagnostic, referrals: strings(reader, reader.offset + reader.length) };
}

function decodeIntermediate(reader: BerReader, end: number): Body {
  let oid = "";
  let value: Buffer = Buffer.alloc(0);
  while (reader.offset < end) {
    if (reader.peek() === 0x80) oid = reader.readString(0x80) ?? "";
    else value = octets(reader, 0x81);
  }
  return { kind: "intermediate", oid, value };
}

function decodeControls(reader: BerReader, end: number): readonly ResponseControl[] {
  if (reader.offset >= end || reader.peek() !== 0xa0) return [];
  reader.readSequence(0xa0);
  const controls: ResponseControl[] = [];
  while (reader.offset < end) {
    reader.readSequence();
    const controlEnd = reader.offset + reader.length;
    const oid = reader.readString() ?? "";
    if (reader.offset < controlEnd && reader.peek() === Ber.Boolean) reader.readBoolean();
    controls.push({ oid, value: reader.offset < controlEnd ? octets(reader) : Buffer.alloc(0) });
  }
  return controls;
}

function octets(reader: BerReader, tag: number = Ber.OctetString): Buffer {
  const value = reader.readString(tag, true);
  if (value === null) throw decodeError("a value is cut off");
  return value;
}

function strings(reader: BerReader, end: number): readonly string[] {
  const found: string[] = [];
  while (reader.offset < end) found.push(octets(reader).toString("utf8"));
  return found;
}
