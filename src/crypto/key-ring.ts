import { RollcallError } from "../domain/model/errors.ts";
import { decrypt, deriveKey, encrypt, encryptionOverheadBytes } from "./aes-gcm.ts";

/** The connection that a credential belongs to. A sealed text opens only with the same name and type. */
export interface SealedPlace {
  readonly name: string;
  readonly type: string;
}

/** A text that was sealed with one key. */
export interface Sealed {
  /** 16 hex digits. Identifies the key without revealing anything about it. */
  readonly keyId: string;
  /** Base64 of version (1 byte), nonce (12), ciphertext, tag (16). */
  readonly sealed: string;
}

/** The master keys. The first key seals; all keys open. */
export interface KeyRing {
  /** Id of the key that seals; null without a key. */
  readonly currentId: string | null;
  readonly ids: readonly string[];
  /** @throws `CONFIG_INVALID` without a key */
  seal(text: string, place: SealedPlace): Sealed;
  /** @throws `SECRET_UNREADABLE` if no key of the ring sealed the text, or if it was changed or moved */
  open(sealed: Sealed, place: SealedPlace): string;
}

const formatVersion = 1;
/** Length of a master key. */
export const masterKeyBytes = 32;

interface Key {
  readonly id: string;
  readonly secret: Buffer;
}

/** Makes a key ring of master keys, each 32 bytes in base64. Encrypts with keys that are derived from them. */
export function createKeyRing(masterKeys: readonly string[]): KeyRing {
  const keys = masterKeys.map(keyOf);
  const [current] = keys;
  return {
    currentId: current?.id ?? null,
    ids: keys.map(({ id }) => id),
    seal: (text, place) => {
      if (current === undefined)
        throw new RollcallError("CONFIG_INVALID", `no masterKey is configured; ${howToMakeMasterKey}`);
      const bytes = Buffer.concat([Buffer.of(formatVersion), encrypt(current.secret, text, contextOf(current, place))]);
      return { keyId: current.id, sealed: bytes.toString("base64") };
    },
    open: (sealed, place) => {
      const key = keys.find(({ id }) => id === sealed.keyId);
      if (key === undefined) throw new RollcallError("SECRET_UNREADABLE", describeMissing(keys, sealed.keyId));
      return open(key, sealed.sealed, place);
    },
  };
}

/** Advice for every message about a missing master key. */
export const howToMakeMasterKey =
  'make one with "(umask 077; openssl rand -base64 32 > rollcall.key)", write "masterKey: file:rollcall.key" into the configuration, and do not keep a copy of that file together with the backup of the database';

const describeMissing = (keys: readonly Key[], id: string): string =>
  keys.length === 0
    ? `no masterKey is configured; it was stored under key id ${id}`
    : `masterKey (key id ${keys.map((key) => key.id).join(", ")}) does not open it; it was stored under key id ${id}`;

function keyOf(masterKey: string): Key {
  const master = Buffer.from(masterKey, "base64");
  if (master.length !== masterKeyBytes)
    throw new RollcallError("CONFIG_INVALID", `masterKey must be ${masterKeyBytes} bytes in base64`);
  return { id: deriveKey(master, "key id", 8).toString("hex"), secret: deriveKey(master, "credentials") };
}

/** The data that is authenticated with the text. JSON, so that two places never give the same bytes. */
const contextOf = ({ id }: Key, { name, type }: SealedPlace): string =>
  JSON.stringify(["rollcall credential", formatVersion, id, type, name]);

function open(key: Key, sealed: string, place: SealedPlace): string {
  const bytes = Buffer.from(sealed, "base64");
  const unreadable = (why: string): RollcallError =>
    new RollcallError(
      "SECRET_UNREADABLE",
      `key ${key.id} is right, but the stored text was altered or moved here from another name (${why}); restore a backup, or connect again`,
    );
  if (bytes.length < 1 + encryptionOverheadBytes) throw unreadable("it is too short");
  // Several base64 texts decode to the same bytes. Only the canonical one is accepted.
  if (bytes.toString("base64") !== sealed) throw unreadable("it is not plain base64");
  if (bytes[0] !== formatVersion) throw unreadable(`its format is ${bytes[0]}, this release knows ${formatVersion}`);
  const text = decrypt(key.secret, bytes.subarray(1), contextOf(key, place));
  if (text === null) throw unreadable("it does not authenticate");
  return text;
}
