import { RollcallError } from "../../domain/model/errors.ts";
import type { Change } from "../../domain/model/plan.ts";
import { failed, type Run, type Settled } from "./run-changes.ts";

/** One change on its way. Jobs with the same key run one after another. */
export interface Job {
  readonly change: Change;
  readonly key: string;
  /** Null: it is left for later. */
  readonly settle: () => Promise<Settled | null>;
}

/** Calls in flight at once; the rate limit is kept below that. */
const concurrency = 4;

/** Runs the jobs, a few at once, and gives each result as it comes. Ends only when nothing is in flight any more. */
export async function* runJobs(run: Run, jobs: readonly Job[]): AsyncGenerator<Settled> {
  const lanes = [...Map.groupBy(jobs, (job) => job.key).values()].map((lane) => lane.values());
  const inFlight = new Map<Iterator<Job>, Promise<readonly [Iterator<Job>, Settled | null]>>();
  const start = (lane: Iterator<Job> | undefined): void => {
    const next = lane?.next();
    if (lane === undefined || next === undefined) return;
    if (next.done === true) start(lanes.shift());
    else
      inFlight.set(
        lane,
        attempt(run, next.value).then((settled) => [lane, settled] as const),
      );
  };
  for (let slot = 0; slot < concurrency; slot += 1) start(lanes.shift());
  try {
    while (inFlight.size > 0) {
      const [lane, settled] = await Promise.race(inFlight.values());
      inFlight.delete(lane);
      if (settled !== null) yield settled;
      start(lane);
    }
  } finally {
    await Promise.allSettled(inFlight.values());
  }
}

/** An error about one change is its outcome; one about the target as a whole is thrown. */
async function attempt(run: Run, job: Job): Promise<Settled | null> {
  try {
    return await job.settle();
  } catch (error) {
    if (!(error instanceof RollcallError)) throw error;
    if (error.code === "UNEXPECTED_RESPONSE") return failed(job.change, error);
    if (error.code === "TARGET_UNREACHABLE") return { ...failed(job.change, error), lostTo: error };
    run.api.http.log("debug", "the apply ends early", { op: job.change.op, error });
    throw error;
  }
}
