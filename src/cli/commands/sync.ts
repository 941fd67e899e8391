import { openAlerts } from "../../app/alerts.ts";
import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions, Terminal } from "../../app/context.ts";
import { type Connection, closeAll, connect, selectTargets, withoutName } from "../../app/open-targets.ts";
import { describePoll, openDirectories, type Polled, pollNow, selectDirectories } from "../../app/polled-sources.ts";
import { reviewSources } from "../../app/removed-sources.ts";
import { noticeRestore } from "../../app/restore.ts";
import type { Config } from "../../config/index.ts";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";
import type { DirectoryStore } from "../../domain/ports/directory-store.ts";
import type { Outcome } from "../../domain/ports/target.ts";
import type { RunReport } from "../../reconcile/reconciler.ts";
import { converge } from "../../reconcile/until-converged.ts";
import { interruption } from "../../server/signals.ts";
import { createLogger, type LogLevel } from "../../telemetry/index.ts";
import { count, describe, describePlan, printJson } from "../output/print.ts";
import { bar, showProgress } from "../output/progress.ts";
import { heldTally, type StatusReport, statusReport } from "./status.ts";

interface SyncOptions {
  readonly source?: string;
  readonly target?: string;
  readonly timeout: number;
  readonly acceptShrink?: boolean;
}

const alertWithinMs = 5000;

interface Delivered {
  readonly name: string;
  readonly applied: number;
  readonly reports: readonly RunReport[];
  readonly error: string | null;
}

/** `rollcall sync`: delivers until nothing is dirty. Exit 0 converged, 1 error, 3 removals held that nobody has decided about, 4 some changes failed. */
export async function sync(context: Context, options: SyncOptions & GlobalOptions): Promise<number> {
  const interrupted = interruption();
  const config = await locateConfig(context, options);
  const targets = selectTargets(config, options.target);
  const directories = selectDirectories(config, options.source);
  await using cleanup = new AsyncDisposableStack();
  const lock = await context.lock(config);
  cleanup.defer(() => lock.release());
  const store = await context.openStore(config);
  cleanup.defer(() => store.close());
  const logger = createLogger({ level: options.logLevel as LogLevel });
  const restored = await noticeRestore(store, config.targets, context.now());
  if (restored !== null) logger.warn(restored);
  await reviewSources(config, store, (message) => logger.warn(message));
  const pollers = openDirectories(context, directories, store, logger);
  // On a terminal each outcome is printed below: it need not be there twice.
  const isTerminal = context.terminal.progress !== null;
  const connections = connect(context, config, targets, store, isTerminal ? { ...logger, info: logger.debug } : logger);
  cleanup.defer(() => closeAll(connections));

  const limit = AbortSignal.any([AbortSignal.timeout(options.timeout), interrupted]);
  const { progress } = context.terminal;
  const polled = await pollNow(pollers, limit, {
    acceptShrink: options.acceptShrink === true,
    ...(progress && {
      progress: (name, read, expected) =>
        progress(expected === null ? `${name}: ${read} entries` : bar(name, read, expected, 0)),
    }),
  });
  progress?.("");

  const stopProgress = showProgress(
    context.terminal,
    store,
    targets.map(({ name }) => name),
  );
  const whyAborted = (): string =>
    interrupted.aborted ? `stopped by ${interrupted.reason}` : `not finished within ${options.timeout / 1000} s`;
  const delivered = await Promise.all(
    connections.map((connection) => deliver(context, store, connection, limit, whyAborted)),
  );
  stopProgress();

  const states = await statesOf(
    config,
    store,
    context.now(),
    targets.map(({ name }) => name),
  );
  print(context.terminal, polled, delivered, states, options.json === true);
  // Last, and not for long: a job of cron must not wait for a mail server.
  await openAlerts(context, () => config, store, logger, { isSettled: true }).once(AbortSignal.timeout(alertWithinMs));
  if (polled.some((each) => each.error !== null)) return 1;
  if (delivered.some((each) => each.error !== null)) return 1;
  // What somebody has said no to is decided: a job of cron need not say so every time.
  if (states.some((state) => state.undecidedDigest !== null)) return 3;
  return states.some((state) => state.failed + state.pending + state.held - state.dismissed > 0) ? 4 : 0;
}

