import type { Composition, GlobalOptions } from "../../app/composition.ts";
import { locateFile } from "../../app/config-location.ts";
import { count, printJson } from "../output/print.ts";

/** `rollcall backup`: a checked copy of the database, also while `serve` runs. */
export async function backup(composition: Composition, options: GlobalOptions, file?: string): Promise<number> {
  const { bytes, rows, head } = await composition.backup(locateFile(composition, options).settings(), file ?? "");
  const kept = head === null ? null : `${head.seq}:${head.hash}`;
  if (options.json) printJson(composition.terminal, { file, bytes, rows, head: kept });
  else
    composition.terminal.out(
      `${file}: ${(bytes / 1024 / 1024).toFixed(1)} MiB, checked; ${count(rows, "audit row")}, head ${kept ?? "none"}`,
    );
  return 0;
}
