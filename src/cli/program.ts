import { Argument, Command, CommanderError, type CommandOptions, InvalidArgumentError, Option } from "commander";
import { testAlerts } from "../app/alerts.ts";
import type { Context, GlobalOptions } from "../app/context.ts";
import { restored } from "../app/restore.ts";
import { emulate } from "../app/sandbox.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import { ldapPresets } from "../domain/model/ldap-source.ts";
import { targetDefinitions, targetTypes } from "../targets/registry.ts";
import { LOG_LEVELS } from "../telemetry/index.ts";
import { approve, dismiss } from "./commands/approve.ts";
import { exportAudit, listAudit, verifyAudit } from "./commands/audit.ts";
import { backup } from "./commands/backup.ts";
import { check } from "./commands/check.ts";
import { connectOptions, connectVendor, disconnect, listConnections } from "./commands/connect.ts";
import { health } from "./commands/health.ts";
import { importDirectoryConnector, importHelp } from "./commands/import-dc.ts";
import { plan } from "./commands/plan.ts";
import { rekey } from "./commands/rekey.ts";
import { status } from "./commands/status.ts";
import { sync } from "./commands/sync.ts";
import { createToken, listTokens, revokeToken, rotateToken } from "./commands/token.ts";
import { showUser } from "./commands/user.ts";
import { completionScript, shells } from "./completion.ts";
import { help, overview } from "./help.ts";
import { printJson } from "./output/print.ts";
import { moment, span } from "./time-argument.ts";

/** Runs one command and gives its exit code (contract, "Command line"). */
export async function runCli(argv: readonly string[], context: Context): Promise<number> {
  const { terminal } = context;
  let exitCode = 0;
  const program = buildProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // Commander has printed its own.
    if (!(error instanceof CommanderError)) terminal.note(`rollcall: ${messageOf(error)}`);
    if (!(error instanceof RollcallError || error instanceof CommanderError))
      terminal.note(error instanceof Error ? (error.stack ?? "") : "");
    // Who reads JSON gets one document, however it ends.
    if (argv.includes("--json")) printJson(terminal, { error: { code: codeOf(error), message: messageOf(error) } });
    return 1;
  }
}

function codeOf(error: unknown): string {
  if (error instanceof RollcallError) return error.code;
  return error instanceof CommanderError ? "USAGE" : "UNEXPECTED";
}

const products = targetDefinitions.map(({ product }) => product).join(" and ");

type Run<T> = (context: Context, options: T & GlobalOptions, ...args: string[]) => Promise<number>;

/** Loaded when asked for: what serves SCIM is a large part of the program, and the other commands answer sooner without. */
const serve: Run<object> = async (context, options) => (await import("../server/server.ts")).serve(context, options);

