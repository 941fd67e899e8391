import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { AlertChannel } from "../alerts/channel.ts";
import { emailChannel } from "../alerts/email.ts";
import { createPostJson } from "../alerts/post.ts";
import { slackChannel } from "../alerts/slack.ts";
import { webhookChannel } from "../alerts/webhook.ts";
import type { Config, LdapSourceConfig, TargetConfig } from "../config/index.ts";
import { RollcallError } from "../domain/model/errors.ts";
import { entitiesOf } from "../domain/model/plan.ts";
import type { TargetPolicy } from "../domain/model/policy.ts";
import type { Outcome, Target } from "../domain/ports/target.ts";
import { createReconciler } from "../reconcile/reconciler.ts";
import { checkLdap } from "../sources/ldap/check.ts";
import { LdapPoller } from "../sources/ldap/poller.ts";
import { type LdapOptions, resolveLdapOptions } from "../sources/ldap/servers/options.ts";
import { type Database, postgresDatabase, sqliteDatabase } from "../store/database.ts";
import type { Logger, Metrics, Tracer } from "../telemetry/index.ts";
import { consoleUrlOf } from "./alerts.ts";
import type { Adapters } from "./context.ts";

/** Maximum time until a run checks a held removal against the limit again. */
const heldRetryMs = 5 * 60_000;

/** The version of the program, and its tracer. */
export type Surroundings = Pick<Adapters, "version" | "tracer">;

/** Builds every database, source, target, alert channel and reconciler of a configuration. No other file does. */
export function createAdapters({ version, tracer }: Surroundings): Adapters {
  return {
    version,
    tracer,
    now: Date.now,
    sleep: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => undefined),
    database: createDatabases(tracer),
    poller: (source, store, logger, metrics) =>
      new LdapPoller(resolveLdapOptions(ldapOptions(source)), {
        store,
        now: Date.now,
        log: (level, message, fields) => logger[level](message, fields),
        measured: ({ source: name, mode, seconds }) => metrics?.ldapPoll({ source: name, mode, seconds }),
        tracer,
      }),
    checkDirectory: (source, signal) => checkLdap(resolveLdapOptions(ldapOptions(source)), signal),
    target: (config, logger, metrics) => openTarget({ version, tracer }, config, logger, metrics),
    alertChannels: (config) => createAlertChannels(version, config),
    reconciler: (target, targetConfig, config, store, logger, metrics) =>
      createReconciler({
        target,
        store,
        policy: policyOf(targetConfig, config),
        sources: config.sources.map(({ name }) => name),
        now: Date.now,
        random: Math.random,
        heldRetryMs,
        tracer,
        onOutcome: (outcome, requestIds) => {
          metrics?.change({ target: target.name, op: outcome.change.op, outcome: outcome.status });
          logOutcome(logger, target.name, outcome, requestIds);
        },
      }),
  };
}

/** Returns one `Database` per place: whoever writes to PostgreSQL must know of the lock that this process took there. */
function createDatabases(tracer: Tracer): (config: Pick<Config, "store">) => Database {
  const databases = new Map<string, Database>();
  const options = { now: Date.now, tracer };
  return ({ store }) => {
    const place = store.kind === "sqlite" ? store.path : store.url.reveal();
    const open = store.kind === "sqlite" ? sqliteDatabase : postgresDatabase;
    const database = databases.get(place) ?? open(place, options);
    databases.set(place, database);
    return database;
  };
}

/** Logs one outcome. Users appear as ids only, because logs are read by more people than the directory. `requestIds` are those of the SCIM requests. */
function logOutcome(logger: Logger, target: string, outcome: Outcome, requestIds: readonly string[]): void {
  const { change, status } = outcome;
  const entities = entitiesOf(change).map(({ id }) => id);
  const fields = { target, op: change.op, outcome: status, entities: entities.slice(0, 20), requestIds };
  const more = status === "failed" ? { code: outcome.error.code, isPermanent: outcome.error.isPermanent } : {};
  logger[status === "failed" ? "warn" : "info"](`target ${target}: ${change.op} ${status}`, { ...fields, ...more });
}

function createAlertChannels(version: string, config: Config): readonly AlertChannel[] {
  if (config.alerts === null) return [];
  const { perHour, installation, channels } = config.alerts;
  const letterhead = { consoleUrl: consoleUrlOf(config), installation };
  const post = createPostJson(version);
  return channels.map((channel): AlertChannel => {
    const { name, kinds, minSeverity, everyMs } = channel;
    const rules = { name, kinds, minSeverity, everyMs, perHour };
    switch (channel.type) {
      case "webhook": {
        const { url, secret } = channel;
        return webhookChannel({ ...rules, url: url.reveal(), secret: secret.reveal() }, letterhead, post, Date.now);
      }
      case "slack":
        return slackChannel({ ...rules, url: channel.url.reveal() }, letterhead, post);
      case "email": {
        const { host, port, security, from, to, auth, caFile } = channel;
        const ca = readPem(`alerts.channels.${name}.caFile`, caFile) ?? null;
        const login = auth === null ? null : { user: auth.user, pass: auth.password.reveal() };
        return emailChannel({ ...rules, host, port, security, from, to, ca, auth: login }, letterhead);
      }
      default:
        return channel satisfies never;
    }
  });
}

function openTarget(
  surroundings: Surroundings,
  { name, allowInsecureHttp, caFile, open }: TargetConfig,
  logger: Logger,
  metrics?: Metrics,
): Target {
  return open({
    ...surroundings,
    name,
    allowInsecureHttp,
    ca: readPem(`targets.${name}.caFile`, caFile),
    onRequest: (request) => metrics?.targetRequest({ target: name, ...request }),
    log: (level, message, fields) => logger[level](message, fields),
  });
}

/** @throws `CONFIG_INVALID` that names the key and the file */
function readPem(key: string, path: string | null): string | undefined {
  if (path === null) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new RollcallError("CONFIG_INVALID", `${key}: cannot read ${path}`, { cause });
  }
}

/** An LDAP source with its files read and its secrets revealed. */
function ldapOptions({ bind, tls, ...source }: LdapSourceConfig): LdapOptions {
  const { caFile, certFile, keyFile, ...rest } = tls;
  const pem = (key: string, path: string | null = null) => readPem(`sources.${source.name}.tls.${key}`, path);
  return {
    ...source,
    bind: bind.kind === "simple" ? { ...bind, password: bind.password.reveal() } : bind,
    tls: { ...rest, ca: pem("caFile", caFile), cert: pem("certFile", certFile), key: pem("keyFile", keyFile) },
  };
}

/** Returns what the configuration of a target means for decisions. */
const policyOf = ({ policy, users, guard }: TargetConfig, { reconcile }: Config): TargetPolicy => ({
  ...policy,
  userGroups: users.groups,
  settleMs: reconcile.settleMs,
  driftPolicy: reconcile.driftPolicy,
  removalLimit: guard,
});
