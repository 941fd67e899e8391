import type { Plan } from "../../domain/model/plan.ts";
import type { PlanActions } from "../console/parts.ts";

/** A plan, and when it was made. */
export interface MadePlan {
  readonly atMs: number;
  readonly plan: Plan;
}

/** Plans for whoever asks. */
export interface Plans {
  /** A plan not older than ten seconds; null when too many wait already. @throws what the target throws as a whole */
  of(target: string): Promise<MadePlan> | null;
}

/** A plan reads the whole target: many askers within this time share one. */
const keptMs = 10_000;
/** A vendor that is slower than this is no use to who waits. */
const limitMs = 120_000;
const waitingAtMost = 10;

/** Makes one plan at a time, whatever is asked at once: each costs the vendor reads from the same budget as the sync. */
export function createPlans({
  actions,
  now,
}: {
  readonly actions: Pick<PlanActions, "plan">;
  readonly now: () => number;
}): Plans {
  const made = new Map<string, MadePlan>();
  const underWay = new Map<string, Promise<MadePlan>>();
  let last: Promise<unknown> = Promise.resolve();
  return {
    of(target) {
      const known = made.get(target);
      if (known !== undefined && Math.abs(now() - known.atMs) < keptMs) return Promise.resolve(known);
      const coming = underWay.get(target);
      if (coming !== undefined) return coming;
      if (underWay.size >= waitingAtMost) return null;
      const make = async (): Promise<MadePlan> => {
        const plan = await actions.plan(target, AbortSignal.timeout(limitMs));
        const done = { atMs: now(), plan };
        made.set(target, done);
        return done;
      };
      const next = last.then(make).finally(() => underWay.delete(target));
      // The one after begins however this one ends.
      last = next.catch(() => undefined);
      underWay.set(target, next);
      return next;
    },
  };
}
