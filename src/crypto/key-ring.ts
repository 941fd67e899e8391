import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { messageOf, RollcallError } from "../domain/model/errors.ts";

/** Where a sealed text belongs. It opens nowhere else: a row that was moved to another name does not open. */
export interface SealedPlace {
  readonly name: string;
  readonly type: string;
}

/** A text sealed with one key. */
export interface Sealed {
  /** 16 hex digits; tells which key, and nothing about it. */
  readonly keyId: string;
  /** Base64 of version (1 byte), nonce (12), ciphertext, tag (16). */
  readonly sealed: string;
}

/** The master keys: the first seals, all open. */
export interface KeyRing {
  /** Id of the key that seals; null when there is none. */
  readonly currentId: string | null;
  readonly ids: readonly string[];
  /** @throws `CONFIG_INVALID` without a key */
  seal(text: string, place: SealedPlace): Sealed;
  /** @throws `SECRET_UNREADABLE` when none of the keys sealed it, or when it was altered or moved */
  open(sealed: Sealed, place: SealedPlace): string;
}

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of a master key. */
export const KEY_BYTES = 32;

interface Key {
  readonly id: string;
  readonly secret: Buffer;
}

/** A ring of keys of 32 bytes each, in base64. AES-256-GCM (NIST SP 800-38D) under a key that HKDF derives from each. */
export function createKeyRing(masterKeys: readonly string[]): KeyRing {
  const keys = masterKeys.map(keyOf);
  return {
    currentId: keys[0]?.id ?? null,
    ids: keys.map(({ id }) => id),
    seal: (text, place) => {
      const [key] = keys;
      if (key === undefined)
        throw new RollcallError("CONFIG_INVALID", `no masterKey is configured; ${HOW_TO_MAKE_ONE}`);
      return seal(key, text, place);
    },
    open: (sealed, place) => {
      const key = keys.find(({ id }) => id === sealed.keyId);
      if (key === undefined) throw new RollcallError("SECRET_UNREADABLE", describeMissing(keys, sealed.keyId));
      return open(key, sealed.sealed, place);
    },
  };
}

/** Said wherever a key is missing. */
export const HOW_TO_MAKE_ONE =
  'make one with "(umask 077; openssl rand -base64 32 > rollcall.key)", write "masterKey: file:rollcall.key" into the configuration, and keep a copy of that file where the backup of the database is not';

const describeMissing = (keys: readonly Key[], id: string): string =>
  keys.length === 0
    ? `no masterKey is configured; it was stored under key id ${id}`
    : `masterKey (key id ${keys.map((key) => key.id).join(", ")}) does not open it; it was stored under key id ${id}`;

function keyOf(masterKey: string): Key {
  const master = Buffer.from(masterKey, "base64");
  if (master.length !== KEY_BYTES)
    throw new RollcallError("CONFIG_INVALID", `masterKey must be ${KEY_BYTES} bytes in base64`);
  // One key for each purpose: the id must tell nothing about what encrypts.
  const derive = (purpose: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync("sha256", master, Buffer.alloc(0), purpose, bytes));
  return { id: derive("rollcall key id", 8).toString("hex"), secret: derive("rollcall credentials", 32) };
}

/** What is authenticated beside the text. JSON, so that no two places give the same bytes. */
const contextOf = (keyId: string, { name, type }: SealedPlace): Buffer =>
  Buffer.from(JSON.stringify(["rollcall credential", VERSION, keyId, type, name]));

function seal(key: Key, text: string, place: SealedPlace): Sealed {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key.secret, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(contextOf(key.id, place));
  const parts = [Buffer.of(VERSION), nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
  return { keyId: key.id, sealed: Buffer.concat(parts).toString("base64") };
}

function open(key: Key, sealed: string, place: SealedPlace): string {
  const bytes = Buffer.from(sealed, "base64");
  const altered = (cause?: unknown): RollcallError =>
    new RollcallError(
      "SECRET_UNREADABLE",
      `key ${key.id} is right, but what is stored was altered or moved here from another name (${messageOf(cause)}); restore a backup, or connect again`,
    );
  if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES) throw altered("it is too short");
  // Base64 has several spellings of some bytes; only the one that was written is taken.
  if (bytes.toString("base64") !== sealed) throw altered("it is not plain base64");
  if (bytes[0] !== VERSION) throw altered(`its format is ${bytes[0]}, this release knows ${VERSION}`);
  const decipher = createDecipheriv("aes-256-gcm", key.secret, bytes.subarray(1, 1 + NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(contextOf(key.id, place));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES));
    return Buffer.concat([text, decipher.final()]).toString("utf8");
  } catch {
    throw altered("it does not authenticate");
  }
}
