import type { EntityKind } from "../model/entities.ts";
import type { HeldItem } from "../model/held-change.ts";
import { heldDigests } from "../model/held-change.ts";
import {
  type Change,
  type HeldChange,
  type HeldReason,
  memberPayer,
  type Plan,
  removalKeys,
  type SkippedChange,
} from "../model/plan.ts";
import type { RemovalLimitPolicy, TargetPolicy } from "../model/policy.ts";
import { membershipKey, type RestoredState } from "../model/restored-database.ts";
import { pairChange, remoteGroupId } from "./diff.ts";
import type { Diff, Pair } from "./observed-user.ts";
import { withinSeats } from "./seat-limit.ts";

/**
 * How many people may lose access within the window: `floor(percent of people)`, at least `atLeast`, at most `atMost`.
 * `people` counts who has access now and who lost it within the window.
 */
export function removalLimitOf(people: number, { percent, atLeast, atMost }: RemovalLimitPolicy): number {
  return Math.min(atMost, Math.max(atLeast, Math.floor((people * percent) / 100)));
}

/**
 * How many people whose access was taken away before the window may get it back within it. An attribute that can't be read
 * any more, or an old replica, shows leavers as if they had never left: as many at once as nobody hires again.
 */
export const returnsOf = (people: number, budget: RemovalLimitPolicy): number =>
  Math.max(returnsAtLeast, removalLimitOf(people, budget));

const returnsAtLeast = 10;

export interface GuardInput {
  readonly diff: Diff;
  readonly policy: TargetPolicy;
  /** People with access in the target now. */
  readonly peopleWithAccess: number;
  /** Who was charged to the budget within the window: see `payerOf`. A person costs once. */
  readonly charged: ReadonlySet<string>;
  /** Who got access back within the window, by user id. Who lost it within the window too is none of them. */
  readonly returned: ReadonlySet<string>;
  /** Remote ids of members whose access was taken away within the window, whoever is linked to them now. */
  readonly takenLately: ReadonlySet<string>;
  /** Keys of held changes that somebody approved: they pass at no cost. */
  readonly approved: ReadonlySet<string>;
  /** Keys of held changes that somebody said no to: they wait whatever the budget allows. None of them is approved. */
  readonly dismissed: ReadonlySet<string>;
  /** Seats taken in the target; null when unknown because not everything was observed. */
  readonly seatsTaken: number | null;
  /** Who loses a group that is removed: user ids, or remote ids of people who are not ours. By group id. */
  readonly losersOfGroup: ReadonlyMap<string, readonly string[]>;
  /** After a restore: see `RestoredState`. */
  readonly restored: RestoredState | null;
  /** Removals that nobody approved wait, however few they are. */
  readonly isBudgetSpent: boolean;
}

/** A plan, and what the run must write down before it starts. */
export interface GuardedPlan {
  readonly plan: Plan;
  /** People to charge to the budget. */
  readonly charge: readonly string[];
  /** People charged within the window who lose something (again) now: their charge lasts a window from now, and costs no more. */
  readonly renew: readonly string[];
  /** People who get access back now and count as `returned`. */
  readonly returning: readonly string[];
  /** What waits: the same as `plan.held`, one item for each key. */
  readonly heldItems: readonly GuardedItem[];
  readonly budget: { readonly allowed: number; readonly spent: number };
}

/** What waits, before it is written down. */
export interface GuardedItem extends Pick<HeldItem, "key" | "kind" | "entityId" | "change" | "reason"> {
  readonly isDismissed: boolean;
}

interface Removal {
  readonly key: string;
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly people: readonly string[];
  readonly change: Change;
  readonly pair: Pair | null;
}

/**
 * Lets removals pass as far as the budget reaches, in order, and holds the rest. What somebody approved passes and
 * costs nothing: it was decided by a person; so was what somebody dismissed, and it waits. What else waits, `HeldReason` says.
 */
