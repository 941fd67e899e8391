import { Option } from "commander";
import { openAlerts } from "../../app/alerts.ts";
import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions, Terminal } from "../../app/context.ts";
import { closeTargets, type OpenTarget, openTargets, selectTargets, withoutName } from "../../app/open-targets.ts";
import { describePoll, openDirectories, type Polled, pollNow, selectDirectories } from "../../app/polled-sources.ts";
import { reviewDatabase } from "../../app/restore.ts";
import { interruption } from "../../app/signals.ts";
import { statusReport, type TargetStatus } from "../../app/status.ts";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";
import type { DirectoryStore } from "../../domain/ports/directory-store.ts";
import type { Outcome } from "../../domain/ports/target.ts";
import type { RunReport } from "../../reconcile/reconciler.ts";
import { converge } from "../../reconcile/until-converged.ts";
import { createLogger } from "../../telemetry/index.ts";
import { heldCount } from "../../text/changes.ts";
import { count } from "../../text/numbers.ts";
import { parseTimeout } from "../arguments.ts";
import type { Cli } from "../command.ts";
import { describe, describePlan } from "../output/plan.ts";
import { printJson } from "../output/print.ts";
import { bar, showProgress } from "../output/progress.ts";

const help = `
Examples:
  rollcall sync -c rollcall.yaml
  rollcall sync -c rollcall.yaml --target acme --timeout 30m

Exit code: 0 converged, 1 error, 3 changes are held and wait for a decision, 4 some changes failed.`;

interface SyncOptions {
  readonly source?: string;
  readonly target?: string;
  readonly timeout: number;
  readonly acceptShrink?: boolean;
}

export const addSync = (cli: Cli): void =>
  void cli
    .add({ name: "sync", summary: "deliver all pending changes once, for cron", help, run: sync })
    .option("--source <name>", "only this source")
    .option("--accept-shrink", "accept a directory that shows far fewer people than before")
    .option("--target <name>", "only this target")
    .addOption(
      new Option("--timeout <duration>", "maximum time of the run: 90s, 10m, 2h")
        .argParser(parseTimeout)
        .default(600_000, "10m"),
    );

/** Maximum time to send alerts: a cron job must not wait for a mail server. */
const alertWithinMs = 5000;

interface Delivered {
  readonly name: string;
  readonly type: string;
  readonly applied: number;
  readonly reports: readonly RunReport[];
  readonly error: string | null;
}

async function sync(context: Context, options: SyncOptions & GlobalOptions): Promise<number> {
  const interrupted = interruption();
  const { terminal } = context;
  const config = await locateConfig(context, options);
  const targets = selectTargets(config, options.target);
  const directories = selectDirectories(config, options.source);
  await using cleanup = new AsyncDisposableStack();
  const lock = await context.database(config).lock();
  cleanup.defer(() => lock.release());
  const store = await context.database(config).open();
  cleanup.defer(() => store.close());
  const logger = createLogger({ level: options.logLevel });
  await reviewDatabase(config, store, context.now(), logger);
  const pollers = openDirectories(context, directories, store, logger);
  // A terminal gets each outcome printed below: the log need not show it too.
  const targetLogger = terminal.progress === null ? logger : { ...logger, info: logger.debug };
  const connections = openTargets(context, config, targets, store, targetLogger);
  cleanup.defer(() => closeTargets(connections));

  const limit = AbortSignal.any([AbortSignal.timeout(options.timeout), interrupted]);
  const polled = await poll(terminal, pollers, options, limit);
  const names = targets.map(({ name }) => name);
  const stopProgress = showProgress(terminal, store, names);
  const whyAborted = (): string =>
    interrupted.aborted ? `stopped by ${interrupted.reason}` : `not finished within ${options.timeout / 1000} s`;
  const delivered = await Promise.all(
    connections.map((connection) => deliver(context, { store, signal: limit, whyAborted }, connection)),
  );
  stopProgress();

  const report = await statusReport(config, store, context.now());
  const states = report.targets.filter(({ name }) => names.includes(name));
  if (options.json) printJson(terminal, resultJson(polled, delivered, states));
  else printResult(terminal, polled, delivered, states);
  await openAlerts(context, () => config, store, logger, { isSettled: true }).once(AbortSignal.timeout(alertWithinMs));
  return exitCodeOf(polled, delivered, states);
}

function exitCodeOf(
  polled: readonly Polled[],
  delivered: readonly Delivered[],
  states: readonly TargetStatus[],
): number {
  if ([...polled, ...delivered].some(({ error }) => error !== null)) return 1;
  // Dismissed changes are decided: a cron job need not report them every time.
  if (states.some(({ undecidedDigest }) => undecidedDigest !== null)) return 3;
  return states.some(({ failed, pending, held, dismissed }) => failed + pending + held - dismissed > 0) ? 4 : 0;
}

