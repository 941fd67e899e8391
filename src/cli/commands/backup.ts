import { locateFile } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { count } from "../../text/numbers.ts";
import type { Cli } from "../command.ts";
import { printJson } from "../output/print.ts";

const help = `
Examples:
  rollcall backup /backup/rollcall-$(date +%F).db

The copy is complete. Rollcall checks all pages and all audit rows of it. Only the current user can read it. An existing
file is never overwritten.

To restore the copy:
  1. Stop "rollcall serve".
  2. Move the database and its -wal and -shm files away.
  3. Put the copy in their place, and start "rollcall serve".
Changes that only the copy wants are then held until you approve them (docs/reliability.md).
Was the copy not made by this command? Then run "rollcall restored" before you start "rollcall serve".

Exit code: 0, 1 error; then there is no copy.`;

export const addBackup = (cli: Cli): void =>
  void cli.add({
    name: "backup <file>",
    summary: "a checked copy of the database, also while serve runs",
    help,
    run: backup,
  });

async function backup(context: Context, options: GlobalOptions, file = ""): Promise<number> {
  const { bytes, rows, head } = await context.database(locateFile(context, options).settings()).backup(file);
  const kept = head === null ? null : `${head.seq}:${head.hash}`;
  if (options.json) printJson(context.terminal, { file, bytes, rows, head: kept });
  else
    context.terminal.out(
      `${file}: ${(bytes / 1024 / 1024).toFixed(1)} MiB, checked; ${count(rows, "audit row")}, head ${kept ?? "none"}`,
    );
  return 0;
}
