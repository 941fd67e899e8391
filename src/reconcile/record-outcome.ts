import { RollcallError } from "../domain/model/errors.ts";
import type { Link } from "../domain/model/link.ts";
import { accountChargeId, type Change, entitiesOf, removalKeys } from "../domain/model/plan.ts";
import type { RunRecord } from "../domain/ports/sync-store.ts";
import type { Outcome } from "../domain/ports/target.ts";
import { nameOf, outcomeAudit } from "./audit-rows.ts";
import { backoff, failed, inSync, waiting, withApplied } from "./link-updates.ts";
import { storedKeys } from "./record-intent.ts";
import type { Decision, Progress, ReconcileContext, Run } from "./run.ts";

type OutcomeRecord = Required<
  Pick<RunRecord, "links" | "audit" | "done" | "charge" | "refund" | "delivered" | "answered">
>;

/** Maximum request ids with one outcome. A bulk request changes a thousand users, and a thousand requests one group. */
const maxRequestIds = 20;

/** Writes the outcomes of a run. Outcomes that come during a write share the next write. */
export function outcomeRecorder(context: ReconcileContext, decision: Decision, run: Run) {
  const { target, store, now } = context;
  let waitingRecords: OutcomeRecord[] = [];
  let failure: { readonly error: unknown } | null = null;
  let writing: Promise<void> | null = null;
  const write = async (): Promise<void> => {
    while (waitingRecords.length > 0 && failure === null) {
      const records = waitingRecords;
      waitingRecords = [];
      try {
        await store.commit(target.name, merged(records), now());
      } catch (error) {
        failure = { error };
      }
    }
    writing = null;
  };
  const throwFailure = (): void => {
    if (failure !== null) throw failure.error;
  };
  return {
    /** Throws the error of an earlier write: without a record no further change may be made. */
    add(outcome: Outcome): void {
      const requestIds = entitiesOf(outcome.change).flatMap(({ id }) => run.causes.get(id) ?? []);
      context.onOutcome?.(outcome, [...new Set(requestIds)].slice(0, maxRequestIds));
      throwFailure();
      waitingRecords.push(recordOf(context, decision, run, outcome));
      writing ??= write();
    },
    /** Waits for the last write. Throws the error of a write. */
    async finish(): Promise<void> {
      await writing;
      throwFailure();
    },
  };
}

const merged = (records: readonly OutcomeRecord[]): OutcomeRecord => ({
  links: records.flatMap(({ links }) => links),
  audit: records.flatMap(({ audit }) => audit),
  done: records.flatMap(({ done }) => done),
  charge: records.flatMap(({ charge }) => charge),
  refund: records.flatMap(({ refund }) => refund),
  delivered: records.flatMap(({ delivered }) => delivered),
  answered: records.flatMap(({ answered }) => answered),
});

function recordOf(context: ReconcileContext, decision: Decision, run: Run, outcome: Outcome): OutcomeRecord {
  const { input, diff, guarded } = decision;
  const { change, status } = outcome;
  const links: Link[] = [];
  const delivered: { readonly entityId: string; readonly sinceRev: number }[] = [];
  for (const { id } of entitiesOf(change)) {
    const progress = run.progress.get(id);
    if (progress === undefined) continue;
    const sinceRev = progress.link.appliedRev;
    progress.link = linkAfter(outcome, progress, context);
    if (status === "failed") progress.hasFailed = true;
    if (sinceRev < progress.rev && progress.link.appliedRev === progress.rev)
      delivered.push({ entityId: id, sinceRev });
    links.push(progress.link);
  }
  const isRefused = outcome.status === "failed" && outcome.error.isPermanent;
  const { charge, renew } = guarded.entries;
  // One charge pays for everything that the user loses in this run. It stays while another removal needs it.
  const isNeeded = (id: string) => guarded.plan.changes.some((other) => other !== change && isPaidBy(other, id));
  const knownKeys = new Set(input.held.map(({ key }) => key));
  return {
    links,
    delivered,
    answered: answeredReinvites(outcome, input.sync.reinvites),
    audit: outcomeAudit(context.target.name, run, outcome, diff),
    done: status === "applied" ? storedKeys(change, knownKeys) : [],
    // Charged again with the time of the call: a slow target gets to the last removals long after the run began.
    charge: isRefused ? [] : [...charge, ...renew].filter((id) => isPaidBy(change, id)),
    refund: isRefused ? charge.filter((id) => isPaidBy(change, id) && !isNeeded(id)) : [],
  };
}

/**
 * Returns the link of one entity after an outcome.
 *
 * | outcome | link |
 * |---|---|
 * | applied, and other changes are open or held | the change is done; stays dirty |
 * | applied, the last one | in sync |
 * | unconfirmed | waits for the next observation; failed after `maxUnconfirmed` attempts |
 * | unconfirmed, after another change failed | unchanged: the failure counts |
 * | failed | backs off |
 */
function linkAfter(outcome: Outcome, progress: Progress, { target, now, random }: ReconcileContext): Link {
  const { change } = outcome;
  const { link, rev, earlierAttempts } = progress;
  switch (outcome.status) {
    case "applied": {
      progress.openChanges -= 1;
      const applied = withApplied(link, change, outcome.remoteId ?? null, now());
      return progress.openChanges === 0 && !progress.isHeld ? inSync(applied, rev, now()) : applied;
    }
    case "unconfirmed": {
      if (progress.hasFailed) return link;
      // A membership may wait for a user or group that fails by itself. Their own links say why.
      const isOwnFault = change.op !== "setGroups" && change.op !== "setMembers";
      if (isOwnFault && earlierAttempts >= maxUnconfirmed) {
        const message = `target ${target.name}: ${change.op} of ${nameOf(change)} was tried ${earlierAttempts} times and the target still does not show it`;
        return failed(link, rev, new RollcallError("TARGET_REFUSED", message, { isPermanent: true }), now(), random);
      }
      const delayMs = Math.max(outcome.observeAfterMs ?? 0, backoff(earlierAttempts + 1, 500, 60_000));
      return { ...waiting(link, rev, now() + delayMs), attempts: earlierAttempts + 1 };
    }
    case "failed":
      return failed({ ...link, attempts: earlierAttempts }, rev, outcome.error, now(), random);
    default:
      return outcome satisfies never;
  }
}

const maxUnconfirmed = 6;

/** Without an answer the mail may have been sent: the next run does not send it again. */
function answeredReinvites(outcome: Outcome, reinvites: ReadonlyMap<string, number>): OutcomeRecord["answered"] {
  const { change } = outcome;
  if (change.op !== "reinvite" || (outcome.status === "failed" && !outcome.error.isPermanent)) return [];
  const askedAtMs = reinvites.get(change.userId);
  return askedAtMs === undefined ? [] : [{ userId: change.userId, askedAtMs }];
}

const isPaidBy = (change: Change, chargeId: string): boolean =>
  (change.op === "remove" && chargeId === accountChargeId(change.remoteId)) ||
  removalKeys(change).some((key) => key.endsWith(`:${chargeId}`));
