import { breathe } from "./batches.ts";
import type { Driver, Sql } from "./driver.ts";

/** Maximum number of event loop iterations that wait for more writes before a commit. Each takes tens of microseconds. */
const maxIterations = 8;

/** The connection that writes, and the statements around each write. They may return at once or a promise. */
export interface Writer {
  readonly sql: Sql;
  /** Maximum number of writes in one commit. */
  readonly maxJobs: number;
  begin(): unknown;
  savepoint(): unknown;
  release(): unknown;
  /** Rolls back to the savepoint and releases it. */
  undo(): unknown;
  /** Makes the writes durable. Throws when they are not, or when nobody knows. */
  commit(): unknown;
  /** Never throws. */
  rollback(): unknown;
  /** False after a full disk or a lost connection: these end the transaction. */
  isOpen(): boolean;
  /** The error for the writes of a commit that failed. */
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
  /** Resolves when no write is running or waiting. */
  readonly settled: () => Promise<void>;
}

/**
 * Commits the writes that wait at the same moment together, each under its own savepoint. A durable commit costs a disk
 * flush, a savepoint almost nothing.
 */
export function groupCommit(writer: Writer): GroupCommit {
  const waiting: Job[] = [];
  let running: Promise<void> | null = null;
  // Waits while each iteration brings more writes: fewer commits flush fewer pages. A single write waits one iteration.
  const gather = async (): Promise<void> => {
    for (let seen = 0, iteration = 0; waiting.length > seen && iteration < maxIterations; iteration += 1) {
      seen = waiting.length;
      await breathe();
    }
  };
  const drain = async (): Promise<void> => {
    while (waiting.length > 0) await commitTogether(writer, nextBatch(waiting, writer.maxJobs));
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

/** A large job alone, or all jobs before the next large one. */
function nextBatch(waiting: Job[], maxJobs: number): readonly Job[] {
  const large = waiting.findIndex((job) => job.isLarge);
  return waiting.splice(0, Math.min(maxJobs, large === -1 ? waiting.length : Math.max(1, large)));
}

/**
 * Commits all jobs at once. A job that throws is rolled back alone; a commit that fails fails them all. A single job has
 * no savepoint: SQLite would keep the journal of a large one (a snapshot) in memory.
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
        // The end of the transaction also undid the jobs before this one.
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
