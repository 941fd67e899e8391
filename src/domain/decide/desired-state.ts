import type { DirectoryGroup } from "../model/entities.ts";
import { isDirty, type LinkNote } from "../model/link.ts";
import { matchesAny, type TargetPolicy } from "../model/policy.ts";
import type { InputGroup, InputUser } from "../model/sync-input.ts";
import { mayBeSamePerson } from "./same-person.ts";

/** The state that source and configuration want for one user in one target. */
export type Desired =
  | { readonly state: "active" }
  /** `claim`: how an account without a link may be found in order to do it. */
  | { readonly state: "suspended" | "removed"; readonly claim: Claim }
  | { readonly state: "untouched"; readonly note: LinkNote | null };

type Claim = "by-email" | "by-external-id";

export interface DesireContext {
  /** Ids of the groups whose members belong in the target. Null: everybody belongs. */
  readonly scope: ReadonlySet<string> | null;
  readonly policy: TargetPolicy;
  readonly nowMs: number;
  /** The present user who keeps the e-mail address, if that is another user. */
  readonly emailOwner?: InputUser | undefined;
  /** True if the target shows the account that the user is linked to. Such a user keeps it, whoever has the address. */
  readonly hasAccount?: boolean;
  /** Sources that are no longer in the configuration. */
  readonly removedSources?: ReadonlySet<string>;
}

/**
 * Decides what a user should have in the target. The first row that fits counts.
 *
 * | user | desired |
 * |---|---|
 * | active, in a removed source | untouched: no source decides, unless the new owner of the address does |
 * | without e-mail address | untouched |
 * | present, without an account, and another user keeps the address | untouched: conflict |
 * | absent, or in a removed source, and the new owner of the address takes the account over | untouched |
 * | absent | `onDelete`; removed after `removeAfterMs` |
 * | in no group of `userGroups` | `onDeactivate`, for linked users only |
 * | inactive | `onDeactivate` |
 * | otherwise | active |
 *
 * An absent or out-of-scope user claims no account by address, with two exceptions. First: Rollcall looked for the user's
 * account by address before and never found it. Second: the linked account was deleted and created again in the target.
 */
export function desiredStateOf(input: InputUser, context: DesireContext): Desired {
  const { scope, policy, nowMs, emailOwner, hasAccount = false, removedSources = new Set<string>() } = context;
  const { user } = input;
  const isAbsent = user.absentSinceMs !== null;
  const isSourceRemoved = removedSources.has(user.source);
  // An inactive user of a removed source still loses access: that was the source's last word.
  if (!isAbsent && isSourceRemoved && user.isActive)
    return untouched(emailOwner?.link?.remoteId == null ? "source-gone" : null);
  if (user.email === null) return untouched(isAbsent ? null : "no-email");
  if (input.emailOwnerId !== user.id) {
    const hasLeft = isAbsent || isSourceRemoved;
    if (!hasLeft && !hasAccount) return untouched("conflict");
    if (hasLeft && emailOwner !== undefined) {
      const ofOwner = desiredStateOf(emailOwner, { scope, policy, nowMs, hasAccount: true, removedSources });
      if (takesOver(emailOwner, input, ofOwner)) return untouched(null);
    }
  }
  const claim = wasNeverFound(input) || (wasLinked(input) && !hasAccount) ? "by-email" : "by-external-id";
  if (user.absentSinceMs !== null) return afterDeletion(user.absentSinceMs, claim, policy, nowMs);
  if (scope !== null && !input.groupIds.some((id) => scope.has(id))) return withoutAccess(policy.onDeactivate, claim);
  if (!user.isActive) return withoutAccess(policy.onDeactivate, "by-email");
  return { state: "active" };
}

const untouched = (note: LinkNote | null): Desired => ({ state: "untouched", note });

/** True if the owner of the address will be matched with the leaver's account. Otherwise the leaver keeps losing it. */
function takesOver(owner: InputUser, leaver: InputUser, desired: Desired): boolean {
  const [ofOwner, ofLeaver] = [owner.link?.remoteId ?? null, leaver.link?.remoteId ?? null];
  const isFree = ofOwner === null || ofLeaver === null || ofOwner === ofLeaver;
  // Another person by name gets the account only after an approval. Until then the leaver loses it as usual.
  const isReassigned = leaver.user.absentSinceMs !== null && ofLeaver !== null && ofOwner !== ofLeaver;
  if (isReassigned && !mayBeSamePerson(owner.user, leaver.user)) return false;
  return isFree && (desired.state === "active" || (desired.state !== "untouched" && desired.claim === "by-email"));
}

/** True if Rollcall looked for the account by address while the user belonged in the target, and did not find it. */
const wasNeverFound = ({ link }: InputUser): boolean => link?.remoteId === null && link.note === "not-in-target";

/** True if the user had an account when they left, and nothing was done about that yet. */
const wasLinked = ({ user, link }: InputUser): boolean => link?.remoteId != null && isDirty(user.rev, link);

function afterDeletion(sinceMs: number, claim: Claim, policy: TargetPolicy, nowMs: number): Desired {
  const isLongGone = policy.removeAfterMs !== null && nowMs - sinceMs >= policy.removeAfterMs;
  return withoutAccess(isLongGone && policy.onDelete === "suspend" ? "remove" : policy.onDelete, claim);
}

function withoutAccess(how: TargetPolicy["onDelete"], claim: Claim): Desired {
  if (how === "ignore") return untouched(null);
  return { state: how === "suspend" ? "suspended" : "removed", claim };
}

/** True if the target gets this group. A deleted group is judged by its last name. */
export function isPushed(group: DirectoryGroup, policy: TargetPolicy): boolean {
  const isIncluded = policy.groupInclude === null || matchesAny(policy.groupInclude, group.displayName);
  return isIncluded && !matchesAny(policy.groupExclude, group.displayName);
}

/** True if the group may adopt a group of the same name that carries another system's externalId. */
export const mayTakeOver = (group: DirectoryGroup, policy: TargetPolicy): boolean =>
  matchesAny(policy.groupTakeOver, group.displayName);

/** Returns the ids of the present groups whose members belong in the target, or null if everybody does. */
export function scopeOf(groups: readonly InputGroup[], policy: TargetPolicy): ReadonlySet<string> | null {
  const patterns = policy.userGroups;
  if (patterns === null) return null;
  return new Set(
    groups
      .filter(({ group }) => group.absentSinceMs === null && matchesAny(patterns, group.displayName))
      .map(({ group }) => group.id),
  );
}
