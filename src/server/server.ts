import { openAlerts } from "../app/alerts.ts";
import { composeConfig, givenPath } from "../app/config-location.ts";
import type { Context, GlobalOptions } from "../app/context.ts";
import { describePoll, openDirectories } from "../app/polled-sources.ts";
import { reviewDatabase } from "../app/restore.ts";
import { type SandboxRun, sandboxStorePath, startSandbox } from "../app/sandbox.ts";
import { aborted, interruption } from "../app/signals.ts";
import { type Config, type ConfigFile, ldapSources, readConfigFile } from "../config/index.ts";
import type { ReconcileLock } from "../domain/ports/directory-store.ts";
import type { LdapPoller, PollReport } from "../sources/ldap/poller.ts";
import { runPolls } from "../sources/ldap/schedule.ts";
import { targetDefinitions } from "../targets/registry.ts";
import { createLogger, createMetrics, type Logger } from "../telemetry/index.ts";
import { openAdminListener } from "./admin-listener.ts";
import { joinElection, type LeaderElection } from "./leader-election.ts";
import type { Running } from "./running.ts";
import { openScimListener } from "./scim-listener.ts";
import { startStoppable } from "./stoppable.ts";
import { createTargetPool } from "./target-pool.ts";

/** Time for running work after a signal. With the return of access tokens, stopping takes less than `docker stop`'s 10 s. */
const graceMs = 8000;

/** The addresses of a server that has started. */
export interface Started {
  /** With `/scim/v2`. */
  readonly scimUrl: string;
  readonly adminUrl: string | null;
  readonly sandbox: SandboxRun | null;
}

/** Serves until SIGTERM or SIGINT. `announce` gets the addresses once the listeners are open. */
export async function serve(
  context: Context,
  options: GlobalOptions,
  announce: (started: Started) => void,
): Promise<number> {
  const interrupted = interruption();
  const logger = createLogger({ level: options.logLevel });
  // A listener left open would keep a failed process alive.
  await using cleanup = new AsyncDisposableStack();
  const { config, file, sandbox, election } = await prepare(context, options, logger, cleanup);
  const metrics = createMetrics({ version: context.version });
  const store = await context.database(config).open();
  cleanup.defer(() => store.close());
  await reviewDatabase(config, store, context.now(), logger);
  const pool = await createTargetPool({ context, file, store, logger, metrics });
  cleanup.defer(() => pool.stop(0));
  const running: Running = { context, config, file, store, logger, metrics, pool, sandbox, interrupted, cleanup };

  const scim = await openScimListener(running);
  const scimUrl = `${scim.url}/scim/v2`;
  const admin = await openAdminListener(running, `${config.server.publicUrl ?? scim.url}/scim/v2`);
  const adminUrl = admin?.url ?? null;
  announce({ scimUrl, adminUrl, sandbox });
  logger.info(`listening: SCIM at ${scimUrl}${adminUrl === null ? "" : `, admin at ${adminUrl}`}`, {
    version: context.version,
  });

  pool.start();
  const leading = startStoppable((stopping, abort) => election.lead(leaderWork(running, stopping, abort), stopping));
  // Loops never end by themselves. A loop that fails ends the process.
  await Promise.race([aborted(interrupted), pool.failure, Promise.all([aborted(interrupted), leading.ended])]);

  logger.info(`${interrupted.reason}: stopping, at most ${graceMs / 1000} s for running work`);
  await Promise.all([pool.stop(graceMs), leading.stop(graceMs), scim.close(graceMs), admin?.close(graceMs)]);
  await cleanup.disposeAsync();
  logger.info("stopped");
  return 0;
}

/**
 * Reads the configuration, or starts the sandbox. Takes the lock first: a second `serve` must not touch the files of the
 * one that runs.
 */
async function prepare(
  context: Context,
  options: GlobalOptions,
  logger: Logger,
  cleanup: AsyncDisposableStack,
): Promise<{
  readonly config: Config;
  readonly file: ConfigFile;
  readonly sandbox: SandboxRun | null;
  readonly election: LeaderElection;
}> {
  const path = givenPath(context, options);
  const given = path === null ? null : readConfigFile(path, context.env, targetDefinitions);
  const config = given === null ? null : await composeConfig(context, given);
  const place = config ?? { store: { kind: "sqlite" as const, path: sandboxStorePath() } };
  const election = await joinElection(
    { context, lock: () => context.database(place).lock(), logger },
    place.store.kind,
  );
  cleanup.defer(() => election.release());
  if (given !== null && config !== null) return { config, file: given, sandbox: null, election };
  const sandbox = await startSandbox(context.terminal);
  cleanup.defer(() => sandbox.close());
  const file = readConfigFile(sandbox.configPath, context.env, targetDefinitions);
  return { config: await composeConfig(context, file), file, sandbox, election };
}

/** Returns the work of the leader: it syncs the targets, polls the LDAP sources and sends alerts. */
function leaderWork(running: Running, stopping: AbortSignal, abort: AbortSignal) {
  const { context, config, store, logger, metrics, pool } = running;
  const pollers = openDirectories(context, ldapSources(config), store, logger, metrics);
  return async ({ lost, listen }: ReconcileLock): Promise<void> => {
    listen((notice) => {
      if (notice.kind === "changed") store.changedElsewhere(notice.refs);
      else pool.syncNow(notice.target);
    });
    const [stop, cut] = [AbortSignal.any([stopping, lost]), AbortSignal.any([abort, lost])];
    pool.startSync();
    metrics.leader(true);
    await Promise.all([
      ...pollers.map((poller) => runPolls(pollParts(running, poller), stop, cut)),
      openAlerts(context, pool.config, store, logger, { metrics }).run(stop),
      aborted(stop).then(() => (lost.aborted ? pool.pauseSync() : undefined)),
    ]);
    metrics.leader(false);
  };
}

const pollParts = ({ context: { now, sleep }, store, logger }: Running, poller: LdapPoller) => ({
  poller,
  store,
  now,
  sleep,
  polled: (report: PollReport | null): void => {
    if (report !== null && isWorthLogging(report)) logger.info(`source ${report.source}: ${describePoll(report)}`);
  },
});

const isWorthLogging = ({ mode, result }: PollReport): boolean =>
  mode === "full" || Object.values(result).some((count) => count > 0);
