import { createShortMemory } from "../app/short-memory.ts";
import { scimSources } from "../config/index.ts";
import { createScimRouter } from "../sources/scim/router.ts";
import type { Logger, ScimRequestSample } from "../telemetry/index.ts";
import { createWrongTokenLimit } from "../web/access/attempts.ts";
import { createAuthenticator } from "../web/access/authenticate.ts";
import { createAdmission, createShedReport } from "../web/http/admission.ts";
import type { Listener } from "../web/http/listener.ts";
import { noteLastSeen, noteTokenUse } from "./last-seen.ts";
import { openListener } from "./listeners.ts";
import type { Running } from "./running.ts";
import { createScimApp } from "./scim-app.ts";

const monotonic = (): number => performance.now();

/** Opens the listener for identity providers. */
export async function openScimListener(running: Running): Promise<Listener> {
  const { context, config, store, logger, metrics, cleanup } = running;
  const { now } = context;
  const report = createShedReport((message, fields) => logger.warn(message, fields), monotonic);
  const onShed: typeof report = (shed) => {
    metrics.scimShed(shed);
    report(shed);
  };
  // Each check is a durable write: however often probes ask, there is one in two seconds.
  const writable = createShortMemory(() => store.assertWritable(), { now, keepsFailures: true });
  return await openListener({
    name: "server",
    section: config.server,
    app: createScimApp({
      scim: scimRouter(running, onShed),
      assertReady: writable.get,
      trustProxy: config.server.trustProxy,
    }),
    options: {
      connections: config.server.limits.connections,
      onCrowded: () => onShed({ source: "", reason: "connections" }),
    },
    logger,
    now,
    cleanup,
  });
}

function scimRouter(
  { context, config, store, logger, metrics }: Running,
  onShed: ReturnType<typeof createShedReport>,
): ReturnType<typeof createScimRouter> {
  const { now, tracer } = context;
  const { limits, publicUrl } = config.server;
  const sources = scimSources(config);
  const seen = noteLastSeen(store, now, logger);
  const groupOptions = new Map(
    sources.map(({ name, groupNamesUnique, unknownMembers }) => [
      name,
      { isNameUnique: groupNamesUnique, unknownMembers },
    ]),
  );
  return createScimRouter({
    store,
    tracer,
    authenticate: createAuthenticator({
      configured: sources.flatMap(({ name, tokens }) =>
        tokens.map((token) => ({ source: name, token: token.reveal() })),
      ),
      stored: () => store.tokens(),
      sources: new Set(sources.map(({ name }) => name)),
      now,
      used: noteTokenUse(store, now, logger),
    }),
    admit: createAdmission(limits, { monotonic, onShed }),
    wrongToken: createWrongTokenLimit(limits.wrongTokensPerMinute, { monotonic, onShed }),
    publicUrl: () => publicUrl,
    groupOptions: (source) => groupOptions.get(source) ?? { isNameUnique: true, unknownMembers: "skip" },
    groupNamesUnique: sources.every(({ groupNamesUnique }) => groupNamesUnique),
    log: (level, message, fields) => logger[level](message, fields),
    onRequest: ({ requestId, address, ...sample }) => {
      metrics.scimRequest(sample);
      logRequest(logger, sample, { requestId, address });
      if (sample.source !== "") seen(sample.source);
    },
  });
}

/** Logs each request that may have changed something. Its request id is also in the audit trail and in the calls to targets. */
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
