import { applyGuards, type GuardedPlan } from "../domain/decide/apply-guards.ts";
import type { Diff } from "../domain/decide/comparison.ts";
import { compareEntities, compareMemberships } from "../domain/decide/diff.ts";
import type { GuardContext } from "../domain/decide/guards/guard.ts";
import { guards } from "../domain/decide/guards/index.ts";
import type { Observation } from "../domain/decide/match.ts";
import { hasCode } from "../domain/model/errors.ts";
import { isApprovable } from "../domain/model/held-change.ts";
import type { Plan } from "../domain/model/plan.ts";
import type { RunScope } from "../domain/model/sync-input.ts";
import type { Outcome } from "../domain/ports/target.ts";
import { noTracing, type TraceSpan } from "../telemetry/index.ts";
import { observe, readMemberships } from "./observe.ts";
import { readInput } from "./read-input.ts";
import { recordIntent } from "./record-intent.ts";
import { outcomeRecorder } from "./record-outcome.ts";
import type { Decision, ReconcileContext, RunInput } from "./run.ts";

/** Result of one run. */
export interface RunReport {
  readonly plan: Plan;
  /** True if the run stopped at `RunScope.limit`: more may be dirty. */
  readonly isCut: boolean;
  readonly applied: number;
  readonly unconfirmed: number;
  readonly failed: number;
  readonly outcomes: readonly Outcome[];
}

/** Makes one target match its sources. */
export interface Reconciler {
  /** Returns null when nothing was dirty and due. Throws what the target or the store throw as a whole. */
  run(scope: RunScope, signal: AbortSignal): Promise<RunReport | null>;
  /** Returns what a full run would do. Writes nothing, anywhere. */
  plan(signal: AbortSignal): Promise<GuardedPlan>;
}

export const createReconciler = (context: ReconcileContext): Reconciler => ({
  run(scope, signal) {
    const { target, tracer = noTracing } = context;
    const attributes = { "rollcall.target": target.name, "rollcall.scope": scope.kind };
    return tracer.span(`reconcile ${target.name}`, { attributes }, async (span) => {
      const report = await retryIfDismissed(() => reconcile(context, scope, signal, span));
      if (report !== null)
        span.set({
          "rollcall.applied": report.applied,
          "rollcall.unconfirmed": report.unconfirmed,
          "rollcall.failed": report.failed,
          "rollcall.held": report.plan.held.length,
        });
      return report;
    });
  },
  async plan(signal) {
    const decision = await decide({ ...context, defersInvitations: false }, { kind: "all" }, signal);
    if (decision === null) throw new TypeError("a full run always has work");
    return decision.guarded;
  },
});

/**
 * One run. It compares states and never replays events. A run that is interrupted at any line leaves nothing to clean up: the
 * next run observes again.
 */
async function reconcile(
  context: ReconcileContext,
  scope: RunScope,
  signal: AbortSignal,
  span: TraceSpan,
): Promise<RunReport | null> {
  const decision = await decide(context, scope, signal);
  if (decision === null) return null;
  const { plan } = decision.guarded;
  const run = await recordIntent(context, decision);
  span.linkRequests([...new Set([...run.causes.values()].flat())]);
  const recorder = outcomeRecorder(context, decision, run);
  const outcomes: Outcome[] = [];
  try {
    if (plan.changes.length > 0)
      for await (const outcome of context.target.apply(plan.changes, decision.observation.observed, signal)) {
        outcomes.push(outcome);
        recorder.add(outcome);
      }
  } finally {
    // Also if the target fails as a whole in between.
    await recorder.finish();
  }
  return reportOf(plan, outcomes, scope.kind === "dirty" && decision.input.sync.users.length >= scope.limit);
}

/** Reads and decides. It is the same for a run and for a plan, and writes nothing. Null: nothing is dirty and due. */
async function decide(context: ReconcileContext, scope: RunScope, signal: AbortSignal): Promise<Decision | null> {
  const { target, policy } = context;
  const input = await readInput(context, scope);
  if (input === null) return null;
  const observation = await observe(context, input.sync, signal);
  const entities = compareEntities({
    ...context,
    input: input.sync,
    observation,
    supports: target.supports,
    nowMs: context.now(),
    approvedReassignments: approvedReassignments(input),
  });
  const memberships = await readMemberships(target, entities, signal);
  const diff = compareMemberships(entities, memberships, policy);
  const guarded = applyGuards(guards, guardContext(context, input, observation, diff));
  return { input, observation, diff, guarded };
}

/** Remote ids of accounts that somebody approved for the new owner of their e-mail address. */
const approvedReassignments = ({ held }: RunInput): ReadonlySet<string> =>
  new Set(
    held.flatMap(({ reason, change, approvedAtMs }) =>
      approvedAtMs !== null && reason === "handed-on" && change.op === "restore" ? [change.remoteId] : [],
    ),
  );

function guardContext(
  { policy, now }: ReconcileContext,
  { held, charged, returned, restored, peopleWithAccess, sync }: RunInput,
  { observed }: Observation,
  diff: Diff,
): GuardContext {
  const nowMs = now();
  const keysOf = (items: RunInput["held"]) => new Set(items.map(({ key }) => key));
  const sinceMs = nowMs - policy.removalLimit.windowMs;
  const withAccess = diff.users.filter(({ account }) => account && !["suspended", "unknown"].includes(account.state));
  const seatTaking = observed.accounts.filter(({ state }) => ["invited", "accepted", "active"].includes(state));
  return {
    diff,
    policy,
    nowMs,
    // Links know the last observation. A complete observation also counts accounts that are about to be adopted.
    peopleWithAccess: Math.max(withAccess.length, peopleWithAccess),
    charged: new Set(charged.keys()),
    returned: new Set(returned.keys()),
    suspendedInWindow: new Set(
      sync.users.flatMap(({ link }) =>
        link?.observedState === "suspended" && (link.observedSinceMs ?? 0) > sinceMs ? (link.remoteId ?? []) : [],
      ),
    ),
    approved: keysOf(held.filter((item) => item.approvedAtMs !== null)),
    dismissed: keysOf(held.filter((item) => isApprovable(item) && item.dismissedAtMs !== null)),
    seatsTaken: observed.isComplete ? seatTaking.length : null,
    restored,
  };
}

/** Maximum attempts when a change is dismissed during the run. */
const maxAttempts = 3;

/** A change that was dismissed while the run observed is not applied: the run starts again, before its first call. */
async function retryIfDismissed<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      if (!hasCode(error, "DISMISSED") || attempt >= maxAttempts) throw error;
    }
  }
}

function reportOf(plan: Plan, outcomes: readonly Outcome[], isCut: boolean): RunReport {
  const count = (status: Outcome["status"]) => outcomes.filter((outcome) => outcome.status === status).length;
  return {
    plan,
    isCut,
    applied: count("applied"),
    unconfirmed: count("unconfirmed"),
    failed: count("failed"),
    outcomes,
  };
}

/** True if the run left dirty entities that only time or another observation can settle. */
export const isUnfinished = (report: RunReport): boolean => report.unconfirmed > 0 || report.failed > 0;
