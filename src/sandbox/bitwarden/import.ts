import { z } from "zod";
import type { SandboxRequest } from "../kit/requests.ts";
import { type BitwardenRoutes, invite, knownEmails, requireSeats } from "./members.ts";
import { eventType, type Member, memberStatus, memberType } from "./model.ts";
import {
  badRequest,
  emailAddress,
  flag,
  list,
  maxLength,
  model,
  readBody,
  requiredProperty,
  requiredText,
  text,
  unhandled,
} from "./requests.ts";
import type { BitwardenState } from "./state.ts";

export const importRoutes: BitwardenRoutes = { "POST /api/public/organization/import": importAll };

/** PermissiveStringConverter: a string or a number. */
const externalId = z.preprocess(
  (value) => (typeof value === "number" ? String(value) : value),
  requiredText(maxLength(300)),
);

const importedMember = model({
  email: text(emailAddress, maxLength(256)).transform((value) => (value ?? "").toLowerCase()),
  deleted: flag,
  externalId,
}).refine(({ email, deleted }) => deleted || email.trim() !== "", {
  path: ["email"],
  message: "Email is required for enabled members.",
});

const importedGroup = model({
  name: requiredText(maxLength(100)),
  memberExternalIds: list(z.unknown().transform(String)),
  externalId,
});

const importModel = model({
  members: list(importedMember),
  groups: list(importedGroup),
  overwriteExisting: z.boolean({ error: requiredProperty("overwriteExisting", "System.Boolean") }),
  largeImport: flag,
  inviteUsersAfterProvisioning: z.boolean("System.Boolean").default(true),
});

type ImportedMembers = readonly z.output<typeof importedMember>[];
type ImportedGroups = readonly z.output<typeof importedGroup>[];

/** Ids of members by externalId. */
type KnownIds = Map<string, string>;

const maxImported = 2000;

/**
 * ImportOrganizationUsersAndGroupsCommand (bitwarden/server 2026.8.0). Not transactional: earlier steps
 * stay done when a later one fails.
 */
function importAll(state: BitwardenState, request: SandboxRequest): undefined {
  const { members, groups, ...options } = readBody(request, importModel);
  if (members === null || groups === null || groups.some((group) => group.memberExternalIds === null))
    throw unhandled();
  const imported = members.filter((member) => !member.deleted);
  const isTooLarge = groups.length > maxImported || imported.length > maxImported;
  if (isTooLarge && !state.settings.selfHosted && !options.largeImport)
    throw badRequest("You cannot import this much data at once.");
  if (!state.settings.useDirectory) throw badRequest("Organization cannot use directory syncing.");

  const importedIds = new Set(imported.map((member) => member.externalId));
  const external = toDictionary(state.members.values().filter(hasExternalId), (member) => [member.externalId, member]);
  const known: KnownIds = new Map([...external].map(([id, member]) => [id, member.id]));

  // Step 1: owners stay, although the last owner is not checked. Unknown ids are ignored.
  const deletedIds = new Set(members.filter((member) => member.deleted).map((member) => member.externalId));
  for (const [id, member] of external) {
    if (deletedIds.has(id) && !importedIds.has(id) && member.type !== memberType.owner) remove(state, member.id);
  }
  if (options.overwriteExisting) {
    const surplus = [...external].filter(([id, { type }]) => type !== memberType.owner && !importedIds.has(id));
    removeSurplus(state, surplus, known);
  }
  if (imported.length > 0) adoptByEmail(state, imported, known);
  addNew(state, imported, known, options.inviteUsersAfterProvisioning);
  if (groups.length > 0) importGroups(state, groups, known);
}

/** Enumerable.ToDictionary: a repeated key throws, and the API answers 500. */
function toDictionary<Item, Value>(
  items: Iterable<Item>,
  entryOf: (item: Item) => readonly [string, Value],
): Map<string, Value> {
  const dictionary = new Map<string, Value>();
  for (const item of items) {
    const [key, value] = entryOf(item);
    if (dictionary.has(key)) throw unhandled();
    dictionary.set(key, value);
  }
  return dictionary;
}

