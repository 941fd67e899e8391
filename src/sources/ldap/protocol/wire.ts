import { BerScanner, decodeError } from "./ber.ts";
import { LdapEntry } from "./entry.ts";

/** A control of an answer. */
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

/** An answer that a reading client can get. */
export type LdapMessage = { readonly messageId: number; readonly controls: readonly ResponseControl[] } & (
  | { readonly kind: "entry"; readonly entry: LdapEntry }
  | { readonly kind: "reference"; readonly uris: readonly string[] }
  | { readonly kind: "intermediate"; readonly oid: string; readonly value: Buffer }
  | { readonly kind: "done" | "bound" | "extended"; readonly result: LdapResult }
);

/** Maximum size of one message. A group with a million members stays well below. */
const maxMessageBytes = 256 * 1024 * 1024;

/** Cuts the byte stream into LDAP messages. */
export class Framer {
  #chunks: Buffer[] = [];
  #size = 0;
  #wanted = 2;

  /** Returns the messages that this chunk completes. @throws `SOURCE_INCOMPLETE` if it is not LDAP */
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

/** Size of the first message with its header. If the header is incomplete: the size that completes it. */
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
  if (length > maxMessageBytes) throw decodeError(`a message of ${length} bytes, the limit is ${maxMessageBytes}`);
  return length;
}

/** Decodes one message (RFC 4511 §4.1.1). @throws `SOURCE_INCOMPLETE` if it is not LDAP */
export function decode(bytes: Buffer): LdapMessage {
  const message = new BerScanner(bytes).enter(0x30);
  const messageId = message.integer();
  const tag = message.peek() ?? 0;
  const body = decodeBody(message.enter(tag), tag);
  return { messageId, controls: message.peek() === 0xa0 ? decodeControls(message.enter(0xa0)) : [], ...body };
}

type Body = LdapMessage extends infer M ? (M extends unknown ? Omit<M, "messageId" | "controls"> : never) : never;

function decodeBody(body: BerScanner, tag: number): Body {
  switch (tag) {
    case 0x64:
      return { kind: "entry", entry: decodeEntry(body) };
    case 0x65:
      return { kind: "done", result: decodeResult(body) };
    case 0x61:
      return { kind: "bound", result: decodeResult(body) };
    case 0x78:
      return { kind: "extended", result: decodeResult(body) };
    case 0x73:
      return { kind: "reference", uris: strings(body) };
    case 0x79:
      return decodeIntermediate(body);
    default:
      throw decodeError(`operation 0x${tag.toString(16)}`);
  }
}

function decodeEntry(body: BerScanner): LdapEntry {
  const dn = body.text();
  const values = new Map<string, readonly Buffer[]>();
  for (const attributes = body.enter(0x30); !attributes.isAtEnd; ) {
    const attribute = attributes.enter(0x30);
    const name = attribute.text().toLowerCase();
    const list: Buffer[] = [];
    for (const set = attribute.enter(0x31); !set.isAtEnd; ) list.push(set.next(0x04));
    values.set(name, list);
  }
  return new LdapEntry(dn, values);
}

function decodeResult(body: BerScanner): LdapResult {
  const code = body.integer(0x0a);
  body.next(0x04);
  const diagnostic = body.text();
  return { code, diagnostic, referrals: body.peek() === 0xa3 ? strings(body.enter(0xa3)) : [] };
}

function decodeIntermediate(body: BerScanner): Body {
  let oid = "";
  let value: Buffer = Buffer.alloc(0);
  while (!body.isAtEnd) {
    if (body.peek() === 0x80) oid = body.text(0x80);
    else value = body.next(0x81);
  }
  return { kind: "intermediate", oid, value };
}

function decodeControls(list: BerScanner): readonly ResponseControl[] {
  const controls: ResponseControl[] = [];
  while (!list.isAtEnd) {
    const control = list.enter(0x30);
    const oid = control.text();
    if (control.peek() === 0x01) control.boolean();
    controls.push({ oid, value: control.isAtEnd ? Buffer.alloc(0) : control.next(0x04) });
  }
  return controls;
}

function strings(list: BerScanner): readonly string[] {
  const found: string[] = [];
  while (!list.isAtEnd) found.push(list.text());
  return found;
}
