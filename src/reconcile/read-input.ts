import { diff, remoteGroupId } from "../domain/decide/diff.ts";
import { type GuardedPlan, guard } from "../domain/decide/guard.ts";
import { type World, worldOf } from "../domain/decide/match.ts";
import type { Diff, KnownMemberships } from "../domain/decide/observed-user.ts";
import type { Memberships, Observed } from "../domain/model/account.ts";
import { RollcallError } from "../domain/model/errors.ts";
import { isApprovable } from "../domain/model/held-change.ts";
import { memberPayer } from "../domain/model/plan.ts";
import type { TargetPolicy } from "../domain/model/policy.ts";
import { isBudgetSpent, isRestoreOver } from "../domain/model/restored-database.ts";
import type { RunScope, SyncInput } from "../domain/model/sync-input.ts";
import type { SyncStore } from "../domain/ports/sync-store.ts";
import type { Target } from "../domain/ports/target.ts";

/** What a run is made from. */
export interface ConnectionParts {
  readonly target: Target;
  readonly store: SyncStore;
  readonly policy: TargetPolicy;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** See `DiffInput`. */
  readonly defersInvitations?: boolean;
  /** Names of the sources of the configuration; null: every source counts. Default null. */
  readonly sources?: readonly string[] | null;
}

/** All that one run knows before it changes anything. `plan` and `sync` share every line up to here. */
export interface Prepared {
  readonly slice: SyncInput;
  readonly observed: Observed;
  readonly diff: Diff;
  readonly guarded: GuardedPlan;
  /** When the oldest charge or return of the window ends and more may pass again; null when there is none. */
  readonly budgetGrowsAtMs: number | null;
  /** Who is in a group that is to be removed: user ids, or remote ids of people who are not ours. By group id. */
  readonly losersOfGroup: ReadonlyMap<string, readonly string[]>;
  /** A complete look shows that the restore of a backup has no consequences left. */
  readonly endsRestore: boolean;
  /** Keys that were held before this run. */
  readonly knownHeld: ReadonlySet<string>;
  /** Has the target an account already? */
  readonly isBound: boolean;
}

/** More named entities than this, and the whole list is the cheaper question. */
const namedAtMost = 10;

/** Missing people that are asked for one by one before they are believed to be gone. */
const verifiedAtMost = 50;

