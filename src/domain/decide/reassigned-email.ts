import type { ObservedAccount } from "../model/account.ts";
import { isProtected } from "../model/policy.ts";
import type { InputUser } from "../model/sync-input.ts";
import type { Match } from "./match.ts";
import type { DiffInput } from "./observed-user.ts";
import { mayBeSamePerson } from "./same-person.ts";

/** Was the member found by its address alone, and somebody's who is gone and is another person by name? */
export function isHandedOn(
  { user }: InputUser,
  match: Match<ObservedAccount>,
  { world, policy, givenOn }: DiffInput,
): boolean {
  if (match.kind !== "one" || match.by !== "email" || isProtected(match.item, policy)) return false;
  if (givenOn?.has(match.item.remoteId) === true) return false;
  const holders = world.holders.get(match.item.remoteId) ?? [];
  return holders.some((holder) => holder.absentSinceMs !== null && !mayBeSamePerson(user, holder));
}

/** Is somebody gone, and is the member somebody's now who is present and for whom a source speaks? */
export function isTakenOver(
  { user, link }: InputUser,
  { world, slice: { removedSources }, givenOn }: DiffInput,
): boolean {
  if (user.absentSinceMs === null || link?.remoteId == null) return false;
  if (givenOn?.has(link.remoteId) === true) return true;
  return (world.holders.get(link.remoteId) ?? []).some(
    ({ id, source, absentSinceMs }) => id !== user.id && absentSinceMs === null && removedSources?.has(source) !== true,
  );
}
