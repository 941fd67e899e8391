import { RollcallError } from "../../domain/errors.ts";

/** What a server sent is not LDAP: `SOURCE_INCOMPLETE`, the last good state stays. */
export const decodeError = (what: string, cause?: unknown): RollcallError =>
  new RollcallError("SOURCE_INCOMPLETE", `the server's answer is not LDAP: ${what}`, { cause });

/**
 * Reads BER elements (X.690 §8.1) one after the other, and nothing that is not there: each call goes forward or throws, and
 * what is within an element ends where the element does. ldapts's reader answers null where something is cut off and
 * stays where it was, so that loops over it never ended.
 */
export class BerScanner {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The tag of the next element; null at the end. */
  peek(): number | null {
    return this.#bytes[this.#at] ?? null;
  }

  /** The contents of the next element, which has to have this tag. @throws `SOURCE_INCOMPLETE` */
  next(tag: number): Buffer {
    const found = this.peek();
    if (found === null) throw decodeError("a message is cut off");
    if (found !== tag) throw decodeError(`0x${found.toString(16)} in place of 0x${tag.toString(16)}`);
    const from = this.#contentsAt();
    return this.#bytes.subarray(from, this.#at);
  }

  /** A scanner of the contents of the next element. @throws `SOURCE_INCOMPLETE` */
  enter(tag: number): BerScanner {
    return new BerScanner(this.next(tag));
  }

  /** OCTET STRING as text. @throws `SOURCE_INCOMPLETE` */
  text(tag = 0x04): string {
    return this.next(tag).toString("utf8");
  }

  /** INTEGER, or what `tag` says, of at most four bytes. @throws `SOURCE_INCOMPLETE` */
  integer(tag = 0x02): number {
    const contents = this.next(tag);
    if (contents.length === 0 || contents.length > 4) throw decodeError(`a number of ${contents.length} bytes`);
    return contents.readIntBE(0, contents.length);
  }

  /** BOOLEAN. @throws `SOURCE_INCOMPLETE` */
  boolean(): boolean {
    return this.next(0x01).some((byte) => byte !== 0);
  }

  /** Moves behind the next element. @returns where its contents begin */
  #contentsAt(): number {
    const short = this.#bytes[this.#at + 1];
    if (short === undefined) throw decodeError("a length is cut off");
    const sizeBytes = short < 0x80 ? 0 : short & 0x7f;
    const from = this.#at + 2 + sizeBytes;
    if (short >= 0x80 && (sizeBytes === 0 || sizeBytes > 4)) throw decodeError(`a length of ${sizeBytes} bytes`);
    if (from > this.#bytes.length) throw decodeError("a length is cut off");
    const end = from + (sizeBytes === 0 ? short : this.#bytes.readUIntBE(this.#at + 2, sizeBytes));
    if (end > this.#bytes.length)
      throw decodeError(`an element of ${end - from} bytes, where ${this.#bytes.length - from} are left`);
    this.#at = end;
    return from;
  }
}