/** Looks at the directory and the target, compares, and lets the guard decide. Null when nothing is dirty and due. */
export async function prepare(parts: ConnectionParts, scope: RunScope, signal: AbortSignal): Promise<Prepared | null> {
  const { target, store, policy, now, sources = null } = parts;
  const account = await store.accountOf(target.name);
  if (account !== null && account !== target.account) throw otherAccount(target, account);
  const slice = await store.readInput(target.name, scope, now(), sources);
  const hasWork =
    slice.isComplete || slice.users.length > 0 || (target.supports.groups && slice.dirtyGroupIds.size > 0);
  if (!hasWork) return null;

  const observed = await observe(parts, slice, signal);
  const byAddress = new Set(
    slice.users.flatMap(({ user, link }) => (link?.remoteId == null ? (user.email ?? []) : [])),
  );
  const claimed = observed.accounts.filter(({ email }) => byAddress.has(email)).map(({ remoteId }) => remoteId);
  const ofGone = slice.users.flatMap(({ user, link }) =>
    user.absentSinceMs !== null && link?.remoteId != null ? [link.remoteId] : [],
  );
  const world = worldOf(
    observed,
    await store.linkedTo(target.name, claimed, slice.removedSources),
    await store.linkedUsers(target.name, [...new Set([...claimed, ...ofGone])]),
  );
  const held = await store.held(target.name);
  const approved = held.filter((item) => item.approvedAtMs !== null);
  const givenOn = new Set(
    approved.flatMap(({ reason, change }) =>
      reason === "handed-on" && change.op === "restore" ? [change.remoteId] : [],
    ),
  );
  const { memberships, losers } = await readMemberships(parts, slice, world, givenOn, signal);
  const { defersInvitations = true } = parts;
  const difference = diff({
    slice,
    world,
    memberships,
    losers,
    policy,
    supports: target.supports,
    nowMs: now(),
    givenOn,
    defersInvitations,
  });
  const charged = await store.charges(target.name, now() - policy.removalLimit.windowMs);
  const returned = await store.returned(target.name, now() - policy.removalLimit.windowMs);
  const losing = losersOfGroup(difference, losers);
  const restored = await store.restored(target.name, concernedBy(difference));
  const { windowMs } = policy.removalLimit;
  const guarded = guard({
    diff: difference,
    policy,
    peopleWithAccess: await peopleWithAccess(parts, difference),
    charged: new Set(charged.keys()),
    returned: new Set(returned.keys()),
    takenLately: suspendedSince(slice, now() - policy.removalLimit.windowMs),
    approved: new Set(approved.map(({ key }) => key)),
    dismissed: new Set(
      held.filter((item) => isApprovable(item) && item.dismissedAtMs !== null).map((item) => item.key),
    ),
    seatsTaken: observed.isComplete
      ? observed.accounts.filter(({ state }) => state === "invited" || state === "accepted" || state === "active")
          .length
      : null,
    losersOfGroup: losing,
    restored,
    isBudgetSpent: isBudgetSpent(restored, windowMs, now()),
  });
  const heldForRestore = guarded.heldItems.filter(({ reason }) => reason === "restored").length;
  const oldest = [...charged.values(), ...returned.values()].reduce(
    (least, atMs) => Math.min(least, atMs),
    Number.POSITIVE_INFINITY,
  );
  const budgetGrowsAtMs = Number.isFinite(oldest) ? oldest + policy.removalLimit.windowMs : null;
  return {
    slice,
    observed,
    diff: difference,
    guarded,
    budgetGrowsAtMs,
    losersOfGroup: losing,
    endsRestore: slice.isComplete && isRestoreOver(restored, heldForRestore, windowMs, now()),
    knownHeld: new Set(held.map((item) => item.key)),
    isBound: account !== null,
  };
}

/** Everybody would be invited into an organization that a slip in the configuration named. */
export const otherAccount = ({ name, account }: Pick<Target, "name" | "account">, before: string): RollcallError =>
  new RollcallError(
    "TARGET_CHANGED",
    `target ${name}: leads to ${account} now, and what is known here is of ${before}: nothing was done. If it is meant, give this target a name of its own in the configuration; if not, put the credentials of ${before} back`,
    { isPermanent: true },
  );

/**
 * Asks for the entities by name when they are few and linked, else for everything. Who is not linked can only be found
 * in everything; so can the seats taken.
 */
async function observe({ target, policy }: ConnectionParts, slice: SyncInput, signal: AbortSignal): Promise<Observed> {
  const memberIds = slice.users.map(({ link }) => link?.remoteId ?? null);
  const groupIds = target.supports.groups
    ? slice.groups.filter(({ group }) => slice.dirtyGroupIds.has(group.id)).map(({ link }) => link?.remoteId ?? null)
    : [];
  const ids = [...memberIds, ...groupIds];
  const isNamed =
    !slice.isComplete && policy.maxSeats === null && ids.length <= namedAtMost && ids.every((id) => id !== null);
  if (isNamed) {
    const named = await target.observe(
      {
        kind: "named",
        accountIds: memberIds.filter((id) => id !== null),
        groupIds: groupIds.filter((id) => id !== null),
      },
      signal,
    );
    // Someone is gone under the id that we knew; under another they may be there.
    if (named.missingRemoteIds.length === 0) return named;
  }
  const observed = await target.observe({ kind: "all" }, signal);
  await verifyMissing(target, slice, observed, signal);
  return observed;
}

/**
 * A list that lacks people who are there would have them invited again, or reported as gone: whom it lacks is asked for
 * by id before it is believed.
 */
