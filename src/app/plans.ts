import { messageOf } from "../domain/model/errors.ts";
import type { Plan } from "../domain/model/plan.ts";

/** A plan, and when it was made. */
export interface MadePlan {
  readonly atMs: number;
  readonly plan: Plan;
}

/** The state of the plan of one target. */
export type Planned =
  | { readonly status: "working"; readonly sinceMs: number }
  | ({ readonly status: "done" } & MadePlan)
  | { readonly status: "failed"; readonly atMs: number; readonly message: string };

/** The plans of the targets, made in the background: reading a large target takes minutes. */
export interface Plans {
  /** Starts to make a plan. Returns the plan under way if there is one; null if too many plans wait already. */
  start(target: string): Promise<MadePlan> | null;
  /** Returns a plan that is at most ten seconds old; starts to make one if there is none. Null as above. */
  recent(target: string): Promise<MadePlan> | null;
  find(target: string): Planned | null;
}

export interface PlanOptions {
  /** Reads the target and compares. Writes nothing. */
  readonly plan: (target: string, signal: AbortSignal) => Promise<Plan>;
  readonly now: () => number;
}

/** Maximum time to make one plan. */
const makeWithinMs = 15 * 60_000;
/** A plan reads the whole target: several callers within this time share one. */
const recentMs = 10_000;
/** An older plan says little about now, and a large one takes memory. */
const keptMs = 30 * 60_000;
const maxWaiting = 10;

/** Makes one plan at a time: each plan uses the same rate limit of the vendor as the sync. */
export function createPlans({ plan, now }: PlanOptions): Plans {
  const known = new Map<string, Planned>();
  const underWay = new Map<string, Promise<MadePlan>>();
  let last: Promise<unknown> = Promise.resolve();

  const make = async (target: string): Promise<MadePlan> => {
    try {
      const made = { plan: await plan(target, AbortSignal.timeout(makeWithinMs)), atMs: now() };
      known.set(target, { status: "done", ...made });
      return made;
    } catch (error) {
      known.set(target, { status: "failed", atMs: now(), message: messageOf(error) });
      throw error;
    } finally {
      underWay.delete(target);
    }
  };
  const find: Plans["find"] = (target) => {
    const planned = known.get(target) ?? null;
    if (planned === null || planned.status === "working" || now() - planned.atMs < keptMs) return planned;
    known.delete(target);
    return null;
  };
  const start: Plans["start"] = (target) => {
    const coming = underWay.get(target);
    if (coming !== undefined) return coming;
    if (underWay.size >= maxWaiting) return null;
    known.set(target, { status: "working", sinceMs: now() });
    const next = last.then(() => make(target));
    // A plan that fails does not stop the next one; `find` shows its error.
    last = next.catch(() => undefined);
    underWay.set(target, next);
    return next;
  };
  return {
    find,
    start,
    recent(target) {
      const planned = find(target);
      const isRecent = planned?.status === "done" && Math.abs(now() - planned.atMs) < recentMs;
      return isRecent ? Promise.resolve(planned) : start(target);
    },
  };
}
