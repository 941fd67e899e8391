import { locateFile } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { count } from "../../text/numbers.ts";
import type { Cli } from "../command.ts";
import { printJson } from "../output/print.ts";

const help = `
Examples:
  rollcall backup /backup/rollcall-$(date +%F).db

The copy is complete, readable by this user only, and checked page by page and audit row by row. An existing file is
never overwritten. To restore: stop "rollcall serve", move the database and its -wal and -shm files away, put the copy
in their place, start again. Changes that only the copy requests are then held until you approve them
(docs/reliability.md). If something else made the copy, run "rollcall restored" before you start again.
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
