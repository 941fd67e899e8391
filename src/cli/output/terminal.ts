import { styleText } from "node:util";
import type { Style, Terminal } from "../../app/context.ts";
import { RollcallError } from "../../domain/model/errors.ts";

const maxInputChars = 65_536;

/** Reads what is piped in: usually one secret. The limit is for a large file that is piped in by mistake. */
async function readInput(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > maxInputChars)
      throw new RollcallError("CONFIG_INVALID", `standard input has more than ${maxInputChars} characters`);
  }
  return text.replace(/\r?\n$/, "");
}

/** `styleText` respects NO_COLOR, FORCE_COLOR and what the terminal supports. */
const styles = {
  good: ["green"],
  warning: ["yellow"],
  bad: ["bold", "red"],
  strong: ["bold"],
  quiet: ["dim"],
} as const satisfies Record<Style, readonly string[]>;

/**
 * Shows control characters as JSON does, except the codes of `styles`. Names come from directories and vendors, and
 * a terminal obeys control characters: they could set its title, clear it, or write over a line.
 */
const harmless = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it finds control characters
  text.replace(/(\x1b\[(?:1|2|22|3[1239])m)|[\0-\x08\x0b-\x1f\x7f-\x9f]/g, (found, style: string | undefined) =>
    style === undefined ? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}` : style,
  );

/** The terminal of this process. A reader that goes away (`rollcall status | head`) ends the process without an error. */
export function openTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
  return {
    write: (text) => {
      const shown = stdout.isTTY ? harmless(text.replaceAll("\r\n", "\n")) : text;
      return new Promise((taken) => stdout.write(shown, () => taken()));
    },
    isInteractive: stdin.isTTY && stderr.isTTY,
    input: readInput,
    out: (text) => void stdout.write(`${harmless(text)}\n`),
    note: (text) => void stderr.write(`${harmless(text)}\n`),
    progress: stderr.isTTY
      ? (text) => void stderr.write(`\r\x1b[K${harmless(text).slice(0, (stderr.columns || 80) - 1)}`)
      : null,
    paint: (style, text) => (text === "" ? text : styleText([...styles[style]], text, { stream: stdout })),
  };
}
