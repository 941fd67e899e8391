import type { HeldItem } from "../model/held-change.ts";
import { heldDigests } from "../model/held-change.ts";
import { type Change, grantKeys, type HeldChange, type HeldReason, type Plan, removalKeys } from "../model/plan.ts";
import { candidatesOf } from "./guards/candidates.ts";
import {
  type Candidate,
  type Guard,
  type GuardContext,
  isGrant,
  isRemoval,
  type LedgerEntries,
} from "./guards/guard.ts";
import { type RemovalLimit, removalLimitOf } from "./guards/removal-limit.ts";
import { compact, setMembers } from "./membership-calls.ts";

/** A held change before it is stored. */
export interface GuardedItem extends Pick<HeldItem, "key" | "kind" | "entityId" | "change" | "reason"> {
  readonly isDismissed: boolean;
}

/** A plan, and what the run must record before its first call. */
export interface GuardedPlan {
  readonly plan: Plan;
  readonly entries: LedgerEntries;
  /** The same as `plan.held`, one item for each key. */
  readonly heldItems: readonly GuardedItem[];
  /** Before this run. */
  readonly removalLimit: RemovalLimit;
}

interface Held {
  readonly candidate: Candidate;
  readonly key: string;
  readonly reason: HeldReason;
  readonly isDismissed: boolean;
}

/** Asks each guard in order. The plan has the changes that no guard holds. */
export function applyGuards(guards: readonly Guard[], context: GuardContext): GuardedPlan {
  const { diff, policy } = context;
  const { open, held, entries } = ask(guards, candidatesOf(diff), context);
  const heldItems = held.map(({ candidate: { kind, entityId, change }, key, reason, isDismissed }): GuardedItem => {
    return { key, kind, entityId, change, reason, isDismissed };
  });
  const digests = heldDigests(
    heldItems.map((item) => ({ ...item, approvedAtMs: null, dismissedAtMs: item.isDismissed ? 0 : null })),
  );
  return {
    plan: {
      changes: inRunningOrder([...diff.changes.filter(isNeutral), ...callsFor(open)]),
      held: heldChanges(held),
      skipped: diff.skipped,
      ...digests,
    },
    entries,
    heldItems,
    removalLimit: removalLimitOf(context, policy.removalLimit),
  };
}

function ask(guards: readonly Guard[], candidates: readonly Candidate[], context: GuardContext) {
  let open = candidates;
  let held: readonly Held[] = [];
  const entries = { charge: [] as string[], renew: [] as string[], returning: [] as string[] };
  for (const { reason, check, keyOf = (candidate: Candidate) => candidate.key } of guards) {
    const verdict = check(open, context);
    const heldNow = verdict.held.map((candidate): Held => {
      const key = keyOf(candidate);
      return { candidate, key, reason, isDismissed: context.dismissed.has(key) };
    });
    held = [...held, ...heldNow];
    for (const kind of ["charge", "renew", "returning"] as const)
      entries[kind].push(...(verdict.entries?.[kind] ?? []));
    const isHeld = new Set(verdict.held);
    const follows = followsHeldAccess(held);
    open = open.filter((candidate) => !isHeld.has(candidate) && !follows(candidate));
  }
  const follows = followsHeldAccess(held);
  // Removals in the order in which they use up the limit, then grants in the order of the guards.
  const position = new Map(candidates.map((each, index) => [each, isRemoval(each) ? index : candidates.length]));
  return {
    open,
    held: held
      .filter(({ candidate }) => candidate.membership === null || !follows(candidate))
      .sort((a, b) => (position.get(a.candidate) ?? 0) - (position.get(b.candidate) ?? 0)),
    entries,
  };
}

/** Further access of a user waits silently with an invitation or restore that is held: it is of no use without it. */
function followsHeldAccess(held: readonly Held[]): (candidate: Candidate) => boolean {
  const userIds = new Set(
    held.flatMap(({ candidate }) => (isGrant(candidate) && candidate.membership === null ? candidate.entityId : [])),
  );
  return (candidate) => isGrant(candidate) && userIds.has(candidate.entityId);
}

/** Neither gives nor takes access. */
const isNeutral = (change: Change): boolean => removalKeys(change).length === 0 && grantKeys(change).length === 0;

const callsFor = (candidates: readonly Candidate[]): readonly Change[] => [
  ...candidates.filter(({ membership }) => membership === null).map(({ change }) => change),
  ...compact(candidates.flatMap(({ membership }) => membership ?? [])),
];

/** Held changes as they are shown: removals by decision and reason, with the memberships of one group as one change. */
function heldChanges(held: readonly Held[]): readonly HeldChange[] {
  const shown = ([first]: readonly Held[], changes: readonly Change[]): readonly HeldChange[] =>
    first === undefined
      ? []
      : changes.map((change) => ({ change, reason: first.reason, isDismissed: first.isDismissed }));
  const removals = Map.groupBy(
    held.filter(({ candidate }) => isRemoval(candidate)),
    ({ isDismissed, reason }) => `${isDismissed ? 1 : 0} ${reason}`,
  );
  const grants = Map.groupBy(
    held.filter(({ candidate }) => isGrant(candidate)),
    ({ candidate, isDismissed, reason }) =>
      candidate.membership === null ? candidate : `${isDismissed ? 1 : 0} ${reason}`,
  );
  return [
    ...[...removals].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, list]) => shown(list, perGroup(list))),
    ...[...grants.values()].flatMap((list) => shown(list, callsFor(list.map(({ candidate }) => candidate)))),
  ];
}

function perGroup(held: readonly Held[]): readonly Change[] {
  const candidates = held.map(({ candidate }) => candidate);
  const byGroup = Map.groupBy(
    candidates.flatMap(({ membership }) => membership ?? []),
    ({ group }) => group.group.id,
  );
  return [
    ...candidates.filter(({ membership }) => membership === null).map(({ change }) => change),
    ...[...byGroup.values()].map(setMembers),
  ];
}

const runningOrder: Readonly<Record<Change["op"], number>> = {
  suspend: 0,
  remove: 0,
  adopt: 1,
  createGroup: 1,
  adoptGroup: 1,
  renameGroup: 1,
  restore: 2,
  reinvite: 3,
  invite: 4,
  setGroups: 5,
  setMembers: 5,
  removeGroup: 6,
};

/** Removals of access come first: they never wait. Memberships come after their users and groups. */
const inRunningOrder = (changes: readonly Change[]): readonly Change[] =>
  [...changes].sort((a, b) => runningOrder[a.op] - runningOrder[b.op]);
