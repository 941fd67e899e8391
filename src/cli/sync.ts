import { messageOf, RollcallError } from "../domain/errors.ts";
import { converge } from "../reconcile/converge.ts";
import type { RunReport } from "../reconcile/reconciler.ts";
import { createLogger, type LogLevel } from "../telemetry.ts";
import type { Composition, GlobalOptions } from "./composition.ts";
import { locateConfig } from "./locate.ts";
import { describe, describePlan, printJson } from "./render.ts";
import { statusReport } from "./status.ts";
import { closeAll, type Connection, connect, selectTargets } from "./targets.ts";

interface SyncOptions {
  readonly source?: string;
  readonly target?: string;
  readonly timeout: number;
}

interface Delivered {
  readonly name: string;
  readonly applied: number;
  readonly reports: readonly RunReport[];
  readonly error: string | null;
}

/** `rollcall sync`: delivers until nothing is dirty. Exit 0 converged, 1 error, 3 removals held, 4 some changes failed. */
export async function sync(composition: Composition, options: SyncOptions & GlobalOptions): Promise<number> {
  const config = locateConfig(composition, options);
  const targets = selectTargets(config, options.target);
  if (options.source !== undefined && !config.sources.some((source) => source.name === options.source)) {
    throw new RollcallError("CONFIG_INVALID", `no source "${options.source}" in the configuration`);
  }
  const lock = composition.lock(config);
  try {
    const store = await composition.openStore(config);
    const logger = createLogger({ level: options.logLevel as LogLevel });
    const connections = connect(composition, config, targets, store, logger);
    const limit = AbortSignal.timeout(options.timeout);
    const delivered = await Promise.all(connections.map((connection) => deliver(connection, limit)));
    await closeAll(connections);
    const report = await statusReport(config, store, composition.now());
    await store.close();
    const states = report.targets.filter((state) => targets.some((target) => target.name === state.name));
    print(delivered, states);
    if (delivered.some((each) => each.error !== null)) return 1;
    if (states.some((state) => state.heldDigest !== null)) return 3;
    return states.some((state) => state.failed + state.pending + state.held > 0) ? 4 : 0;

    async function deliver({ target, reconciler }: Connection, signal: AbortSignal): Promise<Delivered> {
      const reports: RunReport[] = [];
      let error: string | null = null;
      const before = (await store.connections()).find((state) => state.role === "target" && state.name === target.name);
      const nowMs = composition.now();
      try {
        await converge(
          { name: target.name, reconciler, nextRetryAtMs: () => store.nextRetryAtMs(target.name), now: composition.now, sleep: composition.sleep, onReport: (report) => reports.push(report) },
          signal,
        );
        await store.putConnection({ name: target.name, role: "target", type: target.type, lastSuccessAtMs: composition.now(), failingSinceMs: null, errorCode: null, errorMessage: null });
      } catch (cause) {
        error = signal.aborted ? `not finished within ${Math.round(options.timeout / 1000)} s; the next run goes on from here` : messageOf(cause);
        const errorCode = cause instanceof RollcallError ? cause.code : "UNEXPECTED";
        await store.putConnection({
          name: target.name, role: "target", type: target.type, lastSuccessAtMs: before?.lastSuccessAtMs ?? null, failingSinceMs: before?.failingSinceMs ?? nowMs, errorCode, errorMessage: error,
        });
      }
      return { name: target.name, applied: reports.reduce((sum, report) => sum + report.applied, 0), reports, error };
    }
  } finally {
    lock.release();
  }

  function print(delivered: readonly Delivered[], states: readonly { readonly name: string }[]): void {
    const { terminal } = composition;
    const outcomes = (each: Delivered) => each.reports.flatMap((report) => report.outcomes);
    if (options.json) {
      printJson(terminal, {
        targets: delivered.map((each) => ({
          ...states.find((state) => state.name === each.name), name: each.name, applied: each.applied, error: each.error,
          outcomes: outcomes(each).map((outcome) => ({ ...outcome.change, status: outcome.status, ...(outcome.status === "failed" ? { error: outcome.error.message, code: outcome.error.code } : {}) })),
        })),
      });
      return;
    }
    for (const each of delivered) {
      for (const outcome of outcomes(each)) {
        terminal.out(`${each.name}: ${describe(outcome.change).join(" ")}: ${outcome.status === "failed" ? `FAILED: ${outcome.error.message}` : outcome.status}`);
      }
      const last = each.reports.at(-1);
      if (last !== undefined && last.plan.held.length > 0) terminal.out(describePlan(each.name, { ...last.plan, changes: [], skipped: [] }));
      if (each.error === null) terminal.out(`${each.name}: done, ${each.applied} changes applied`);
      else terminal.note(`rollcall: ${each.name}: ${each.error}`);
    }
  }
}