function buildProgram(context: Context, exit: (code: number) => void): Command {
  const program = new Command("rollcall")
    .usage("<command> [options]")
    .description(`Directory sync for password managers: SCIM 2.0 in, ${products} out.`)
    .version(context.version)
    .configureHelp({
      subcommandTerm: (command) =>
        [command.name(), command.usage().replace(/\[(options|command)\] ?/g, "")].join(" ").trim(),
    })
    .showHelpAfterError('(try "rollcall --help"; options come after the command: rollcall status -c rollcall.yaml)')
    .addHelpText("after", overview)
    .exitOverride();

  const command = <T>(
    parent: Command,
    name: string,
    description: string,
    run: Run<T>,
    more = "",
    settings: CommandOptions = {},
  ): Command => {
    const made = parent.command(name, settings).description(description);
    const path = [parent === program ? "" : parent.name(), made.name()].join(" ").trim();
    return made
      .option("-c, --config <file>", "configuration, YAML or JSON; also ROLLCALL_CONFIG")
      .option("--json", "print one JSON document; logs go to standard error")
      .addOption(
        new Option("--log-level <level>", "least level that is logged, to standard error")
          .choices([...LOG_LEVELS])
          .default("info"),
      )
      .showHelpAfterError(`(try "rollcall ${path} --help")`)
      .addHelpText("after", more)
      .exitOverride()
      .action(async (...given: unknown[]) => {
        const [options] = given.slice(-2) as [T & GlobalOptions];
        exit(await run(context, options, ...(given.slice(0, -2) as string[])));
      });
  };

  command(program, "serve", "SCIM endpoint and reconcilers; without a configuration a sandbox", serve, help.serve);
  command(program, "sync", "deliver what is pending once, for cron", sync, help.sync)
    .option("--source <name>", "only this source")
    .option("--accept-shrink", "take a directory that shows far fewer people than before")
    .option("--target <name>", "only this target")
    .addOption(
      new Option("--timeout <duration>", "give up after that long: 90s, 10m, 2h")
        .argParser(durationMs)
        .default(600_000, "10m"),
    );
  command(program, "plan [target]", "show what sync would do; writes nothing", plan, help.plan)
    .option("--target <name>", "only this target; the same as naming it")
    .option("--detailed-exitcode", "exit 2 when there are changes");
  command(
    program,
    "approve <target> <digest>",
    "let the held removals with that digest pass once",
    approve,
    help.approve,
  );
  command(
    program,
    "dismiss <target> <digest>",
    "have the held removals with that digest wait, whatever the budget allows",
    dismiss,
    help.dismiss,
  );
  command(program, "status", "how each source and target is doing", status, help.status);
  command(program, "check", "validate the configuration and try every connection", check, help.check);
  command(program, "health", "does the process that serves this configuration answer?", health, help.health).option(
    "--ready",
    "ask whether it can take writes: /readyz in place of /healthz",
  );
  command(program, "user <email|id>", "everything known about one person", showUser, help.user);
  const audit = program
    .command("audit")
    .description("what was done, when, why and on whose word")
    .showHelpAfterError('(try "rollcall audit --help")')
    .addHelpText("after", help.audit);
  const filtered = (made: Command): Command =>
    made
      .addOption(
        new Option("--since <when>", "from then on: 2026-11-01, 2026-11-01T08:00Z, 24h, 30d").argParser(moment),
      )
      .addOption(new Option("--until <when>", "before then").argParser(moment))
      .option("--person <email|id>", "about that person, under any address that they have or had")
      .option("--target <name>", "about that target")
      .option("--action <action>", "user.update, suspend, approve, …; user means all user.…")
      .option("--lost-access", "only access that was taken away, each with its cause and who approved it");
  filtered(
    command(audit, "list", "the newest rows; what audit alone does", listAudit, help.auditList, { isDefault: true }),
  ).addOption(new Option("--limit <number>", "how many").argParser(limitNumber).default(50));
  filtered(command(audit, "export", "all that fits, to standard output", exportAudit, help.auditExport)).addOption(
    new Option("--format <format>", "a JSON document on each line, or CSV").choices(["jsonl", "csv"]).default("jsonl"),
  );
  command(
    audit,
    "verify",
    "walk over all rows: was one changed, dropped, inserted or moved?",
    verifyAudit,
    help.auditVerify,
  ).option("--head <seq:hash>", "a head noted earlier: the trail must still have it");
  command(program, "backup <file>", "a checked copy of the database, also while serve runs", backup, help.backup);
  command(
    program,
    "restored",
    "say that the database is an old copy that was put back, where backup did not make it",
    restored,
    help.restored,
  );
  const token = program
    .command("token")
    .description("SCIM tokens: stored hashed, shown once")
    .showHelpAfterError('(try "rollcall token --help")')
    .addHelpText("after", help.token);
  command(token, "create", "make a token for a SCIM source", createToken, help.tokenCreate)
    .requiredOption("--source <name>", "the SCIM source that it belongs to")
    .addOption(new Option("--expires <duration>", "worthless after that long: 90d; without it never").argParser(span))
    .option("--label <text>", "what it is for", "");
  command(token, "rotate <id>", "make a new one in its place; the old one expires", rotateToken, help.tokenRotate)
    .addOption(
      new Option("--grace <duration>", "how long the old one is still good")
        .argParser(span)
        .default(24 * 3_600_000, "24h"),
    )
    .addOption(
      new Option("--expires <duration>", "the new one's life: 90d; without it, as long as the old one had").argParser(
        span,
      ),
    );
  command(token, "list", "tokens made here, good and revoked", listTokens, help.tokenList);
  command(
    token,
    "revoke <id>",
    "make a token worthless, within a second also where it serves",
    revokeToken,
    help.tokenRevoke,
  );
  const alerts = program
    .command("alerts")
    .description("who is told when something asks for a person")
    .showHelpAfterError('(try "rollcall alerts --help")')
    .addHelpText("after", help.alerts);
  command(alerts, "test [channel]", "send a message to each channel, or to the one named", testAlerts, help.alerts);
  command(
    program,
    "import-dc <file>",
    "convert the data.json of Directory Connector into a configuration",
    importDirectoryConnector,
    importHelp,
  )
    .option("-o, --output <file>", "write it there instead; never over a file that is there")
    .addOption(
      new Option("--preset <name>", "which LDAP server it is, where it is not Active Directory").choices(
        ldapPresets.filter((preset) => preset !== "activedirectory"),
      ),
    );
  connectionCommands(program, command);
  command(
    program,
    "sandbox",
    `only the emulators of ${products}, to try a configuration against`,
    emulate,
    help.sandbox,
  ).addOption(
    new Option("--port <number>", "port of the first emulator; the second takes the next")
      .argParser(portNumber)
      .default(9000),
  );
  program
    .command("completion")
    .description("a script that completes rollcall's commands and options in a shell")
    .addArgument(new Argument("<shell>", "which shell").choices(shells))
    .addHelpText("after", help.completion)
    .exitOverride()
    .action((shell: (typeof shells)[number]) => context.terminal.out(completionScript(program, shell).trimEnd()));
  return program;
}

