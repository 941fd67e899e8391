import type { AlertChannel } from "../alerts/channel.ts";
import type { Config, LdapSourceConfig, TargetConfig } from "../config/index.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { ImportStore } from "../domain/ports/import-store.ts";
import type { CheckFinding, Target } from "../domain/ports/target.ts";
import type { Reconciler } from "../reconcile/reconciler.ts";
import type { LdapPoller } from "../sources/ldap/poller.ts";
import type { Database } from "../store/database.ts";
import type { Logger, LogLevel, Metrics, Tracer } from "../telemetry/index.ts";

/** How a word stands out on a terminal with colours. The word says the same without its colour. */
export type Style = "good" | "warning" | "bad" | "strong" | "quiet";
/** Returns the text unchanged where there are no colours: in a pipe, or with NO_COLOR. */
export type Paint = (style: Style, text: string) => string;

/** Where a command prints, and what it asks. */
export interface Terminal {
  /** Prints a line to standard output. */
  out(text: string): void;
  /** Writes a part of a long output and resolves when the reader has taken it. Escapes control characters on a terminal. */
  write(text: string): Promise<void>;
  /** Prints a line to standard error, beside the result. */
  note(text: string): void;
  /** Replaces the progress line; null if standard error is no terminal. */
  readonly progress: ((text: string) => void) | null;
  /** True if a person can be asked: standard input and standard error are terminals. */
  readonly isInteractive: boolean;
  /** Returns all of standard input without its last line end. @throws `CONFIG_INVALID` beyond 64 KiB */
  input(): Promise<string>;
  /** Colours text for `out`. */
  readonly paint: Paint;
}

/** Everything that commands and the server use. Only `adapters.ts` names the implementations; tests give others. */
export interface Adapters {
  readonly version: string;
  readonly tracer: Tracer;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Resolves after `ms`, or as soon as `signal` is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Returns the database of a configuration. It opens nothing yet. */
  database(config: Pick<Config, "store">): Database;
  /** @throws `CONFIG_INVALID` when a filter or a file of the source can't be read */
  poller(source: LdapSourceConfig, store: ImportStore, logger: Logger, metrics?: Metrics): LdapPoller;
  checkDirectory(source: LdapSourceConfig, signal: AbortSignal): Promise<readonly CheckFinding[]>;
  target(config: TargetConfig, logger: Logger, metrics?: Metrics): Target;
  /** Returns the alert channels; empty without a section `alerts`. @throws `CONFIG_INVALID` when a file can't be read */
  alertChannels(config: Config): readonly AlertChannel[];
  reconciler(
    target: Target,
    targetConfig: TargetConfig,
    config: Config,
    store: DirectoryStore,
    logger: Logger,
    metrics?: Metrics,
  ): Reconciler;
}

/** The context of every command. */
export interface Context extends Adapters {
  readonly env: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
}

/** Options that every command has. */
export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly logLevel: LogLevel;
}
