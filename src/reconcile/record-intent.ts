import type { EntityDiff } from "../domain/decide/comparison.ts";
import { ownSuspensionsOf } from "../domain/decide/diff.ts";
import type { HeldItem } from "../domain/model/held-change.ts";
import type { Link } from "../domain/model/link.ts";
import { type Change, entitiesOf, grantKeys, type Plan, removalKeys } from "../domain/model/plan.ts";
import { isWithinRestoreWindow } from "../domain/model/restored-database.ts";
import type { RunRecord } from "../domain/ports/sync-store.ts";
import { heldAudit } from "./audit-rows.ts";
import { inSync, isSameLink, linkOfGroup, linkOfUser, notFoundYet, waiting } from "./link-updates.ts";
import type { Decision, Progress, ReconcileContext, Run, RunInput } from "./run.ts";

/**
 * Writes before the first call everything that must survive a crash: links as observed, charges, held changes. Throws DISMISSED,
 * and writes nothing, if one of the changes was dismissed meanwhile.
 */
export async function recordIntent(context: ReconcileContext, decision: Decision): Promise<Run> {
  const { target, store, now } = context;
  const { changes } = decision.guarded.plan;
  const progress = progressOf(context, decision);
  const entityIds = new Set(changes.flatMap((change) => entitiesOf(change).map(({ id }) => id)));
  // Before the write: a cause is a change that the target did not have yet.
  const causes = await store.causes(target.name, [...entityIds]);
  await store.commit(target.name, intentOf(context, decision, progress), now());
  return { progress, causes };
}

/** The links as the observation shows them. Entities without open changes are in sync. */
function progressOf(
  { target, now, heldRetryMs, policy }: ReconcileContext,
  { diff, guarded, input, observation }: Decision,
): ReadonlyMap<string, Progress> {
  const nowMs = now();
  const { changes } = guarded.plan;
  const openChanges = Map.groupBy(
    changes.flatMap((change) => entitiesOf(change)),
    ({ id }) => id,
  );
  const held = new Set(guarded.heldItems.map(({ entityId }) => entityId));
  const heldUntilMs = Math.min(limitGrowsAtMs(input, policy.removalLimit.windowMs), nowMs + heldRetryMs);
  const progress = new Map<string, Progress>();
  const add = (observed: Link, rev: number, deferredUntilMs: number | null, isNotFoundYet = false): void => {
    const open = openChanges.get(observed.entityId)?.length ?? 0;
    const isHeld = held.has(observed.entityId);
    let link = observed;
    if (deferredUntilMs !== null) link = waiting(observed, rev, deferredUntilMs);
    else if (isHeld) link = waiting(observed, rev, heldUntilMs);
    else if (open === 0) link = isNotFoundYet ? notFoundYet(observed, rev, nowMs) : inSync(observed, rev, nowMs);
    const earlierAttempts = observed.attempts;
    progress.set(observed.entityId, { link, rev, openChanges: open, isHeld, earlierAttempts, hasFailed: false });
  };
  const suspending = new Set(changes.flatMap((change) => (change.op === "suspend" ? [change.userId] : [])));
  const linkContext = {
    target: target.name,
    matched: new Set(diff.users.flatMap(({ account }) => account?.remoteId ?? [])),
    ownSuspensions: ownSuspensionsOf(input.sync),
    nowMs,
  };
  for (const user of diff.users) {
    const observed = linkOfUser(user, linkContext);
    // After a crash it must be known that the suspension is Rollcall's own.
    const link = suspending.has(user.user.id) ? { ...observed, isSuspendedByUs: true } : observed;
    add(link, user.user.rev, user.deferredUntilMs, user.isNotFoundYet);
  }
  for (const group of diff.groups) {
    if (input.sync.dirtyGroupIds.has(group.group.id))
      add(linkOfGroup(target.name, group, observation.observed.isComplete), group.group.definitionRev, null);
  }
  return progress;
}

/** When the oldest charge or return leaves the window and more may pass. */
const limitGrowsAtMs = ({ charged, returned }: RunInput, windowMs: number): number =>
  [...charged.values(), ...returned.values()].reduce(
    (oldest, atMs) => Math.min(oldest, atMs),
    Number.POSITIVE_INFINITY,
  ) + windowMs;

function intentOf(
  { target, now, policy }: ReconcileContext,
  { input, diff, guarded }: Decision,
  progress: ReadonlyMap<string, Progress>,
): RunRecord {
  const { sync, restored, isFirstRun } = input;
  const nowMs = now();
  const before = new Map<string, Link | null>();
  for (const { user, link } of sync.users) before.set(user.id, link);
  for (const { group, link } of sync.groups) before.set(group.id, link);
  const knownKeys = new Set(input.held.map(({ key }) => key));
  const items = guarded.heldItems.map(({ isDismissed: _known, ...item }): HeldItem => {
    return { ...item, sinceMs: nowMs, approvedAtMs: null, dismissedAtMs: null, dismissedBy: null };
  });
  const isHeldForRestore = items.some(({ reason }) => reason === "restored");
  const isRestoreOver = !isHeldForRestore && !isWithinRestoreWindow(restored, policy.removalLimit.windowMs, nowMs);
  const { charge, renew, returning } = guarded.entries;
  return {
    ...(isFirstRun && { account: target.account }),
    links: [...progress.values()]
      .map(({ link }) => link)
      .filter((link) => !isSameLink(before.get(link.entityId) ?? null, link)),
    charge: [...charge, ...renew],
    returning,
    endsRestore: restored !== null && sync.isComplete && isRestoreOver,
    held: {
      considered: sync.isComplete ? null : new Set([...sync.users.map(({ user }) => user.id), ...sync.dirtyGroupIds]),
      items,
      // An approval stays until its change is done, so that a failed call can be tried again.
      keep: new Set(guarded.plan.changes.flatMap((change) => storedKeys(change, knownKeys))),
    },
    audit: heldAudit(
      target.name,
      items.filter((item) => !knownKeys.has(item.key)),
    ),
    delivered: confirmedNow(before, progress),
    answered: reinvitesWithoutWork(diff, sync.reinvites, guarded.plan),
  };
}

/** The keys under which a change may be stored as held. Grants were rarely held, so only known keys of them count. */
export const storedKeys = (change: Change, knownKeys: ReadonlySet<string>): readonly string[] => [
  ...removalKeys(change),
  ...grantKeys(change).filter((key) => knownKeys.has(key)),
];

/** Changes that an earlier run made without an answer, and that this observation shows. An import answers for no single user. */
const confirmedNow = (before: ReadonlyMap<string, Link | null>, progress: ReadonlyMap<string, Progress>) =>
  [...progress.values()].flatMap(({ link, rev }) => {
    const earlier = before.get(link.entityId) ?? null;
    const isNew = earlier !== null && earlier.attempts > 0 && earlier.appliedRev < rev && link.appliedRev === rev;
    return isNew ? [{ entityId: link.entityId, sinceRev: earlier.appliedRev }] : [];
  });

/** Requests to send an invitation again for users who have none (any more). */
function reinvitesWithoutWork({ users }: EntityDiff, reinvites: ReadonlyMap<string, number>, { changes }: Plan) {
  const planned = new Set(changes.flatMap((change) => (change.op === "reinvite" ? [change.userId] : [])));
  return users.flatMap(({ user }) => {
    const askedAtMs = reinvites.get(user.id);
    return askedAtMs === undefined || planned.has(user.id) ? [] : [{ userId: user.id, askedAtMs }];
  });
}
