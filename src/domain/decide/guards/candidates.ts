import { accountChargeId, type Change, grantKeys, removalKeys } from "../../model/plan.ts";
import type { Diff, MembershipChange } from "../comparison.ts";
import { setMembers } from "../membership-calls.ts";
import type { Candidate, Grant, Removal } from "./guard.ts";

/** Returns what a guard may hold: removals first (accounts, memberships, groups), then grants. */
export function candidatesOf(diff: Diff): readonly Candidate[] {
  const suspended = new Set(
    diff.users.flatMap(({ account }) => (account?.state === "suspended" ? account.remoteId : [])),
  );
  const accounts: Removal[] = [];
  const groups: Removal[] = [];
  const grants: Grant[] = [];
  for (const change of diff.changes) {
    const key = [...removalKeys(change), ...grantKeys(change)][0];
    if (key === undefined) continue;
    if (change.op === "suspend" || change.op === "remove") {
      const about = { key, kind: "user", entityId: change.userId, change, membership: null } as const;
      accounts.push({ ...about, effect: "takes", chargeIds: [chargeIdOf(change, suspended)] });
    } else if (change.op === "removeGroup") {
      const about = { key, kind: "group", entityId: change.groupId, change, membership: null } as const;
      groups.push({ ...about, effect: "takes", chargeIds: diff.membersOfRemovedGroups.get(change.groupId) ?? [] });
    } else if ("userId" in change) {
      grants.push({ key, kind: "user", entityId: change.userId, change, membership: null, effect: "gives" });
    }
  }
  const memberships = diff.memberships.map(candidateOf);
  return [
    ...accounts,
    ...memberships.filter(({ effect }) => effect === "takes"),
    ...groups,
    ...grants,
    ...memberships.filter(({ effect }) => effect === "gives"),
  ];
}

function candidateOf(membership: MembershipChange): Candidate {
  const change = setMembers([membership]);
  const userId = membership.member.user.id;
  const about = { kind: "user", entityId: userId, change, membership } as const;
  return membership.kind === "remove"
    ? { ...about, key: `member:${change.groupId}:${userId}`, effect: "takes", chargeIds: [userId] }
    : { ...about, key: `join:${change.groupId}:${userId}`, effect: "gives" };
}

/**
 * A user costs one, however much they lose. But the removal of an account with access is charged to the account. Its user can
 * claim another account by address afterwards, and could otherwise take any number of accounts for one charge.
 */
const chargeIdOf = (
  change: Extract<Change, { readonly op: "suspend" | "remove" }>,
  suspended: ReadonlySet<string>,
): string =>
  change.op === "remove" && !suspended.has(change.remoteId) ? accountChargeId(change.remoteId) : change.userId;
