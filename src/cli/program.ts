import { Command, CommanderError } from "commander";
import type { Context } from "../app/context.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import { productNames } from "../targets/registry.ts";
import { createCli } from "./command.ts";
import { addAlerts } from "./commands/alerts.ts";
import { addApprove, addDismiss } from "./commands/approve.ts";
import { addAudit } from "./commands/audit.ts";
import { addBackup } from "./commands/backup.ts";
import { addCheck } from "./commands/check.ts";
import { addCompletion } from "./commands/completion.ts";
import { addConnect, addConnections, addDisconnect } from "./commands/connect.ts";
import { addHealth } from "./commands/health.ts";
import { addImportDc } from "./commands/import-dc.ts";
import { addPlan } from "./commands/plan.ts";
import { addRekey } from "./commands/rekey.ts";
import { addRestored } from "./commands/restored.ts";
import { addSandbox } from "./commands/sandbox.ts";
import { addServe } from "./commands/serve.ts";
import { addStatus } from "./commands/status.ts";
import { addSync } from "./commands/sync.ts";
import { addToken } from "./commands/token.ts";
import { addUser } from "./commands/user.ts";
import { printJson } from "./output/print.ts";

/** All commands, in the order of the help. Each registers its own options, help text and action. */
const commands = [
  addServe,
  addSync,
  addPlan,
  addApprove,
  addDismiss,
  addStatus,
  addCheck,
  addHealth,
  addUser,
  addAudit,
  addBackup,
  addRestored,
  addToken,
  addAlerts,
  addImportDc,
  addConnect,
  addDisconnect,
  addConnections,
  addRekey,
  addSandbox,
  addCompletion,
];

const overview = `
Start here:
  rollcall serve                            a sandbox: everything is emulated, nothing is real
  rollcall check -c rollcall.yaml           is the configuration right, do the connections work?
  rollcall plan  -c rollcall.yaml           what would be done?
  rollcall serve -c rollcall.yaml           do it, and keep doing it

"rollcall <command> --help" has examples and exit codes.`;

/** Runs one command. Returns its exit code. */
export async function runCli(argv: readonly string[], context: Context): Promise<number> {
  const { terminal } = context;
  let exitCode = 0;
  const program = new Command("rollcall")
    .usage("<command> [options]")
    .description(`Directory sync for password managers: SCIM 2.0 in, ${productNames.replace(" or ", " and ")} out.`)
    .version(context.version)
    .configureHelp({
      subcommandTerm: (command) =>
        [command.name(), command.usage().replace(/\[(options|command)\] ?/g, "")].join(" ").trim(),
    })
    .showHelpAfterError('(try "rollcall --help"; options come after the command: rollcall status -c rollcall.yaml)')
    .addHelpText("after", overview)
    .exitOverride();
  const cli = createCli(program, context, (code) => {
    exitCode = code;
  });
  for (const add of commands) add(cli);
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // Commander has printed its own errors.
    if (!(error instanceof CommanderError)) terminal.note(`rollcall: ${messageOf(error)}`);
    if (!(error instanceof RollcallError || error instanceof CommanderError))
      terminal.note(error instanceof Error ? (error.stack ?? "") : "");
    // A reader of JSON gets one document in every case.
    if (argv.includes("--json")) printJson(terminal, { error: { code: codeOf(error), message: messageOf(error) } });
    return 1;
  }
}

function codeOf(error: unknown): string {
  if (error instanceof RollcallError) return error.code;
  return error instanceof CommanderError ? "USAGE" : "UNEXPECTED";
}
