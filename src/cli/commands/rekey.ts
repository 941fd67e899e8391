import { locateFile } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { keyRingOf, openKeys } from "../../app/stored-credentials.ts";
import { howToMakeMasterKey } from "../../crypto/key-ring.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import { count } from "../../text/numbers.ts";
import type { Cli } from "../command.ts";
import { printJson } from "../output/print.ts";

const help = `
Examples:
  rollcall rekey -c rollcall.yaml           all or nothing, also while "rollcall serve" runs

To replace the master key:
  1. Make a new key.
  2. List both keys in the configuration, the new one first: masterKey: [file:new.key, file:old.key]
  3. Run this command.
  4. Remove the old key from the list.

Exit code: 0, 1 nothing was changed.`;

export const addRekey = (cli: Cli): void =>
  void cli.add({
    name: "rekey",
    summary: "encrypt all stored credentials under the first masterKey",
    help,
    run: rekey,
  });

async function rekey(context: Context, options: GlobalOptions): Promise<number> {
  const settings = locateFile(context, options).settings();
  const ring = keyRingOf(settings);
  const { currentId } = ring;
  if (currentId === null)
    throw new RollcallError("CONFIG_INVALID", `no masterKey is configured; ${howToMakeMasterKey}`);
  await using cleanup = new AsyncDisposableStack();
  const store = await context.database(settings).open();
  cleanup.defer(() => store.close());
  const total = (await store.credentials()).length;
  const changed = await store.resealCredentials(
    (row) => {
      // Open each row: a row that can't be opened must not count as encrypted under the new key.
      const text = JSON.stringify(openKeys(ring, row));
      return row.keyId === currentId ? row : ring.seal(text, row);
    },
    context.now(),
    { actor: "cli:rekey", requestId: null },
  );
  if (options.json) printJson(context.terminal, { keyId: currentId, resealed: changed, total });
  else context.terminal.out(describe(currentId, changed, total, ring.ids.length));
  return 0;
}

function describe(keyId: string, changed: number, total: number, keys: number): string {
  const done = `${count(changed, "connection")} encrypted again under key id ${keyId}; ${total - changed} of ${total} were already encrypted under it`;
  if (keys > 1) return `${done}. No stored credential needs the other keys of masterKey: remove them from the list`;
  return changed > 0
    ? done
    : `${done}. To replace the key, list a new one before it: masterKey: [file:new.key, file:old.key]`;
}
