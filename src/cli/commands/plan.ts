import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { closeTargets, openTargets, selectTargets, withoutName } from "../../app/open-targets.ts";
import { openDirectories, pollNow } from "../../app/polled-sources.ts";
import { reviewDatabase } from "../../app/restore.ts";
import { ldapSources } from "../../config/index.ts";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";
import type { Plan } from "../../domain/model/plan.ts";
import type { Target } from "../../domain/ports/target.ts";
import { createLogger } from "../../telemetry/index.ts";
import { planJson } from "../../text/changes.ts";
import type { Cli } from "../command.ts";
import { describePlan } from "../output/plan.ts";
import { printJson } from "../output/print.ts";

const help = `
Examples:
  rollcall plan -c rollcall.yaml
  rollcall plan acme -c rollcall.yaml --json
  rollcall plan -c rollcall.yaml --detailed-exitcode || echo "there are changes"

Exit code: 0, 1 error; with --detailed-exitcode 2 when there are changes.`;

interface PlanOptions {
  readonly target?: string;
  readonly detailedExitcode?: boolean;
}

export const addPlan = (cli: Cli): void =>
  void cli
    .add({ name: "plan [target]", summary: "show what sync would do; writes nothing", help, run: plan })
    .option("--target <name>", "only this target; the same as naming it")
    .option("--detailed-exitcode", "exit 2 when there are changes");

interface Planned {
  readonly plans: readonly { readonly target: Target; readonly plan: Plan }[];
  readonly errors: readonly { readonly name: string; readonly message: string }[];
}

async function plan(context: Context, options: PlanOptions & GlobalOptions, name = ""): Promise<number> {
  if (name !== "" && options.target !== undefined && name !== options.target)
    throw new RollcallError(
      "CONFIG_INVALID",
      `"${name}" and --target "${options.target}" are two targets: name one, or none for all`,
    );
  const { terminal } = context;
  const { plans, errors } = await makePlans(context, options, options.target ?? (name || undefined));
  if (options.json)
    printJson(terminal, {
      targets: plans.map(({ target, plan: each }) => planJson(target.name, each)),
      ...(errors.length > 0 && { errors }),
    });
  else for (const { target, plan: each } of plans) terminal.out(describePlan(target, each, terminal.paint));
  for (const { name: target, message } of errors) terminal.note(`rollcall: ${target}: ${message}`);
  if (errors.length > 0) return 1;
  const hasChanges = plans.some(({ plan: each }) => each.changes.length + each.held.length > 0);
  return options.detailedExitcode && hasChanges ? 2 : 0;
}

/** Polls the LDAP sources into a copy of the database in memory, and plans over it: nothing is written. */
async function makePlans(context: Context, options: GlobalOptions, name: string | undefined): Promise<Planned> {
  const config = await locateConfig(context, options);
  const selected = selectTargets(config, name);
  await using cleanup = new AsyncDisposableStack();
  const store = await context.database(config).openCopy();
  cleanup.defer(() => store.close());
  const logger = createLogger({ level: options.logLevel });
  await reviewDatabase(config, store, context.now(), logger);
  const connections = openTargets(context, config, selected, store, logger);
  cleanup.defer(() => closeTargets(connections));
  const forever = new AbortController().signal;
  const polled = await pollNow(openDirectories(context, ldapSources(config), store, logger), forever);
  const errors = polled.flatMap(({ name: source, error }) =>
    error === null ? [] : [{ name: source, message: error }],
  );
  const plans: Planned["plans"][number][] = [];
  for (const { target, reconciler } of connections) {
    try {
      plans.push({ target, plan: (await reconciler.plan(forever)).plan });
    } catch (error) {
      errors.push({ name: target.name, message: withoutName(target.name, messageOf(error)) });
    }
  }
  return { plans, errors };
}
