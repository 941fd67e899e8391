import type { ObservedAccount, TargetSupports } from "../model/account.ts";
import { isDirty, type LinkNote, maxLookups, timesNotFound } from "../model/link.ts";
import type { Change, SkippedChange } from "../model/plan.ts";
import { isProtected, isProtectedAddress, type TargetPolicy } from "../model/policy.ts";
import type { InputUser, SyncInput } from "../model/sync-input.ts";
import { desire, isPushed, scopeOf, type Wanted } from "./desired-state.ts";
import { changesForGroup } from "./group-changes.ts";
import { claimsOf, matchMember } from "./match.ts";
import type {
  Diff,
  DiffInput,
  GroupAssessment,
  KnownMemberships,
  Pair,
  UserAssessment,
  Verdict,
} from "./observed-user.ts";
import { isHandedOn, isTakenOver } from "./reassigned-email.ts";

/** The wanted and the observed state, compared (the table is at `changesForUser`). */
export function diff(input: DiffInput): Diff {
  const { slice, policy } = input;
  const scope = scopeOf(slice.groups, policy);
  const skipped: SkippedChange[] = [];
  const changes: Change[] = [];
  const keep = (isClean: boolean, wantedChanges: readonly Change[]): boolean => {
    const isReportedOnly = isClean && policy.driftPolicy === "report" && wantedChanges.length > 0;
    if (isReportedOnly)
      skipped.push(
        ...wantedChanges.map((change) => ({
          change,
          reason: "drift: made in the target by hand; driftPolicy is report",
        })),
      );
    else changes.push(...wantedChanges);
    return isReportedOnly;
  };

  const ownSuspensions = ownSuspensionsOf(slice);
  // Two people who are gone, one after the other, can have had the same member: it is taken away once.
  const takenAway = new Set<string>();
  const isFirst = (change: Change): boolean => {
    if (change.op !== "suspend" && change.op !== "remove") return true;
    const isNew = !takenAway.has(change.remoteId);
    takenAway.add(change.remoteId);
    return isNew;
  };
  const users = slice.users.map((person) => {
    const found = changesForUser(person, scope, ownSuspensions, input);
    const verdict = { ...found, changes: found.changes.filter(isFirst) };
    skipped.push(...verdict.skipped);
    // Who turns up after all was not put there by hand meanwhile: the lists before lacked them.
    const isClean = !isDirty(person.user.rev, person.link) && timesNotFound(person.link, person.user.rev) === 0;
    const isDrift = keep(isClean, verdict.changes);
    // Asked for by somebody: no drift, whatever the policy makes of that.
    changes.push(...invitationAgain(verdict.assessment, slice));
    return isDrift ? { ...verdict.assessment, note: "drift" as const } : verdict.assessment;
  });
  const claims = claimsOf(slice.groups, (group) => isPushed(group, policy), input.world, slice.removedSources);
  const groups = slice.groups.map((item) => {
    const verdict = changesForGroup(item, claims, input);
    if (!slice.dirtyGroupIds.has(item.group.id)) return verdict.assessment;
    skipped.push(...verdict.skipped);
    const isDrift = keep(!isDirty(item.group.definitionRev, item.link), verdict.changes);
    return isDrift ? { ...verdict.assessment, note: "drift" as const } : verdict.assessment;
  });
  const pairs = input.supports.groups ? pairsOf(users, groups, input) : [];
  const isReported = (pair: Pair) =>
    policy.driftPolicy === "report" && !isDirty(pair.person.person.user.rev, pair.person.person.link);
  for (const pair of pairs.filter(isReported)) {
    skipped.push({ change: pairChange(pair), reason: "drift: made in the target by hand; driftPolicy is report" });
  }
  const isScopeEmpty = scope?.size === 0;
  return { users, groups, changes, pairs: pairs.filter((pair) => !isReported(pair)), skipped, isScopeEmpty };
}

