import type { Config, TargetConfig } from "../config/index.ts";
import type { DirectoryStore } from "../domain/store.ts";
import type { Target } from "../domain/target.ts";
import type { Reconciler } from "../reconcile/reconciler.ts";
import type { Logger, Metrics } from "../telemetry.ts";

/** What a command prints with. */
export interface Terminal {
  out(text: string): void;
  /** Notes beside the result, on standard error. */
  note(text: string): void;
}

/** How commands come by the parts; only `main.ts` knows what they are made of. */
export interface Composition {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  openStore(config: Config): Promise<DirectoryStore>;
  /** @throws `STORE_LOCKED` */
  lock(config: Config): { release(): void };
  target(config: TargetConfig, logger: Logger, metrics?: Metrics): Target;
  reconciler(target: Target, targetConfig: TargetConfig, config: Config, store: DirectoryStore, metrics?: Metrics): Reconciler;
}

/** Options that every command has. */
export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly logLevel: string;
}
