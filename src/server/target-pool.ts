import type { Context } from "../app/context.ts";
import { type OpenTarget, openTargets } from "../app/open-targets.ts";
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

export interface PoolParts {
  readonly context: Context;
  readonly file: ConfigFile;
  readonly store: DirectoryStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The targets that this process serves. Follows what `connect` and `disconnect` store, in whatever process they run. */
export interface TargetPool {
  /** The current configuration: stored connections come and go. */
  config(): Config;
  ring(): KeyRing;
  /** Opens the targets, and reads the stored connections once a second. Nothing is synced before `startSync`. */
  start(): void;
  /** Starts the sync loop of each target. */
  startSync(): void;
  /** Aborts what is under way in the targets; `startSync` continues. */
  pauseSync(): Promise<void>;
  /** Requests a full check of a target now. Returns false if there is no such target. */
  syncNow(name: string): boolean;
  /** Returns what would be done in a target now. Writes nothing. @throws `NOT_FOUND`, and what the target throws as a whole */
  plan(name: string, signal: AbortSignal): Promise<Plan>;
  /** Rejects if a loop fails. Never resolves. */
  readonly failure: Promise<never>;
  /** Lets runs finish within `graceMs`, aborts them after that, and gives back the access tokens. */
  stop(graceMs: number): Promise<void>;
}

const readConnectionsEveryMs = 1000;
/** Time for the running work of a target that is removed or replaced. */
const replaceGraceMs = 8000;
const revokeWithinMs = 1500;

/** The stored connections in use: their keys, and a signature of the rows that they come from. */
interface InUse {
  readonly keys: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly signature: string;
}

/** @throws `CONFIG_INVALID` for an invalid configuration, `SECRET_UNREADABLE` for credentials that no master key opens */
export async function createTargetPool(parts: PoolParts): Promise<TargetPool> {
  const { context, file, store, logger } = parts;
  const failure = Promise.withResolvers<never>();
  // A failure that nobody waits for must not end the process as an unhandled rejection.
  failure.promise.catch(() => undefined);
  const stopping = new AbortController();
  const loops = new Map<string, TargetLoop>();
  const rows = await store.credentials();
  let ring = keyRingOf(file.settings());
  let inUse: InUse = {
    keys: new Map(rows.map((row) => [row.name, openKeys(ring, row)])),
    signature: signatureOf(rows),
  };
  let config = file.compose(storedTargets(inUse.keys));
  let [isStarted, isSyncing] = [false, false];
  let watching: Promise<void> = Promise.resolve();

  const open = (target: TargetConfig): void => {
    const [connection] = openTargets(context, config, [target], store, logger, parts.metrics);
    if (connection === undefined) return;
    const loop = createTargetLoop(parts, connection, config, failure.reject);
    loops.set(target.name, loop);
    if (isSyncing) loop.start();
  };
  const close = async (name: string): Promise<void> => {
    await loops.get(name)?.stop(replaceGraceMs);
    loops.delete(name);
  };
  /** Follows the stored connections. A connection that can't be opened or used leaves its target as it was. */
  const follow = async (stored: readonly StoredCredential[]): Promise<void> => {
    ring = freshRing(parts, ring, stored);
    const keys = usableKeys(parts, ring, stored, inUse.keys);
    const before = config;
    const changes = changedTargets(before, composeRunning(file, keys), inUse.keys, keys);
    config = changes.config;
    inUse = { keys, signature: signatureOf(stored) };
    await Promise.all(
      changes.removed.map(async (name) => {
        await close(name);
        parts.metrics.forgetTarget(name);
        logger.info(`target ${name}: disconnected; Rollcall no longer changes it`);
      }),
    );
    await Promise.all(
      changes.changed.map(async (target) => {
        await close(target.name);
        if (stopping.signal.aborted) return;
        open(target);
        const isNew = before.targets.every(({ name }) => name !== target.name);
        logger.info(`target ${target.name}: ${isNew ? "connected" : "changed"}, and served from now on`);
      }),
    );
  };
  const watch = async (): Promise<void> => {
    let lastProblem = "";
    while (!stopping.signal.aborted) {
      await context.sleep(readConnectionsEveryMs, stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        const stored = await store.credentials();
        if (signatureOf(stored) !== inUse.signature) await follow(stored);
        lastProblem = "";
      } catch (error) {
        // Log each problem once, not every second.
        if (messageOf(error) !== lastProblem) logger.error(`stored connections: ${messageOf(error)}`, { error });
        lastProblem = messageOf(error);
      }
    }
  };

  return {
    config: () => config,
    ring: () => ring,
    start() {
      if (isStarted) throw new TypeError("a target pool starts once");
      isStarted = true;
      for (const target of config.targets) open(target);
      watching = watch().catch(failure.reject);
    },
    startSync() {
      isSyncing = true;
      for (const loop of loops.values()) loop.start();
    },
    async pauseSync() {
      isSyncing = false;
      await Promise.all([...loops.values()].map((loop) => loop.pause(0)));
    },
    async plan(name, signal) {
      const loop = loops.get(name);
      if (loop === undefined) throw new RollcallError("NOT_FOUND", `there is no target "${name}" here`);
      return (await loop.connection.reconciler.plan(signal)).plan;
    },
    syncNow(name) {
      const loop = loops.get(name);
      if (isSyncing) loop?.syncNow();
      else if (loop !== undefined) store.requestFullRun(name);
      return loop !== undefined;
    },
    failure: failure.promise,
    async stop(graceMs) {
      stopping.abort();
      await Promise.all([watching, ...[...loops.values()].map((loop) => loop.stop(graceMs))]);
      // Targets that were being replaced when the stop came.
      await Promise.all([...loops.values()].map((loop) => loop.stop(0)));
    },
  };
}

/** The sync loop of one target. */
interface TargetLoop {
  readonly connection: OpenTarget;
  start(): void;
  /** Lets the run under way finish within `graceMs`; `start` continues. */
  pause(graceMs: number): Promise<void>;
  /** Ends the loop for good, and gives back the access token. */
  stop(graceMs: number): Promise<void>;
  syncNow(): void;
}

function createTargetLoop(
  { context: { now, sleep }, store, logger }: PoolParts,
  connection: OpenTarget,
  { reconcile }: Config,
  failed: (error: unknown) => void,
): TargetLoop {
  const { name, type } = connection.config;
  const listeners = new Set<() => void>();
  const parts = {
    name,
    type,
    reconciler: connection.reconciler,
    store,
    everyMs: reconcile.everyMs,
    now,
    random: Math.random,
    sleep,
    log: (level: "info" | "warn" | "error" | "debug", message: string, fields?: Readonly<Record<string, unknown>>) =>
      logger[level](message, fields),
    onSyncNow: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const begin = () => {
    const [stopping, abort] = [new AbortController(), new AbortController()];
    return { stopping, abort, ended: runLoop(parts, stopping.signal, abort.signal).catch(failed) };
  };
  let running: ReturnType<typeof begin> | null = null;
  let stopped: Promise<void> | null = null;
  const pause = async (graceMs: number): Promise<void> => {
    if (running === null) return;
    const { stopping, abort, ended } = running;
    stopping.abort();
    const cut = setTimeout(() => abort.abort(), graceMs);
    await ended;
    clearTimeout(cut);
    running = null;
  };
  return {
    connection,
    start() {
      if (stopped === null) running ??= begin();
    },
    pause,
    syncNow() {
      for (const listener of listeners) listener();
    },
    stop(graceMs) {
      stopped ??= pause(graceMs).then(() => connection.target.close(AbortSignal.timeout(revokeWithinMs)));
      return stopped;
    },
  };
}

/** Compares the targets before and after. A target has changed if its stored keys have. */
function changedTargets(before: Config, config: Config, oldKeys: InUse["keys"], newKeys: InUse["keys"]) {
  const names = new Set(before.targets.map(({ name }) => name));
  return {
    config,
    removed: [...names].filter((name) => config.targets.every((target) => target.name !== name)),
    changed: config.targets.filter(({ name }) => !names.has(name) || !isSame(newKeys.get(name), oldKeys.get(name))),
  };
}

const signatureOf = (rows: readonly StoredCredential[]): string =>
  JSON.stringify(rows.map(({ name, keyId, sealed }) => [name, keyId, sealed]));

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const storedTargets = (keys: InUse["keys"]): readonly StoredTarget[] =>
  [...keys].map(([name, each]) => ({ name, keys: each }));

/** `rekey` may have used a master key that this process has not read yet. Reads only the keys of the file again. */
function freshRing({ context, file, logger }: PoolParts, ring: KeyRing, rows: readonly StoredCredential[]): KeyRing {
  if (rows.every(({ keyId }) => ring.ids.includes(keyId))) return ring;
  try {
    const read = keyRingOf(readConfigFile(file.fileName, context.env, targetDefinitions).settings());
    logger.info(`masterKey read again: key id ${read.ids.join(", ")}`);
    return read;
  } catch (error) {
    logger.error(`can't read masterKey again: ${messageOf(error)}`, { error });
    return ring;
  }
}

/** Returns the keys of each row. For a row that can't be opened or used, returns the keys in use, if there are any. */
function usableKeys(
  { file, logger }: PoolParts,
  ring: KeyRing,
  rows: readonly StoredCredential[],
  inUse: InUse["keys"],
): InUse["keys"] {
  const found = new Map<string, Readonly<Record<string, string>>>();
  for (const row of rows) {
    const before = inUse.get(row.name);
    const stays = before === undefined ? "it is not served" : "it keeps its former credentials";
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

/** The configuration without the targets of the file whose stored credentials are deleted. */
function composeRunning(file: ConfigFile, keys: InUse["keys"]): Config {
  const bare = Object.entries(file.targets).filter(
    ([name, own]) => own["clientSecret"] === undefined && !keys.has(name),
  );
  return file.compose(storedTargets(keys), new Set(bare.map(([name]) => name)));
}
