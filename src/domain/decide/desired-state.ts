import type { DirectoryGroup } from "../model/entities.ts";
import { isDirty, type LinkNote } from "../model/link.ts";
import { matchesAny, type TargetPolicy } from "../model/policy.ts";
import type { InputGroup, InputUser } from "../model/sync-input.ts";
import { mayBeSamePerson } from "./same-person.ts";

/** What the directory and the configuration want of one person in one target. */
export type Wanted =
  | { readonly state: "active" }
  /** `claim`: may Rollcall take over an unlinked member with that e-mail address in order to do it? */
  | { readonly state: "suspended" | "removed"; readonly claim: "by-email" | "by-external-id" }
  | { readonly state: "untouched"; readonly note: LinkNote | null };

/**
 * Who belongs in the target, and how.
 *
 * | person | wanted |
 * |---|---|
 * | active, of a source that is gone from the configuration | untouched: nobody speaks for them, or who has the address now |
 * | another present person keeps the e-mail address, and this one has no member here | untouched: conflict |
 * | gone from the source, or inactive in one that is gone itself, and who has the address now, without a member of their own and not another by name, is looked after here | untouched, silently |
 * | gone from the source | `onDelete`; removed once gone for `removeAfterMs` |
 * | in no group of `userGroups` | `onDeactivate`, of people who are linked only |
 * | inactive | `onDeactivate` |
 * | else | active |
 *
 * Who is gone or out of scope claims no address, but for two cases: who was looked for by it while they belonged here, and
 * was never found (`wasMissed`), is theirs when it turns up after all; and what was deleted in the target and made again
 * there (`isMadeAgain`) since it was last looked at.
 */
export function desire(
  person: InputUser,
  /** Who keeps the e-mail address, where that is somebody else. */
  owner: InputUser | undefined,
  scope: ReadonlySet<string> | null,
  policy: TargetPolicy,
  nowMs: number,
  /** Is this person linked to a member whom the target shows? Another's claim on the address takes nobody's own member from them. */
  hasMember = false,
  removedSources: ReadonlySet<string> = new Set(),
): Wanted {
  const { user } = person;
  const isAbsent = user.absentSinceMs !== null;
  // The last word about who has left was that they have: it is still carried out.
  const isSourceGone = removedSources.has(user.source);
  if (!isAbsent && isSourceGone && user.isActive)
    return { state: "untouched", note: owner?.link?.remoteId == null ? "source-gone" : null };
  if (user.email === null) return { state: "untouched", note: isAbsent ? null : "no-email" };
  if (person.emailOwnerId !== user.id) {
    const hasLeft = isAbsent || isSourceGone;
    if (!hasLeft && !hasMember) return { state: "untouched", note: "conflict" };
    const theirs = owner && desire(owner, undefined, scope, policy, nowMs, true, removedSources);
    if (hasLeft && owner !== undefined && theirs !== undefined && takesOver(owner, person, theirs))
      return { state: "untouched", note: null };
  }
  const claim = wasMissed(person) || (isMadeAgain(person) && !hasMember) ? "by-email" : "by-external-id";
  if (user.absentSinceMs !== null) return gone(user.absentSinceMs, claim, policy, nowMs);
  if (scope !== null && !person.groupIds.some((id) => scope.has(id))) return taken(policy.onDeactivate, claim);
  if (!user.isActive) return taken(policy.onDeactivate, "by-email");
  return { state: "active" };
}

/** Will the owner be matched with the leaver's member by the address alone? Else nobody would take away what the leaver had. */
function takesOver(owner: InputUser, leaver: InputUser, wanted: Wanted): boolean {
  const [theirs, left] = [owner.link?.remoteId ?? null, leaver.link?.remoteId ?? null];
  // Who has left nothing linked has given it to the owner already, or never had it.
  const isFree = theirs === null || left === null || theirs === left;
  // Somebody else by name is not given it before somebody says so: until then it is taken away like any leaver's.
  const isAnothers = leaver.user.absentSinceMs !== null && left !== null && theirs !== left;
  if (isAnothers && !mayBeSamePerson(owner.user, leaver.user)) return false;
  return isFree && (wanted.state === "active" || (wanted.state !== "untouched" && wanted.claim === "by-email"));
}

/** Was this person looked for by their address while they belonged in the target, and in none of its lists so far? */
const wasMissed = ({ link }: InputUser): boolean => link?.remoteId === null && link.note === "not-in-target";

/** Had this person a member when they left, and nothing was done about that yet? If it is gone, one of the same address is it, made again. */
const isMadeAgain = ({ user, link }: InputUser): boolean => link?.remoteId != null && isDirty(user.rev, link);

function gone(sinceMs: number, claim: Claim, policy: TargetPolicy, nowMs: number): Wanted {
  const isLong = policy.removeAfterMs !== null && nowMs - sinceMs >= policy.removeAfterMs;
  return taken(isLong && policy.onDelete === "suspend" ? "remove" : policy.onDelete, claim);
}

type Claim = "by-email" | "by-external-id";

function taken(how: TargetPolicy["onDelete"], claim: Claim): Wanted {
  if (how === "ignore") return { state: "untouched", note: null };
  return { state: how === "suspend" ? "suspended" : "removed", claim };
}

/** Is the group one that this target is given? Groups that are gone are judged by the name they had. */
export function isPushed(group: DirectoryGroup, policy: TargetPolicy): boolean {
  const isIncluded = policy.groupInclude === null || matchesAny(policy.groupInclude, group.displayName);
  return isIncluded && !matchesAny(policy.groupExclude, group.displayName);
}

/** May the group take over a namesake that another system has put its externalId on? */
export const mayTakeOver = (group: DirectoryGroup, policy: TargetPolicy): boolean =>
  matchesAny(policy.groupTakeOver, group.displayName);

/** Ids of the present groups whose members belong in the target; null: everybody does. */
export function scopeOf(groups: readonly InputGroup[], policy: TargetPolicy): ReadonlySet<string> | null {
  const patterns = policy.userGroups;
  if (patterns === null) return null;
  return new Set(
    groups
      .filter(({ group }) => group.absentSinceMs === null && matchesAny(patterns, group.displayName))
      .map(({ group }) => group.id),
  );
}
