import { type Command, type CommandOptions, Option } from "commander";
import type { Context, GlobalOptions } from "../app/context.ts";
import type { Cause } from "../domain/model/entities.ts";
import { LOG_LEVELS } from "../telemetry/index.ts";

/** The work of a command. `args` are its arguments in order. Returns the exit code. */
export type Run<T> = (context: Context, options: T & GlobalOptions, ...args: string[]) => Promise<number>;

export interface CommandSpec<T> {
  /** With its arguments: `plan [target]`. */
  readonly name: string;
  /** One line in the list of commands. */
  readonly summary: string;
  /** Examples and exit codes, below the options. */
  readonly help: string;
  readonly run: Run<T>;
  readonly settings?: CommandOptions;
}

/** Where commands register themselves. */
export interface Cli {
  readonly program: Command;
  /** Prints on standard output. */
  readonly write: (text: string) => void;
  /** Adds a command to the program, or to a group, with the options that all commands have. */
  add<T>(spec: CommandSpec<T>, group?: Command): Command;
  /** Adds a command that only has commands: `token`. */
  group(name: string, summary: string, help: string): Command;
}

/** `setExitCode` gets what the command returns. */
export function createCli(program: Command, context: Context, setExitCode: (code: number) => void): Cli {
  return {
    program,
    write: (text) => context.terminal.out(text),
    group: (name, summary, help) =>
      program
        .command(name)
        .description(summary)
        .showHelpAfterError(`(try "rollcall ${name} --help")`)
        .addHelpText("after", help),
    add({ name, summary, help, run, settings = {} }, group = program) {
      const command = group.command(name, settings).description(summary);
      const path = [group === program ? "" : group.name(), command.name()].join(" ").trim();
      return command
        .option("-c, --config <file>", "configuration, YAML or JSON; also ROLLCALL_CONFIG")
        .option("--json", "print one JSON document; logs go to standard error")
        .addOption(
          new Option("--log-level <level>", "lowest level to log, on standard error")
            .choices([...LOG_LEVELS])
            .default("info"),
        )
        .showHelpAfterError(`(try "rollcall ${path} --help")`)
        .addHelpText("after", help)
        .exitOverride()
        .action(async (...given: unknown[]) => {
          // Commander passes the arguments, then the options, then the command.
          const args = given.slice(0, -2).map((arg) => (typeof arg === "string" ? arg : ""));
          setExitCode(await run(context, command.opts(), ...args));
        });
    },
  };
}

/** The cause of what a command does, for the audit trail. */
export const causeOf = ({ env }: Pick<Context, "env">, command: string): Cause => ({
  actor: `cli:${command} (${env["SUDO_USER"] ?? env["USER"] ?? "unknown user"})`,
  requestId: null,
});
