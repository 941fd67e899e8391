import { z } from "zod";
import type { SandboxRequest } from "../kit/requests.ts";
import { type CollectionAccess, eventType, type Member, memberStatus, memberType } from "./model.ts";
import {
  badRequest,
  collections,
  commandNotFound,
  guids,
  maxLength,
  model,
  pathEntity,
  permissions,
  readBody,
  requiredProperty,
  requiredText,
  requiredValue,
  strictEmailAddress,
  text,
  unhandled,
} from "./requests.ts";
import type { BitwardenState } from "./state.ts";

/** Routes of one organization. `id` is the parameter of the path. The result is sent as JSON; undefined has no body. */
export type BitwardenRoutes = Readonly<
  Record<string, (state: BitwardenState, request: SandboxRequest, id: string) => object | undefined>
>;

const lastOwnerText = "Organization must have at least one confirmed owner.";

const customOnlyText = "Only users with the Custom role may use custom permissions.";

const memberTypes = Object.values(memberType);

const memberFields = {
  type: requiredValue(
    z
      .number({ error: requiredProperty("type", "System.Int32") })
      .multipleOf(1, "System.Int32")
      .nullable()
      .refine((value) => value === null || memberTypes.some((known) => known === value), "The field {0} is invalid."),
  ).transform((value) => memberTypes.find((known) => known === value) ?? memberType.user),
  externalId: text(maxLength(300)).transform((value) => (value?.trim() ? value : null)),
  permissions: permissions.nullish().transform((value) => value ?? null),
  collections,
  groups: guids,
};

const updateModel = model(memberFields).refine(isCustomOrPlain, customOnlyText);
const createModel = model({ ...memberFields, email: requiredText(strictEmailAddress, maxLength(256)) }).refine(
  isCustomOrPlain,
  customOnlyText,
);
const groupsModel = model({ groupIds: guids });

function isCustomOrPlain(given: { readonly type: number; readonly permissions: object | null }): boolean {
  return given.permissions === null || given.type === memberType.custom;
}