type DefineCommand = <T>(parent: Command, name: string, description: string, run: Run<T>, more?: string) => Command;

function connectionCommands(program: Command, command: DefineCommand): void {
  const connect = command(
    program,
    `connect <${targetTypes.join("|")}>`,
    "verify the credentials of a target and store them encrypted",
    connectVendor,
    help.connect,
  )
    .option("--name <name>", "what the target is called; default: as the vendor")
    // Known, so that it can be refused with a reason.
    .addOption(new Option("--client-secret [secret]").hideHelp());
  for (const { flag, help: text } of connectOptions) connect.option(`${flag} <value>`, text);
  command(
    program,
    "disconnect <name>",
    "forget a stored connection; takes nobody's access away",
    disconnect,
    help.disconnect,
  ).option("--yes", "don't ask");
  command(
    program,
    "connections",
    "connections of the configuration and stored ones",
    listConnections,
    help.connections,
  );
  command(program, "rekey", "encrypt everything stored anew under the first masterKey", rekey, help.rekey);
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function durationMs(text: string): number {
  const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = unitMs[unit ?? ""];
  if (count === undefined || factor === undefined)
    throw new InvalidArgumentError("a duration looks like 30s, 10m or 2h.");
  const ms = Number(count) * factor;
  if (ms < 1 || ms > maxTimerMs) throw new InvalidArgumentError("it must be between 1ms and 24d.");
  return ms;
}

/** Timers of Node.js go no further. */
const maxTimerMs = 2 ** 31 - 1;

function limitNumber(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000)
    throw new InvalidArgumentError("a number from 1 to 10000; export has no limit.");
  return limit;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_534)
    throw new InvalidArgumentError("a port is a number from 1 to 65534.");
  return port;
}