/** Of who is still invited, wanted and not protected. */
function invitationAgain(
  { person, wanted, member, hasManagedMemberships }: UserAssessment,
  slice: SyncInput,
): readonly Change[] {
  const isWaiting = wanted.state === "active" && member?.state === "invited" && hasManagedMemberships;
  if (!isWaiting || !slice.reinvites.has(person.user.id)) return [];
  return [{ op: "reinvite", userId: person.user.id, email: person.user.email ?? "", remoteId: member.remoteId }];
}

/** Remote ids of members whom Rollcall suspended. */
export const ownSuspensionsOf = ({ users }: SyncInput): ReadonlySet<string> =>
  new Set(users.flatMap(({ link }) => (link?.isSuspendedByUs === true ? (link.remoteId ?? []) : [])));

/**
 * | wanted | member | changes |
 * |---|---|---|
 * | active | none | invite (after `settleMs`, and when an earlier try can be over); nothing where the target can't |
 * | active | suspended | adopt if not ours yet, restore if `reactivate` lets us, reinvite who never had an account |
 * | active | invited, accepted, active | adopt if not ours yet |
 * | active | by address alone, of somebody gone who has another name | restore, held |
 * | active | staged, unknown | nothing, noted |
 * | suspended | none | nothing; looked for again where a list is all there is |
 * | suspended | suspended | nothing |
 * | suspended | invited, accepted, active, staged | suspend |
 * | removed | any | remove (suspend where the target can't remove) |
 * | untouched | any | nothing |
 * | any | owner or protected | nothing, noted |
 */
function changesForUser(
  person: InputUser,
  scope: ReadonlySet<string> | null,
  ownSuspensions: ReadonlySet<string>,
  input: DiffInput,
): Verdict<UserAssessment> {
  const { policy, world, supports, nowMs } = input;
  const { owners, removedSources } = input.slice;
  const owner = owners.get(person.emailOwnerId ?? "");
  const hasMember = world.memberById.has(person.link?.remoteId ?? "");
  // Who is gone left the member to somebody who has it now, whatever became of the address.
  const wanted: Wanted = isTakenOver(person, input)
    ? { state: "untouched", note: null }
    : desire(person, owner, scope, policy, nowMs, hasMember, removedSources);
  const match = wanted.state === "untouched" ? ({ kind: "none" } as const) : matchMember(person, wanted, world);
  const member = match.kind === "one" ? match.item : null;
  const base = { person, wanted, member, note: null, deferredUntilMs: null, hasManagedMemberships: false };
  const nothing = (note: LinkNote | null) => ({ assessment: { ...base, note }, changes: [], skipped: [] });

  if (wanted.state === "untouched") return nothing(wanted.note);
  if (match.kind === "ambiguous") return nothing("ambiguous");
  if (member !== null && isHandedOn(person, match, input)) return forHandedOn(base, member);
  if (wanted.state === "active")
    return member === null ? forMissing(base, input) : forActive(base, member, ownSuspensions, input);
  if (member === null) {
    if (isSoughtAgain(person, wanted.claim, supports))
      return { assessment: { ...base, note: "not-in-target", isSought: true }, changes: [], skipped: [] };
    return nothing(
      scope !== null && person.user.absentSinceMs === null && person.user.isActive ? "out-of-scope" : null,
    );
  }
  return forTaken(base, member, wanted.state, input);
}

/** Giving is held until somebody says that it is theirs; removed there by hand, they are invited as anybody. Taking is the leaver's matter. */
function forHandedOn(base: UserAssessment, { remoteId }: ObservedAccount): Verdict<UserAssessment> {
  const { user } = base.person;
  const restore: Change = { op: "restore", userId: user.id, email: user.email ?? "", remoteId };
  return {
    assessment: { ...base, member: null, isHandedOn: true },
    changes: base.wanted.state === "active" ? [restore] : [],
    skipped: [],
  };
}

