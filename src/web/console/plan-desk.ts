import { messageOf } from "../../domain/model/errors.ts";
import type { Plan } from "../../domain/model/plan.ts";

/** What is known of the plan of one target. */
export type Planned =
  | { readonly status: "working"; readonly sinceMs: number }
  | { readonly status: "done"; readonly atMs: number; readonly plan: Plan }
  | { readonly status: "failed"; readonly atMs: number; readonly message: string };

/** Works plans out in the background: looking at a whole target may take minutes, and no page waits for that. */
export interface PlanDesk {
  /** Begins, unless that target is being worked on. */
  start(target: string): void;
  find(target: string): Planned | null;
}

export interface PlanDeskParts {
  /** What would be done in that target now; writes nothing. */
  readonly plan: (target: string, signal: AbortSignal) => Promise<Plan>;
  readonly now: () => number;
}

const limitMs = 15 * 60_000;
/** An older plan says little about now, and a large one takes room. */
const keptMs = 30 * 60_000;

export function createPlanDesk({ plan, now }: PlanDeskParts): PlanDesk {
  const known = new Map<string, Planned>();
  const find = (target: string): Planned | null => {
    const planned = known.get(target) ?? null;
    if (planned === null || planned.status === "working" || now() - planned.atMs < keptMs) return planned;
    known.delete(target);
    return null;
  };
  return {
    find,
    start(target) {
      if (find(target)?.status === "working") return;
      known.set(target, { status: "working", sinceMs: now() });
      plan(target, AbortSignal.timeout(limitMs)).then(
        (made) => void known.set(target, { status: "done", atMs: now(), plan: made }),
        (error: unknown) => void known.set(target, { status: "failed", atMs: now(), message: messageOf(error) }),
      );
    },
  };
}
