#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { styleText } from "node:util";
import { emailChannel } from "./alerts/email.ts";
import { createPostJson } from "./alerts/post.ts";
import type { AlertChannel } from "./alerts/service.ts";
import { slackChannel } from "./alerts/slack.ts";
import { webhookChannel } from "./alerts/webhook.ts";
import { consoleUrlOf } from "./app/alerts.ts";
import type { Composition, Style } from "./app/composition.ts";
import { runCli } from "./cli/program.ts";
import type {
  BitwardenTargetConfig,
  Config,
  LdapSourceConfig,
  OnePasswordTargetConfig,
  TargetConfig,
} from "./config/index.ts";
import { RollcallError } from "./domain/model/errors.ts";
import { entitiesOf } from "./domain/model/plan.ts";
import type { TargetPolicy } from "./domain/model/policy.ts";
import type { Outcome, Target } from "./domain/ports/target.ts";
import { createReconciler } from "./reconcile/reconciler.ts";
import { checkLdap } from "./sources/ldap/check.ts";
import { LdapPoller } from "./sources/ldap/poller.ts";
import type { LdapOptions } from "./sources/ldap/servers/options.ts";
import { resolveLdapOptions } from "./sources/ldap/servers/presets.ts";
import { type Database, postgresDatabase, sqliteDatabase } from "./store/database.ts";
import { createBitwardenTarget } from "./targets/bitwarden/target.ts";
import type { HttpOptions } from "./targets/kit/http.ts";
import { createOnePasswordTarget } from "./targets/onepassword/target.ts";
import { type Logger, type Metrics, openTracing } from "./telemetry/index.ts";

// What is written here tells of people, and of tokens: for this user only.
process.umask(0o077);

/** The composition root: the only file that constructs adapters. */
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};

/** No limit of ours: self-hosted servers have none (contract sheet of the Bitwarden Public API, §8). */
const unlimited = 1e9;
/** How long a held removal waits before the budget is looked at again, if nobody approves it. */
const heldRetryMs = 5 * 60_000;

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });

const maxInputChars = 65_536;

/** A secret that is piped in, or a file by mistake. */
async function readInput(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > maxInputChars)
      throw new RollcallError("CONFIG_INVALID", `standard input has more than ${maxInputChars} characters`);
  }
  return text.replace(/\r?\n$/, "");
}
/** NO_COLOR, FORCE_COLOR and what the terminal can do are looked at by `styleText`. */
const styles = {
  good: ["green"],
  warning: ["yellow"],
  bad: ["bold", "red"],
  strong: ["bold"],
  quiet: ["dim"],
} as const satisfies Record<Style, readonly string[]>;

/**
 * Names come from directories and vendors, and a terminal obeys control characters (a title, a cleared screen, a line
 * written over, text that is not shown): they are shown as in JSON, but for the codes of `styles`, which hide nothing.
 */
