import type { Context } from "../app/context.ts";
import { hasCode, messageOf } from "../domain/model/errors.ts";
import type { ReconcileLock } from "../domain/ports/directory-store.ts";
import type { Logger } from "../telemetry/index.ts";

/** How often somebody who waits asks whether it is their turn. */
const askEveryMs = 1000;

export interface TurnParts {
  readonly context: Pick<Context, "sleep">;
  /** @throws `STORE_LOCKED` while another has it, `STORE_UNAVAILABLE` */
  readonly lock: () => Promise<ReconcileLock>;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
}

/** Who reconciles: one process at a time. */
export interface Turns {
  /** Runs `work` for as long as each turn lasts, one turn after the other, until `stopping`. `work` ends soon after `lost`. */
  take(work: (turn: ReconcileLock) => Promise<void>, stopping: AbortSignal): Promise<void>;
  release(): Promise<void>;
}

/** `first`: a turn that this process has already; null where it has to wait for one. */
export function createTurns({ context, lock, logger }: TurnParts, first: ReconcileLock | null): Turns {
  let held: ReconcileLock | null = first;

  const wait = async (stopping: AbortSignal): Promise<ReconcileLock | null> => {
    let problem = "";
    while (!stopping.aborted) {
      try {
        return await lock();
      } catch (error) {
        if (!hasCode(error, "STORE_LOCKED") && !hasCode(error, "STORE_UNAVAILABLE")) throw error;
        // Said once, not every second.
        if (messageOf(error) !== problem) {
          if (hasCode(error, "STORE_LOCKED"))
            logger.info("standby: another process reconciles; this one takes over when that one ends");
          else logger.warn(`reconciling waits: ${messageOf(error)}`);
        }
        problem = messageOf(error);
      }
      await context.sleep(askEveryMs, stopping);
    }
    return null;
  };

  return {
    async take(work, stopping) {
      while (!stopping.aborted) {
        const isFirst = held !== null;
        held ??= await wait(stopping);
        if (held === null) return;
        if (!isFirst) logger.info("reconciling goes on here");
        await work(held);
        if (stopping.aborted) return;
        logger.error("reconciling stopped: the connection that holds the lock was lost");
        await held.release();
        held = null;
      }
    },
    async release() {
      await held?.release();
    },
  };
}
