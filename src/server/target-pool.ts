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
import { type Stoppable, startStoppable } from "./stoppable.ts";

export interface PoolParts {
  readonly context: Context;
  readonly file: ConfigFile;
  readonly store: DirectoryStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
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

/** Opens the stored connections. @throws `CONFIG_INVALID`, `SECRET_UNREADABLE` for credentials that no master key opens */
export async function createTargetPool(parts: PoolParts): Promise<TargetPool> {
  const rows = await parts.store.credentials();
  const ring = keyRingOf(parts.file.settings());
  const keys = new Map(rows.map((row) => [row.name, openKeys(ring, row)]));
  return new TargetPool(parts, ring, { keys, signature: signatureOf(rows) });
}

/** The targets that this process serves. Follows what `connect` and `disconnect` store, in whatever process they run. */
export class TargetPool {
  readonly #parts: PoolParts;
  readonly #loops = new Map<string, TargetLoop>();
  readonly #failure = Promise.withResolvers<never>();
  readonly #stopping = new AbortController();
  #ring: KeyRing;
  #inUse: InUse;
  #config: Config;
  #isStarted = false;
  #isSyncing = false;
  #watching: Promise<void> = Promise.resolve();

  /** @throws `CONFIG_INVALID` for an invalid configuration */
  constructor(parts: PoolParts, ring: KeyRing, inUse: InUse) {
    this.#parts = parts;
    this.#ring = ring;
    this.#inUse = inUse;
    this.#config = parts.file.compose(storedTargets(inUse.keys));
    // A failure that nobody waits for must not end the process as an unhandled rejection.
    this.#failure.promise.catch(() => undefined);
  }

  /** The current configuration: stored connections come and go. */
  readonly config = (): Config => this.#config;
  readonly ring = (): KeyRing => this.#ring;

  /** Rejects if a loop fails. Never resolves. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  /** Opens the targets, and reads the stored connections once a second. Nothing is synced before `startSync`. */
  start(): void {
    if (this.#isStarted) throw new TypeError("a target pool starts once");
    this.#isStarted = true;
    for (const target of this.#config.targets) this.#open(target);
    this.#watching = this.#watch().catch(this.#failure.reject);
  }

  /** Starts the sync loop of each target. */
  startSync(): void {
    this.#isSyncing = true;
    for (const loop of this.#loops.values()) loop.start();
  }

  /** Aborts what is under way in the targets; `startSync` continues. */
  async pauseSync(): Promise<void> {
    this.#isSyncing = false;
    await Promise.all([...this.#loops.values()].map((loop) => loop.pause(0)));
  }

  /** Requests a full check of a target now. Returns false if there is no such target. */
  readonly syncNow = (name: string): boolean => {
    const loop = this.#loops.get(name);
    if (this.#isSyncing) loop?.syncNow();
    else if (loop !== undefined) this.#parts.store.requestFullRun(name);
    return loop !== undefined;
  };

  /** Returns what would be done in a target now. Writes nothing. @throws `NOT_FOUND`, and what the target throws as a whole */
  readonly plan = async (name: string, signal: AbortSignal): Promise<Plan> => {
    const loop = this.#loops.get(name);
    if (loop === undefined) throw new RollcallError("NOT_FOUND", `there is no target "${name}" here`);
    return (await loop.connection.reconciler.plan(signal)).plan;
  };

  /** Lets runs finish within `graceMs`, aborts them after that, and gives back the access tokens. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#watching, ...[...this.#loops.values()].map((loop) => loop.stop(graceMs))]);
    // Targets that were being replaced when the stop came.
    await Promise.all([...this.#loops.values()].map((loop) => loop.stop(0)));
  }

  #open(target: TargetConfig): void {
    const { context, store, logger, metrics } = this.#parts;
    const [connection] = openTargets(context, this.#config, [target], store, logger, metrics);
    if (connection === undefined) return;
    const loop = createTargetLoop(this.#parts, connection, this.#config, this.#failure.reject);
    this.#loops.set(target.name, loop);
    if (this.#isSyncing) loop.start();
  }

  async #close(name: string): Promise<void> {
    await this.#loops.get(name)?.stop(replaceGraceMs);
    this.#loops.delete(name);
  }

  async #watch(): Promise<void> {
    const { context, store, logger } = this.#parts;
    const { signal } = this.#stopping;
    let lastProblem = "";
    while (!signal.aborted) {
      await context.sleep(readConnectionsEveryMs, signal);
      if (signal.aborted) return;
      try {
        const stored = await store.credentials();
        if (signatureOf(stored) !== this.#inUse.signature) await this.#follow(stored);
        lastProblem = "";
      } catch (error) {
        // Log each problem once, not every second.
        if (messageOf(error) !== lastProblem) logger.error(`stored connections: ${messageOf(error)}`, { error });
        lastProblem = messageOf(error);
      }
    }
  }

  /** Follows the stored connections. A connection that can't be opened or used leaves its target as it was. */
  async #follow(stored: readonly StoredCredential[]): Promise<void> {
    this.#ring = freshRing(this.#parts, this.#ring, stored);
    const keys = usableKeys(this.#parts, this.#ring, stored, this.#inUse.keys);
    const before = new Set(this.#config.targets.map(({ name }) => name));
    const config = composeRunning(this.#parts.file, keys);
    const removed = [...before].filter((name) => config.targets.every((target) => target.name !== name));
    const changed = config.targets.filter(
      ({ name }) => !before.has(name) || !isSame(keys.get(name), this.#inUse.keys.get(name)),
    );
    this.#config = config;
    this.#inUse = { keys, signature: signatureOf(stored) };
    await Promise.all(removed.map((name) => this.#remove(name)));
    await Promise.all(changed.map((target) => this.#replace(target, before.has(target.name))));
  }

  async #remove(name: string): Promise<void> {
    await this.#close(name);
    this.#parts.metrics.forgetTarget(name);
    this.#parts.logger.info(`target ${name}: disconnected; Rollcall no longer changes it`);
  }

  async #replace(target: TargetConfig, isKnown: boolean): Promise<void> {
    await this.#close(target.name);
    if (this.#stopping.signal.aborted) return;
    this.#open(target);
    this.#parts.logger.info(`target ${target.name}: ${isKnown ? "changed" : "connected"}, and served from now on`);
  }
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
  const begin = () => startStoppable((stopping, abort) => runLoop(parts, stopping, abort).catch(failed));
  let running: Stoppable | null = null;
  let stopped: Promise<void> | null = null;
  const pause = async (graceMs: number): Promise<void> => {
    await running?.stop(graceMs);
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
