import type { Context } from "../app/context.ts";
import { type Connection, connect } from "../app/open-targets.ts";
import { keyRingOf, openKeys } from "../app/stored-credentials.ts";
import { type Config, type ConfigFile, readConfigFile, type StoredTarget, type TargetConfig } from "../config/index.ts";
import type { KeyRing } from "../crypto/key-ring.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import type { Plan } from "../domain/model/plan.ts";
import type { StoredCredential } from "../domain/ports/credential-store.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import { runLoop } from "../reconcile/scheduler.ts";
import { targetDefinitions } from "../targets/registry.ts";
import type { Logger, Metrics } from "../telemetry/index.ts";

export interface FleetParts {
  readonly context: Context;
  readonly file: ConfigFile;
  readonly store: DirectoryStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The targets that this process serves. It follows what `connect` and `disconnect` store, wherever they run. */
export interface Fleet {
  /** The configuration as it is now: stored connections come and go. */
  config(): Config;
  ring(): KeyRing;
  /** Looks every second for what is stored. Nothing is done in targets before `work`. */
  start(): void;
  /** Starts every target's loop. */
  work(): void;
  /** Ends what is under way in the targets at once; `work` goes on. */
  rest(): Promise<void>;
  /** Asks for a full look at a target at once. False when there is no such target. */
  syncNow(name: string): boolean;
  /** What would be done in a target now; writes nothing. @throws `NOT_FOUND`, and what the target throws as a whole */
  plan(name: string, signal: AbortSignal): Promise<Plan>;
  /** Rejects when a loop fails as a whole; never resolves. */
  readonly failure: Promise<never>;
  /** Lets runs finish for that long, ends them, and gives access tokens back. */
  stop(graceMs: number): Promise<void>;
}

/** How often stored connections are looked at. */
const watchEveryMs = 1000;
/** What a target that goes away or is replaced may still finish. */
const replaceGraceMs = 8000;
const revokeWithinMs = 1500;

/** A target at work. */
interface Berth {
  readonly connection: Connection;
  work(): void;
  rest(graceMs: number): Promise<void>;
  /** The same for good; gives access tokens back. */
  stop(graceMs: number): Promise<void>;
  syncNow(): void;
}

/** What was stored and is in use: the keys of each connection, and the rows that they were opened from. */
interface Accepted {
  readonly keys: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly rows: string;
}

/** @throws `CONFIG_INVALID` as the configuration does */
export async function createFleet(parts: FleetParts): Promise<Fleet> {
  const { context, file, store, logger, metrics } = parts;
  const failure = Promise.withResolvers<never>();
  // Who waits for it hears of it; nobody waiting is no accident of its own.
  failure.promise.catch(() => undefined);
  const stopping = new AbortController();
  const berths = new Map<string, Berth>();
  let ring = keyRingOf(file.settings());
  let accepted: Accepted = { keys: new Map(), rows: "" };
  let config: Config;
  let isStarted = false;
  let isWorking = false;
  let watching: Promise<void> = Promise.resolve();

  const moor = (target: TargetConfig): void => {
    const [connection] = connect(context, config, [target], store, logger, metrics);
    if (connection === undefined) return;
    const berth = berthOf(parts, connection, config, failure.reject);
    berths.set(target.name, berth);
    if (isWorking) berth.work();
  };
  const leave = async (name: string, graceMs: number): Promise<void> => {
    await berths.get(name)?.stop(graceMs);
    berths.delete(name);
  };

  /** Takes up what is stored now. What can't be opened or used leaves its target as it was. */
  const takeUp = async (rows: readonly StoredCredential[]): Promise<void> => {
    ring = freshRing(parts, ring, rows);
    const keys = acceptable(parts, ring, rows, accepted.keys);
    const next = composeRunning(file, keys);
    const before = new Map(config.targets.map((target) => [target.name, target]));
    const changed = next.targets.filter(
      ({ name }) => !before.has(name) || !isSame(keys.get(name), accepted.keys.get(name)),
    );
    const gone = [...before.keys()].filter((name) => !next.targets.some((target) => target.name === name));
    accepted = { keys, rows: signatureOf(rows) };
    config = next;
    await Promise.all(
      gone.map(async (name) => {
        await leave(name, replaceGraceMs);
        metrics.forgetTarget(name);
        logger.info(`target ${name}: disconnected; nothing more is done there`);
      }),
    );
    await Promise.all(
      changed.map(async (target) => {
        await leave(target.name, replaceGraceMs);
        if (stopping.signal.aborted) return;
        moor(target);
        logger.info(`target ${target.name}: ${before.has(target.name) ? "changed" : "connected"}, and taken up`);
      }),
    );
  };

  const watch = async (): Promise<void> => {
    let problem = "";
    while (!stopping.signal.aborted) {
      await context.sleep(watchEveryMs, stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        const rows = await store.credentials();
        if (signatureOf(rows) !== accepted.rows) await takeUp(rows);
        problem = "";
      } catch (error) {
        // Said once, not every second.
        if (messageOf(error) !== problem) logger.error(`stored connections: ${messageOf(error)}`, { error });
        problem = messageOf(error);
      }
    }
  };

  const rows = await store.credentials();
  const opened = new Map(rows.map((row) => [row.name, openKeys(ring, row)]));
  accepted = { keys: opened, rows: signatureOf(rows) };
  config = file.compose(storedTargets(opened));

  return {
    config: () => config,
    ring: () => ring,
    start() {
      if (isStarted) throw new TypeError("a fleet starts once");
      isStarted = true;
      for (const target of config.targets) moor(target);
      watching = watch().catch(failure.reject);
    },
    work() {
      isWorking = true;
      for (const berth of berths.values()) berth.work();
    },
    async rest() {
      isWorking = false;
      await Promise.all([...berths.values()].map((berth) => berth.rest(0)));
    },
    async plan(name, signal) {
      const berth = berths.get(name);
      if (berth === undefined) throw new RollcallError("NOT_FOUND", `there is no target "${name}" here`);
      return (await berth.connection.reconciler.plan(signal)).plan;
    },
    syncNow(name) {
      const berth = berths.get(name);
      if (isWorking) berth?.syncNow();
      else if (berth !== undefined) store.requestFullRun(name);
      return berth !== undefined;
    },
    failure: failure.promise,
    async stop(graceMs) {
      stopping.abort();
      await Promise.all([watching, ...[...berths.values()].map((berth) => berth.stop(graceMs))]);
      // What was being replaced when the end came.
      await Promise.all([...berths.values()].map((berth) => berth.stop(0)));
    },
  };
}

/** The loop of one target. */
function berthOf(
  { context, store, logger }: FleetParts,
  connection: Connection,
  { reconcile }: Config,
  failed: (error: unknown) => void,
): Berth {
  const { now, sleep } = context;
  const { name, type } = connection.config;
  const listeners = new Set<() => void>();
  const begin = () => {
    const [stopping, abort] = [new AbortController(), new AbortController()];
    const ended = runLoop(
      {
        name,
        type,
        reconciler: connection.reconciler,
        store,
        everyMs: reconcile.everyMs,
        now,
        random: Math.random,
        sleep,
        log: (level, message, fields) => logger[level](message, fields),
        onSyncNow: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      stopping.signal,
      abort.signal,
    ).catch(failed);
    return { stopping, abort, ended };
  };
  let loop: ReturnType<typeof begin> | null = null;
  const rest = async (graceMs: number): Promise<void> => {
    if (loop === null) return;
    const { stopping, abort, ended } = loop;
    stopping.abort();
    const cut = setTimeout(() => abort.abort(), graceMs);
    await ended;
    clearTimeout(cut);
    loop = null;
  };
  let stopped: Promise<void> | null = null;
  const stop = async (graceMs: number): Promise<void> => {
    await rest(graceMs);
    await connection.target.close(AbortSignal.timeout(revokeWithinMs));
  };
  return {
    connection,
    work() {
      if (stopped === null) loop ??= begin();
    },
    rest,
    syncNow: () => {
      for (const listener of listeners) listener();
    },
    stop: (graceMs) => {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}

const signatureOf = (rows: readonly StoredCredential[]): string =>
  JSON.stringify(rows.map(({ name, keyId, sealed }) => [name, keyId, sealed]));

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const storedTargets = (keys: Accepted["keys"]): readonly StoredTarget[] =>
  [...keys].map(([name, each]) => ({ name, keys: each }));

/** `rekey` seals with a key that this process may not have read yet: the file says which, and only that is read again. */
function freshRing({ context, file, logger }: FleetParts, ring: KeyRing, rows: readonly StoredCredential[]): KeyRing {
  if (rows.every(({ keyId }) => ring.ids.includes(keyId))) return ring;
  try {
    const read = keyRingOf(readConfigFile(file.fileName, context.env, targetDefinitions).settings());
    logger.info(`masterKey was read again: key id ${read.ids.join(", ")}`);
    return read;
  } catch (error) {
    logger.error(`masterKey could not be read again: ${messageOf(error)}`, { error });
    return ring;
  }
}

/** The keys of each row; of a row that can't be opened or used those in use, if there are any. */
function acceptable(
  { file, logger }: FleetParts,
  ring: KeyRing,
  rows: readonly StoredCredential[],
  inUse: Accepted["keys"],
): Accepted["keys"] {
  const found = new Map<string, Readonly<Record<string, string>>>();
  for (const row of rows) {
    const before = inUse.get(row.name);
    const stays = before === undefined ? "it is not taken up" : "it goes on with what it had";
    try {
      const keys = openKeys(ring, row);
      const draft = file.draft(row.name, keys);
      if ("target" in draft) {
        found.set(row.name, keys);
        continue;
      }
      const problems = draft.problems.map(({ field, message }) => `${field} ${message}`).join("; ");
      logger.error(`target ${row.name}: ${problems}; ${stays}. If ${file.fileName} has changed, restart`);
    } catch (error) {
      logger.error(`target ${row.name}: ${messageOf(error)}; ${stays}`, { error });
    }
    if (before !== undefined) found.set(row.name, before);
  }
  return found;
}

/** The configuration with what can run: a target of the file whose stored credentials are gone is left out. */
function composeRunning(file: ConfigFile, keys: Accepted["keys"]): Config {
  const bare = Object.entries(file.targets).filter(
    ([name, own]) => own["clientSecret"] === undefined && !keys.has(name),
  );
  return file.compose(storedTargets(keys), new Set(bare.map(([name]) => name)));
}
