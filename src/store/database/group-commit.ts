import { breathe } from "./batches.ts";
import type { Driver, Sql } from "./driver.ts";

/** Turns of the event loop, mostly tens of microseconds each, in which writes are gathered for one commit. */
const turnsAtMost = 8;

/** The one connection that writes, and the statements around what it writes. They may answer at once. */
export interface Writer {
  readonly sql: Sql;
  /** So many may share a commit. */
  readonly jobsAtMost: number;
  begin(): unknown;
  savepoint(): unknown;
  release(): unknown;
  /** Back to the savepoint, which is gone then. */
  undo(): unknown;
  /** What was written is durable when it has ended. Throws when it is not, or when that is not known. */
  commit(): unknown;
  /** Never throws. */
  rollback(): unknown;
  /** Is there a transaction still? A full disk or a lost connection ends it by itself. */
  isOpen(): boolean;
  /** What a caller is told of an error that is none of its own. */
  unavailable(error: unknown): Error;
}

interface Job {
  readonly isLarge: boolean;
  readonly run: (sql: Sql) => Promise<void>;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export interface GroupCommit {
  readonly transaction: Driver["transaction"];
  /** Resolves when nothing is under way. */
  readonly settled: () => Promise<void>;
}

/**
 * Writes that are waiting at the same moment share one commit, each under a savepoint of its own: a durable commit costs
 * a disk flush, a savepoint next to nothing.
 */
export function groupCommit(writer: Writer): GroupCommit {
  const waiting: Job[] = [];
  let running: Promise<void> | null = null;
  // After the events that are ready now, and on while more writes come of them: the fewer share a commit, the more pages
  // and flushes each of them costs. A write that is alone waits for no second turn.
  const gather = async (): Promise<void> => {
    for (let seen = 0, turn = 0; waiting.length > seen && turn < turnsAtMost; turn += 1) {
      seen = waiting.length;
      await breathe();
    }
  };
  const drain = async (): Promise<void> => {
    while (waiting.length > 0) await commitTogether(writer, nextBatch(waiting, writer.jobsAtMost));
    running = null;
  };
  return {
    settled: async () => {
      await running;
    },
    transaction: <T>(work: (sql: Sql) => Promise<T>, { isLarge = false } = {}): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        let result: T;
        waiting.push({
          isLarge,
          run: async (sql) => {
            result = await work(sql);
          },
          done: () => resolve(result),
          failed: reject,
        });
        running ??= gather().then(drain);
      }),
  };
}

/** A large job goes alone, all before it together. */
function nextBatch(waiting: Job[], jobsAtMost: number): readonly Job[] {
  const large = waiting.findIndex((job) => job.isLarge);
  return waiting.splice(0, Math.min(jobsAtMost, large === -1 ? waiting.length : Math.max(1, large)));
}

/**
 * One commit for all jobs. A job that throws is rolled back alone; a commit that fails fails them all. A single job needs
 * no savepoint, and a large one (a snapshot) must not have one: SQLite keeps its journal in memory.
 */
async function commitTogether(writer: Writer, jobs: readonly Job[]): Promise<void> {
  const [only] = jobs.length === 1 ? jobs : [];
  const endings: (() => void)[] = [];
  try {
    await writer.begin();
    for (const job of jobs) {
      try {
        if (job !== only) await writer.savepoint();
        await job.run(writer.sql);
        if (job !== only) await writer.release();
        endings.push(job.done);
      } catch (error) {
        // The work of the jobs before this one is gone with it.
        if (!writer.isOpen()) throw error;
        if (job === only) {
          await writer.rollback();
          return job.failed(error);
        }
        await writer.undo();
        endings.push(() => job.failed(error));
      }
    }
    await writer.commit();
  } catch (error) {
    if (writer.isOpen()) await writer.rollback();
    for (const job of jobs) job.failed(writer.unavailable(error));
    return;
  }
  for (const end of endings) end();
}