const harmless = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  text.replace(/(\x1b\[(?:1|2|22|3[1239])m)|[\0-\x08\x0b-\x1f\x7f-\x9f]/g, (found, style: string | undefined) =>
    style === undefined ? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}` : style,
  );

const tracer = await openTracing(process.env, version);

/** One for each place: what writes to PostgreSQL must know of the lock that was taken there. */
const databases = new Map<string, Database>();
function databaseOf({ store }: Pick<Config, "store">): Database {
  const place = store.kind === "sqlite" ? store.path : store.url.reveal();
  const options = { now: Date.now, tracer };
  const make = (): Database =>
    store.kind === "sqlite" ? sqliteDatabase(place, options) : postgresDatabase(place, options);
  const database = databases.get(place) ?? make();
  databases.set(place, database);
  return database;
}

const composition: Composition = {
  version,
  tracer,
  env: process.env,
  terminal: {
    write: (text) => {
      const shown = process.stdout.isTTY ? harmless(text.replaceAll("\r\n", "\n")) : text;
      return new Promise((taken) => process.stdout.write(shown, () => taken()));
    },
    isInteractive: process.stdin.isTTY && process.stderr.isTTY,
    input: readInput,
    out: (text) => void process.stdout.write(`${harmless(text)}\n`),
    note: (text) => void process.stderr.write(`${harmless(text)}\n`),
    progress: process.stderr.isTTY
      ? (text) => void process.stderr.write(`\r\x1b[K${harmless(text).slice(0, (process.stderr.columns || 80) - 1)}`)
      : null,
    paint: (style, text) => (text === "" ? text : styleText([...styles[style]], text, { stream: process.stdout })),
  },
  now: Date.now,
  sleep,
  openStore: (config) => databaseOf(config).open(),
  openStoreToRead: (config) => databaseOf(config).openToRead(),
  storedCredentials: (config) => databaseOf(config).storedCredentials(),
  openAuditTrail: (config) => databaseOf(config).openAuditTrail(),
  backup: (config, file) => databaseOf(config).backup(file),
  lock: (config) => databaseOf(config).lock(),
  checkDatabase: (config) => databaseOf(config).check(),
  openCopy: (config) => databaseOf(config).openCopy(),
  poller: (source, store, logger, metrics) =>
    new LdapPoller(resolveLdapOptions(source.name, ldapOptions(source)), {
      store,
      now: Date.now,
      log: (level, message, fields) => logger[level](message, fields),
      measured: ({ source: name, mode, seconds }) => metrics?.ldapPoll({ source: name, mode, seconds }),
      tracer,
    }),
  checkDirectory: (source, signal) => checkLdap(resolveLdapOptions(source.name, ldapOptions(source)), signal),
  target: createTarget,
  alertChannels,
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

/** People are named by id: who may read logs need not see who works here. `requestIds` leads back to the SCIM requests. */
function logOutcome(logger: Logger, target: string, outcome: Outcome, requestIds: readonly string[]): void {
  const { change, status } = outcome;
  const entities = entitiesOf(change).map(({ id }) => id);
  const fields = { target, op: change.op, outcome: status, entities: entities.slice(0, 20), requestIds };
  const more = status === "failed" ? { code: outcome.error.code, isPermanent: outcome.error.isPermanent } : {};
  logger[status === "failed" ? "warn" : "info"](`target ${target}: ${change.op} ${status}`, { ...fields, ...more });
}

function alertChannels(config: Config): readonly AlertChannel[] {
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

function createTarget(config: TargetConfig, logger: Logger, metrics?: Metrics): Target {
  const http: HttpOptions = {
    name: config.name,
    version,
    tracer,
    allowInsecureHttp: config.allowInsecureHttp,
    ca: readPem(`targets.${config.name}.caFile`, config.caFile),
    onRequest: ({ operation, status, seconds }) =>
      metrics?.targetRequest({ target: config.name, operation, status, seconds }),
    log: (level, message, fields) => logger[level](message, fields),
  };
  switch (config.type) {
    case "bitwarden":
      return createBitwardenTarget({ ...http, ...bitwardenOptions(config) });
    case "onepassword":
      return createOnePasswordTarget({ ...http, ...onePasswordOptions(config) });
    default:
      return config satisfies never;
  }
}

function bitwardenOptions({ apiUrl, identityUrl, clientId, clientSecret, rateLimit }: BitwardenTargetConfig) {
  const { perSecond, perMinutePerPath } = rateLimit;
  const isOwnServer = perSecond === null && perMinutePerPath === null;
  const reads = isOwnServer
    ? { readsPerSecond: unlimited, readsPerMinutePerPath: unlimited, tokensPerMinute: unlimited }
    : {};
  return {
    apiUrl,
    identityUrl,
    clientId,
    clientSecret: clientSecret.reveal(),
    rateLimit: { ...reads, perSecond: perSecond ?? unlimited, perMinutePerPath: perMinutePerPath ?? unlimited },
  };
}

const onePasswordOptions = ({ apiUrl, accountId, clientId, clientSecret, apiVersion }: OnePasswordTargetConfig) => ({
  apiUrl,
  accountId,
  clientId,
  clientSecret: clientSecret.reveal(),
  apiVersion,
});

/** @throws `CONFIG_INVALID` that names the key and the file */
function readPem(key: string, path: string | null): string | undefined {
  if (path === null) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new RollcallError("CONFIG_INVALID", `${key}: cannot read ${path}`, { cause });
  }
}

/** An LDAP source as its room takes it: files read, secrets revealed. */
function ldapOptions({ name, url, bindPassword, tls, ...rest }: LdapSourceConfig): LdapOptions {
  const pem = (key: string, path: string | undefined) => readPem(`sources.${name}.tls.${key}`, path ?? null);
  const { caFile, certFile, keyFile, ...plain } = tls ?? {};
  const files = { ca: pem("caFile", caFile), cert: pem("certFile", certFile), key: pem("keyFile", keyFile) };
  const given = { ...rest, url: url ?? undefined, bindPassword: bindPassword?.reveal() };
  return { ...given, tls: { ...plain, ...files } } as LdapOptions;
}

/** The configuration of a target in the words of the domain. */
function policyOf(target: TargetConfig, { reconcile }: Config): TargetPolicy {
  const common = {
    userGroups: target.users.groups,
    settleMs: reconcile.settleMs,
    driftPolicy: reconcile.driftPolicy,
    budget: target.guard,
    protect: target.protect,
  };
  switch (target.type) {
    case "bitwarden": {
      const how = { revoke: "suspend", remove: "remove", ignore: "ignore" } as const;
      return {
        ...common,
        groupInclude: target.groups.include,
        groupExclude: target.groups.exclude,
        groupTakeOver: target.groups.takeOver,
        reactivate: "always",
        onDeactivate: how[target.onDeactivate],
        onDelete: how[target.onDelete],
        removeAfterMs: target.removeAfterMs,
        maxSeats: target.maxSeats,
      };
    }
    case "onepassword":
      return {
        ...common,
        groupInclude: [],
        groupExclude: [],
        groupTakeOver: [],
        reactivate: target.reactivate,
        onDeactivate: target.onDeactivate,
        onDelete: target.onDelete,
        removeAfterMs: null,
        maxSeats: null,
      };
    default:
      return target satisfies never;
  }
}

// A reader that went away (`rollcall status | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

process.exitCode = await runCli(process.argv, composition);
// A collector that does not answer keeps nobody waiting.
if (!(await tracer.close(1500))) process.exit();
