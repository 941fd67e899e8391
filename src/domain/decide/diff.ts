import { isDirty, timesNotFound } from "../model/link.ts";
import { accountChargeId, type Change, type SkippedChange } from "../model/plan.ts";
import type { TargetPolicy } from "../model/policy.ts";
import type { SyncInput } from "../model/sync-input.ts";
import { compareGroup } from "./compare-group.ts";
import { compareUser } from "./compare-user.ts";
import {
  type Compared,
  type ComparedGroup,
  type ComparedUser,
  type CompareInput,
  type Diff,
  type EntityDiff,
  type MembershipChange,
  type ObservedMemberships,
  remoteGroupId,
} from "./comparison.ts";
import { isPushed, scopeOf } from "./desired-state.ts";
import { claimsOf } from "./match.ts";
import { setMembers } from "./membership-calls.ts";

/** Compares the desired and the observed state of users and groups. The tables are at `compareUser` and `compareGroup`. */
export function compareEntities(context: CompareInput): EntityDiff {
  const { input, policy, observation } = context;
  const scope = scopeOf(input.groups, policy);
  const userContext = { ...context, scope, ownSuspensions: ownSuspensionsOf(input) };
  const lostAccounts = new Set<string>();
  const users = input.users.map((each) => {
    const compared = withoutRepeats(compareUser(each, userContext), lostAccounts);
    // An account that appears late was not created by hand: the lists before lacked it.
    const isClean = !isDirty(each.user.rev, each.link) && timesNotFound(each.link, each.user.rev) === 0;
    const reported = reportDrift(compared, isClean, policy);
    // A person asked for this invitation, so it is no drift.
    return { ...reported, changes: [...reported.changes, ...requestedInvitation(compared.entity, input)] };
  });
  const claims = claimsOf(input.groups, (group) => isPushed(group, policy), observation, input.removedSources);
  const groups = input.groups.map((each) => {
    const compared = compareGroup(each, claims, context);
    return input.dirtyGroupIds.has(each.group.id)
      ? reportDrift(compared, !isDirty(each.group.definitionRev, each.link), policy)
      : { entity: compared.entity, changes: [], skipped: [] };
  });
  const all = [...users, ...groups];
  return {
    users: users.map(({ entity }) => entity),
    groups: groups.map(({ entity }) => entity),
    changes: all.flatMap(({ changes }) => changes),
    skipped: all.flatMap(({ skipped }) => skipped),
    isScopeEmpty: scope?.size === 0,
  };
}

/** Completes the difference with the memberships of managed users in managed groups. All others are left alone. */
export function compareMemberships(entities: EntityDiff, observed: ObservedMemberships, policy: TargetPolicy): Diff {
  const isReportedOnly = ({ member }: MembershipChange): boolean =>
    policy.driftPolicy === "report" && !isDirty(member.user.rev, member.link);
  const all = membershipChanges(entities, observed);
  return {
    ...entities,
    changes: entities.changes.map((change) =>
      change.op === "removeGroup"
        ? { ...change, memberCount: observed.ofRemovedGroups.get(change.remoteId)?.length ?? 0 }
        : change,
    ),
    memberships: all.filter((each) => !isReportedOnly(each)),
    membersOfRemovedGroups: membersOfRemovedGroups(entities, observed),
    skipped: [
      ...entities.skipped,
      ...all.filter(isReportedOnly).map((each) => ({ change: setMembers([each]), reason: driftReason })),
    ],
  };
}

const driftReason = "drift: made in the target by hand; driftPolicy is report";

/** With `driftPolicy: report`, a difference of an unchanged user or group is only shown. */
function reportDrift<T extends ComparedUser | ComparedGroup>(
  compared: Compared<T>,
  isClean: boolean,
  policy: TargetPolicy,
): Compared<T> {
  const { entity, changes, skipped } = compared;
  if (!isClean || policy.driftPolicy !== "report" || changes.length === 0) return compared;
  const drift = changes.map((change): SkippedChange => ({ change, reason: driftReason }));
  return { entity: { ...entity, note: "drift" }, changes: [], skipped: [...skipped, ...drift] };
}

