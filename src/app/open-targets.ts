import type { Config, TargetConfig } from "../config/index.ts";
import { RollcallError } from "../domain/model/errors.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { Target } from "../domain/ports/target.ts";
import type { Reconciler } from "../reconcile/reconciler.ts";
import type { Logger, Metrics } from "../telemetry/index.ts";
import type { Context } from "./context.ts";

/** One target of the configuration, with its reconciler. */
export interface OpenTarget {
  readonly config: TargetConfig;
  readonly target: Target;
  readonly reconciler: Reconciler;
}

/** Returns the targets of the configuration, or the named one. @throws `CONFIG_INVALID` for an unknown name */
export function selectTargets(config: Config, name: string | undefined): readonly TargetConfig[] {
  if (name === undefined) return config.targets;
  const found = config.targets.filter((target) => target.name === name);
  if (found.length > 0) return found;
  const known = config.targets.map((target) => target.name).join(", ") || "none";
  throw new RollcallError("CONFIG_INVALID", `no target "${name}" in the configuration; there is: ${known}`);
}

/** Opens targets. The caller closes them. */
export function openTargets(
  context: Context,
  config: Config,
  targets: readonly TargetConfig[],
  store: DirectoryStore,
  logger: Logger,
  metrics?: Metrics,
): readonly OpenTarget[] {
  return targets.map((each) => {
    const target = context.target(each, logger, metrics);
    return { config: each, target, reconciler: context.reconciler(target, each, config, store, logger, metrics) };
  });
}

/** Closes targets and revokes their access tokens. Maximum time `limitMs`. */
export async function closeTargets(targets: readonly OpenTarget[], limitMs = 5000): Promise<void> {
  await Promise.all(targets.map(({ target }) => target.close(AbortSignal.timeout(limitMs))));
}

/** Removes the name of the target from the start of its message, for places that show the name beside it. */
export const withoutName = (name: string, message: string): string =>
  message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message;
