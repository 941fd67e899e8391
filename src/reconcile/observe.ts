import { type EntityDiff, type ObservedMemberships, remoteGroupId } from "../domain/decide/comparison.ts";
import { indexObserved, type Observation } from "../domain/decide/match.ts";
import type { Memberships, Observed } from "../domain/model/account.ts";
import { RollcallError } from "../domain/model/errors.ts";
import type { SyncInput } from "../domain/model/sync-input.ts";
import type { Target } from "../domain/ports/target.ts";
import type { ReconcileContext } from "./run.ts";

/** For more entities than this, reading the whole list takes fewer requests. */
const maxNamed = 10;

/** Maximum number of missing accounts that are asked for one by one. */
const maxVerified = 50;

/** Reads accounts and groups from the target, and who is linked to the accounts that the run may match. */
export async function observe(context: ReconcileContext, sync: SyncInput, signal: AbortSignal): Promise<Observation> {
  const { target, store } = context;
  const observed = await readTarget(context, sync, signal);
  const unlinkedEmails = new Set(
    sync.users.flatMap(({ user, link }) => (link?.remoteId == null ? (user.email ?? []) : [])),
  );
  const byEmail = observed.accounts.filter(({ email }) => unlinkedEmails.has(email)).map(({ remoteId }) => remoteId);
  const ofDeleted = sync.users.flatMap(({ user, link }) => (user.absentSinceMs === null ? [] : (link?.remoteId ?? [])));
  return indexObserved(
    observed,
    await store.linkedTo(target.name, byEmail, sync.removedSources),
    await store.linkedUsers(target.name, [...new Set([...byEmail, ...ofDeleted])]),
  );
}

/** Asks for a few linked entities by id. Everything else, also the number of seats taken, needs the whole list. */
async function readTarget({ target, policy }: ReconcileContext, sync: SyncInput, signal: AbortSignal) {
  const accountIds = sync.users.map(({ link }) => link?.remoteId ?? null);
  const groupIds = target.supports.groups
    ? sync.groups.filter(({ group }) => sync.dirtyGroupIds.has(group.id)).map(({ link }) => link?.remoteId ?? null)
    : [];
  const ids = [...accountIds, ...groupIds];
  const isNamed =
    !sync.isComplete && policy.maxSeats === null && ids.length <= maxNamed && ids.every((id) => id !== null);
  if (isNamed) {
    const named = await target.observe(
      {
        kind: "named",
        accountIds: accountIds.filter((id) => id !== null),
        groupIds: groupIds.filter((id) => id !== null),
      },
      signal,
    );
    // A missing account may exist under another id.
    if (named.missingRemoteIds.length === 0) return named;
  }
  const observed = await target.observe({ kind: "all" }, signal);
  await verifyMissing(target, sync, observed, signal);
  return observed;
}

/** Asks by id for linked accounts that the list lacks. If one exists, the list is incomplete, and nothing may be done. */
async function verifyMissing(target: Target, sync: SyncInput, observed: Observed, signal: AbortSignal): Promise<void> {
  const listed = new Set(observed.accounts.map(({ remoteId }) => remoteId));
  const missing = sync.users.flatMap(({ link }) => link?.remoteId ?? []).filter((remoteId) => !listed.has(remoteId));
  if (missing.length === 0) return;
  const asked = missing.slice(0, maxVerified);
  const { accounts } = await target.observe({ kind: "named", accountIds: asked, groupIds: [] }, signal);
  if (accounts.length > 0) {
    throw new RollcallError(
      "TARGET_INCOMPLETE",
      `target ${target.name}: the list of ${observed.accounts.length} accounts lacks ${missing.length} linked ones, but ${accounts.length} of ${asked.length} exist when asked for by id. The list is incomplete, so nothing was changed`,
    );
  }
}

/** Reads memberships from the side that needs fewer requests, and the members of groups that will be removed. */
export async function readMemberships(
  target: Target,
  { users, groups, changes }: EntityDiff,
  signal: AbortSignal,
): Promise<ObservedMemberships> {
  const none: Memberships = new Map();
  if (!target.supports.groups) return { by: "account", lists: none, ofRemovedGroups: none };
  const accountIds = users.flatMap((user) => (user.hasManagedMemberships ? (user.account?.remoteId ?? []) : []));
  const groupIds = groups.filter((group) => group.isManaged).flatMap((group) => remoteGroupId(group) ?? []);
  const removedIds = changes.flatMap((change) => (change.op === "removeGroup" ? [change.remoteId] : []));
  const ofRemovedGroups =
    removedIds.length === 0 ? none : await target.observeMemberships({ by: "group", groupIds: removedIds }, signal);
  if (accountIds.length === 0 || groupIds.length === 0)
    return { by: "account", lists: new Map(accountIds.map((id) => [id, []])), ofRemovedGroups };
  const query =
    accountIds.length <= groupIds.length
      ? ({ by: "account", accountIds } as const)
      : ({ by: "group", groupIds } as const);
  return { by: query.by, lists: await target.observeMemberships(query, signal), ofRemovedGroups };
}
