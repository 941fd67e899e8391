import { Ber, BerWriter, Control } from "ldapts";
import { BerScanner } from "./ber.ts";

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

  /** The cookie of an answer; empty on the last page. @throws `SOURCE_INCOMPLETE`: a cookie that is cut off is no last page */
  static cookieOf(value: Buffer): Buffer {
    const page = new BerScanner(value).enter(0x30);
    page.integer();
    return page.next(0x04);
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

/** Sync State (RFC 4533 §2.3): state 3 is delete; `uuid` is 16 bytes. @throws `SOURCE_INCOMPLETE` */
export function readSyncState(value: Buffer): { readonly isDelete: boolean; readonly uuid: Buffer } {
  const state = new BerScanner(value).enter(0x30);
  return { isDelete: state.integer(0x0a) === 3, uuid: state.next(0x04) };
}

const cookieIn = (scanner: BerScanner): Buffer | null => (scanner.peek() === 0x04 ? scanner.next(0x04) : null);
const flagIn = (scanner: BerScanner): boolean => (scanner.peek() === 0x01 ? scanner.boolean() : false);

/** Sync Done (RFC 4533 §2.4). No cookie means: keep the one you have. @throws `SOURCE_INCOMPLETE` */
export function readSyncDone(value: Buffer): { readonly cookie: Buffer | null; readonly refreshDeletes: boolean } {
  const whole = new BerScanner(value);
  if (whole.isAtEnd) return { cookie: null, refreshDeletes: false };
  const done = whole.enter(0x30);
  return { cookie: cookieIn(done), refreshDeletes: flagIn(done) };
}

/**
 * Sync Info (RFC 4533 §2.5): a set of ids that are deleted, or the word that a phase lists what is still there.
 * @throws `SOURCE_INCOMPLETE`
 */
export function readSyncInfo(value: Buffer): {
  readonly kind: "cookie" | "deleted" | "present";
  readonly cookie: Buffer | null;
  readonly uuids: readonly Buffer[];
} {
  const whole = new BerScanner(value);
  const tag = whole.peek() ?? 0;
  if (tag === 0x80) return { kind: "cookie", cookie: whole.next(0x80), uuids: [] };
  const info = whole.enter(tag);
  const cookie = cookieIn(info);
  // refreshDelete [1], refreshPresent [2]: the ids were sent as entries; syncIdSet [3] has them here.
  if (tag !== 0xa3) return { kind: tag === 0xa2 ? "present" : "deleted", cookie, uuids: [] };
  const refreshDeletes = flagIn(info);
  const uuids: Buffer[] = [];
  for (const set = info.enter(0x31); !set.isAtEnd; ) uuids.push(set.next(0x04));
  return { kind: refreshDeletes ? "deleted" : "present", cookie, uuids };
}
