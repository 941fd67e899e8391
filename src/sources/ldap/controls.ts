import { Ber, BerReader, BerWriter, Control } from "ldapts";

/** Simple paged results (RFC 2696). Not ldapts's own class: its `search` refuses it, and the cookie is read here. */
export class PageControl extends Control {
  static readonly oid = "1.2.840.113556.1.4.319";
  readonly #size: number;
  readonly #cookie: Buffer;

  constructor(size: number, cookie: Buffer) {
    super(PageControl.oid, { critical: true });
    this.#size = size;
    this.#cookie = cookie;
  }

  override writeControl(writer: BerWriter): void {
    const value = new BerWriter();
    value.startSequence();
    value.writeInt(this.#size);
    value.writeBuffer(this.#cookie, Ber.OctetString);
    value.endSequence();
    writer.writeBuffer(value.buffer, Ber.OctetString);
  }

  /** The cookie of an answer; empty on the last page. */
  static cookieOf(value: Buffer): Buffer {
    const reader = new BerReader(value);
    reader.readSequence();
    reader.readInt();
    return reader.readString(Ber.OctetString, true) ?? Buffer.alloc(0);
  }
}

/** Active Directory: tombstones too (MS-ADTS 3.1.1.3.4.1.14). */
export class ShowDeletedControl extends Control {
  static readonly oid = "1.2.840.113556.1.4.417";
  constructor() {
    super(ShowDeletedControl.oid, { critical: true });
  }
}

const sync = "1.3.6.1.4.1.4203.1.9.1";

/** Content synchronization, mode refreshOnly (RFC 4533 §2.2). */
export class SyncRequestControl extends Control {
  static readonly oid = `${sync}.1`;
  readonly #cookie: Buffer | null;

  constructor(cookie: Buffer | null) {
    super(SyncRequestControl.oid, { critical: true });
    this.#cookie = cookie;
  }

  override writeControl(writer: BerWriter): void {
    const value = new BerWriter();
    value.startSequence();
    value.writeEnumeration(1);
    if (this.#cookie !== null) value.writeBuffer(this.#cookie, Ber.OctetString);
    value.endSequence();
    writer.writeBuffer(value.buffer, Ber.OctetString);
  }
}

export const syncStateOid = `${sync}.2`;
export const syncDoneOid = `${sync}.3`;
export const syncInfoOid = `${sync}.4`;

/** Sync State (RFC 4533 §2.3): state 3 is delete; `uuid` is 16 bytes. */
export function readSyncState(value: Buffer): { readonly isDelete: boolean; readonly uuid: Buffer } {
  const reader = new BerReader(value);
  reader.readSequence();
  const state = reader.readEnumeration();
  return { isDelete: state === 3, uuid: reader.readString(Ber.OctetString, true) ?? Buffer.alloc(0) };
}

/** Sync Done (RFC 4533 §2.4). No cookie means: keep the one you have. */
export function readSyncDone(value: Buffer): { readonly cookie: Buffer | null; readonly refreshDeletes: boolean } {
  const reader = new BerReader(value);
  const end = reader.readSequence() === null ? 0 : reader.offset + reader.length;
  const cookie =
    reader.offset < end && reader.peek() === Ber.OctetString ? reader.readString(Ber.OctetString, true) : null;
  return { cookie, refreshDeletes: reader.offset < end ? (reader.readBoolean() ?? false) : false };
}

/** Sync Info (RFC 4533 §2.5): a set of ids that are deleted, or the word that a phase lists what is still there. */
export function readSyncInfo(value: Buffer): {
  readonly kind: "cookie" | "deleted" | "present";
  readonly cookie: Buffer | null;
  readonly uuids: readonly Buffer[];
} {
  const reader = new BerReader(value);
  const tag = reader.peek();
  if (tag === 0x80) return { kind: "cookie", cookie: reader.readString(0x80, true), uuids: [] };
  reader.readSequence();
  const end = reader.offset + reader.length;
  const cookie =
    reader.offset < end && reader.peek() === Ber.OctetString ? reader.readString(Ber.OctetString, true) : null;
  // refreshDelete [1], refreshPresent [2]: the ids were sent as entries; syncIdSet [3] has them here.
  if (tag !== 0xa3) return { kind: tag === 0xa2 ? "present" : "deleted", cookie, uuids: [] };
  const refreshDeletes = reader.offset < end && reader.peek() === Ber.Boolean ? (reader.readBoolean() ?? false) : false;
  const uuids: Buffer[] = [];
  reader.readSequence(0x31);
  while (reader.offset < end) uuids.push(reader.readString(Ber.OctetString, true) ?? Buffer.alloc(0));
  return { kind: refreshDeletes ? "deleted" : "present", cookie, uuids };
}
