import { empty, json, type Reply, type Route, type SandboxRequest } from "../kit/http.ts";
import {
  type CollectionAccess,
  eventType,
  type Member,
  memberStatus,
  memberType,
  type Permissions,
  permissionNames,
} from "./model.ts";
import {
  badRequest,
  checkManage,
  commandNotFound,
  pathEntity,
  pathGuid,
  readBodyObject,
  readGuids,
  readMemberCreate,
  readMemberUpdate,
  unhandled,
} from "./requests.ts";
import type { BitwardenState } from "./state.ts";

/** A route whose work is done on one organization; `id` is the first parameter of the path. */
export interface BitwardenRoute extends Pick<Route, "method" | "template"> {
  readonly handle: (state: BitwardenState, request: SandboxRequest, id: string) => Reply;
}

export const memberRoutes: readonly BitwardenRoute[] = [
  { method: "GET", template: "/api/public/members", handle: listMembers },
  { method: "POST", template: "/api/public/members", handle: postMember },
  {
    method: "GET",
    template: "/api/public/members/{id}",
    handle: (state, _, id) => json(200, memberModel(pathEntity(state.members, id))),
  },
  { method: "PUT", template: "/api/public/members/{id}", handle: putMember },
  { method: "DELETE", template: "/api/public/members/{id}", handle: deleteMember },
  {
    method: "GET",
    template: "/api/public/members/{id}/group-ids",
    handle: (state, _, id) => json(200, [...state.groupIdsOf(pathEntity(state.members, id).id)]),
  },
  { method: "PUT", template: "/api/public/members/{id}/group-ids", handle: putGroupIds },
  { method: "POST", template: "/api/public/members/{id}/reinvite", handle: reinvite },
  { method: "POST", template: "/api/public/members/{id}/revoke", handle: revoke },
  { method: "POST", template: "/api/public/members/{id}/restore", handle: restore },
];

const lastOwnerText = "Organization must have at least one confirmed owner.";

/** A list. Servers before 2026.8.0 added a continuationToken (src/Api/Models/Public/Response/ListResponseModel.cs). */
export function listOf(state: BitwardenState, data: readonly unknown[]): Reply {
  const token = state.settings.listContinuationToken;
  return json(200, token === undefined ? { object: "list", data } : { object: "list", data, continuationToken: token });
}

/** MemberResponseModel: without groups, with all null values. */
function memberModel(
  member: Member,
  collections: readonly CollectionAccess[] | null = member.collections,
): Record<string, unknown> {
  return {
    object: "member",
    id: member.id,
    userId: member.userId,
    name: member.name,
    email: member.email,
    twoFactorEnabled: member.twoFactorEnabled,
    status: member.status,
    collections,
    resetPasswordEnrolled: member.resetPasswordEnrolled,
    ssoExternalId: member.ssoExternalId,
    type: member.type,
    externalId: member.externalId,
    permissions: member.type === memberType.custom ? (member.permissions ?? noPermissions()) : null,
  };
}

function noPermissions(): Permissions {
  return Object.fromEntries(permissionNames.map((name) => [name, false])) as Permissions;
}

// All members of every status, without pages or filters (MembersController.List).
function listMembers(state: BitwardenState): Reply {
  const { listsCollections } = state.settings;
  return listOf(
    state,
    Array.from(state.members.values(), (member) => memberModel(member, listsCollections ? member.collections : null)),
  );
}

function postMember(state: BitwardenState, request: SandboxRequest): Reply {
  const model = readMemberCreate(readBodyObject(request));
  const email = model.email.toLowerCase();
  if (isKnownEmail(state, email, model.email)) throw badRequest("This user has already been invited.");
  requireSeats(state, 1, "Cannot auto scale self-host.");
  checkManage(model.collections);
  // The server writes ids into the join tables without a check. An unknown or repeated id rolls the member back
  // (OrganizationUser_CreateManyWithCollectionsAndGroups.sql).
  const groups = model.groups ?? [];
  const collections = model.collections ?? [];
  const isStorable =
    groups.every((id) => state.groups.has(id)) &&
    collections.every((access) => state.collections.has(access.id)) &&
    areDistinct(groups);
  if (!isStorable) throw badRequest("Failed to invite users");
  const member = invite(state, email, blankToNull(model.externalId), {
    type: model.type,
    permissions: model.type === memberType.custom ? (model.permissions ?? null) : null,
    collections,
  });
  if (groups.length > 0) state.setMemberGroups(member.id, groups);
  // `collections` repeats the request, not the database.
  return json(200, memberModel(member, model.collections ?? null));
}

/** Adds an Invited member and mails the invitation. */
export function invite(
  state: BitwardenState,
  email: string,
  externalId: string | null,
  rest: Partial<Member> = {},
): Member {
  const member = state.addMember({ ...rest, email, externalId, status: memberStatus.invited });
  state.countMail(email);
  state.recordEvent(eventType.memberInvited, { memberId: member.id });
  return member;
}

/**
 * True if an invitation to this address is refused. SQL Server compares account and invited e-mails of all members
 * (OrganizationUser_SelectKnownEmails.sql). Entity Framework databases miss members without an account and compare
 * letter case, so duplicates are possible there (EF/OrganizationUserRepository.cs, SelectKnownEmailsAsync).
 */
export function isKnownEmail(state: BitwardenState, email: string, asSent: string): boolean {
  const found = state.membersByEmail(email);
  if (!state.settings.entityFramework) return found.length > 0;
  return found.some((member) => member.userId !== null && member.email === asSent);
}

/**
 * Makes sure that `needed` more members have a seat. Buys missing seats when the settings allow it.
 * Throws `Refusal` with one of the vendor's texts; `selfHostedText` differs between the callers.
 */