type TargetState = StatusReport["targets"][number];

const statesOf = async (
  config: Config,
  store: DirectoryStore,
  nowMs: number,
  names: readonly string[],
): Promise<readonly TargetState[]> =>
  (await statusReport(config, store, nowMs)).targets.filter(({ name }) => names.includes(name));

/** One target until it has converged; what goes wrong with it as a whole is told, and kept for `status`. */
async function deliver(
  { now, sleep }: Context,
  store: DirectoryStore,
  { target, reconciler }: Connection,
  signal: AbortSignal,
  whyAborted: () => string,
): Promise<Delivered> {
  const { name, type } = target;
  const reports: RunReport[] = [];
  const startedAtMs = now();
  const before = (await store.connections()).find((state) => state.role === "target" && state.name === name);
  let error: string | null = null;
  try {
    await converge(
      {
        name,
        reconciler,
        nextRetryAtMs: () => store.nextRetryAtMs(name),
        now,
        sleep,
        onReport: (report) => reports.push(report),
      },
      signal,
    );
    await store.putConnection({
      name,
      role: "target",
      type,
      lastSuccessAtMs: now(),
      failingSinceMs: null,
      retryAtMs: null,
      errorCode: null,
      errorMessage: null,
    });
  } catch (cause) {
    error = signal.aborted ? `${whyAborted()}; the next run goes on from here` : withoutName(name, messageOf(cause));
    await store.putConnection({
      name,
      role: "target",
      type,
      lastSuccessAtMs: before?.lastSuccessAtMs ?? null,
      failingSinceMs: before?.failingSinceMs ?? startedAtMs,
      // Whoever runs "sync" knows when.
      retryAtMs: null,
      errorCode: cause instanceof RollcallError ? cause.code : "UNEXPECTED",
      errorMessage: error,
    });
  }
  return { name, applied: reports.reduce((sum, report) => sum + report.applied, 0), reports, error };
}

function print(
  terminal: Terminal,
  polled: readonly Polled[],
  delivered: readonly Delivered[],
  states: readonly TargetState[],
  isJson: boolean,
): void {
  if (isJson) {
    printJson(terminal, {
      sources: polled.map(({ name, report, error }) => ({ name, ...report, error })),
      targets: delivered.map((each) => ({
        ...states.find((state) => state.name === each.name),
        name: each.name,
        applied: each.applied,
        error: each.error,
        outcomes: outcomesOf(each).map(outcomeJson),
      })),
    });
    return;
  }
  for (const { name, report, error } of polled) {
    if (report !== null) terminal.out(`${name}: ${describePoll(report)}`);
    if (error !== null) terminal.note(`rollcall: ${name}: ${error}`);
  }
  for (const each of delivered) {
    for (const outcome of outcomesOf(each)) {
      terminal.out(
        `${each.name}: ${describe(outcome.change).join(" ")}: ${outcome.status === "failed" ? `${terminal.paint("bad", "FAILED:")} ${withoutName(each.name, outcome.error.message)}` : outcome.status}`,
      );
    }
    const last = each.reports.at(-1);
    if (last !== undefined && last.plan.held.length > 0)
      terminal.out(describePlan(each.name, { ...last.plan, changes: [], skipped: [] }, terminal.paint));
    const state = states.find(({ name }) => name === each.name);
    const rest =
      state === undefined
        ? []
        : [
            state.pending > 0 && `${state.pending} pending`,
            state.failed > 0 && terminal.paint("bad", `${state.failed} failed`),
            state.held > 0 && terminal.paint("warning", heldTally(state)),
          ].filter(Boolean);
    terminal.out([`${each.name}: ${count(each.applied, "change")} applied`, ...rest].join(", "));
    if (each.error !== null) terminal.note(`rollcall: ${each.name}: ${each.error}`);
  }
}

const outcomesOf = ({ reports }: Delivered): readonly Outcome[] => reports.flatMap((report) => report.outcomes);

const outcomeJson = (outcome: Outcome) => ({
  ...outcome.change,
  status: outcome.status,
  ...(outcome.status === "failed" && { error: outcome.error.message, code: outcome.error.code }),
});