async function poll(
  { progress }: Terminal,
  pollers: Parameters<typeof pollNow>[0],
  { acceptShrink = false }: SyncOptions,
  signal: AbortSignal,
): Promise<readonly Polled[]> {
  const polled = await pollNow(pollers, signal, {
    acceptShrink,
    ...(progress && {
      progress: (name, read, expected) =>
        progress(expected === null ? `${name}: ${read} entries` : bar(name, read, expected, 0)),
    }),
  });
  progress?.("");
  return polled;
}

interface Delivery {
  readonly store: DirectoryStore;
  readonly signal: AbortSignal;
  readonly whyAborted: () => string;
}

/** Runs one target until it has converged. A failure of the whole target is returned, and stored for `status`. */
async function deliver(
  { now, sleep }: Context,
  { store, signal, whyAborted }: Delivery,
  { target, reconciler }: OpenTarget,
): Promise<Delivered> {
  const { name, type } = target;
  const reports: RunReport[] = [];
  const startedAtMs = now();
  const before = (await store.connections()).find((state) => state.role === "target" && state.name === name);
  const state = { name, role: "target", type, retryAtMs: null } as const;
  const nextRetryAtMs = () => store.nextRetryAtMs(name);
  const onReport = (report: RunReport) => reports.push(report);
  let error: string | null = null;
  try {
    await converge({ name, reconciler, nextRetryAtMs, now, sleep, onReport }, signal);
    const success = { lastSuccessAtMs: now(), failingSinceMs: null, errorCode: null, errorMessage: null };
    await store.putConnection({ ...state, ...success });
  } catch (cause) {
    error = signal.aborted ? `${whyAborted()}; the next run continues here` : withoutName(name, messageOf(cause));
    await store.putConnection({
      ...state,
      lastSuccessAtMs: before?.lastSuccessAtMs ?? null,
      failingSinceMs: before?.failingSinceMs ?? startedAtMs,
      errorCode: cause instanceof RollcallError ? cause.code : "UNEXPECTED",
      errorMessage: error,
    });
  }
  return { name, type, applied: reports.reduce((sum, report) => sum + report.applied, 0), reports, error };
}

const outcomesOf = ({ reports }: Delivered): readonly Outcome[] => reports.flatMap((report) => report.outcomes);

const resultJson = (polled: readonly Polled[], delivered: readonly Delivered[], states: readonly TargetStatus[]) => ({
  sources: polled.map(({ name, report, error }) => ({ name, ...report, error })),
  targets: delivered.map((each) => ({
    ...states.find((state) => state.name === each.name),
    name: each.name,
    applied: each.applied,
    error: each.error,
    outcomes: outcomesOf(each).map((outcome) => ({
      ...outcome.change,
      status: outcome.status,
      ...(outcome.status === "failed" && { error: outcome.error.message, code: outcome.error.code }),
    })),
  })),
});

function printResult(
  terminal: Terminal,
  polled: readonly Polled[],
  delivered: readonly Delivered[],
  states: readonly TargetStatus[],
): void {
  const { paint } = terminal;
  for (const { name, report, error } of polled) {
    if (report !== null) terminal.out(`${name}: ${describePoll(report)}`);
    if (error !== null) terminal.note(`rollcall: ${name}: ${error}`);
  }
  for (const each of delivered) {
    for (const outcome of outcomesOf(each)) {
      const result =
        outcome.status === "failed"
          ? `${paint("bad", "FAILED:")} ${withoutName(each.name, outcome.error.message)}`
          : outcome.status;
      terminal.out(`${each.name}: ${describe(outcome.change, each.type).join(" ")}: ${result}`);
    }
    const last = each.reports.at(-1);
    if (last !== undefined && last.plan.held.length > 0)
      terminal.out(describePlan(each, { ...last.plan, changes: [], skipped: [] }, paint));
    const state = states.find(({ name }) => name === each.name);
    const rest = state && [
      state.pending > 0 && `${state.pending} pending`,
      state.failed > 0 && paint("bad", `${state.failed} failed`),
      state.held > 0 && paint("warning", heldCount(state)),
    ];
    terminal.out(
      [`${each.name}: ${count(each.applied, "change")} applied`, ...(rest ?? [])].filter(Boolean).join(", "),
    );
    if (each.error !== null) terminal.note(`rollcall: ${each.name}: ${each.error}`);
  }
}
