import type { Context } from "../app/context.ts";
import type { StoreConfig } from "../config/index.ts";
import { hasCode, messageOf } from "../domain/model/errors.ts";
import type { ReconcileLock } from "../domain/ports/directory-store.ts";
import type { Logger } from "../telemetry/index.ts";

/** How often a standby tries to become the leader. */
const tryEveryMs = 1000;

export interface ElectionParts {
  readonly context: Pick<Context, "sleep">;
  /** @throws `STORE_LOCKED` while another process is the leader, `STORE_UNAVAILABLE` */
  readonly lock: () => Promise<ReconcileLock>;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
}

/** Makes one process at a time the leader: the one that polls and reconciles. */
export interface LeaderElection {
  /** Runs `work` each time that this process becomes the leader, until `stopping`. `work` ends soon after `lost` aborts. */
  lead(work: (lock: ReconcileLock) => Promise<void>, stopping: AbortSignal): Promise<void>;
  release(): Promise<void>;
}

/**
 * Tries once to become the leader. With PostgreSQL several processes may serve a database: the others wait as standby. A
 * SQLite file serves one process: a second one is a mistake.
 * @throws `STORE_LOCKED` for a SQLite file that another process uses, `STORE_UNAVAILABLE`
 */
export async function joinElection(parts: ElectionParts, kind: StoreConfig["kind"]): Promise<LeaderElection> {
  try {
    return createElection(parts, await parts.lock());
  } catch (error) {
    if (kind === "postgres" && hasCode(error, "STORE_LOCKED")) return createElection(parts, null);
    throw error;
  }
}

/** `first`: the lock if this process is the leader already. */
function createElection(parts: ElectionParts, first: ReconcileLock | null): LeaderElection {
  const { logger } = parts;
  let held: ReconcileLock | null = first;
  return {
    async lead(work, stopping) {
      while (!stopping.aborted) {
        const wasLeader = held !== null;
        held ??= await waitForLock(parts, stopping);
        if (held === null) return;
        if (!wasLeader) logger.info("this process is the leader now: it polls and reconciles");
        await work(held);
        if (stopping.aborted) return;
        logger.error("this process is no longer the leader: the connection that holds the lock was lost");
        await held.release();
        held = null;
      }
    },
    async release() {
      await held?.release();
    },
  };
}

async function waitForLock(
  { context, lock, logger }: ElectionParts,
  stopping: AbortSignal,
): Promise<ReconcileLock | null> {
  let lastProblem = "";
  while (!stopping.aborted) {
    try {
      return await lock();
    } catch (error) {
      const isLocked = hasCode(error, "STORE_LOCKED");
      if (!isLocked && !hasCode(error, "STORE_UNAVAILABLE")) throw error;
      // Log each problem once, not every second.
      if (messageOf(error) !== lastProblem) {
        if (isLocked) logger.info("standby: another process is the leader; this one takes over when that one ends");
        else logger.warn(`standby: ${messageOf(error)}`);
      }
      lastProblem = messageOf(error);
    }
    await context.sleep(tryEveryMs, stopping);
  }
  return null;
}
