import type { ObservedAccount } from "../model/account.ts";
import { isProtected } from "../model/policy.ts";
import type { InputUser } from "../model/sync-input.ts";
import type { CompareInput } from "./comparison.ts";
import type { Match } from "./match.ts";
import { mayBeSamePerson } from "./same-person.ts";

/** True if the account was found by its address alone, and it belonged to a deleted user with another name. */
export function isEmailReassigned(
  { user }: InputUser,
  match: Match<ObservedAccount>,
  { observation, policy, approvedReassignments }: CompareInput,
): boolean {
  if (match.kind !== "one" || match.by !== "email" || isProtected(match.item, policy)) return false;
  if (approvedReassignments?.has(match.item.remoteId) === true) return false;
  const linked = observation.linkedUsers.get(match.item.remoteId) ?? [];
  return linked.some((each) => each.absentSinceMs !== null && !mayBeSamePerson(user, each));
}

/** True if a present user of a configured source now owns this deleted user's account. */
export function hasNewOwner(
  { user, link }: InputUser,
  { observation, input: { removedSources }, approvedReassignments }: CompareInput,
): boolean {
  if (user.absentSinceMs === null || link?.remoteId == null) return false;
  if (approvedReassignments?.has(link.remoteId) === true) return true;
  return (observation.linkedUsers.get(link.remoteId) ?? []).some(
    ({ id, source, absentSinceMs }) => id !== user.id && absentSinceMs === null && removedSources?.has(source) !== true,
  );
}
