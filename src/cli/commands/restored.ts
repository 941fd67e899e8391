import { locateConfigOpenable } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { afterRestore, markRestored } from "../../app/restore.ts";
import { isoTime } from "../../text/times.ts";
import { type Cli, causeOf } from "../command.ts";
import { printJson } from "../output/print.ts";

const help = `
Examples:
  rollcall restored -c rollcall.yaml        then: rollcall serve -c rollcall.yaml

Use it if you put back a copy that "rollcall backup" did not make: a snapshot of the volume, or a copied file. Rollcall
can't see that such a copy is old. Without this command, people who left since then would get access back.

Steps:
  1. Stop "rollcall serve".
  2. Put the copy in place, with the -wal file of the same moment. Move any other -wal file and the -shm file away.
  3. Run this command.
  4. Start "rollcall serve".
The effect is the same as with a backup (docs/reliability.md). If you run the command after the first start, it also
holds changes that the sources have requested since then.

Exit code: 0 noted, also when it was noted before; 1 error, for example because "rollcall serve" runs.`;

export const addRestored = (cli: Cli): void =>
  void cli.add({
    name: "restored",
    summary: "mark the database as an old copy that was put back, if backup did not make it",
    help,
    run: restored,
  });

async function restored(context: Context, options: GlobalOptions): Promise<number> {
  const { terminal } = context;
  const config = await locateConfigOpenable(context, options);
  const { place, targets, madeAtMs, newestAtMs, isRepeated } = await markRestored(
    context,
    config,
    causeOf(context, "restored"),
  );
  const [backupAt, newestAt] = [isoTime(madeAtMs), isoTime(newestAtMs)];
  if (options.json) printJson(terminal, { database: place, backupAt, newestAt, repeated: isRepeated, targets });
  else if (isRepeated)
    terminal.out(
      `${place}: already marked as an old copy, and nothing has happened since. The mark now counts from today.`,
    );
  else {
    const which =
      backupAt !== null ? `the backup of ${backupAt}` : newestAt === null ? "an empty one" : `newest row ${newestAt}`;
    terminal.out(
      `${place}: marked as an old copy that was put back (${which}). After the start of "rollcall serve": ${afterRestore}.`,
    );
  }
  return 0;
}
