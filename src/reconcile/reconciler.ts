import { ownSuspensionsOf } from "../domain/decide/diff.ts";
import type { Diff } from "../domain/decide/observed-user.ts";
import { hasCode, RollcallError } from "../domain/model/errors.ts";
import type { HeldItem } from "../domain/model/held-change.ts";
import type { Link } from "../domain/model/link.ts";
import { type Change, entitiesOf, grantKeys, memberPayer, type Plan, removalKeys } from "../domain/model/plan.ts";
import type { RunScope } from "../domain/model/sync-input.ts";
import type { Outcome } from "../domain/ports/target.ts";
import { noTracing, type Tracer, type TraceSpan } from "../telemetry/index.ts";
import { type Causes, callAudit, heldAudit, nameOf } from "./audit-rows.ts";
import {
  backoff,
  failed,
  isSameLink,
  seenGroup,
  seenUser,
  settled,
  shown,
  sought,
  waiting,
  withSeen,
} from "./link-updates.ts";
import { type ConnectionParts, type Prepared, prepare } from "./read-input.ts";

export interface ReconcilerParts extends ConnectionParts {
  /** 0 to below 1. */
  readonly random: () => number;
  /** A held removal is looked at again at least this often. */
  readonly heldRetryMs: number;
  /** Told of each outcome as it comes, with the ids of the requests that asked for it, the newest first. */
  readonly onOutcome?: (outcome: Outcome, requestIds: readonly string[]) => void;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/** What one run did. */
export interface RunReport {
  readonly plan: Plan;
  /** More may be dirty: as many people as were asked for were looked at. */
  readonly isCut: boolean;
  readonly applied: number;
  readonly unconfirmed: number;
  readonly failed: number;
  readonly outcomes: readonly Outcome[];
}

/** The loop of one target (architecture: observe, diff, guard, apply, record). */
export interface Reconciler {
  /** Null when nothing was dirty and due. @throws what the target or the store throw as a whole. */
  run(scope: RunScope, signal: AbortSignal): Promise<RunReport | null>;
  /** The same up to apply; writes nothing, anywhere. */
  plan(signal: AbortSignal): Promise<Prepared>;
}

export function createReconciler(parts: ReconcilerParts): Reconciler {
  return {
    run(scope, signal) {
      const { target, tracer = noTracing } = parts;
      const attributes = { "rollcall.target": target.name, "rollcall.scope": scope.kind };
      return tracer.span(`reconcile ${target.name}`, { attributes }, async (span) => {
        const made = await prepareAndCarryOut(parts, scope, signal, span);
        if (made === null) return null;
        const { prepared, report } = made;
        const isCut = scope.kind === "dirty" && prepared.slice.users.length >= scope.limit;
        const { applied, unconfirmed, failed: refused, plan } = report;
        span.set({
          "rollcall.applied": applied,
          "rollcall.unconfirmed": unconfirmed,
          "rollcall.failed": refused,
          "rollcall.held": plan.held.length,
        });
        return { ...report, isCut };
      });
    },
    async plan(signal) {
      // The delay of invitations is about when, a plan is about what.
      const prepared = await prepare({ ...parts, defersInvitations: false }, { kind: "all" }, signal);
      if (prepared === null) throw new TypeError("a complete slice always has something to look at");
      return prepared;
    },
  };
}

/** Somebody says no while a run looks: rarely once, hardly ever twice. */
const looksAtMost = 3;

/** What was dismissed while the run was looking is not carried out: it looks again, before its first call. */
async function prepareAndCarryOut(parts: ReconcilerParts, scope: RunScope, signal: AbortSignal, span: TraceSpan) {
  for (let look = 1; ; look += 1) {
    const prepared = await prepare(parts, scope, signal);
    if (prepared === null) return null;
    try {
      return { prepared, report: await carryOut(parts, prepared, signal, span) };
    } catch (error) {
      if (!hasCode(error, "DISMISSED") || look >= looksAtMost) throw error;
    }
  }
}

/** An entity on its way through one run. */
interface Entry {
  link: Link;
  readonly rev: number;
  /** Changes of this run that are not done yet. */
  open: number;
  /** Something of it is held: it stays dirty however the rest goes. */
  readonly isHeld: boolean;
  /** Attempts before this run: a run is one attempt, however many of its changes do not succeed. */
  readonly earlierAttempts: number;
  /** A change of this run failed: a later one of the run does not hide it. */
  hasFailed: boolean;
}

async function carryOut(
  parts: ReconcilerParts,
  prepared: Prepared,
  signal: AbortSignal,
  span: TraceSpan,
): Promise<Omit<RunReport, "isCut">> {
  const { target, store, now } = parts;
  const { plan } = prepared.guarded;
  const entries = entriesOf(parts, prepared);
  // Asked before anything is recorded as done: a cause is what the target has not been given yet.
  const causes: Causes = await store.causes(target.name, [
    ...new Set(plan.changes.flatMap((change) => entitiesOf(change).map(({ id }) => id))),
  ]);
  span.linkRequests([...new Set([...causes.values()].flat())]);
  await store.commit(target.name, before(parts, prepared, entries), now());

  const report = { applied: 0, unconfirmed: 0, failed: 0 };
  const outcomes: Outcome[] = [];
  if (plan.changes.length === 0) return { plan, ...report, outcomes };
  const recorder = recordTogether((records) => store.commit(target.name, records, now()));
  try {
    for await (const outcome of target.apply(plan.changes, prepared.observed, signal)) {
      report[outcome.status] += 1;
      outcomes.push(outcome);
      parts.onOutcome?.(outcome, requestsBehind(outcome.change, causes));
      recorder.add(afterOutcome(parts, prepared, entries, causes, outcome));
    }
  } finally {
    // What was done is recorded, also when the target fails as a whole half way.
    await recorder.finish();
  }
  return { plan, ...report, outcomes };
}

/** A bulk request changes a thousand people, and a thousand requests one group: a line names so many. */
const requestsAtMost = 20;

const requestsBehind = (change: Change, causes: Causes): readonly string[] =>
  [...new Set(entitiesOf(change).flatMap(({ id }) => causes.get(id) ?? []))].slice(0, requestsAtMost);

type OutcomeRecord = ReturnType<typeof afterOutcome>;

/** Writes what comes in while the last write is under way with one commit: a thousand outcomes at once are not a thousand. */
function recordTogether(commit: (record: OutcomeRecord) => Promise<void>) {
  let waiting: OutcomeRecord[] = [];
  let failure: { readonly error: unknown } | null = null;
  let writing: Promise<void> | null = null;
  const write = async (): Promise<void> => {
    while (waiting.length > 0 && failure === null) {
      const records = waiting;
      waiting = [];
      try {
        await commit({
          links: records.flatMap((record) => record.links),
          audit: records.flatMap((record) => record.audit),
          done: records.flatMap((record) => record.done),
          charge: records.flatMap((record) => record.charge),
          refund: records.flatMap((record) => record.refund),
          delivered: records.flatMap((record) => record.delivered),
          answered: records.flatMap((record) => record.answered),
        });
      } catch (error) {
        failure = { error };
      }
    }
    writing = null;
  };
  const stopIfFailed = (): void => {
    if (failure !== null) throw failure.error;
  };
  return {
    /** @throws what an earlier write threw: no further change is asked for when outcomes can't be recorded. */
    add(record: OutcomeRecord): void {
      stopIfFailed();
      waiting.push(record);
      writing ??= write();
    },
    async finish(): Promise<void> {
      await writing;
      stopIfFailed();
    },
  };
}

/** The links of everything looked at, as far as observing alone says; who has nothing left to do is settled. */
function entriesOf(
  { target, now, heldRetryMs }: ReconcilerParts,
  { diff, guarded, slice, observed, budgetGrowsAtMs }: Prepared,
): ReadonlyMap<string, Entry> {
  const open = new Map<string, number>();
  for (const change of guarded.plan.changes) {
    for (const { id } of entitiesOf(change)) open.set(id, (open.get(id) ?? 0) + 1);
  }
  const held = new Set(guarded.heldItems.map((item) => item.entityId));
  const heldUntilMs = Math.min(budgetGrowsAtMs ?? Number.POSITIVE_INFINITY, now() + heldRetryMs);
  const entry = (seen: Link, rev: number, deferredUntilMs: number | null, isSought = false): Entry => {
    const count = open.get(seen.entityId) ?? 0;
    const isHeld = held.has(seen.entityId);
    let link = seen;
    if (deferredUntilMs !== null) link = waiting(seen, rev, deferredUntilMs);
    else if (isHeld) link = waiting(seen, rev, heldUntilMs);
    else if (count === 0) link = isSought ? sought(seen, rev, now()) : settled(seen, rev, now());
    return { link, rev, open: count, isHeld, earlierAttempts: seen.attempts, hasFailed: false };
  };
  const suspending = new Set(
    guarded.plan.changes.flatMap((change) => (change.op === "suspend" ? [change.userId] : [])),
  );
  const matched = new Set(diff.users.flatMap(({ member }) => member?.remoteId ?? []));
  const ownSuspensions = ownSuspensionsOf(slice);
  const entries = new Map<string, Entry>();
  for (const user of diff.users) {
    const seen = withSeen(seenUser(target.name, user, matched, ownSuspensions), user, now());
    // Written before the call: after a crash it is still known that the suspension is ours.
    const link = suspending.has(seen.entityId) ? { ...seen, isSuspendedByUs: true } : seen;
    entries.set(seen.entityId, entry(link, user.person.user.rev, user.deferredUntilMs, user.isSought));
  }
  for (const group of diff.groups) {
    if (!slice.dirtyGroupIds.has(group.item.group.id)) continue;
    const link = seenGroup(target.name, group, observed.isComplete);
    entries.set(link.entityId, entry(link, group.item.group.definitionRev, null));
  }
  return entries;
}

/** What is written before the first call: links as seen, the budget that will be spent, what is held. */
function before(
  { target, now }: ReconcilerParts,
  { slice, diff, guarded, knownHeld, endsRestore, isBound }: Prepared,
  entries: ReadonlyMap<string, Entry>,
) {
  const known = new Map<string, Link | null>();
  for (const { user, link } of slice.users) known.set(user.id, link);
  for (const { group, link } of slice.groups) known.set(group.id, link);
  const links = [...entries.values()]
    .map(({ link }) => link)
    .filter((link) => !isSameLink(known.get(link.entityId) ?? null, link));
  const considered = slice.isComplete
    ? null
    : new Set([...diff.users.map(({ person }) => person.user.id), ...slice.dirtyGroupIds]);
  const nowMs = now();
  const undecided = { sinceMs: nowMs, approvedAtMs: null, dismissedAtMs: null, dismissedBy: null };
  const items = guarded.heldItems.map(({ isDismissed: _known, ...item }): HeldItem => ({ ...item, ...undecided }));
  // What was approved stays on record until it is done, so that a failed call can be tried again.
  const running = guarded.plan.changes.flatMap((change) => keysOnRecord(change, knownHeld));
  return {
    ...(!isBound && { account: target.account }),
    links,
    charge: [...guarded.charge, ...guarded.renew],
    returning: guarded.returning,
    endsRestore,
    held: { considered, items, keep: new Set(running) },
    audit: heldAudit(
      target.name,
      items.filter((item) => !knownHeld.has(item.key)),
    ),
    delivered: confirmed(known, entries),
    answered: withoutWork(diff, slice.reinvites, guarded.plan),
  };
}

/** The keys under which a change may be on record as held; what gives access hardly ever was, so of that only those known. */
const keysOnRecord = (change: Change, knownHeld: ReadonlySet<string>): readonly string[] => [
  ...removalKeys(change),
  ...(knownHeld.size === 0 ? [] : grantKeys(change).filter((key) => knownHeld.has(key))),
];

/** What an earlier run asked for without an answer, and this look shows: an import says nothing about each person. */
const confirmed = (known: ReadonlyMap<string, Link | null>, entries: ReadonlyMap<string, Entry>) =>
  [...entries.values()].flatMap(({ link, rev }) => {
    const earlier = known.get(link.entityId) ?? null;
    const isNew = earlier !== null && earlier.attempts > 0 && earlier.appliedRev < rev && link.appliedRev === rev;
    return isNew ? [{ entityId: link.entityId, sinceRev: earlier.appliedRev }] : [];
  });

/** Requests to invite again of people looked at who are not to be invited (any more). */
function withoutWork({ users }: Diff, reinvites: ReadonlyMap<string, number>, { changes }: Plan) {
  if (reinvites.size === 0) return [];
  const planned = new Set(changes.flatMap((change) => (change.op === "reinvite" ? [change.userId] : [])));
  return users.flatMap(({ person: { user } }) => {
    const askedAtMs = reinvites.get(user.id);
    return askedAtMs === undefined || planned.has(user.id) ? [] : [{ userId: user.id, askedAtMs }];
  });
}

function afterOutcome(
  parts: ReconcilerParts,
  prepared: Prepared,
  entries: ReadonlyMap<string, Entry>,
  causes: Causes,
  outcome: Outcome,
) {
  const { guarded } = prepared;
  const { target, now, random } = parts;
  const { change } = outcome;
  const links: Link[] = [];
  const delivered: { readonly entityId: string; readonly sinceRev: number }[] = [];
  for (const { id } of entitiesOf(change)) {
    const entry = entries.get(id);
    if (entry === undefined) continue;
    if (outcome.status === "applied") {
      entry.link = applied(entry.link, change, outcome.remoteId ?? null, now());
      entry.open -= 1;
      // What failed or is held beside it keeps the entity dirty.
      if (entry.open === 0 && !entry.isHeld) {
        if (entry.link.appliedRev < entry.rev) delivered.push({ entityId: id, sinceRev: entry.link.appliedRev });
        entry.link = settled(entry.link, entry.rev, now());
      }
    } else if (outcome.status === "unconfirmed") {
      if (!entry.hasFailed) entry.link = unconfirmed(parts, entry, outcome);
    } else {
      entry.link = failed({ ...entry.link, attempts: entry.earlierAttempts }, entry.rev, outcome.error, now(), random);
      entry.hasFailed = true;
    }
    links.push(entry.link);
  }
  const isRefused = outcome.status === "failed" && outcome.error.isPermanent;
  // One charge pays for all that the person loses in this run: it stays while anything else is taken away.
  const losesMore = (payer: string) => guarded.plan.changes.some((other) => other !== change && isPaidBy(other, payer));
  return {
    links,
    delivered,
    answered: answeredBy(outcome, prepared.slice.reinvites),
    audit: callAudit(target.name, entries, causes, outcome, prepared),
    done: outcome.status === "applied" ? keysOnRecord(change, prepared.knownHeld) : [],
    // Again, now that it is done or may be: a slow vendor gets to the last of a run's removals long after they were charged.
    charge: isRefused ? [] : [...guarded.charge, ...guarded.renew].filter((payer) => isPaidBy(change, payer)),
    refund: isRefused ? guarded.charge.filter((payer) => isPaidBy(change, payer) && !losesMore(payer)) : [],
  };
}

/** Without an answer the mail may have gone out: the next look does not send it once more. */
function answeredBy(outcome: Outcome, reinvites: ReadonlyMap<string, number>) {
  const { change } = outcome;
  if (change.op !== "reinvite" || (outcome.status === "failed" && !outcome.error.isPermanent)) return [];
  const askedAtMs = reinvites.get(change.userId);
  return askedAtMs === undefined ? [] : [{ userId: change.userId, askedAtMs }];
}

const isPaidBy = (change: Change, payer: string): boolean =>
  (change.op === "remove" && payer === memberPayer(change.remoteId)) ||
  removalKeys(change).some((key) => key.endsWith(`:${payer}`));

/** Looked at again soon, later with pauses; what the target accepts and never shows has failed. */
function unconfirmed(
  { target, now, random }: ReconcilerParts,
  { link, rev, earlierAttempts }: Entry,
  { change, observeAfterMs }: Extract<Outcome, { readonly status: "unconfirmed" }>,
): Link {
  // A membership may wait for a group or a person that fails by itself: it goes on waiting, and they tell why.
  const isItsOwnFault = change.op !== "setGroups" && change.op !== "setMembers";
  if (isItsOwnFault && earlierAttempts >= unconfirmedAtMost) {
    const message = `target ${target.name}: ${change.op} of ${nameOf(change)} was tried ${earlierAttempts} times and the target still does not show it`;
    return failed(link, rev, new RollcallError("TARGET_REFUSED", message, { isPermanent: true }), now(), random);
  }
  const retryAtMs = now() + Math.max(observeAfterMs ?? 0, backoff(earlierAttempts + 1, 500, 60_000));
  return { ...waiting(link, rev, retryAtMs), attempts: earlierAttempts + 1 };
}

const unconfirmedAtMost = 6;

/** The link after a change was done. */
function applied(link: Link, change: Change, remoteId: string | null, nowMs: number): Link {
  switch (change.op) {
    case "invite":
      return shown({ ...link, remoteId, ownership: "created", hasAccess: true }, "invited", nowMs);
    case "createGroup":
      return { ...link, remoteId, ownership: "created" };
    case "restore":
      // As what they come back (invited, accepted, active) the answer does not say.
      return shown({ ...link, hasAccess: true, isSuspendedByUs: false }, null, nowMs);
    case "suspend":
      return shown({ ...link, hasAccess: false }, "suspended", nowMs);
    case "remove":
      return shown({ ...link, remoteId: null, ownership: null, hasAccess: false }, "absent", nowMs);
    case "removeGroup":
      return { ...link, remoteId: null, ownership: null, hasAccess: false };
    case "reinvite":
      return { ...link, observedState: "invited", observedSinceMs: nowMs };
    case "adopt":
    case "adoptGroup":
    case "renameGroup":
    case "setMembers":
    case "setGroups":
      return link;
    default:
      return change satisfies never;
  }
}

/** Did the run leave dirty entities that only time or another look can settle? */
export const isUnfinished = (report: RunReport): boolean => report.unconfirmed > 0 || report.failed > 0;