export const memberRoutes: BitwardenRoutes = {
  // All members of every status, without pages or filters (MembersController.List).
  "GET /api/public/members": (state) => {
    const { listsCollections } = state.settings;
    return listOf(
      state,
      state.members.values().map((member) => shownMember(member, listsCollections ? member.collections : null)),
    );
  },

  "POST /api/public/members": (state, request) => {
    const given = readBody(request, createModel);
    const email = given.email.toLowerCase();
    const compared = state.settings.entityFramework ? given.email : email;
    if (knownEmails(state).some((known) => known === compared)) throw badRequest("This user has already been invited.");
    requireSeats(state, 1, "Cannot auto scale self-host.");
    const accesses = given.collections ?? [];
    const groups = given.groups ?? [];
    checkManage(accesses);
    // The server writes ids into the join tables without a check. An unknown or repeated id rolls the member back
    // (OrganizationUser_CreateManyWithCollectionsAndGroups.sql).
    const isStorable =
      groups.every((id) => state.groups.has(id)) &&
      accesses.every((access) => state.collections.has(access.id)) &&
      areDistinct(groups);
    if (!isStorable) throw badRequest("Failed to invite users");
    const member = invite(state, email, given.externalId, {
      type: given.type,
      permissions: given.type === memberType.custom ? given.permissions : null,
      collections: accesses,
    });
    state.setMemberGroups(member.id, groups);
    // `collections` repeats the request, not the database.
    return shownMember(member, given.collections);
  },

  "GET /api/public/members/{id}": (state, _, id) => shownMember(pathEntity(state.members, id)),

  "PUT /api/public/members/{id}": (state, request, id) => {
    const given = readBody(request, updateModel);
    const member = pathEntity(state.members, id);
    const { type, externalId, groups } = given;
    const accesses = given.collections ?? [];
    if (!accesses.every((access) => state.collections.has(access.id))) throw commandNotFound();
    if (groups?.some((group) => !state.groups.has(group))) throw commandNotFound();
    if (type === memberType.custom && !state.settings.isEnterprise)
      throw badRequest("To enable custom permissions the organization must be on an Enterprise plan.");
    if (type !== memberType.owner && state.isLastConfirmedOwner(member)) throw badRequest(lastOwnerText);
    checkManage(accesses);
    if (groups !== null && !areDistinct(groups)) throw unhandled();
    const updated = state.updateMember(id, {
      type,
      // An absent value resets it (MemberUpdateRequestModel.ToOrganizationUser).
      externalId,
      // An absent value keeps them (test Put_ExistingCustomMember_NullPermissions_DoesNotOverwritePermissions).
      permissions: given.permissions ?? member.permissions,
      // PUT without collections clears them (UpdateOrganizationUserCommand: collectionAccess ?? []).
      collections: accesses,
    });
    // PUT without groups keeps them (same command: groupAccess != null).
    if (groups !== null) state.setMemberGroups(id, groups);
    state.recordEvent(eventType.memberUpdated, { memberId: id });
    return shownMember(updated, given.collections);
  },

  // Works in any status. The person keeps their Bitwarden account (RemoveOrganizationUserCommand).
  "DELETE /api/public/members/{id}": (state, _, id) => {
    if (state.isLastConfirmedOwner(pathEntity(state.members, id))) throw badRequest(lastOwnerText);
    state.removeMember(id);
    state.recordEvent(eventType.memberRemoved, { memberId: id });
  },

  "GET /api/public/members/{id}/group-ids": (state, _, id) => state.groupIdsOf(pathEntity(state.members, id).id),

  // Replaces all groups. An INNER JOIN drops unknown ids without an error. A repeated new id violates the primary key
  // and a null array fails in the command: both are 500 (GroupUser_UpdateGroups.sql).
  "PUT /api/public/members/{id}/group-ids": (state, request, id) => {
    const { groupIds } = readBody(request, groupsModel);
    pathEntity(state.members, id);
    state.setMemberGroups(id, replacement(groupIds, state.groups, new Set(state.groupIdsOf(id))));
    state.recordEvent(eventType.memberGroupsUpdated, { memberId: id });
  },

  "POST /api/public/members/{id}/reinvite": (state, _, id) => {
    const { status, email } = pathEntity(state.members, id);
    if (status !== memberStatus.invited) throw badRequest("User invalid.");
    state.countReinvite(email);
  },

  // Not idempotent (RevokeOrganizationUsersValidator). Groups, collections and externalId stay.
  "POST /api/public/members/{id}/revoke": (state, _, id) => {
    const member = pathEntity(state.members, id);
    if (member.status === memberStatus.revoked) throw badRequest("Already revoked.");
    if (state.isLastConfirmedOwner(member)) throw badRequest(lastOwnerText);
    state.updateMember(id, { status: memberStatus.revoked, previousStatus: member.status });
    state.recordEvent(eventType.memberRevoked, { memberId: id });
  },

  // Sets the status before the revocation. The seat is bought first, also when a policy then refuses
  // (RestoreOrganizationUserCommand.RepositoryRestoreUserAsync).
  "POST /api/public/members/{id}/restore": (state, _, id) => {
    const member = pathEntity(state.members, id);
    if (member.status !== memberStatus.revoked) throw badRequest("Already active.");
    requireSeats(state, 1, "Cannot autoscale on self-hosted instance.");
    const status = member.previousStatus ?? memberStatus.confirmed;
    const isChecked = status !== memberStatus.invited && status !== memberStatus.staged;
    if (isChecked && member.restoreRefusal !== null) throw badRequest(member.restoreRefusal);
    state.updateMember(id, { status, previousStatus: null });
    state.recordEvent(eventType.memberRestored, { memberId: id });
  },
};

/** A list. Servers before 2026.8.0 added a continuationToken (src/Api/Models/Public/Response/ListResponseModel.cs). */
export function listOf(state: BitwardenState, entities: Iterable<object>): object {
  const { listContinuationToken: continuationToken } = state.settings;
  return { object: "list", data: [...entities], ...(continuationToken === undefined ? {} : { continuationToken }) };
}

/** MemberResponseModel: without groups, with all null values. */
function shownMember(member: Member, shownCollections: readonly CollectionAccess[] | null = member.collections) {
  const { previousStatus, hasMasterPassword, restoreRefusal, ...shown } = member;
  return {
    object: "member",
    ...shown,
    collections: shownCollections,
    permissions: member.type === memberType.custom ? (member.permissions ?? permissions.parse({})) : null,
  };
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
 * Returns the addresses to which an invitation is refused. SQL Server compares account and invited e-mails of all
 * members (OrganizationUser_SelectKnownEmails.sql). Entity Framework databases miss members without an account and
 * compare letter case, so duplicates are possible there (EF/OrganizationUserRepository.cs, SelectKnownEmailsAsync).
 */
export function knownEmails({ members, settings }: BitwardenState): IteratorObject<string> {
  const compared = members.values().filter(({ userId }) => !settings.entityFramework || userId !== null);
  return compared.map((member) => member.email);
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

function areDistinct(ids: readonly string[]): boolean {
  return new Set(ids).size === ids.length;
}

/** Throws a 400 when one access both manages a collection and is limited in it. */
export function checkManage(collections: readonly CollectionAccess[]): void {
  if (collections.some((access) => access.manage && (access.readOnly || access.hidePasswords))) {
    throw badRequest(
      "The Manage property is mutually exclusive and cannot be true while the ReadOnly or HidePasswords properties are also true.",
    );
  }
}
