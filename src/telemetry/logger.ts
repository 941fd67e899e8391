import { createLogger as createWinston, format, transports } from "winston";
import { redact, redactText } from "./redact.ts";

/** From the most severe to the most detailed. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Fields beside the message. Any value is allowed; credentials are removed. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one line per call and never throws. Pass an error as a field: `{ error }`. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Returns a logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  /** The most detailed level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** `json`: one JSON object per line. Default `pretty` on a terminal, otherwise `json`. */
  readonly format?: "json" | "pretty";
  /** Default: standard error, because commands print their results to standard output. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Default `Date.now`. */
  readonly nowMs?: () => number;
}

/** Makes a logger that removes credentials and limits the size of each line. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level = "info", stream = process.stderr, nowMs = Date.now } = options;
  const render =
    (options.format ?? (stream.isTTY === true ? "pretty" : "json")) === "pretty" ? renderPretty : renderJson;
  const winston = createWinston({
    level,
    levels: Object.fromEntries(LOG_LEVELS.map((name, index) => [name, index])),
    format: format.printf((info) => String(info.message)),
    transports: [new transports.Stream({ stream, eol: "\n" })],
  });
  const write = (at: LogLevel, message: string, bound: LogFields, fields: LogFields | undefined): void => {
    if (!winston.isLevelEnabled(at)) return;
    const time = new Date(nowMs()).toISOString();
    // Rendered here, because winston merges a field `message` into the message, and its JSON format throws on some values.
    winston.log({
      level: at,
      message: render({ time, level: at, message: redactText(String(message)) }, { ...bound, ...fields }),
    });
  };
  const bind = (bound: LogFields): Logger => ({
    debug: (message, fields) => write("debug", message, bound, fields),
    info: (message, fields) => write("info", message, bound, fields),
    warn: (message, fields) => write("warn", message, bound, fields),
    error: (message, fields) => write("error", message, bound, fields),
    child: (fields) => bind({ ...bound, ...fields }),
  });
  return bind({});
}

interface Line {
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
}

/** `time`, `level` and `message` win over fields of the same name. */
function renderJson(line: Line, fields: LogFields): string {
  return JSON.stringify(Object.assign({ ...line }, redact(fields), line));
}

/** `12:34:56 WARN  message  target=acme attempts=3`, followed by the stack of an error. */
function renderPretty({ time, level, message }: Line, fields: LogFields): string {
  const stacks: string[] = [];
  const texts = Object.entries(redact(fields) as object).map(([key, value]: [string, unknown]) => {
    if (isErrorCopy(value)) {
      if (level === "error") stacks.push(value.stack);
      return `${key}=${JSON.stringify(value.message)}${value.code === undefined ? "" : ` (${value.code})`}`;
    }
    return `${key}=${typeof value === "string" && /^[\w.:@/+-]+$/.test(value) ? value : JSON.stringify(value)}`;
  });
  const head = `${time.slice(11, 19)} ${level.toUpperCase().padEnd(5)} ${message}`;
  const line = printable([head, ...texts].join("  "));
  return [
    line,
    ...stacks.map((stack) =>
      stack
        .split("\n")
        .map((row) => `    ${printable(row)}`)
        .join("\n"),
    ),
  ].join("\n");
}

const isErrorCopy = (value: unknown): value is { message: string; stack: string; code?: string } =>
  typeof value === "object" &&
  value !== null &&
  "stack" in value &&
  "message" in value &&
  typeof value.stack === "string";

/** Escapes control characters: a name from a directory must not control the terminal or imitate a line. */
const printable = (text: string): string =>
  text.replace(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
