import type { ObservedAccount, TargetSupports } from "../model/account.ts";
import { type LinkNote, maxLookups, timesNotFound } from "../model/link.ts";
import type { Change, SkippedChange } from "../model/plan.ts";
import { isProtected, isProtectedAddress, type TargetPolicy } from "../model/policy.ts";
import type { InputUser } from "../model/sync-input.ts";
import type { Compared, ComparedUser, CompareInput } from "./comparison.ts";
import { type Desired, desiredStateOf } from "./desired-state.ts";
import { matchAccount } from "./match.ts";
import { hasNewOwner, isEmailReassigned } from "./reassigned-email.ts";

/** The input that is the same for all users of a run. */
export interface UserContext extends CompareInput {
  /** Ids of the groups whose members belong in the target. Null: everybody belongs. */
  readonly scope: ReadonlySet<string> | null;
  /** Remote ids of accounts that Rollcall suspended, under whatever user. */
  readonly ownSuspensions: ReadonlySet<string>;
}

type Result = Compared<ComparedUser>;

/**
 * Decides what is missing for one user.
 *
 * | desired | account | changes |
 * |---|---|---|
 * | active | none | invite after `settleMs`, once an earlier try must be over; nothing if the target can't invite |
 * | active | suspended | adopt if not ours yet; restore if `reactivate` allows it; reinvite if they never had an account |
 * | active | invited, accepted, active | adopt if not ours yet |
 * | active | found by the address of a deleted user with another name | restore, held |
 * | active | staged, unknown | nothing, noted |
 * | suspended | none | nothing; the next runs try again if the target has only a list |
 * | suspended | suspended | nothing |
 * | suspended | invited, accepted, active, staged | suspend |
 * | removed | any | remove, or suspend if the target can't remove |
 * | untouched | any | nothing |
 * | any | owner or protected | nothing, noted |
 */
export function compareUser(input: InputUser, context: UserContext): Result {
  const desired = desiredFor(input, context);
  const user: ComparedUser = {
    ...input,
    desired,
    account: null,
    note: null,
    deferredUntilMs: null,
    hasManagedMemberships: false,
  };
  if (desired.state === "untouched") return result({ ...user, note: desired.note });
  const match = matchAccount(input, desired, context.observation);
  if (match.kind === "ambiguous") return result({ ...user, note: "ambiguous" });
  if (match.kind === "none")
    return desired.state === "active" ? withoutAccount(user, context) : leaverWithoutAccount(user, desired, context);
  if (isEmailReassigned(input, match, context)) return withReassignedEmail(user, match.item);
  const owner: ComparedUser = { ...user, account: match.item };
  return desired.state === "active"
    ? withAccess(owner, match.item, context)
    : losingAccess(owner, match.item, desired.state, context);
}

function desiredFor(input: InputUser, context: UserContext): Desired {
  // The new owner decides about the account, even if its address has changed since.
  if (hasNewOwner(input, context)) return { state: "untouched", note: null };
  const { owners, removedSources = new Set<string>() } = context.input;
  return desiredStateOf(input, {
    ...context,
    removedSources,
    emailOwner: owners.get(input.emailOwnerId ?? ""),
    hasAccount: context.observation.accountById.has(input.link?.remoteId ?? ""),
  });
}

const result = (
  entity: ComparedUser,
  changes: readonly Change[] = [],
  skipped: readonly SkippedChange[] = [],
): Result => ({ entity, changes, skipped });

const onAccount = ({ user }: ComparedUser, { remoteId }: ObservedAccount) => ({
  userId: user.id,
  email: user.email ?? "",
  remoteId,
});

/** Giving the account waits for an approval. The leaver's own entry decides about taking it away. */
const withReassignedEmail = (user: ComparedUser, account: ObservedAccount): Result =>
  result(
    { ...user, isEmailReassigned: true },
    user.desired.state === "active" ? [{ op: "restore", ...onAccount(user, account) }] : [],
  );

function withoutAccount(compared: ComparedUser, { policy, supports, nowMs, defersInvitations }: UserContext): Result {
  const { user } = compared;
  if (!supports.invite) return result({ ...compared, note: "not-in-target" });
  if (isProtectedAddress(user.email, policy)) return result({ ...compared, note: "protected" });
  const readyAtMs = defersInvitations === false ? nowMs : mayInviteAtMs(compared, policy, nowMs);
  if (readyAtMs > nowMs) return result({ ...compared, deferredUntilMs: readyAtMs });
  return result({ ...compared, hasManagedMemberships: true }, [
    { op: "invite", userId: user.id, email: user.email ?? "", externalId: user.externalId },
  ]);
}

