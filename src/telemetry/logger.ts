import { createLogger as createWinston, format, transports } from "winston";
import { redact, redactText } from "./redact.ts";

/** From the rarest to the most frequent. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What to tell beside the message. Credentials are removed by key and by form; anything else may be given. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one line for each call and never throws. An error goes into a field of its own, e.g. `{ error }`. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}

/** How a logger writes. */
export interface LoggerOptions {
  /** The most frequent level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** One JSON object or one readable line. Default `pretty` on a terminal, `json` elsewhere. */
  readonly format?: "json" | "pretty";
  /** Default standard error: standard output belongs to what commands print. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Default `Date.now`. */
  readonly nowMs?: () => number;
}

/** The one kind of logger: redacting, bounded, one line for each call. */
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
    // Rendered here: winston joins a field `message` to the message, and its own JSON format throws on odd values.
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

/** Keys of the line itself win over fields of the same name. */
function renderJson(line: Line, fields: LogFields): string {
  return JSON.stringify(Object.assign({ ...line }, redact(fields), line));
}

/** `12:34:56 WARN  message  target=acme attempts=3`, an error's stack below. */
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

/** Control characters spelled out: what a directory calls its people must not steer a terminal or fake a line. */
const printable = (text: string): string =>
  text.replace(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
