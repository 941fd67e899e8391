import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { closeAll, connect, selectTargets } from "../../app/open-targets.ts";
import { noticeRestore } from "../../app/restore.ts";
import type { Config, TargetConfig } from "../../config/index.ts";
import type { Cause } from "../../domain/model/entities.ts";
import type { HeldItem } from "../../domain/model/held-change.ts";
import { isApprovable, namedBy } from "../../domain/model/held-change.ts";
import type { DirectoryStore } from "../../domain/ports/directory-store.ts";
import { createLogger, type LogLevel } from "../../telemetry/index.ts";
import { count as plural, printJson } from "../output/print.ts";

type Store = Pick<DirectoryStore, "approve" | "approveItems" | "dismiss" | "dismissItems">;

/** What may be said about held removals. */
interface Decision {
  readonly name: "approve" | "dismiss";
  /** The key of the number in JSON. */
  readonly done: "approved" | "dismissed";
  readonly told: (target: string, count: number, digest: string) => string;
  readonly held: (store: Store) => Store["approve"];
  readonly fresh: (store: Store) => Store["approveItems"];
}

/** `rollcall approve`: lets exactly the held removals with that digest pass once, in one target. */
export const approve = decide({
  name: "approve",
  done: "approved",
  told: (target, count) =>
    `${target}: ${plural(count, "held removal")} may pass once; "rollcall serve" does them at once, otherwise the next "rollcall sync"`,
  held: (store) => store.approve,
  fresh: (store) => store.approveItems,
});

/** `rollcall dismiss`: has exactly the held removals with that digest wait, whatever the budget allows. */
export const dismiss = decide({
  name: "dismiss",
  done: "dismissed",
  told: (target, count, digest) =>
    `${target}: ${plural(count, "held removal")} dismissed: held whatever the budget allows, until the directory no longer asks for them, or "rollcall approve ${target} ${digest}"`,
  held: (store) => store.dismiss,
  fresh: (store) => store.dismissItems,
});

function decide(decision: Decision) {
  return async (context: Context, options: GlobalOptions, target?: string, digest?: string): Promise<number> => {
    const config = await locateConfig(context, options);
    const [selected] = selectTargets(config, target);
    if (selected === undefined || digest === undefined) return 1;
    const store = await context.openStore(config);
    const { terminal, env, now } = context;
    const cause: Cause = {
      actor: `cli:${decision.name} (${env["SUDO_USER"] ?? env["USER"] ?? "unknown user"})`,
      requestId: null,
    };
    try {
      // Before the first "serve" on a restored backup, "plan" shows what that one will hold.
      await noticeRestore(store, config.targets, now());
      let count = await decision.held(store)(selected.name, digest, cause, now());
      if (count === 0) {
        // Not held yet by a run, but shown by `plan`: the same plan is made again and must have the same digest.
        const items = namedBy(await freshlyHeld(context, options, config, selected, store), digest);
        if (items.length > 0) await decision.fresh(store)(selected.name, items, cause, now());
        count = items.length;
      }
      if (options.json) printJson(terminal, { target: selected.name, digest, [decision.done]: count });
      else if (count > 0) terminal.out(decision.told(selected.name, count, digest));
      if (count === 0)
        terminal.note(
          `rollcall: ${selected.name} holds no removals with digest ${digest}; "rollcall plan ${selected.name}" shows what is held now`,
        );
      return count > 0 ? 0 : 1;
    } finally {
      await store.close();
    }
  };
}

async function freshlyHeld(
  context: Context,
  options: GlobalOptions,
  config: Config,
  selected: TargetConfig,
  store: DirectoryStore,
): Promise<readonly HeldItem[]> {
  const logger = createLogger({ level: options.logLevel as LogLevel });
  const connections = connect(context, config, [selected], store, logger);
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
    await closeAll(connections);
  }
}