export function guard(input: GuardInput): GuardedPlan {
  const { diff, policy, charged, approved, dismissed } = input;
  const allowed = input.isBudgetSpent ? 0 : removalLimitOf(input.peopleWithAccess + charged.size, policy.removalLimit);
  const isStale = staleness(input.restored);
  const scopeless = scopelessOf(diff);
  const spent = new Set(charged);
  const renew = new Set<string>();
  const passing = new Set<Removal>();
  const held: Removal[] = [];
  for (const removal of removalsOf(input)) {
    const cost = removal.people.filter((id) => !spent.has(id));
    if (approved.has(removal.key)) {
      passing.add(removal);
    } else if (
      !dismissed.has(removal.key) &&
      !isStale.removal(removal) &&
      !scopeless.has(removal.entityId) &&
      (cost.length === 0 || spent.size + cost.length <= allowed)
    ) {
      for (const id of removal.people) {
        if (charged.has(id)) renew.add(id);
        spent.add(id);
      }
      passing.add(removal);
    } else {
      held.push(removal);
    }
  }

  const giving = diff.changes.filter((change) => removalKeys(change).length === 0);
  // A no to what only the copy asked for is no answer to a source that asks for it anew; and it outlasts the review of the rest.
  const isCopys = staleness(input.restored && { ...input.restored, isReviewed: false });
  const waits = (key: string, isOld: boolean, isTheCopys: boolean): boolean =>
    dismissed.has(key) ? isTheCopys : isOld && !approved.has(key);
  const heldGrants = giving
    .filter(isGrant)
    .filter((grant) => waits(grantKey(grant), isStale.user(grant.userId), isCopys.user(grant.userId)));
  const handedOn = new Set(
    diff.users.flatMap(({ person, isHandedOn }) => (isHandedOn === true ? [person.user.id] : [])),
  );
  const restoredIds = new Set(heldGrants.map(({ userId }) => userId));
  const heldHandedOn = giving.filter(isGrant).filter(({ userId }) => handedOn.has(userId) && !restoredIds.has(userId));
  const returns = withinReturns(input, giving, new Set([...restoredIds, ...handedOn]));
  const because = (reason: HeldReason) => (change: Grant) => ({
    change,
    reason,
    isDismissed: dismissed.has(grantKey(change)),
  });
  const heldGiving: readonly (HeldChange & { readonly change: Grant })[] = [
    ...heldGrants.map(because("restored")),
    ...returns.held.map(because("returning")),
    ...heldHandedOn.map(because("handed-on")),
  ];
  const notGiven = new Set(heldGiving.map(({ change }) => change.userId));
  const seats = withinSeats(
    giving.filter((change) => !(isGrant(change) && notGiven.has(change.userId))),
    policy.maxSeats,
    input.seatsTaken,
  );
  const passingPairs = [...passing].flatMap(({ pair }) => pair ?? []);
  const wantedPairs = diff.pairs.filter(
    ({ kind, person }) =>
      kind === "add" && !seats.heldUsers.has(person.person.user.id) && !notGiven.has(person.person.user.id),
  );
  const isHeldPair = (pair: Pair): boolean => waits(joiningKey(pair), isStale.joining(pair), isCopys.joining(pair));
  const heldPairs = wantedPairs.filter(isHeldPair);
  const addingPairs = wantedPairs.filter((pair) => !isHeldPair(pair));
  const passingChanges = [...passing].filter(({ pair }) => pair === null).map(({ change }) => change);
  const item = (key: string, about: Pick<GuardedItem, "kind" | "entityId" | "change" | "reason">): GuardedItem => ({
    key,
    ...about,
    isDismissed: dismissed.has(key),
  });
  const reasonOf = (removal: Removal): HeldReason => {
    if (isStale.removal(removal)) return "restored";
    return scopeless.has(removal.entityId) ? "scope" : "budget";
  };
  const heldItems = [
    ...held.map((removal) => item(removal.key, { ...aboutOf(removal), reason: reasonOf(removal) })),
    ...heldGiving.map(({ change, reason }) =>
      item(grantKey(change), { kind: "user", entityId: change.userId, change, reason }),
    ),
    ...heldPairs.map((pair) =>
      item(joiningKey(pair), {
        kind: "user",
        entityId: pair.person.person.user.id,
        change: pairChange(pair),
        reason: "restored",
      }),
    ),
    ...seats.held.map((change) =>
      item(`seat:${change.userId}`, { kind: "user", entityId: change.userId, change, reason: "seats" }),
    ),
  ];
  const plan: Plan = {
    changes: inRunningOrder([...passingChanges, ...seats.passing, ...compact([...passingPairs, ...addingPairs])]),
    held: [
      ...heldChanges(held, (removal) => ({ reason: reasonOf(removal), isDismissed: dismissed.has(removal.key) })),
      ...heldGiving,
      ...[false, true].flatMap((isDismissed) =>
        compact(heldPairs.filter((pair) => dismissed.has(joiningKey(pair)) === isDismissed)).map(
          (change): HeldChange => ({ change, reason: "restored", isDismissed }),
        ),
      ),
      ...seats.held.map((change): HeldChange => ({ change, reason: "seats", isDismissed: false })),
    ],
    skipped: diff.skipped as readonly SkippedChange[],
    ...heldDigests(
      heldItems.map((each) => ({ ...each, approvedAtMs: null, dismissedAtMs: each.isDismissed ? 0 : null })),
    ),
  };
  return {
    plan,
    charge: [...spent].filter((id) => !charged.has(id)),
    renew: [...renew],
    returning: returns.counted,
    heldItems,
    budget: { allowed, spent: spent.size },
  };
}

