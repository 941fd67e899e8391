import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { closeAll, connect, selectTargets, withoutName } from "../../app/open-targets.ts";
import { openDirectories, pollNow } from "../../app/polled-sources.ts";
import { reviewSources } from "../../app/removed-sources.ts";
import { noticeRestore } from "../../app/restore.ts";
import { ldapSources } from "../../config/index.ts";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";
import type { Plan } from "../../domain/model/plan.ts";
import { createLogger, type LogLevel } from "../../telemetry/index.ts";
import { describePlan, printJson } from "../output/print.ts";

interface PlanOptions {
  readonly target?: string;
  readonly detailedExitcode?: boolean;
}

/**
 * `rollcall plan`: what `sync` would do. Writes nothing, anywhere: directories are polled into a copy in memory, and
 * without a database it plans for an empty one.
 */
export async function plan(context: Context, options: PlanOptions & GlobalOptions, name?: string): Promise<number> {
  const config = await locateConfig(context, options);
  if (name !== undefined && options.target !== undefined && name !== options.target) {
    throw new RollcallError(
      "CONFIG_INVALID",
      `"${name}" and --target "${options.target}" are two targets: name one, or none for all`,
    );
  }
  const selected = selectTargets(config, options.target ?? name);
  const store = await context.openCopy(config);
  const logger = createLogger({ level: options.logLevel as LogLevel });
  const restored = await noticeRestore(store, config.targets, context.now());
  if (restored !== null) logger.warn(restored);
  await reviewSources(config, store, (message) => logger.warn(message));
  const connections = connect(context, config, selected, store, logger);
  const plans: { readonly name: string; readonly plan: Plan }[] = [];
  const errors: { readonly name: string; readonly message: string }[] = [];
  const forever = new AbortController().signal;
  try {
    const polled = await pollNow(openDirectories(context, ldapSources(config), store, logger), forever);
    for (const { name: source, error } of polled) if (error !== null) errors.push({ name: source, message: error });
    for (const { target, reconciler } of connections) {
      try {
        const { plan } = await reconciler.plan(forever);
        plans.push({ name: target.name, plan });
      } catch (error) {
        errors.push({ name: target.name, message: withoutName(target.name, messageOf(error)) });
      }
    }
  } finally {
    await closeAll(connections);
    await store.close();
  }
  const { terminal } = context;
  if (options.json)
    printJson(terminal, {
      targets: plans.map(({ name: target, plan: each }) => planJson(target, each)),
      ...(errors.length > 0 && { errors }),
    });
  else for (const { name: target, plan: each } of plans) terminal.out(describePlan(target, each, terminal.paint));
  for (const { name: target, message } of errors) terminal.note(`rollcall: ${target}: ${message}`);
  if (errors.length > 0) return 1;
  const hasChanges = plans.some(({ plan: each }) => each.changes.length + each.held.length > 0);
  return options.detailedExitcode && hasChanges ? 2 : 0;
}

/** As the contract has it: each change with its `op` and the entity's `email` or group `name`. */
export const planJson = (name: string, { changes, held, skipped, ...digests }: Plan) => ({
  name,
  changes,
  held: held.map(({ change, reason, isDismissed }) => ({ ...change, reason, dismissed: isDismissed })),
  skipped,
  ...digests,
});
