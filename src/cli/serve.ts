import { type Config, loadConfig } from "../config/index.ts";
import type { DirectoryStore } from "../domain/store.ts";
import { runLoop } from "../reconcile/scheduler.ts";
import { createScimRouter } from "../sources/scim/router.ts";
import { createLogger, createMetrics, type Logger, type LogLevel, type Metrics } from "../telemetry.ts";
import { createAdminApp } from "../web/admin-app.ts";
import { createAuthenticator } from "../web/authenticate.ts";
import { type Listener, listen } from "../web/listener.ts";
import { createScimApp } from "../web/scim-app.ts";
import type { Composition, GlobalOptions } from "./composition.ts";
import { givenPath } from "./locate.ts";
import { sandboxBanner, startSandbox } from "./sandbox.ts";
import { statusReport } from "./status.ts";
import { closeAll, connect } from "./targets.ts";

/** In-flight work is given this long after SIGTERM. */
const graceMs = 10_000;
/** How often a source is noted to have been heard of. */
const heardEveryMs = 10_000;

/** `rollcall serve`: until SIGTERM or SIGINT. */
export async function serve(composition: Composition, options: GlobalOptions): Promise<number> {
  const path = givenPath(composition, options);
  const sandbox = path === null ? await startSandbox() : null;
  const config = loadConfig(path ?? sandbox?.configPath ?? "", composition.env);
  const lock = composition.lock(config);
  const logger = createLogger({ level: options.logLevel as LogLevel });
  const metrics = createMetrics();
  const store = await composition.openStore(config);
  const connections = connect(composition, config, config.targets, store, logger, metrics);
  const stopping = new AbortController();
  const abort = new AbortController();

  const listeners = await openListeners(composition, config, store, logger, metrics);
  const [scim, admin] = listeners;
  if (sandbox !== null) composition.terminal.out(sandboxBanner(scim?.url ?? "", admin?.url ?? "", sandbox));
  logger.info(`listening: SCIM at ${scim?.url}/scim/v2${admin === undefined ? "" : `, admin at ${admin.url}`}`, { version: composition.version });

  const loops = connections.map(({ config: target, reconciler }) =>
    runLoop(
      {
        name: target.name, type: target.type, reconciler, store, everyMs: config.reconcile.everyMs, now: composition.now, random: Math.random, sleep: composition.sleep,
        log: (level, message, fields) => logger[level](message, fields),
      },
      stopping.signal,
      abort.signal,
    ),
  );

  const signal = await nextSignal();
  logger.info(`${signal}: stopping, at most ${graceMs / 1000} s for what is under way`);
  stopping.abort();
  const cut = setTimeout(() => abort.abort(), graceMs);
  await Promise.all([...loops, ...listeners.map((listener) => listener.close(graceMs))]);
  clearTimeout(cut);
  await closeAll(connections);
  await store.close();
  await sandbox?.close();
  lock.release();
  logger.info("stopped");
  return 0;
}

const nextSignal = (): Promise<string> =>
  new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });

/** The SCIM listener, and the admin listener where one is configured. */
async function openListeners(composition: Composition, config: Config, store: DirectoryStore, logger: Logger, metrics: Metrics): Promise<readonly Listener[]> {
  const { now } = composition;
  const authenticate = createAuthenticator({
    configured: config.sources.flatMap((source) => source.tokens.map((token) => ({ source: source.name, token: token.reveal() }))),
    stored: () => store.tokens(),
    sources: new Set(config.sources.map((source) => source.name)),
    now,
  });
  const heard = heardOf(store, now, logger);
  const groupOptions = new Map(config.sources.map(({ name, groupNamesUnique, unknownMembers }) => [name, { isNameUnique: groupNamesUnique, unknownMembers }]));
  const scim = createScimRouter({
    store,
    authenticate,
    publicUrl: () => config.server.publicUrl,
    groupOptions: (source) => groupOptions.get(source) ?? { isNameUnique: true, unknownMembers: "skip" },
    groupNamesUnique: config.sources.every((source) => source.groupNamesUnique),
    log: (level, message, fields) => logger[level](message, fields),
    onRequest: (info) => {
      metrics.scimRequest(info);
      if (info.source !== "") heard(info.source);
    },
  });
  const opened = [await listen(config.server.listen, createScimApp({ scim, assertReady: rarely(() => store.assertWritable(), now) }))];
  if (config.admin !== null) {
    const status = () => statusReport(config, store, now());
    const app = createAdminApp({ token: config.admin.token.reveal(), status, metrics: { contentType: metrics.contentType, text: () => metricsText(metrics, status) } });
    opened.push(await listen(config.admin.listen, app));
  }
  return opened;
}

async function metricsText(metrics: Metrics, status: () => ReturnType<typeof statusReport>): Promise<string> {
  for (const target of (await status()).targets) metrics.entities({ ...target, target: target.name, oldestPendingSeconds: target.oldestPendingSeconds ?? 0 });
  return await metrics.text();
}

/** Notes when a source was last heard of, now and then: `status` tells it from another process. */
function heardOf(store: DirectoryStore, now: () => number, logger: Logger): (source: string) => void {
  const notedAtMs = new Map<string, number>();
  return (name) => {
    const atMs = now();
    if (atMs - (notedAtMs.get(name) ?? 0) < heardEveryMs) return;
    notedAtMs.set(name, atMs);
    store
      .putConnection({ name, role: "source", type: "scim", lastSuccessAtMs: atMs, failingSinceMs: null, errorCode: null, errorMessage: null })
      .catch((error: unknown) => logger.warn(`source ${name}: could not note that it was heard of`, { error }));
  };
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