function forMissing(base: UserAssessment, input: DiffInput): Verdict<UserAssessment> {
  const { policy, supports, nowMs } = input;
  const { user } = base.person;
  const nothing = (note: LinkNote) => ({ assessment: { ...base, note }, changes: [], skipped: [] });
  if (!supports.invite) return nothing("not-in-target");
  if (isProtectedAddress(user.email, policy)) return nothing("protected");
  const readyAtMs = input.defersInvitations === false ? nowMs : mayInviteAtMs(base.person, policy, nowMs);
  if (readyAtMs > nowMs) return { assessment: { ...base, deferredUntilMs: readyAtMs }, changes: [], skipped: [] };
  const invite: Change = { op: "invite", userId: user.id, email: user.email ?? "", externalId: user.externalId };
  return { assessment: { ...base, hasManagedMemberships: true }, changes: [invite], skipped: [] };
}

/** When this person may be invited, milliseconds since the epoch. */
function mayInviteAtMs({ user, link }: InputUser, { settleMs }: TargetPolicy, nowMs: number): number {
  const settledAtMs = user.createdAtMs + settleMs;
  // An invitation without an answer may be under way still, also when something else brings a full look.
  const isUnconfirmed = link !== null && link.attempts > 0 && link.errorCode === null;
  const answeredAtMs = isUnconfirmed ? (link.retryAtMs ?? nowMs) : nowMs;
  return Math.max(
    // In the future: the clock has jumped back, and nobody waits for it to catch up.
    user.createdAtMs <= nowMs ? settledAtMs : nowMs,
    answeredAtMs - nowMs <= unconfirmedForMs ? answeredAtMs : nowMs,
  );
}

/** No unconfirmed change waits for longer. */
const unconfirmedForMs = 60_000;

/** Not where there is an externalId to find them by, nor who was linked: they are gone from the target. */
const isSoughtAgain = ({ user, link }: InputUser, claim: "by-email" | "by-external-id", supports: TargetSupports) =>
  !supports.invite && claim === "by-email" && link?.remoteId == null && timesNotFound(link, user.rev) < maxLookups;

function forActive(
  base: UserAssessment,
  member: ObservedAccount,
  ownSuspensions: ReadonlySet<string>,
  { policy, supports }: DiffInput,
): Verdict<UserAssessment> {
  const { user } = base.person;
  const who = { userId: user.id, email: user.email ?? "", remoteId: member.remoteId };
  const changes: Change[] = [];
  const skipped: SkippedChange[] = [];
  let note: LinkNote | null = member.email === user.email ? null : "email-differs";
  if (isProtected(member, policy)) {
    // Linked, so that `user` can tell, but never written to.
    return { assessment: { ...base, member, note: "protected" }, changes, skipped };
  }
  if (member.state === "staged" || member.state === "unknown") {
    return {
      assessment: { ...base, member, note: member.state === "staged" ? "staged" : "unknown-state" },
      changes,
      skipped,
    };
  }
  if (supports.externalIds && member.externalId !== user.externalId)
    changes.push({ op: "adopt", externalId: user.externalId, ...who });
  let isSuspended = member.state === "suspended";
  if (isSuspended) {
    const restore: Change = { op: "restore", ...who };
    // Of whatever entry: who is rehired comes back with another id, and the suspension was that of the old one.
    if (policy.reactivate === "always" || (policy.reactivate === "own" && ownSuspensions.has(member.remoteId))) {
      changes.push(restore);
      if (member.hasAccount === false) changes.push({ op: "reinvite", ...who });
      isSuspended = false;
    } else {
      note = "suspended-by-others";
      skipped.push({
        change: restore,
        reason: "not suspended by Rollcall; reactivate it in the target, or set reactivate: always",
      });
    }
  }
  return { assessment: { ...base, member, note, hasManagedMemberships: !isSuspended }, changes, skipped };
}