/** Who would lose access only because no group matches `userGroups`, by user id. */
const scopelessOf = ({ users, isScopeEmpty }: Diff): ReadonlySet<string> =>
  new Set(
    isScopeEmpty === true
      ? users.flatMap(({ person: { user } }) => (user.absentSinceMs === null && user.isActive ? [user.id] : []))
      : [],
  );

type Grant = Extract<Change, { readonly op: "invite" | "restore" | "reinvite" }>;

const isGrant = (change: Change): change is Grant =>
  change.op === "invite" || change.op === "restore" || change.op === "reinvite";

type Restore = Extract<Change, { readonly op: "restore" }>;

/** Who lost access within the window gets it back at once, and so does whom somebody approved; of the others so many. */
function withinReturns(
  { peopleWithAccess, charged, returned, takenLately, approved, dismissed, policy }: GuardInput,
  giving: readonly Change[],
  notGiven: ReadonlySet<string>,
) {
  const allowed = returnsOf(peopleWithAccess + charged.size, policy.removalLimit);
  const spent = new Set(returned);
  const held: Restore[] = [];
  for (const change of giving) {
    if (change.op !== "restore" || notGiven.has(change.userId)) continue;
    const { userId, remoteId } = change;
    const isFree = takenLately.has(remoteId) || spent.has(userId) || approved.has(grantKey(change));
    if (dismissed.has(grantKey(change))) held.push(change);
    else if (isFree) continue;
    else if (spent.size < allowed) spent.add(userId);
    else held.push(change);
  }
  return { held, counted: [...spent].filter((id) => !returned.has(id)) };
}

const grantKey = ({ op, userId }: Grant): string => `${op}:${userId}`;
const joiningKey = (pair: Pair): string =>
  `join:${membershipKey(pair.group.item.group.id, pair.person.person.user.id)}`;
const aboutOf = ({ kind, entityId, change }: Removal) => ({ kind, entityId, change });

/** What only a restored copy asks for: people and groups as they were in it, memberships that it had or lacked. */
function staleness(restored: RestoredState | null) {
  const stale = restored === null || restored.isReviewed ? null : restored;
  const wasMember = ({ group, person }: Pair): boolean =>
    stale?.memberships.has(membershipKey(group.item.group.id, person.person.user.id)) === true;
  const user = (id: string): boolean => stale?.staleUserIds.has(id) === true;
  return {
    user,
    joining: (pair: Pair): boolean => stale !== null && wasMember(pair),
    removal: ({ pair, kind, entityId }: Removal): boolean => {
      if (stale === null) return false;
      if (pair !== null) return !wasMember(pair);
      return kind === "group" ? stale.staleGroupIds.has(entityId) : user(entityId);
    },
  };
}

/** Everything that takes access away, in the order in which the budget is spent: people before groups. */
function removalsOf({ diff, losersOfGroup }: GuardInput): readonly Removal[] {
  const suspended = new Set(diff.users.flatMap(({ member }) => (member?.state === "suspended" ? member.remoteId : [])));
  const people: Removal[] = [];
  const groups: Removal[] = [];
  for (const change of diff.changes) {
    const [key] = removalKeys(change);
    if (key === undefined) continue;
    if (change.op === "suspend" || change.op === "remove") {
      people.push({
        key,
        kind: "user",
        entityId: change.userId,
        people: [payerOf(change, suspended)],
        change,
        pair: null,
      });
    } else if (change.op === "removeGroup") {
      groups.push({
        key,
        kind: "group",
        entityId: change.groupId,
        people: losersOfGroup.get(change.groupId) ?? [],
        change,
        pair: null,
      });
    }
  }
  const memberships = diff.pairs
    .filter((pair) => pair.kind === "remove")
    .map((pair): Removal => {
      const userId = pair.person.person.user.id;
      return {
        key: `member:${pair.group.item.group.id}:${userId}`,
        kind: "user",
        entityId: userId,
        people: [userId],
        change: pairChange(pair),
        pair,
      };
    });
  return [...people, ...memberships, ...groups];
}

