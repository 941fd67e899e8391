import { digestOf } from "../domain/plan.ts";
import type { HeldItem } from "../domain/sync.ts";
import { createLogger, type LogLevel } from "../telemetry.ts";
import type { Composition, GlobalOptions } from "./composition.ts";
import { locateConfig } from "./locate.ts";
import { count as plural, printJson } from "./render.ts";
import { noticeRestore } from "./restored.ts";
import { closeAll, connect, selectTargets } from "./targets.ts";

/** `rollcall approve`: lets exactly the held removals with that digest pass once, in one target. */
export async function approve(
  composition: Composition,
  options: GlobalOptions,
  target?: string,
  digest?: string,
): Promise<number> {
  const config = locateConfig(composition, options);
  const [selected] = selectTargets(config, target);
  if (selected === undefined || digest === undefined) return 1;
  const store = await composition.openStore(config);
  const cause = {
    actor: `cli:approve (${composition.env["SUDO_USER"] ?? composition.env["USER"] ?? "unknown user"})`,
    requestId: null,
  };
  try {
    // Before the first "serve" on a restored backup, "plan" shows what that one will hold.
    await noticeRestore(store, config.targets, composition.now());
    let count = await store.approve(selected.name, digest, cause, composition.now());
    if (count === 0) {
      // Not held yet by a run, but shown by `plan`: the same plan is made again and must have the same digest.
      const items = await freshlyHeld();
      if (digestOf(items.map((item) => item.key)) === digest) {
        await store.approveItems(selected.name, items, cause, composition.now());
        count = items.length;
      }
    }
    if (options.json) printJson(composition.terminal, { target: selected.name, digest, approved: count });
    else if (count > 0)
      composition.terminal.out(
        `${selected.name}: ${plural(count, "held removal")} may pass once; "rollcall serve" does them at once, otherwise the next "rollcall sync"`,
      );
    if (count === 0)
      composition.terminal.note(
        `rollcall: ${selected.name} holds no removals with digest ${digest}; "rollcall plan ${selected.name}" shows what is held now`,
      );
    return count > 0 ? 0 : 1;
  } finally {
    await store.close();
  }

  async function freshlyHeld(): Promise<readonly HeldItem[]> {
    if (selected === undefined) return [];
    const connections = connect(
      composition,
      config,
      [selected],
      store,
      createLogger({ level: options.logLevel as LogLevel }),
    );
    try {
      const [connection] = connections;
      if (connection === undefined) return [];
      const { guarded } = await connection.reconciler.plan(new AbortController().signal);
      const sinceMs = composition.now();
      return guarded.heldItems
        .filter(({ reason }) => reason !== "seats")
        .map((item) => ({ ...item, sinceMs, approvedAtMs: sinceMs }));
    } finally {
      await closeAll(connections);
    }
  }
}
