import { readFileSync, statSync, writeFileSync } from "node:fs";
import { Option } from "commander";
import { stringify } from "yaml";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { unreadable } from "../../config/index.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import { ldapPresets } from "../../domain/model/ldap-source.ts";
import { count } from "../../text/numbers.ts";
import type { Cli } from "../command.ts";
import { type Converted, convertConnectorConfig } from "../import-dc/convert.ts";
import { readConnectorConfig } from "../import-dc/read.ts";
import { printJson } from "../output/print.ts";

const help = `
Examples:
  rollcall import-dc "$HOME/.config/Bitwarden Directory Connector/data.json"
  rollcall import-dc data.json -o rollcall.yaml

Reads every layout since the first. Secrets are not copied. Settings without an equivalent are listed on standard error.
Exit code: 0, 1 when the file is not one of Directory Connector's, or FILE already exists.`;

export const addImportDc = (cli: Cli): void =>
  void cli
    .add({
      name: "import-dc <file>",
      summary: "convert the data.json of Bitwarden Directory Connector into a configuration",
      help,
      run: importDirectoryConnector,
    })
    .option("-o, --output <file>", "write to this file; an existing file is never overwritten")
    .addOption(
      new Option("--preset <name>", "the LDAP server, if it is not Active Directory").choices(
        ldapPresets.filter((preset) => preset !== "activedirectory"),
      ),
    );

interface ImportOptions {
  readonly output?: string;
  readonly preset?: string;
}

/** A data.json has some hundred bytes. */
const maxFileBytes = 4 * 1024 * 1024;

/** Prints the converted configuration, or writes it to a new file. Warnings go to standard error. Secrets are not copied. */
async function importDirectoryConnector(
  { terminal, version }: Context,
  options: ImportOptions & GlobalOptions,
  file = "",
): Promise<number> {
  const converted = convertConnectorConfig(readConnectorConfig(file, readText(file)), options.preset ?? null);
  const text = fileText(converted, version);
  if (options.output !== undefined) write(options.output, text);
  if (options.json) {
    printJson(terminal, converted);
    return 0;
  }
  if (options.output === undefined) terminal.out(text.trimEnd());
  for (const { setting, message } of converted.warnings) terminal.note(`${setting}: ${message}`);
  const where = options.output ?? "FILE";
  if (options.output !== undefined)
    terminal.note(`rollcall: wrote ${where}, with ${count(converted.warnings.length, "warning")}`);
  terminal.note(
    `next: set ${converted.variables.join(", ")}; stop Directory Connector; rollcall check -c ${where}; rollcall plan -c ${where}`,
  );
  return 0;
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size <= maxFileBytes) return readFileSync(path, "utf8");
  } catch (cause) {
    throw new RollcallError("CONFIG_INVALID", unreadable(path, cause));
  }
  throw new RollcallError("CONFIG_INVALID", `${path} is larger than ${maxFileBytes} bytes: this is not a data.json`);
}

/** Never overwrites a file: it may be the configuration in use. */
function write(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    const isThere = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    throw new RollcallError(
      "CONFIG_INVALID",
      isThere ? `${path} already exists and is not overwritten: name another file` : `cannot write ${path}`,
      isThere ? {} : { cause },
    );
  }
}

function fileText({ config, warnings, variables }: Converted, version: string): string {
  const head = [
    `Made by rollcall ${version} import-dc from a configuration of Bitwarden Directory Connector.`,
    `Set before the first start: ${variables.join(", ")}.`,
    "Stop Directory Connector first: two programs that write to the same organization undo each other's changes.",
    "",
    ...warnings.map(({ setting, message }) => `${setting}: ${message}`),
  ];
  const comment = head.map((line) => `# ${line.replace(/\s+/g, " ")}`.trimEnd()).join("\n");
  return `${comment}\n\n${stringify(config, { lineWidth: 0 })}`;
}
