import type { Config, TargetConfig } from "../config/index.ts";
import { RollcallError } from "../domain/model/errors.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { Target } from "../domain/ports/target.ts";
import type { Reconciler } from "../reconcile/reconciler.ts";
import type { Logger, Metrics } from "../telemetry/index.ts";
import type { Context } from "./context.ts";

/** One target of the configuration, ready to be worked with. */
export interface Connection {
  readonly config: TargetConfig;
  readonly target: Target;
  readonly reconciler: Reconciler;
}

/** The targets of the configuration, or the one named. @throws `CONFIG_INVALID` for a name that is not there */
export function selectTargets(config: Config, name: string | undefined): readonly TargetConfig[] {
  if (name === undefined) return config.targets;
  const found = config.targets.filter((target) => target.name === name);
  if (found.length > 0) return found;
  const known = config.targets.map((target) => target.name).join(", ") || "none";
  throw new RollcallError("CONFIG_INVALID", `no target "${name}" in the configuration; there is: ${known}`);
}

/** Builds connections; close their targets when done. */
export function connect(
  context: Context,
  config: Config,
  targets: readonly TargetConfig[],
  store: DirectoryStore,
  logger: Logger,
  metrics?: Metrics,
): readonly Connection[] {
  return targets.map((each) => {
    const target = context.target(each, logger, metrics);
    return { config: each, target, reconciler: context.reconciler(target, each, config, store, logger, metrics) };
  });
}

/** Gives back access tokens; takes at most `limitMs`. */
export async function closeAll(connections: readonly Connection[], limitMs = 5000): Promise<void> {
  await Promise.all(connections.map(({ target }) => target.close(AbortSignal.timeout(limitMs))));
}

/** Messages of targets begin with their name; where that already stands beside, it is dropped. */
export const withoutName = (name: string, message: string): string =>
  message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message;
