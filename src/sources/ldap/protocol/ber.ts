import { RollcallError } from "../../../domain/model/errors.ts";

/** The error for an answer that is not LDAP. The last good state of the source stays. */
export const decodeError = (what: string, cause?: unknown): RollcallError =>
  new RollcallError("SOURCE_INCOMPLETE", `the server's answer is not LDAP: ${what}`, { cause });

/**
 * Reads BER elements (X.690 §8.1) one after the other. Each call moves forward or throws. It stays within the enclosing
 * element. ldapts 9.2's reader does not move at truncated data, so that a loop over it never ends.
 */
export class BerScanner {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  /** Reads the bytes from `at` to `end` without a copy. Default: all. */
  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** Tag of the next element; null at the end. */
  peek(): number | null {
    return this.isAtEnd ? null : (this.#bytes[this.#at] ?? null);
  }

  /** Contents of the next element, which must have this tag. @throws `SOURCE_INCOMPLETE` */
  next(tag: number): Buffer {
    const from = this.#pass(tag);
    return this.#bytes.subarray(from, this.#at);
  }

  /** Scanner of the contents of the next element. @throws `SOURCE_INCOMPLETE` */
  enter(tag: number): BerScanner {
    const from = this.#pass(tag);
    return new BerScanner(this.#bytes, from, this.#at);
  }

  /** OCTET STRING as text. @throws `SOURCE_INCOMPLETE` */
  text(tag = 0x04): string {
    const from = this.#pass(tag);
    return this.#bytes.toString("utf8", from, this.#at);
  }

  /** INTEGER, or the type that `tag` names. Maximum four bytes. @throws `SOURCE_INCOMPLETE` */
  integer(tag = 0x02): number {
    const contents = this.next(tag);
    if (contents.length === 0 || contents.length > 4) throw decodeError(`a number of ${contents.length} bytes`);
    return contents.readIntBE(0, contents.length);
  }

  /** BOOLEAN. @throws `SOURCE_INCOMPLETE` */
  boolean(): boolean {
    return this.next(0x01).some((byte) => byte !== 0);
  }

  /** Moves behind the next element, which must have this tag. Returns the start of its contents. */
  #pass(tag: number): number {
    const found = this.peek();
    if (found === null) throw decodeError("a message is cut off");
    if (found !== tag) throw decodeError(`0x${found.toString(16)} instead of 0x${tag.toString(16)}`);
    const short = this.#at + 1 < this.#end ? this.#bytes[this.#at + 1] : undefined;
    if (short === undefined) throw decodeError("a length is cut off");
    const sizeBytes = short < 0x80 ? 0 : short & 0x7f;
    const from = this.#at + 2 + sizeBytes;
    if (short >= 0x80 && (sizeBytes === 0 || sizeBytes > 4)) throw decodeError(`a length of ${sizeBytes} bytes`);
    if (from > this.#end) throw decodeError("a length is cut off");
    const end = from + (sizeBytes === 0 ? short : this.#bytes.readUIntBE(this.#at + 2, sizeBytes));
    if (end > this.#end) throw decodeError(`an element of ${end - from} bytes, but only ${this.#end - from} are left`);
    this.#at = end;
    return from;
  }
}