/** When this user may be invited, in milliseconds since the epoch. */
function mayInviteAtMs({ user, link }: InputUser, { settleMs }: TargetPolicy, nowMs: number): number {
  // A creation time in the future means that the clock has jumped back. Nobody waits for it to catch up.
  const settledAtMs = user.createdAtMs <= nowMs ? user.createdAtMs + settleMs : nowMs;
  // The target may still work on an invitation that it did not answer, also if another event starts a full run.
  const isUnconfirmed = link !== null && link.attempts > 0 && link.errorCode === null;
  const answeredAtMs = isUnconfirmed ? (link.retryAtMs ?? nowMs) : nowMs;
  return Math.max(settledAtMs, answeredAtMs - nowMs <= maxUnconfirmedMs ? answeredAtMs : nowMs);
}

/** Maximum wait for an unconfirmed change. A later time means that the clock has jumped back. */
const maxUnconfirmedMs = 60_000;

/** A target without external ids shows an account only in its list. An account that was never found may still be there. */
function leaverWithoutAccount(compared: ComparedUser, desired: Desired, { supports, scope }: UserContext): Result {
  const { user } = compared;
  if ("claim" in desired && mayAppearLater(compared, desired.claim, supports))
    return result({ ...compared, note: "not-in-target", isNotFoundYet: true });
  const note: LinkNote | null = scope !== null && user.absentSinceMs === null && user.isActive ? "out-of-scope" : null;
  return result({ ...compared, note });
}

const mayAppearLater = ({ user, link }: InputUser, claim: string, supports: TargetSupports): boolean =>
  !supports.invite && claim === "by-email" && link?.remoteId == null && timesNotFound(link, user.rev) < maxLookups;

function withAccess(compared: ComparedUser, account: ObservedAccount, context: UserContext): Result {
  const { policy, supports, ownSuspensions } = context;
  const { user } = compared;
  const about = onAccount(compared, account);
  // Linked, so that `user` can show it, but never written to.
  if (isProtected(account, policy)) return result({ ...compared, note: "protected" });
  if (account.state === "staged") return result({ ...compared, note: "staged" });
  if (account.state === "unknown") return result({ ...compared, note: "unknown-state" });
  const note: LinkNote | null = account.email === user.email ? null : "email-differs";
  const adopt: readonly Change[] =
    supports.externalIds && account.externalId !== user.externalId
      ? [{ op: "adopt", externalId: user.externalId, ...about }]
      : [];
  if (account.state !== "suspended") return result({ ...compared, note, hasManagedMemberships: true }, adopt);
  const restore: Change = { op: "restore", ...about };
  // A rehired user has a new entry. The suspension was made under the old one, and still is Rollcall's own.
  if (policy.reactivate === "always" || (policy.reactivate === "own" && ownSuspensions.has(account.remoteId))) {
    const reinvite: readonly Change[] = account.hasAccount === false ? [{ op: "reinvite", ...about }] : [];
    return result({ ...compared, note, hasManagedMemberships: true }, [...adopt, restore, ...reinvite]);
  }
  const reason = "not suspended by Rollcall; reactivate it in the target, or set reactivate: always";
  return result({ ...compared, note: "suspended-by-others" }, adopt, [{ change: restore, reason }]);
}

function losingAccess(
  compared: ComparedUser,
  account: ObservedAccount,
  state: "suspended" | "removed",
  { policy, supports }: UserContext,
): Result {
  const op = state === "removed" && supports.remove ? "remove" : "suspend";
  if (op === "suspend" && account.state === "suspended") return result(compared);
  const change: Change = { op, ...onAccount(compared, account) };
  if (isProtected(account, policy)) {
    const reason = account.role === "owner" ? "an owner is never touched" : "protected by the configuration";
    return result({ ...compared, note: "protected" }, [], [{ change, reason }]);
  }
  if (account.state === "unknown") {
    const reason = "the target shows a state that Rollcall does not know";
    return result({ ...compared, note: "unknown-state" }, [], [{ change, reason }]);
  }
  return result(compared, [change]);
}
