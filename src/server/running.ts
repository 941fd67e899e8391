import type { Context } from "../app/context.ts";
import type { SandboxRun } from "../app/sandbox.ts";
import type { Config, ConfigFile } from "../config/index.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { Logger, Metrics } from "../telemetry/index.ts";
import type { TargetPool } from "./target-pool.ts";

/** The parts of the running process. */
export interface Running {
  readonly context: Context;
  readonly config: Config;
  readonly file: ConfigFile;
  readonly store: DirectoryStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly pool: TargetPool;
  /** Null with a configuration. */
  readonly sandbox: SandboxRun | null;
  /** Aborted by the first SIGTERM or SIGINT. */
  readonly interrupted: AbortSignal;
  /** Closes what was opened, in reverse order. */
  readonly cleanup: AsyncDisposableStack;
}
