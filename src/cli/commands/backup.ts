import { locateFile } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { count, printJson } from "../output/print.ts";

/** `rollcall backup`: a checked copy of the database, also while `serve` runs. */
export async function backup(context: Context, options: GlobalOptions, file?: string): Promise<number> {
  const { bytes, rows, head } = await context.backup(locateFile(context, options).settings(), file ?? "");
  const kept = head === null ? null : `${head.seq}:${head.hash}`;
  if (options.json) printJson(context.terminal, { file, bytes, rows, head: kept });
  else
    context.terminal.out(
      `${file}: ${(bytes / 1024 / 1024).toFixed(1)} MiB, checked; ${count(rows, "audit row")}, head ${kept ?? "none"}`,
    );
  return 0;
}
