import { openAlerts } from "../app/alerts.ts";
import { composeConfig, givenPath } from "../app/config-location.ts";
import type { Connections } from "../app/connection-types.ts";
import { createConnections } from "../app/connections.ts";
import type { Context, GlobalOptions } from "../app/context.ts";
import { describePoll, openDirectories } from "../app/polled-sources.ts";
import { reviewSources } from "../app/removed-sources.ts";
import { noticeRestore } from "../app/restore.ts";
import { type SandboxRun, sandboxBanner, sandboxStorePath, startSandbox } from "../app/sandbox.ts";
import { type StatusReport, statusReport } from "../cli/commands/status.ts";
import { printJson } from "../cli/output/print.ts";
import {
  type Config,
  type ConfigFile,
  ldapSources,
  readConfigFile,
  type StoreConfig,
  scimSources,
} from "../config/index.ts";
import { hasCode } from "../domain/model/errors.ts";
import type { DirectoryStore, ReconcileLock } from "../domain/ports/directory-store.ts";
import type { LdapPoller, PollReport } from "../sources/ldap/poller.ts";
import { type PollLoopParts, runPolls } from "../sources/ldap/schedule.ts";
import { createScimRouter } from "../sources/scim/router.ts";
import { targetDefinitions } from "../targets/registry.ts";
import {
  createLogger,
  createMetrics,
  type Logger,
  type LogLevel,
  type Metrics,
  type ScimRequestSample,
} from "../telemetry/index.ts";
import { createWrongTokenLimit } from "../web/access/attempts.ts";
import { createAuthenticator } from "../web/access/authenticate.ts";
import { createAdmission, createShedReport } from "../web/http/admission.ts";
import type { Listener } from "../web/http/listener.ts";
import { adminApp } from "./admin-app.ts";
import { heardOf, tokenUse } from "./last-seen.ts";
import { createTurns, type Turns } from "./leader-election.ts";
import { openListener } from "./listeners.ts";
import { createScimApp } from "./scim-app.ts";
import { aborted, interruption } from "./signals.ts";
import { createFleet, type Fleet } from "./target-pool.ts";

/** What is under way is given this long after a signal. With giving back the tokens it stays below `docker stop`'s 10 s. */
const graceMs = 8000;

/** `rollcall serve`: until SIGTERM or SIGINT. */
export async function serve(context: Context, options: GlobalOptions): Promise<number> {
  const interrupted = interruption();
  const logger = createLogger({ level: options.logLevel as LogLevel });
  // Taken down in reverse order, however this ends: a server left open would keep a failed process alive.
  await using cleanup = new AsyncDisposableStack();
  const { config, file, sandbox, turns } = await prepare(context, options, logger, cleanup);
  const metrics = createMetrics({ version: context.version });
  const store = await context.openStore(config);
  cleanup.defer(() => store.close());
  const restored = await noticeRestore(store, config.targets, context.now());
  if (restored !== null) logger.warn(restored);
  await reviewSources(config, store, (message) => logger.warn(message));
  const fleet = await createFleet({ context, file, store, logger, metrics });
  cleanup.defer(() => fleet.stop(0));
  const listeners = await openListeners(
    context,
    config,
    fleet,
    createConnections({ context, file, ring: fleet.ring, store, logger, syncNow: fleet.syncNow }),
    store,
    logger,
    metrics,
    sandbox !== null,
    interrupted,
    cleanup,
  );
  announce(context, options, logger, listeners, sandbox);

  const stopping = new AbortController();
  const abort = new AbortController();
  fleet.start();
  const directories = openDirectories(context, ldapSources(config), store, logger, metrics);
  const reconciling = turns.take(async ({ lost, listen }) => {
    listen((notice) => {
      if (notice.kind === "changed") store.changedElsewhere(notice.refs);
      else fleet.syncNow(notice.target);
    });
    const [stop, cut] = [AbortSignal.any([stopping.signal, lost]), AbortSignal.any([abort.signal, lost])];
    fleet.work();
    metrics.leader(true);
    const loops = [
      ...directories.map((poller) => runPolls(pollParts(context, poller, store, logger), stop, cut)),
      openAlerts(context, fleet.config, store, logger, { metrics }).run(stop),
    ];
    await Promise.all([...loops, aborted(stop).then(() => (lost.aborted ? fleet.rest() : undefined))]);
    metrics.leader(false);
  }, stopping.signal);

  // A loop never ends by itself: one that fails as a whole ends the process.
  await Promise.race([aborted(interrupted), fleet.failure, Promise.all([aborted(interrupted), reconciling])]);
  logger.info(`${interrupted.reason}: stopping, at most ${graceMs / 1000} s for what is under way`);
  stopping.abort();
  const cut = setTimeout(() => abort.abort(), graceMs);
  await Promise.all([fleet.stop(graceMs), reconciling, ...listeners.map((listener) => listener.close(graceMs))]);
  clearTimeout(cut);
  await cleanup.disposeAsync();
  logger.info("stopped");
  return 0;
}

