import { Option } from "commander";
import { stringify } from "yaml";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { startEmulators } from "../../app/sandbox.ts";
import { aborted, interruption } from "../../app/signals.ts";
import { parseNumber } from "../arguments.ts";
import type { Cli } from "../command.ts";
import { printJson } from "../output/print.ts";

const help = `
Examples:
  rollcall sandbox > rollcall.yaml          and in another terminal:
  rollcall token create -c rollcall.yaml --source idp
  rollcall serve -c rollcall.yaml
  rollcall sandbox --port 9100              a second one, with its own state`;

interface SandboxOptions {
  readonly port: number;
}

export const addSandbox = (cli: Cli): void =>
  void cli
    .add({
      name: "sandbox",
      summary: "only the emulated password managers, to try a configuration",
      help,
      run: emulate,
    })
    .addOption(
      new Option("--port <number>", "port of the first emulator; the others use the next ports")
        .argParser(parseNumber(65_534, "a port is a number from 1 to 65534."))
        .default(9000),
    );

/** Runs the emulators until a signal. Each port has its own state. */
async function emulate({ terminal }: Context, { port, json }: SandboxOptions & GlobalOptions): Promise<number> {
  const interrupted = interruption();
  const directory = `data/sandbox-${port}`;
  const { targets, close } = await startEmulators(directory, port);
  const config = { sources: { idp: { type: "scim" } }, targets };
  terminal.note(
    `The emulated password managers of a made-up company run until Ctrl-C; nothing here is real. State: ./${directory}. The configuration for them follows. "rollcall token create --source idp -c FILE" makes a SCIM token. Add a section "admin: { token: … }" for the console.\n`,
  );
  if (json) printJson(terminal, config);
  else terminal.out(stringify(config));
  await aborted(interrupted);
  await close();
  return 0;
}