function forTaken(
  base: UserAssessment,
  member: ObservedAccount,
  state: "suspended" | "removed",
  { policy, supports }: DiffInput,
): Verdict<UserAssessment> {
  const { user } = base.person;
  const op = state === "removed" && supports.remove ? "remove" : "suspend";
  const isDone = op === "suspend" && member.state === "suspended";
  if (isDone) return { assessment: base, changes: [], skipped: [] };
  const change: Change = { op, userId: user.id, email: user.email ?? "", remoteId: member.remoteId };
  if (isProtected(member, policy)) {
    const reason = member.role === "owner" ? "an owner is never touched" : "protected by the configuration";
    return { assessment: { ...base, note: "protected" }, changes: [], skipped: [{ change, reason }] };
  }
  if (member.state === "unknown") {
    return {
      assessment: { ...base, note: "unknown-state" },
      changes: [],
      skipped: [{ change, reason: "the target shows a state that Rollcall does not know" }],
    };
  }
  return { assessment: base, changes: [change], skipped: [] };
}

/** Memberships to be written: of managed people in managed groups only; nobody else's are looked at. */
function pairsOf(
  users: readonly UserAssessment[],
  groups: readonly GroupAssessment[],
  input: DiffInput,
): readonly Pair[] {
  const managed = groups.filter((group) => group.isManaged);
  const byId = new Map(managed.map((group) => [group.item.group.id, group]));
  const byRemoteId = new Map(
    managed.flatMap((group) => (remoteGroupId(group) === null ? [] : [[remoteGroupId(group), group] as const])),
  );
  const groupsOfMember = membershipIndex(input.memberships, users);
  const pairs: Pair[] = [];
  for (const person of users) {
    if (!person.hasManagedMemberships) continue;
    const observed = person.member === null ? new Set<string>() : groupsOfMember.get(person.member.remoteId);
    // Not read: nothing can be said about this person's memberships now.
    if (observed === undefined) continue;
    const wanted = new Set(person.person.groupIds);
    for (const id of wanted) {
      const group = byId.get(id);
      if (group !== undefined && !observed.has(remoteGroupId(group) ?? "")) pairs.push({ kind: "add", person, group });
    }
    for (const remoteId of observed) {
      const group = byRemoteId.get(remoteId);
      if (group !== undefined && !wanted.has(group.item.group.id)) pairs.push({ kind: "remove", person, group });
    }
  }
  return pairs;
}

/** Remote group ids by remote member id, of everybody whose memberships are known. */
function membershipIndex(
  { by, lists }: KnownMemberships,
  users: readonly UserAssessment[],
): ReadonlyMap<string, ReadonlySet<string>> {
  if (by === "account") return new Map([...lists].map(([memberId, groupIds]) => [memberId, new Set(groupIds)]));
  const index = new Map<string, Set<string>>(
    users.flatMap(({ member }) => (member === null ? [] : [[member.remoteId, new Set<string>()]])),
  );
  for (const [groupId, memberIds] of lists) {
    for (const memberId of memberIds) index.get(memberId)?.add(groupId);
  }
  return index;
}

/** A managed group's id in the target: as observed, else as linked (a group that was not looked at this time). */
export const remoteGroupId = ({ item, group }: GroupAssessment): string | null =>
  group?.remoteId ?? item.link?.remoteId ?? null;

/** One pair as a change of its own: how it is held, skipped and shown. */
export function pairChange({ kind, person, group }: Pair): Extract<Change, { readonly op: "setMembers" }> {
  const { user } = person.person;
  const member = { userId: user.id, email: user.email ?? "", remoteId: person.member?.remoteId ?? null };
  const { id, displayName } = group.item.group;
  return {
    op: "setMembers",
    groupId: id,
    name: displayName,
    remoteId: remoteGroupId(group),
    add: kind === "add" ? [member] : [],
    remove: kind === "remove" ? [member] : [],
  };
}
