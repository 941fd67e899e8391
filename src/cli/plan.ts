import { existsSync } from "node:fs";
import type { Plan } from "../domain/plan.ts";
import { messageOf } from "../domain/errors.ts";
import { createLogger, type LogLevel } from "../telemetry.ts";
import type { Composition, GlobalOptions } from "./composition.ts";
import { locateConfig } from "./locate.ts";
import { describePlan, printJson } from "./render.ts";
import { closeAll, connect, selectTargets } from "./targets.ts";

interface PlanOptions {
  readonly target?: string;
  readonly detailedExitcode?: boolean;
}

/** `rollcall plan`: what `sync` would do. Writes nothing, anywhere: without a database it plans for an empty directory. */
export async function plan(composition: Composition, options: PlanOptions & GlobalOptions, name?: string): Promise<number> {
  const config = locateConfig(composition, options);
  const selected = selectTargets(config, options.target ?? name);
  const isNew = !existsSync(config.store.path);
  const store = await composition.openStore(isNew ? { ...config, store: { ...config.store, path: ":memory:" } } : config);
  const logger = createLogger({ level: options.logLevel as LogLevel });
  const connections = connect(composition, config, selected, store, logger);
  const plans: { readonly name: string; readonly plan: Plan }[] = [];
  const failures: string[] = [];
  try {
    for (const { target, reconciler } of connections) {
      try {
        const { guarded } = await reconciler.plan(new AbortController().signal);
        plans.push({ name: target.name, plan: guarded.plan });
      } catch (error) {
        failures.push(`${target.name}: ${messageOf(error)}`);
      }
    }
  } finally {
    await closeAll(connections);
    await store.close();
  }
  const { terminal } = composition;
  if (options.json) printJson(terminal, { targets: plans.map(({ name: target, plan: each }) => planJson(target, each)) });
  else for (const { name: target, plan: each } of plans) terminal.out(describePlan(target, each));
  for (const failure of failures) terminal.note(`rollcall: ${failure}`);
  if (failures.length > 0) return 1;
  const hasChanges = plans.some(({ plan: each }) => each.changes.length + each.held.length > 0);
  return options.detailedExitcode && hasChanges ? 2 : 0;
}

/** As the contract has it: each change with its `op` and the entity's `email` or group `name`. */
export const planJson = (name: string, { changes, held, skipped, heldDigest }: Plan) => ({
  name, changes, held: held.map(({ change, reason }) => ({ ...change, reason })), skipped, heldDigest,
});
