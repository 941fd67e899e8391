import { Ber, BerWriter, Control } from "ldapts";
import { BerScanner } from "./ber.ts";

/** A critical control of a request. ldapts refuses its own `PagedResultsControl` in a search and has none for RFC 4533. */
class RequestControl extends Control {
  readonly #fill: (value: BerWriter) => void;

  /** `fill` writes the elements of the sequence that is the control's value. */
  constructor(oid: string, fill: (value: BerWriter) => void) {
    super(oid, { critical: true });
    this.#fill = fill;
  }

  override writeControl(writer: BerWriter): void {
    const value = new BerWriter();
    value.startSequence();
    this.#fill(value);
    value.endSequence();
    writer.writeBuffer(value.buffer, Ber.OctetString);
  }
}

export const pageOid = "1.2.840.113556.1.4.319";
const sync = "1.3.6.1.4.1.4203.1.9.1";
export const syncRequestOid = `${sync}.1`;
export const syncStateOid = `${sync}.2`;
export const syncDoneOid = `${sync}.3`;
export const syncInfoOid = `${sync}.4`;

/** Active Directory: the answer includes tombstones (MS-ADTS 3.1.1.3.4.1.14). */
export const showDeleted = new Control("1.2.840.113556.1.4.417", { critical: true });

/** Simple paged results (RFC 2696). */
export const pageControl = (size: number, cookie: Buffer): Control =>
  new RequestControl(pageOid, (value) => {
    value.writeInt(size);
    value.writeBuffer(cookie, Ber.OctetString);
  });

/** Content synchronization in mode refreshOnly (RFC 4533 §2.2). Without a cookie it starts from nothing. */
export const syncRequest = (cookie: Buffer | null): Control =>
  new RequestControl(syncRequestOid, (value) => {
    value.writeEnumeration(1);
    if (cookie !== null) value.writeBuffer(cookie, Ber.OctetString);
  });

/** The cookie of an answer; empty on the last page. @throws `SOURCE_INCOMPLETE` if the value is truncated */
export function readPageCookie(value: Buffer): Buffer {
  const page = new BerScanner(value).enter(0x30);
  page.integer();
  return page.next(0x04);
}

/** Sync State (RFC 4533 §2.3): state 3 is delete; `uuid` is 16 bytes. @throws `SOURCE_INCOMPLETE` */
export function readSyncState(value: Buffer): { readonly isDelete: boolean; readonly uuid: Buffer } {
  const state = new BerScanner(value).enter(0x30);
  return { isDelete: state.integer(0x0a) === 3, uuid: state.next(0x04) };
}

const cookieIn = (scanner: BerScanner): Buffer | null => (scanner.peek() === 0x04 ? scanner.next(0x04) : null);
const flagIn = (scanner: BerScanner): boolean => (scanner.peek() === 0x01 ? scanner.boolean() : false);

/** Sync Done (RFC 4533 §2.4). Without a cookie the previous one stays valid. @throws `SOURCE_INCOMPLETE` */
export function readSyncDone(value: Buffer): { readonly cookie: Buffer | null; readonly refreshDeletes: boolean } {
  const whole = new BerScanner(value);
  if (whole.isAtEnd) return { cookie: null, refreshDeletes: false };
  const done = whole.enter(0x30);
  return { cookie: cookieIn(done), refreshDeletes: flagIn(done) };
}

/** Sync Info (RFC 4533 §2.5): ids of deleted entries, or the start of a phase that lists all present entries. @throws `SOURCE_INCOMPLETE` */
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
  // refreshDelete [1] and refreshPresent [2] follow entries with the ids; syncIdSet [3] lists the ids itself.
  if (tag !== 0xa3) return { kind: tag === 0xa2 ? "present" : "deleted", cookie, uuids: [] };
  const refreshDeletes = flagIn(info);
  const uuids: Buffer[] = [];
  for (const set = info.enter(0x31); !set.isAtEnd; ) uuids.push(set.next(0x04));
  return { kind: refreshDeletes ? "deleted" : "present", cookie, uuids };
}
