import { createConnections } from "../app/connections.ts";
import { createDecisions } from "../app/decisions.ts";
import { createPlans } from "../app/plans.ts";
import { createScimTokens } from "../app/scim-tokens.ts";
import { type StatusReport, statusReport } from "../app/status.ts";
import type { Config } from "../config/index.ts";
import type { Logger, Metrics } from "../telemetry/index.ts";
import { createAccess } from "../web/access/access.ts";
import { createOidc, termsOf } from "../web/access/oidc.ts";
import type { RoleToken } from "../web/access/role.ts";
import { createAdminApp } from "../web/app.ts";
import type { Listener } from "../web/http/listener.ts";
import { openListener } from "./listeners.ts";
import type { Running } from "./running.ts";

/** Opens the listener of console, API and metrics. Null without a section `admin`. `scimUrl`: for identity providers. */
export async function openAdminListener(running: Running, scimUrl: string): Promise<Listener | null> {
  const { context, config, file, store, logger, metrics, pool, sandbox, interrupted, cleanup } = running;
  const { admin } = config;
  if (admin === null) return null;
  const { now, sleep, version } = context;
  const status = (): Promise<StatusReport> => statusReport(pool.config(), store, now());
  const { access, oidc } = signIn(admin, logger, now);
  const app = createAdminApp({
    access,
    oidc,
    isSandbox: sandbox !== null,
    version,
    now,
    sleep,
    status,
    log: (level, message, fields) => void logger[level](message, fields),
    metrics: {
      contentType: metrics.contentType,
      text: async () => await metricsText(metrics, await status(), now()),
    },
    targets: () => pool.config().targets.map(({ name }) => name),
    reader: store,
    trail: store,
    connections: createConnections({ context, file, ring: pool.ring, store, logger, syncNow: pool.syncNow }),
    decisions: createDecisions(store, now),
    plans: createPlans({ plan: pool.plan, now }),
    scim: createScimTokens(config, store, now),
    scimUrl,
    stopping: interrupted,
    record: (entry) => store.commit("", { audit: [entry] }, now()),
    vendorUrl: (name) => pool.config().targets.find((target) => target.name === name)?.adminUrl ?? null,
  });
  app.set("trust proxy", admin.trustProxy);
  return await openListener({ name: "admin", section: admin, app, logger, now, cleanup });
}

function signIn(admin: NonNullable<Config["admin"]>, logger: Logger, now: () => number) {
  const tokens = [
    { role: "admin" as const, secret: admin.token },
    { role: "operator" as const, secret: admin.operatorToken },
    { role: "viewer" as const, secret: admin.viewerToken },
  ].flatMap(({ role, secret }): readonly RoleToken[] => (secret === null ? [] : [{ role, token: secret.reveal() }]));
  const settings = admin.oidc === null ? null : { ...admin.oidc, clientSecret: admin.oidc.clientSecret.reveal() };
  const access = createAccess({
    tokens,
    moreSecrets: settings === null ? [] : [termsOf(settings)],
    publicUrl: admin.publicUrl,
    isTls: admin.tls !== null,
    now,
    warn: (message) => logger.warn(message),
  });
  const oidc =
    settings === null || admin.publicUrl === null
      ? null
      : createOidc({ settings, publicUrl: admin.publicUrl, seal: access.sealFor("sign-in flow"), now });
  return { access, oidc };
}

/** The metrics as text. The gauges show the status of this moment. */
async function metricsText(metrics: Metrics, { sources, targets }: StatusReport, nowMs: number): Promise<string> {
  const health = (
    role: "source" | "target",
    { name, lastSuccessAt, failingSince }: StatusReport["sources" | "targets"][number],
  ): void =>
    metrics.health({
      role,
      name,
      lastSuccessAtMs: lastSuccessAt === null ? null : Date.parse(lastSuccessAt),
      failingSeconds: failingSince === null ? 0 : Math.max(0, (nowMs - Date.parse(failingSince)) / 1000),
    });
  for (const source of sources) health("source", source);
  for (const target of targets) {
    health("target", target);
    metrics.budget({ target: target.name, ...target.budget });
    metrics.entities({
      target: target.name,
      inSync: target.inSync,
      pending: target.pending,
      failed: target.failed,
      held: target.held,
      dismissed: target.dismissed,
      missing: target.missing,
      oldestPendingSeconds: target.oldestPendingSeconds ?? 0,
    });
  }
  return await metrics.text();
}
