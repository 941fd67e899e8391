import { locateFile } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { keyRingOf, openKeys } from "../../app/stored-credentials.ts";
import { howToMakeMasterKey } from "../../crypto/key-ring.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import { count, printJson } from "../output/print.ts";

/** `rollcall rekey`: seals everything stored with the first master key, all of it or nothing. Works beside `serve`. */
export async function rekey(context: Context, options: GlobalOptions): Promise<number> {
  const settings = locateFile(context, options).settings();
  const ring = keyRingOf(settings);
  const { currentId } = ring;
  if (currentId === null)
    throw new RollcallError("CONFIG_INVALID", `no masterKey is configured; ${howToMakeMasterKey}`);
  const store = await context.openStore(settings);
  try {
    const total = (await store.credentials()).length;
    const changed = await store.resealCredentials(
      (row) => {
        // Opened in any case: what can't be opened must not look as if it were safe under the new key.
        const text = JSON.stringify(openKeys(ring, row));
        return row.keyId === currentId ? row : ring.seal(text, row);
      },
      context.now(),
      { actor: "cli:rekey", requestId: null },
    );
    if (options.json) printJson(context.terminal, { keyId: currentId, resealed: changed, total });
    else context.terminal.out(describe(currentId, changed, total, ring.ids.length));
    return 0;
  } finally {
    await store.close();
  }
}

function describe(keyId: string, changed: number, total: number, keys: number): string {
  const done = `${count(changed, "connection")} encrypted anew under key id ${keyId}; ${total - changed} of ${total} were already`;
  if (keys > 1) return `${done}. The other keys of masterKey open nothing any more and can be taken out of it`;
  return changed > 0
    ? done
    : `${done}. To replace the key, list a new one before it: masterKey: [file:new.key, file:old.key]`;
}