/** Two deleted users may have had the same account, one after the other. It is taken away once. */
function withoutRepeats(compared: Compared<ComparedUser>, lostAccounts: Set<string>): Compared<ComparedUser> {
  const isFirst = (change: Change): boolean => {
    if (change.op !== "suspend" && change.op !== "remove") return true;
    const isNew = !lostAccounts.has(change.remoteId);
    lostAccounts.add(change.remoteId);
    return isNew;
  };
  return { ...compared, changes: compared.changes.filter(isFirst) };
}

/** The invitation that somebody asked to send again, if the user still has one. */
function requestedInvitation({ user, desired, account, hasManagedMemberships }: ComparedUser, input: SyncInput) {
  const isInvited = desired.state === "active" && account?.state === "invited" && hasManagedMemberships;
  if (!isInvited || !input.reinvites.has(user.id)) return [];
  return [{ op: "reinvite", userId: user.id, email: user.email ?? "", remoteId: account.remoteId } as const];
}

/** Remote ids of accounts that Rollcall suspended. */
export const ownSuspensionsOf = ({ users }: SyncInput): ReadonlySet<string> =>
  new Set(users.flatMap(({ link }) => (link?.isSuspendedByUs === true ? (link.remoteId ?? []) : [])));

function membershipChanges({ users, groups }: EntityDiff, observed: ObservedMemberships): readonly MembershipChange[] {
  const managed = groups.filter((group) => group.isManaged);
  const byId = new Map(managed.map((group) => [group.group.id, group]));
  const byRemoteId = new Map(managed.map((group) => [remoteGroupId(group), group]));
  const groupsOfAccount = groupsByAccount(observed, users);
  const changes: MembershipChange[] = [];
  for (const member of users) {
    if (!member.hasManagedMemberships) continue;
    const present = member.account === null ? new Set<string>() : groupsOfAccount.get(member.account.remoteId);
    // Not read: nothing is known about this user's memberships now.
    if (present === undefined) continue;
    const desired = new Set(member.groupIds);
    for (const id of desired) {
      const group = byId.get(id);
      if (group !== undefined && !present.has(remoteGroupId(group) ?? "")) changes.push({ kind: "add", member, group });
    }
    for (const remoteId of present) {
      const group = byRemoteId.get(remoteId);
      if (group !== undefined && !desired.has(group.group.id)) changes.push({ kind: "remove", member, group });
    }
  }
  return changes;
}

/** Remote group ids by remote account id, for every account whose memberships were read. */
function groupsByAccount(
  { by, lists }: ObservedMemberships,
  users: readonly ComparedUser[],
): ReadonlyMap<string, ReadonlySet<string>> {
  if (by === "account") return new Map([...lists].map(([accountId, groupIds]) => [accountId, new Set(groupIds)]));
  const index = new Map(
    users.flatMap(({ account }) => (account ? [[account.remoteId, new Set<string>()] as const] : [])),
  );
  for (const [groupId, accountIds] of lists) {
    for (const accountId of accountIds) index.get(accountId)?.add(groupId);
  }
  return index;
}

function membersOfRemovedGroups({ users, groups }: EntityDiff, { ofRemovedGroups }: ObservedMemberships) {
  const userOf = new Map(users.flatMap(({ account, user }) => (account ? [[account.remoteId, user.id] as const] : [])));
  return new Map(
    groups.flatMap(({ group, observed }) => {
      const accountIds = ofRemovedGroups.get(observed?.remoteId ?? "");
      if (accountIds === undefined) return [];
      return [[group.id, accountIds.map((id) => userOf.get(id) ?? accountChargeId(id))] as const];
    }),
  );
}