async function verifyMissing(target: Target, slice: SyncInput, observed: Observed, signal: AbortSignal): Promise<void> {
  const listed = new Set(observed.accounts.map((member) => member.remoteId));
  const missing = slice.users.flatMap(({ link }) =>
    link?.remoteId == null || listed.has(link.remoteId) ? [] : [link.remoteId],
  );
  if (missing.length === 0) return;
  const asked = missing.slice(0, verifiedAtMost);
  const named = await target.observe({ kind: "named", accountIds: asked, groupIds: [] }, signal);
  if (named.accounts.length > 0) {
    throw new RollcallError(
      "TARGET_INCOMPLETE",
      `target ${target.name}: the list of ${observed.accounts.length} members lacks ${missing.length} linked ones, ${named.accounts.length} of ${asked.length} asked for by id are there: the list is not complete, nothing was changed`,
    );
  }
}

/** Reads memberships from the side with fewer questions; and who is in groups that are gone from the directory. */
async function readMemberships(
  { target, policy, now, defersInvitations = true }: ConnectionParts,
  slice: SyncInput,
  world: World,
  givenOn: ReadonlySet<string>,
  signal: AbortSignal,
) {
  const none: Memberships = new Map();
  if (!target.supports.groups)
    return { memberships: { by: "account", lists: none } satisfies KnownMemberships, losers: none };
  // A first comparison without memberships tells who and what is managed.
  const first = diff({
    slice,
    world,
    memberships: { by: "account", lists: none },
    losers: none,
    policy,
    supports: target.supports,
    nowMs: now(),
    givenOn,
    defersInvitations,
  });
  const memberIds = first.users.flatMap(({ member, hasManagedMemberships }) =>
    member !== null && hasManagedMemberships ? [member.remoteId] : [],
  );
  const groupIds = first.groups.filter((group) => group.isManaged).flatMap((group) => remoteGroupId(group) ?? []);
  const goneIds = first.changes.flatMap((change) => (change.op === "removeGroup" ? [change.remoteId] : []));
  const by = memberIds.length <= groupIds.length ? "account" : "group";
  const nothingToAsk = memberIds.length === 0 || groupIds.length === 0;
  const lists = nothingToAsk
    ? new Map(memberIds.map((id) => [id, []]))
    : await target.observeMemberships(by === "account" ? { by, accountIds: memberIds } : { by, groupIds }, signal);
  const losers =
    goneIds.length === 0 ? none : await target.observeMemberships({ by: "group", groupIds: goneIds }, signal);
  return { memberships: { by: nothingToAsk ? "account" : by, lists } satisfies KnownMemberships, losers };
}

/** The people and groups that something is to be done about. */
const concernedBy = ({ changes, pairs }: Diff) => ({
  userIds: [
    ...new Set([
      ...changes.flatMap((change) => ("userId" in change ? [change.userId] : [])),
      ...pairs.map(({ person }) => person.person.user.id),
    ]),
  ],
  groupIds: changes.flatMap((change) => (change.op === "removeGroup" ? [change.groupId] : [])),
});

/** Remote ids of members who are suspended since then, as far as was seen, under whatever entry: who is deleted and made again has another. */
const suspendedSince = ({ users }: SyncInput, sinceMs: number): ReadonlySet<string> =>
  new Set(
    users.flatMap(({ link }) =>
      link?.observedState === "suspended" && (link.observedSinceMs ?? 0) > sinceMs ? (link.remoteId ?? []) : [],
    ),
  );

/** Links tell from the last look; a complete look also counts people who are about to be taken over. */
async function peopleWithAccess({ target, store }: ConnectionParts, { users }: Diff): Promise<number> {
  const seen = users.filter(
    ({ member }) => member !== null && member.state !== "suspended" && member.state !== "unknown",
  ).length;
  return Math.max(seen, await store.peopleWithAccess(target.name));
}

function losersOfGroup({ users, groups }: Diff, losers: Memberships): ReadonlyMap<string, readonly string[]> {
  const userOf = new Map(
    users.flatMap(({ member, person }) => (member === null ? [] : [[member.remoteId, person.user.id] as const])),
  );
  return new Map(
    groups.flatMap(({ item, group }) => {
      const lost = group === null ? undefined : losers.get(group.remoteId);
      return lost === undefined ? [] : [[item.group.id, lost.map((id) => userOf.get(id) ?? memberPayer(id))] as const];
    }),
  );
}