/**
 * Whom the budget counts: the person, once, whatever they lose. But who removes a member that has access pays for that
 * member: its person is free afterwards to claim the next one by address, and would take as many as there are for one charge.
 */
const payerOf = (change: Extract<Change, { readonly op: "suspend" | "remove" }>, suspended: ReadonlySet<string>) =>
  change.op === "remove" && !suspended.has(change.remoteId) ? memberPayer(change.remoteId) : change.userId;

/** Held removals as they are shown: what waits for the same reason together, memberships of one group as one. */
function heldChanges(
  held: readonly Removal[],
  why: (removal: Removal) => Omit<HeldChange, "change">,
): readonly HeldChange[] {
  const groups = Map.groupBy(held, (removal) => {
    const { reason, isDismissed } = why(removal);
    return `${isDismissed ? 1 : 0} ${reason}`;
  });
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, removals]) => {
      const [first] = removals;
      if (first === undefined) return [];
      const whole = removals.filter(({ pair }) => pair === null).map(({ change }) => change);
      const byGroup = Map.groupBy(
        removals.flatMap(({ pair }) => pair ?? []),
        (pair) => pair.group.item.group.id,
      );
      return [...whole, ...[...byGroup.values()].map(setMembers)].map((change) => ({ change, ...why(first) }));
    });
}

/**
 * Pairs as few calls: whoever has the most pairs left, a person or a group, takes them all into one call, and so on.
 * One person into ten groups is one call, ten people into one group is one call.
 */
export function compact(pairs: readonly Pair[]): readonly Change[] {
  const ofPerson = Map.groupBy(pairs, (pair) => pair.person.person.user.id);
  const ofGroup = Map.groupBy(pairs, (pair) => pair.group.item.group.id);
  const bySize: Hand[][] = [];
  const put = (hand: Hand): void => {
    const peers = bySize[hand.list.length];
    if (peers === undefined) bySize[hand.list.length] = [hand];
    else peers.push(hand);
  };
  for (const list of ofPerson.values()) put({ list, call: setGroups });
  for (const list of ofGroup.values()) put({ list, call: setMembers });
  const taken = new Set<Pair>();
  const changes: Change[] = [];
  for (let size = bySize.length - 1; size > 0; size -= 1) {
    for (const { list, call } of bySize[size] ?? []) {
      const left = list.filter((pair) => !taken.has(pair));
      if (left.length < size) {
        if (left.length > 0) put({ list: left, call });
        continue;
      }
      for (const pair of left) taken.add(pair);
      changes.push(call(left));
    }
  }
  return changes;
}

/** The pairs of one person or of one group. */
interface Hand {
  readonly list: readonly Pair[];
  readonly call: (pairs: readonly Pair[]) => Change;
}

function setMembers(pairs: readonly Pair[]): Change {
  const changes = pairs.map(pairChange);
  const [first] = changes;
  if (first === undefined) throw new TypeError("no pairs");
  return { ...first, add: changes.flatMap((change) => change.add), remove: changes.flatMap((change) => change.remove) };
}

function setGroups(pairs: readonly Pair[]): Change {
  const [first] = pairs;
  if (first === undefined) throw new TypeError("no pairs");
  const { person } = first;
  const groups = (kind: Pair["kind"]) =>
    pairs
      .filter((pair) => pair.kind === kind)
      .map(({ group }) => ({
        groupId: group.item.group.id,
        name: group.item.group.displayName,
        remoteId: remoteGroupId(group),
      }));
  return {
    op: "setGroups",
    userId: person.person.user.id,
    email: person.person.user.email ?? "",
    remoteId: person.member?.remoteId ?? null,
    add: groups("add"),
    remove: groups("remove"),
  };
}

const order: Readonly<Record<Change["op"], number>> = {
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

/** What takes access away never waits; memberships come when both ends are there. */
const inRunningOrder = (changes: readonly Change[]): readonly Change[] =>
  [...changes].sort((a, b) => order[a.op] - order[b.op]);