const pollParts = (
  { now, sleep }: Context,
  poller: LdapPoller,
  store: DirectoryStore,
  logger: Logger,
): PollLoopParts => ({
  poller,
  store,
  now,
  sleep,
  polled: (report) => {
    if (report !== null && isNews(report)) logger.info(`source ${report.source}: ${describePoll(report)}`);
  },
});

/** A quiet poll is no news. */
const isNews = ({ mode, result }: PollReport): boolean =>
  mode === "full" || Object.values(result).some((count) => count > 0);

/** The lock comes first: a second `serve` must not touch the files of the one that runs. */
async function prepare(
  context: Context,
  options: GlobalOptions,
  logger: Logger,
  cleanup: AsyncDisposableStack,
): Promise<{
  readonly config: Config;
  readonly file: ConfigFile;
  readonly sandbox: SandboxRun | null;
  readonly turns: Turns;
}> {
  const path = givenPath(context, options);
  const given = path === null ? null : readConfigFile(path, context.env, targetDefinitions);
  const config = given === null ? null : await composeConfig(context, given);
  const place = config ?? { store: { kind: "sqlite" as const, path: sandboxStorePath() } };
  const lock = () => context.lock(place);
  const turns = createTurns({ context, lock, logger }, await firstTurn(lock, place.store.kind));
  cleanup.defer(() => turns.release());
  if (given !== null && config !== null) return { config, file: given, sandbox: null, turns };
  const sandbox = await startSandbox(context.terminal);
  cleanup.defer(() => sandbox.close());
  const file = readConfigFile(sandbox.configPath, context.env, targetDefinitions);
  return { config: await composeConfig(context, file), file, sandbox, turns };
}

/** Several may serve a database of PostgreSQL, of which one reconciles. A second one on a file is a mistake. */
async function firstTurn(lock: () => Promise<ReconcileLock>, kind: StoreConfig["kind"]): Promise<ReconcileLock | null> {
  try {
    return await lock();
  } catch (error) {
    if (kind === "postgres" && hasCode(error, "STORE_LOCKED")) return null;
    throw error;
  }
}

function announce(
  { terminal, version }: Context,
  options: GlobalOptions,
  logger: Logger,
  [scim, admin]: readonly Listener[],
  sandbox: SandboxRun | null,
): void {
  const scimUrl = `${scim?.url}/scim/v2`;
  const adminUrl = admin?.url ?? null;
  if (options.json) {
    const { configPath, scimToken, adminToken } = sandbox ?? {};
    printJson(terminal, {
      scimUrl,
      adminUrl,
      sandbox: sandbox && { configuration: configPath, scimToken, adminToken },
    });
  } else if (sandbox !== null) {
    terminal.out(sandboxBanner(scimUrl, adminUrl ?? "", sandbox));
  }
  logger.info(`listening: SCIM at ${scimUrl}${adminUrl === null ? "" : `, admin at ${adminUrl}`}`, { version });
}

