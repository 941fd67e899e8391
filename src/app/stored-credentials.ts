import { z } from "zod";
import type { StoredTarget, StoreSettings } from "../config/index.ts";
import { createKeyRing, type KeyRing } from "../crypto/key-ring.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import type { StoredCredential } from "../domain/ports/credential-store.ts";
import { isoTime } from "../text/times.ts";

/** Returns the key ring of a configuration. Only this function reveals the keys. */
export const keyRingOf = ({ masterKeys }: Pick<StoreSettings, "masterKeys">): KeyRing =>
  createKeyRing(masterKeys.map((key) => key.reveal()));

const document = z.record(z.string(), z.string());

/** Encrypts the keys of a connection. Only the same name and type decrypt them. */
export const sealKeys = (ring: KeyRing, name: string, type: string, keys: Readonly<Record<string, string>>) =>
  ring.seal(JSON.stringify(keys), { name, type });

/** Decrypts the keys of a stored connection. @throws `SECRET_UNREADABLE`; the message has the time of storing and the key id */
export function openKeys(ring: KeyRing, row: StoredCredential): Readonly<Record<string, string>> {
  try {
    return document.parse(JSON.parse(ring.open(row, row)));
  } catch (cause) {
    // The message of a parser may quote the text.
    const why = cause instanceof RollcallError ? cause.message : "the content is not what connect stores";
    throw new RollcallError(
      "SECRET_UNREADABLE",
      `the credentials of ${row.name}, stored on ${isoTime(row.changedAtMs)}, can't be decrypted: ${why}; nothing is lost: set the right masterKey, or run "rollcall connect ${row.type} --name ${row.name}" again`,
    );
  }
}

/** Decrypts a stored connection, or says why that is impossible. */
export function openStored(ring: KeyRing, row: StoredCredential): StoredTarget {
  try {
    return { name: row.name, keys: openKeys(ring, row) };
  } catch (error) {
    return { name: row.name, problem: messageOf(error) };
  }
}
