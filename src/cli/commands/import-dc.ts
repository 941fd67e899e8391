import { readFileSync, statSync, writeFileSync } from "node:fs";
import { stringify } from "yaml";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { unreadable } from "../../config/index.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import { type Converted, convertConnectorConfig } from "../import-dc/convert.ts";
import { readConnectorConfig } from "../import-dc/read.ts";
import { count, printJson } from "../output/print.ts";

/** What `import-dc --help` shows below the options. */
export const importHelp = `
Examples:
  rollcall import-dc "$HOME/.config/Bitwarden Directory Connector/data.json"
  rollcall import-dc data.json -o rollcall.yaml

Reads every layout since the first. Secrets are not copied; what has no equivalent is told on standard error.
Exit code: 0, 1 when the file is none of Directory Connector's, or FILE is there already.`;

interface ImportOptions {
  readonly output?: string;
  readonly preset?: string;
}

/** A data.json of some hundred bytes; what is larger is something else. */
const maxFileBytes = 4 * 1024 * 1024;

/**
 * `rollcall import-dc`: a configuration of Bitwarden Directory Connector as one of Rollcall, on standard output or in a
 * new file. Settings without an equivalent are reported on standard error. No secret is read into it.
 */
export async function importDirectoryConnector(
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
  throw new RollcallError("CONFIG_INVALID", `${path} is larger than ${maxFileBytes} bytes: that is no data.json`);
}

/** Never over a file that is there: it may be the one in use. */
function write(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    const isThere = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    throw new RollcallError(
      "CONFIG_INVALID",
      isThere ? `${path} is there already and is not overwritten: name another file` : `cannot write ${path}`,
      isThere ? {} : { cause },
    );
  }
}

function fileText({ config, warnings, variables }: Converted, version: string): string {
  const head = [
    `Made by rollcall ${version} import-dc from a configuration of Bitwarden Directory Connector.`,
    `Set before the first start: ${variables.join(", ")}.`,
    "Stop Directory Connector first: two that write the same organization undo each other.",
    "",
    ...warnings.map(({ setting, message }) => `${setting}: ${message}`),
  ];
  const comment = head.map((line) => `# ${line.replace(/\s+/g, " ")}`.trimEnd()).join("\n");
  return `${comment}\n\n${stringify(config, { lineWidth: 0 })}`;
}