function hasExternalId<Entity extends { readonly externalId: string | null }>(
  entity: Entity,
): entity is Entity & { readonly externalId: string } {
  return entity.externalId !== null && entity.externalId.trim() !== "";
}

// Step 2: removes members of any status, admins included. One member without a master password fails the whole call.
function removeSurplus(state: BitwardenState, surplus: readonly (readonly [string, Member])[], known: KnownIds): void {
  if (surplus.some(([, member]) => !member.hasMasterPassword)) {
    throw badRequest(
      "Sync failed. To proceed, disable the 'Remove and re-add users during next sync' setting and try again.",
    );
  }
  for (const [id, member] of surplus) {
    if (state.members.has(member.id)) remove(state, member.id);
    known.delete(id);
  }
}

function remove(state: BitwardenState, memberId: string): void {
  state.removeMember(memberId);
  state.recordEvent(eventType.memberRemoved, { memberId });
}

// Step 3: members without externalId get the one imported for their address. An existing externalId is kept.
function adoptByEmail(state: BitwardenState, imported: ImportedMembers, known: KnownIds): void {
  const unowned = state.members.values().filter((member) => !hasExternalId(member));
  const idByEmail = toDictionary(unowned, (member) => [member.email, member.id]);
  const importedByEmail = toDictionary(imported, (member) => [member.email, member.externalId]);
  const adopted: (readonly [string, string])[] = [];
  for (const [email, externalId] of importedByEmail) {
    const memberId = idByEmail.get(email);
    if (memberId === undefined) continue;
    // Dictionary.Add throws before anything is saved when another member has this externalId.
    if (known.has(externalId)) throw unhandled();
    known.set(externalId, memberId);
    adopted.push([memberId, externalId]);
  }
  for (const [memberId, externalId] of adopted) state.updateMember(memberId, { externalId });
}

// Step 4: seats are checked for the whole batch. A known address with another externalId is skipped without an error.
function addNew(state: BitwardenState, imported: ImportedMembers, known: KnownIds, invites: boolean): void {
  const emails = new Set(knownEmails(state));
  const added = imported.filter((member) => !known.has(member.externalId) && !emails.has(member.email));
  if (!invites && state.settings.stagedStatus) {
    for (const { email, externalId } of added)
      known.set(externalId, state.addMember({ email, externalId, status: memberStatus.staged }).id);
    return;
  }
  requireSeats(state, added.length, "Cannot autoscale on self-hosted instance.");
  for (const { email, externalId } of added) {
    const member = invite(state, email, externalId);
    if (!known.has(externalId)) known.set(externalId, member.id);
  }
}

// Step 5: groups match by externalId only. Members are replaced, also those added by hand. No group is deleted.
function importGroups(state: BitwardenState, groups: ImportedGroups, known: KnownIds): void {
  if (!state.settings.useGroups) throw badRequest("Organization cannot use groups.");
  const imported = toDictionary(groups, (group) => [group.externalId, group]);
  const existing = toDictionary(state.groups.values().filter(hasExternalId), (group) => [group.externalId, group]);
  for (const [externalId, { name, memberExternalIds }] of imported) {
    const before = existing.get(externalId);
    const group = before ?? state.addGroup({ name, externalId });
    if (before === undefined) state.recordEvent(eventType.groupCreated, { groupId: group.id });
    else if (before.name !== name) {
      state.groups.set(group.id, { ...before, name });
      state.recordEvent(eventType.groupUpdated, { groupId: group.id });
    }
    const memberIds = (memberExternalIds ?? []).map((id) => known.get(id) ?? "").filter((id) => state.members.has(id));
    state.setGroupMembers(group.id, memberIds);
  }
}