export function requireSeats(state: BitwardenState, needed: number, selfHostedText: string): void {
  const { seats, maxAutoscaleSeats, selfHosted, autoscaleRefusal } = state.settings;
  if (seats === null) return;
  const missing = state.occupiedSeats + needed - seats;
  if (missing <= 0) return;
  if (selfHosted) throw badRequest(selfHostedText);
  if (maxAutoscaleSeats !== null && seats + missing > maxAutoscaleSeats)
    throw badRequest("Seat limit has been reached.");
  if (autoscaleRefusal !== null) throw badRequest(autoscaleRefusal);
  state.buySeats(missing);
}

function putMember(state: BitwardenState, request: SandboxRequest, id: string): Reply {
  const memberId = pathGuid(id);
  const model = readMemberUpdate(readBodyObject(request));
  const member = pathEntity(state.members, memberId);
  const collections = model.collections ?? [];
  if (!collections.every((access) => state.collections.has(access.id))) throw commandNotFound();
  if (model.groups !== undefined && !model.groups.every((group) => state.groups.has(group))) throw commandNotFound();
  if (model.type === memberType.custom && !state.settings.isEnterprise) {
    throw badRequest("To enable custom permissions the organization must be on an Enterprise plan.");
  }
  if (model.type !== memberType.owner && state.isLastConfirmedOwner(member)) throw badRequest(lastOwnerText);
  checkManage(collections);
  if (model.groups !== undefined && !areDistinct(model.groups)) throw unhandled();
  const updated = state.updateMember(member.id, {
    type: model.type,
    // An absent value resets it (MemberUpdateRequestModel.ToOrganizationUser).
    externalId: blankToNull(model.externalId),
    // An absent value keeps them (test Put_ExistingCustomMember_NullPermissions_DoesNotOverwritePermissions).
    permissions: model.permissions ?? member.permissions,
    // PUT without collections clears them (UpdateOrganizationUserCommand: collectionAccess ?? []).
    collections,
  });
  // PUT without groups keeps them (same command: groupAccess != null).
  if (model.groups !== undefined) state.setMemberGroups(member.id, model.groups);
  state.recordEvent(eventType.memberUpdated, { memberId: member.id });
  return json(200, memberModel(updated, model.collections ?? null));
}

// Replaces all groups. An INNER JOIN drops unknown ids without an error. A repeated new id violates the primary key and
// a null array fails in the command: both are 500 (GroupUser_UpdateGroups.sql).
function putGroupIds(state: BitwardenState, request: SandboxRequest, id: string): Reply {
  const memberId = pathGuid(id);
  const groupIds = readGuids(readBodyObject(request), "groupIds");
  const member = pathEntity(state.members, memberId);
  state.setMemberGroups(member.id, replacement(groupIds, state.groups, state.groupIdsOf(member.id)));
  state.recordEvent(eventType.memberGroupsUpdated, { memberId: member.id });
  return empty(200);
}

/** Returns the ids after a full replacement. Throws a 500 for null and for repeated new ids. */
export function replacement(
  ids: readonly string[] | null,
  known: ReadonlyMap<string, unknown>,
  before: ReadonlySet<string>,
): ReadonlySet<string> {
  if (ids === null) throw unhandled();
  const kept = new Set<string>();
  for (const id of ids) {
    if (!known.has(id)) continue;
    if (kept.has(id) && !before.has(id)) throw unhandled();
    kept.add(id);
  }
  return kept;
}

// Works in any status. The person keeps their Bitwarden account (RemoveOrganizationUserCommand).
function deleteMember(state: BitwardenState, _: SandboxRequest, id: string): Reply {
  const member = pathEntity(state.members, id);
  if (state.isLastConfirmedOwner(member)) throw badRequest(lastOwnerText);
  state.removeMember(member.id);
  state.recordEvent(eventType.memberRemoved, { memberId: member.id });
  return empty(200);
}

function reinvite(state: BitwardenState, _: SandboxRequest, id: string): Reply {
  const member = pathEntity(state.members, id);
  if (member.status !== memberStatus.invited) throw badRequest("User invalid.");
  state.countReinvite(member.email);
  return empty(200);
}

// Not idempotent (RevokeOrganizationUsersValidator). Groups, collections and externalId stay.
function revoke(state: BitwardenState, _: SandboxRequest, id: string): Reply {
  const member = pathEntity(state.members, id);
  if (member.status === memberStatus.revoked) throw badRequest("Already revoked.");
  if (state.isLastConfirmedOwner(member)) throw badRequest(lastOwnerText);
  state.updateMember(member.id, { status: memberStatus.revoked, previousStatus: member.status });
  state.recordEvent(eventType.memberRevoked, { memberId: member.id });
  return empty(200);
}

// Sets the status before the revocation. The seat is bought first, also when a policy then refuses
// (RestoreOrganizationUserCommand.RepositoryRestoreUserAsync).
function restore(state: BitwardenState, _: SandboxRequest, id: string): Reply {
  const member = pathEntity(state.members, id);
  if (member.status !== memberStatus.revoked) throw badRequest("Already active.");
  requireSeats(state, 1, "Cannot autoscale on self-hosted instance.");
  const status = member.previousStatus ?? memberStatus.confirmed;
  const isChecked = status !== memberStatus.invited && status !== memberStatus.staged;
  if (isChecked && member.restoreRefusal !== null) throw badRequest(member.restoreRefusal);
  state.updateMember(member.id, { status, previousStatus: null });
  state.recordEvent(eventType.memberRestored, { memberId: member.id });
  return empty(200);
}

function areDistinct(ids: readonly string[]): boolean {
  return new Set(ids).size === ids.length;
}

export function blankToNull(text: string | null): string | null {
  return text === null || text.trim() === "" ? null : text;
}