/** The SCIM listener, and the admin listener where one is configured. */
async function openListeners(
  context: Context,
  config: Config,
  fleet: Fleet,
  connections: Connections,
  store: DirectoryStore,
  logger: Logger,
  metrics: Metrics,
  isSandbox: boolean,
  stopping: AbortSignal,
  cleanup: AsyncDisposableStack,
): Promise<readonly Listener[]> {
  const { now } = context;
  const authenticate = createAuthenticator({
    configured: scimSources(config).flatMap((source) =>
      source.tokens.map((token) => ({ source: source.name, token: token.reveal() })),
    ),
    stored: () => store.tokens(),
    sources: new Set(scimSources(config).map((source) => source.name)),
    now,
    used: tokenUse(store, now, logger),
  });
  const heard = heardOf(store, now, logger);
  const groupOptions = new Map(
    scimSources(config).map(({ name, groupNamesUnique, unknownMembers }) => [
      name,
      { isNameUnique: groupNamesUnique, unknownMembers },
    ]),
  );
  const monotonic = (): number => performance.now();
  const tell = createShedReport((message, fields) => logger.warn(message, fields), monotonic);
  const onShed = (shed: Parameters<typeof tell>[0]): void => {
    metrics.scimShed(shed);
    tell(shed);
  };
  const { limits } = config.server;
  const scim = createScimRouter({
    store,
    tracer: context.tracer,
    authenticate,
    admit: createAdmission(limits, { monotonic, onShed }),
    wrongToken: createWrongTokenLimit(limits.wrongTokensPerMinute, { monotonic, onShed }),
    publicUrl: () => config.server.publicUrl,
    groupOptions: (source) => groupOptions.get(source) ?? { isNameUnique: true, unknownMembers: "skip" },
    groupNamesUnique: scimSources(config).every((source) => source.groupNamesUnique),
    log: (level, message, fields) => logger[level](message, fields),
    onRequest: ({ requestId, address, ...info }) => {
      metrics.scimRequest(info);
      logRequest(logger, info, { requestId, address });
      if (info.source !== "") heard(info.source);
    },
  });
  const parts = { logger, now, cleanup };
  const opened = [
    await openListener({
      ...parts,
      name: "server",
      section: config.server,
      app: createScimApp({
        scim,
        assertReady: rarely(() => store.assertWritable(), now),
        trustProxy: config.server.trustProxy,
      }),
      options: {
        connections: limits.connections,
        onCrowded: () => onShed({ source: "", reason: "connections" }),
      },
    }),
  ];
  const status = () => statusReport(fleet.config(), store, now());
  const text = async () => metricsText(metrics, await status(), now());
  const admin = adminApp({
    context,
    config,
    fleet,
    connections,
    store,
    logger,
    isSandbox,
    scimUrl: `${config.server.publicUrl ?? opened[0]?.url}/scim/v2`,
    stopping,
    status,
    metrics: { contentType: metrics.contentType, text },
  });
  if (config.admin !== null && admin !== null)
    opened.push(await openListener({ ...parts, name: "admin", section: config.admin, app: admin }));
  return opened;
}

/** One line for each request that may have changed something: the first end of the thread that a request id is. */
function logRequest(
  logger: Logger,
  { source, method, resource, status, seconds }: ScimRequestSample,
  from: { readonly requestId: string; readonly address: string },
): void {
  const isWrite = source !== "" && /^(POST|PUT|PATCH|DELETE)$/.test(method);
  logger[isWrite ? "info" : "debug"](`scim: ${method} ${resource} ${status}`, {
    ...from,
    source,
    ms: Math.round(seconds * 10_000) / 10,
  });
}

/** Gauges tell what the store says at this moment. */
async function metricsText(metrics: Metrics, { sources, targets }: StatusReport, nowMs: number): Promise<string> {
  const msOf = (iso: string | null): number | null => (iso === null ? null : Date.parse(iso));
  const health = (
    role: "source" | "target",
    { name, lastSuccessAt, failingSince }: StatusReport["sources" | "targets"][number],
  ): void =>
    metrics.health({
      role,
      name,
      lastSuccessAtMs: msOf(lastSuccessAt),
      failingSeconds: failingSince === null ? 0 : Math.max(0, (nowMs - Date.parse(failingSince)) / 1000),
    });
  for (const source of sources) health("source", source);
  for (const target of targets) {
    const { name, inSync, pending, failed, held, dismissed, missing, oldestPendingSeconds, budget } = target;
    health("target", target);
    metrics.budget({ target: name, ...budget });
    metrics.entities({
      target: name,
      inSync,
      pending,
      failed,
      held,
      dismissed,
      missing,
      oldestPendingSeconds: oldestPendingSeconds ?? 0,
    });
  }
  return await metrics.text();
}

/** Asks at most once in two seconds, however often probes come: each question is a durable write. */
function rarely(ask: () => Promise<void>, now: () => number): () => Promise<void> {
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let answer: Promise<void> = Promise.resolve();
  return () => {
    if (Math.abs(now() - askedAtMs) > 2000) {
      askedAtMs = now();
      answer = ask();
    }
    return answer;
  };
}
