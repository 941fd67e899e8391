import type { AlertChannel } from "../alerts/service.ts";
import type { Config, LdapSourceConfig, TargetConfig } from "../config/index.ts";
import type { AuditHead } from "../domain/model/audit.ts";
import type { AuditTrail } from "../domain/ports/audit-store.ts";
import type { StoredCredential } from "../domain/ports/credential-store.ts";
import type { DirectoryStore, ReconcileLock } from "../domain/ports/directory-store.ts";
import type { ImportStore } from "../domain/ports/import-store.ts";
import type { CheckFinding, Target } from "../domain/ports/target.ts";
import type { Reconciler } from "../reconcile/reconciler.ts";
import type { LdapPoller } from "../sources/ldap/poller.ts";
import type { Logger, Metrics, Tracer } from "../telemetry/index.ts";

/** How a word stands out on a terminal that shows colours; none carries a meaning that the word itself does not. */
export type Style = "good" | "warning" | "bad" | "strong" | "quiet";
/** Gives the text as it is where there are no colours: in a pipe, with NO_COLOR. */
export type Paint = (style: Style, text: string) => string;

/** What a command prints with. */
export interface Terminal {
  out(text: string): void;
  /** For what is too long for one text: as it is, but for control characters on a terminal; waits until the reader has taken it. */
  write(text: string): Promise<void>;
  /** Notes beside the result, on standard error. */
  note(text: string): void;
  /** Replaces the line that is being drawn on a terminal; null where there is none. */
  readonly progress: ((text: string) => void) | null;
  /** Is there a person who can be asked? False where standard input or standard error is no terminal. */
  readonly isInteractive: boolean;
  /** All of standard input, without the line end at its end. @throws `CONFIG_INVALID` beyond 64 KiB */
  input(): Promise<string>;
  /** For what goes to `out`. */
  readonly paint: Paint;
}

/** How commands come by the parts; only `main.ts` knows what they are made of. */
export interface Composition {
  readonly version: string;
  readonly tracer: Tracer;
  readonly env: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  openStore(config: Pick<Config, "store">): Promise<DirectoryStore>;
  /** The same for a command that reads: also where this user can't write; null when there is no database yet. @throws `STORE_UNAVAILABLE` */
  openStoreToRead(config: Pick<Config, "store">): Promise<DirectoryStore | null>;
  /** What `connect` stored in the database, still sealed; read without leaving a trace. @throws `STORE_UNAVAILABLE` */
  storedCredentials(config: Pick<Config, "store">): Promise<readonly StoredCredential[]>;
  /** Only the audit trail, and only for reading. @throws `STORE_UNAVAILABLE` */
  openAuditTrail(config: Config): Promise<AuditTrail & Pick<DirectoryStore, "close">>;
  /** A checked, marked copy of the database. @throws `STORE_UNAVAILABLE` */
  backup(
    config: Pick<Config, "store">,
    file: string,
  ): Promise<{ readonly bytes: number; readonly rows: number; readonly head: AuditHead | null }>;
  /** Makes this process the only one that reconciles on the database. @throws `STORE_LOCKED`, `STORE_UNAVAILABLE` */
  lock(config: Pick<Config, "store">): Promise<ReconcileLock>;
  /** What `check` says of the database beside that it can be opened. @throws `STORE_UNAVAILABLE` */
  checkDatabase(config: Pick<Config, "store">): Promise<readonly CheckFinding[]>;
  /** The directory copied into memory; what is done to it is written nowhere. */
  openCopy(config: Config): Promise<DirectoryStore>;
  /** @throws `CONFIG_INVALID` for a filter or a file of the source that can't be read */
  poller(source: LdapSourceConfig, store: ImportStore, logger: Logger, metrics?: Metrics): LdapPoller;
  checkDirectory(source: LdapSourceConfig, signal: AbortSignal): Promise<readonly CheckFinding[]>;
  target(config: TargetConfig, logger: Logger, metrics?: Metrics): Target;
  /** Where people are told; empty without a section `alerts`. @throws `CONFIG_INVALID` for a file that can't be read */
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

/** Options that every command has. */
export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly logLevel: string;
}
