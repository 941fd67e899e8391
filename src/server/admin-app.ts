import type { Express } from "express";
import type { Connections } from "../app/connection-types.ts";
import type { Context } from "../app/context.ts";
import { planActions, scimTokens } from "../app/decisions.ts";
import type { StatusReport } from "../cli/commands/status.ts";
import type { Config } from "../config/index.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { Logger } from "../telemetry/index.ts";
import { createAccess } from "../web/access/access.ts";
import { createOidc, termsOf } from "../web/access/oidc.ts";
import type { RoleToken } from "../web/access/role.ts";
import { type AdminAppParts, createAdminApp } from "../web/app.ts";
import type { Fleet } from "./target-pool.ts";

export interface AdminParts {
  readonly context: Context;
  readonly config: Config;
  /** Its targets come and go while this process runs. */
  readonly fleet: Fleet;
  /** Verifies, stores and forgets connections. */
  readonly connections: Connections;
  readonly store: DirectoryStore;
  readonly logger: Logger;
  readonly metrics: AdminAppParts["metrics"];
  readonly isSandbox: boolean;
  /** Where identity providers reach SCIM, with /scim/v2. */
  readonly scimUrl: string;
  /** Aborted when the process is to end. */
  readonly stopping: AbortSignal;
  readonly status: () => Promise<StatusReport>;
}

/** The admin listener of `serve`, put together; null where none is configured. */
export function adminApp({
  context,
  config,
  fleet,
  connections,
  store,
  logger,
  metrics,
  isSandbox,
  scimUrl,
  stopping,
  status,
}: AdminParts): Express | null {
  const { admin } = config;
  if (admin === null) return null;
  const { now, sleep, version } = context;
  const tokens = [
    { role: "admin" as const, secret: admin.token },
    { role: "operator" as const, secret: admin.operatorToken },
    { role: "viewer" as const, secret: admin.viewerToken },
  ].flatMap(({ role, secret }): readonly RoleToken[] => (secret === null ? [] : [{ role, token: secret.reveal() }]));
  const settings = admin.oidc === null ? null : { ...admin.oidc, clientSecret: admin.oidc.clientSecret.reveal() };
  const moreSecrets = settings === null ? [] : [termsOf(settings)];
  const access = createAccess({
    tokens,
    moreSecrets,
    publicUrl: admin.publicUrl,
    isTls: admin.tls !== null,
    now,
    warn: (message) => logger.warn(message),
  });
  const oidc =
    settings === null || admin.publicUrl === null
      ? null
      : createOidc({
          settings,
          publicUrl: admin.publicUrl,
          seal: access.sealFor("sign-in flow"),
          now,
        });
  const shared = {
    version,
    now,
    sleep,
    status,
    log: (level: "warn" | "error", message: string, fields?: Readonly<Record<string, unknown>>): void =>
      void logger[level](message, fields),
    reader: store,
    trail: store,
    connections,
    actions: planActions(store, fleet.plan, now),
    scim: scimTokens(config, store, scimUrl, now),
    stopping,
  };
  const app = createAdminApp({
    access,
    metrics,
    console: {
      ...shared,
      access,
      oidc,
      isSandbox,
      record: (entry) => store.commit("", { audit: [entry] }, now()),
      vendorUrl: (name) => fleet.config().targets.find((target) => target.name === name)?.adminUrl ?? null,
    },
    api: { ...shared, targets: () => fleet.config().targets.map(({ name }) => name) },
  });
  app.set("trust proxy", admin.trustProxy);
  return app;
}
