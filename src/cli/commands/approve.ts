import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { closeTargets, openTargets, selectTargets } from "../../app/open-targets.ts";
import { noticeRestore } from "../../app/restore.ts";
import type { Config, TargetConfig } from "../../config/index.ts";
import { type HeldItem, isApprovable, namedBy } from "../../domain/model/held-change.ts";
import type { DirectoryStore } from "../../domain/ports/directory-store.ts";
import { createLogger } from "../../telemetry/index.ts";
import { count as counted } from "../../text/numbers.ts";
import { type Cli, causeOf } from "../command.ts";
import { printJson } from "../output/print.ts";

/** One of the two decisions about held changes. */
interface Decision {
  readonly name: "approve" | "dismiss";
  /** The key of the number in JSON. */
  readonly done: "approved" | "dismissed";
  /** What happens next. */
  readonly effect: (target: string, digest: string) => string;
  readonly decideStored: "approve" | "dismiss";
  readonly decideItems: "approveItems" | "dismissItems";
}

export const addApprove = (cli: Cli): void =>
  void cli.add({
    name: "approve <target> <digest>",
    summary: "let the held changes with that digest pass once",
    help: `
Examples:
  rollcall plan acme                        shows the held changes and their digest
  rollcall approve acme 3f9c0d1e2a4b5c6d

Only these changes pass, once, in this target. Changes that are held later have another digest.
Exit code: 0, 1 when no held changes have that digest.`,
    run: decide({
      name: "approve",
      done: "approved",
      effect: () => 'may pass once; "rollcall serve" does it at once, otherwise the next "rollcall sync"',
      decideStored: "approve",
      decideItems: "approveItems",
    }),
  });

export const addDismiss = (cli: Cli): void =>
  void cli.add({
    name: "dismiss <target> <digest>",
    summary: "keep the held changes with that digest held, even if the limit has room",
    help: `
Examples:
  rollcall plan acme                        shows the held changes and their digest
  rollcall dismiss acme 3f9c0d1e2a4b5c6d

Use it for changes that are wrong, for example because of a broken filter. These changes stay held, even if the limit
has room. This ends when somebody approves them, or when the source no longer requests them. Changes that are held later
are not dismissed. It also works while "rollcall serve" runs.
Exit code: 0, 1 when no held changes have that digest.`,
    run: decide({
      name: "dismiss",
      done: "dismissed",
      effect: (target, digest) =>
        `dismissed: held until the source no longer requests them, or until "rollcall approve ${target} ${digest}"`,
      decideStored: "dismiss",
      decideItems: "dismissItems",
    }),
  });

function decide({ name, done, effect, decideStored, decideItems }: Decision) {
  return async (context: Context, options: GlobalOptions, target = "", digest = ""): Promise<number> => {
    const config = await locateConfig(context, options);
    const selected = selectTargets(config, target);
    const { terminal, now } = context;
    const cause = causeOf(context, name);
    await using cleanup = new AsyncDisposableStack();
    const store = await context.database(config).open();
    cleanup.defer(() => store.close());
    // Before the first "serve" on a restored backup: "plan" has shown what that run will hold.
    await noticeRestore(store, config.targets, now());
    let count = await store[decideStored](target, digest, cause, now());
    if (count === 0) {
      // No run has held it yet, but `plan` has shown it: the same plan, made again, has the same digest.
      const items = namedBy(await heldByPlan(context, options, { config, selected, store }), digest);
      if (items.length > 0) await store[decideItems](target, items, cause, now());
      count = items.length;
    }
    if (options.json) printJson(terminal, { target, digest, [done]: count });
    else if (count > 0) terminal.out(`${target}: ${counted(count, "held change")} ${effect(target, digest)}`);
    if (count === 0)
      terminal.note(
        `rollcall: ${target} holds no changes with digest ${digest}; "rollcall plan ${target}" shows what is held now`,
      );
    return count > 0 ? 0 : 1;
  };
}

async function heldByPlan(
  context: Context,
  options: GlobalOptions,
  {
    config,
    selected,
    store,
  }: { readonly config: Config; readonly selected: readonly TargetConfig[]; readonly store: DirectoryStore },
): Promise<readonly HeldItem[]> {
  const logger = createLogger({ level: options.logLevel });
  const connections = openTargets(context, config, selected, store, logger);
  try {
    const [connection] = connections;
    if (connection === undefined) return [];
    const { heldItems } = await connection.reconciler.plan(new AbortController().signal);
    const sinceMs = context.now();
    return heldItems
      .map(({ isDismissed, ...item }) => ({
        ...item,
        sinceMs,
        approvedAtMs: null,
        dismissedAtMs: isDismissed ? sinceMs : null,
        dismissedBy: null,
      }))
      .filter(isApprovable);
  } finally {
    await closeTargets(connections);
  }
}
