import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { approve } from "./cli/approve.ts";
import { check } from "./cli/check.ts";
import type { Composition, GlobalOptions } from "./cli/composition.ts";
import { plan } from "./cli/plan.ts";
import { emulate } from "./cli/sandbox.ts";
import { serve } from "./cli/serve.ts";
import { status } from "./cli/status.ts";
import { sync } from "./cli/sync.ts";
import { createToken, listTokens, revokeToken } from "./cli/token.ts";
import { showUser } from "./cli/user.ts";
import { messageOf, RollcallError } from "./domain/errors.ts";
import { LOG_LEVELS } from "./telemetry.ts";

/** Runs one command and gives its exit code (contract, "Command line"). */
export async function runCli(argv: readonly string[], composition: Composition): Promise<number> {
  let exitCode = 0;
  const program = buildProgram(composition, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    // Commander has printed its own.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    composition.terminal.note(`rollcall: ${messageOf(error)}`);
    if (!(error instanceof RollcallError)) composition.terminal.note(error instanceof Error ? (error.stack ?? "") : "");
    return 1;
  }
}

type Run<T> = (composition: Composition, options: T & GlobalOptions, ...args: string[]) => Promise<number>;

function buildProgram(composition: Composition, exit: (code: number) => void): Command {
  const program = new Command("rollcall")
    .description("Directory sync for password managers: SCIM 2.0 in, Bitwarden and 1Password out.")
    .version(composition.version)
    .showHelpAfterError("(rollcall --help shows the commands)")
    .exitOverride();

  const command = <T>(parent: Command, name: string, description: string, run: Run<T>): Command =>
    parent
      .command(name)
      .description(description)
      .option("-c, --config <file>", "configuration, YAML or JSON; also ROLLCALL_CONFIG")
      .option("--json", "print one JSON document")
      .addOption(new Option("--log-level <level>", "least level that is logged, to standard error").choices([...LOG_LEVELS]).default("info"))
      .exitOverride()
      .action(async (...given: unknown[]) => {
        const [options] = given.slice(-2) as [T & GlobalOptions];
        exit(await run(composition, options, ...(given.slice(0, -2) as string[])));
      });

  command(program, "serve", "SCIM endpoint and reconcilers; without a configuration a sandbox", serve);
  command(program, "sync", "deliver what is pending once, for cron; exit 3: removals held, 4: some changes failed", sync)
    .option("--source <name>", "only this source")
    .option("--target <name>", "only this target")
    .option("--timeout <duration>", "give up after, e.g. 90s or 10m", durationMs, 600_000);
  command(program, "plan [target]", "show what sync would do; writes nothing", plan)
    .option("--target <name>", "only this target")
    .option("--detailed-exitcode", "exit 2 when there are changes");
  command(program, "approve <target> <digest>", "let the held removals with that digest pass once", approve);
  command(program, "status", "how each source and target is doing", status);
  command(program, "check", "validate the configuration and try every connection", check);
  command(program, "user <email|id>", "everything known about one person", showUser);
  const token = program.command("token").description("SCIM tokens: stored hashed, shown once");
  command(token, "create", "make a token for a SCIM source", createToken)
    .requiredOption("--source <name>", "the SCIM source that it belongs to")
    .option("--label <text>", "what it is for", "");
  command(token, "list", "tokens made here, good and revoked", listTokens);
  command(token, "revoke <id>", "make a token worthless", revokeToken);
  command(program, "sandbox", "only the emulated Bitwarden and 1Password, to try a configuration against", emulate)
    .option("--port <number>", "Bitwarden's port; 1Password takes the next", portNumber, 9000);
  return program;
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function durationMs(text: string): number {
  const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = unitMs[unit ?? ""];
  if (count === undefined || factor === undefined) throw new InvalidArgumentError("a duration looks like 30s, 10m or 2h.");
  return Number(count) * factor;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_534) throw new InvalidArgumentError("a port is a number from 1 to 65534.");
  return port;
}
