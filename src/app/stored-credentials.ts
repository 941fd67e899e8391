import { z } from "zod";
import type { StoredTarget, StoreSettings } from "../config/index.ts";
import { createKeyRing, type KeyRing } from "../crypto/key-ring.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import type { StoredCredential } from "../domain/ports/credential-store.ts";
import { isoTime } from "../text/times.ts";

/** The keys of a configuration; they leave their wrapper only here. */
export const keyRingOf = ({ masterKeys }: Pick<StoreSettings, "masterKeys">): KeyRing =>
  createKeyRing(masterKeys.map((key) => key.reveal()));

const document = z.record(z.string(), z.string());

/** What `connect` asked for, sealed under the connection's name. */
export const sealKeys = (ring: KeyRing, name: string, type: string, keys: Readonly<Record<string, string>>) =>
  ring.seal(JSON.stringify(keys), { name, type });

/** What was stored for one connection. @throws `SECRET_UNREADABLE` with when it was stored, and under which key */
export function openKeys(ring: KeyRing, row: StoredCredential): Readonly<Record<string, string>> {
  try {
    return document.parse(JSON.parse(ring.open(row, row)));
  } catch (cause) {
    // A parser's message may quote what it could not read.
    const why = cause instanceof RollcallError ? cause.message : "what was stored is not what connect stores";
    throw new RollcallError(
      "SECRET_UNREADABLE",
      `the credentials of ${row.name}, stored on ${isoTime(row.changedAtMs)}, can't be opened: ${why}; nothing is lost: set the right masterKey, or run "rollcall connect ${row.type} --name ${row.name}" again`,
    );
  }
}

/** Each stored connection as the configuration takes it. */
export const openStored = (ring: KeyRing, rows: readonly StoredCredential[]): readonly StoredTarget[] =>
  rows.map((row) => {
    try {
      return { name: row.name, keys: openKeys(ring, row) };
    } catch (error) {
      return { name: row.name, problem: messageOf(error) };
    }
  });
