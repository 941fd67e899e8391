import { empty, type Reply, type SandboxRequest } from "../kit/http.ts";
import { type BitwardenRoute, invite, isKnownEmail, requireSeats } from "./members.ts";
import { eventType, type Member, memberStatus, memberType } from "./model.ts";
import {
  asObject,
  badRequest,
  checkLength,
  isEmailAddress,
  ModelState,
  readArray,
  readBodyObject,
  readBoolean,
  readPermissiveString,
  readString,
  requiredProperty,
  unhandled,
} from "./requests.ts";
import type { BitwardenState } from "./state.ts";

export const importRoutes: readonly BitwardenRoute[] = [
  { method: "POST", template: "/api/public/organization/import", handle: importAll },
];

interface ImportedMember {
  readonly email: string;
  readonly externalId: string;
  readonly deleted: boolean;
}

interface ImportedGroup {
  readonly name: string;
  readonly externalId: string;
  readonly memberExternalIds: readonly string[] | null;
}

interface ImportRequest {
  readonly members: readonly ImportedMember[] | null;
  readonly groups: readonly ImportedGroup[] | null;
  readonly overwriteExisting: boolean;
  readonly largeImport: boolean;
  readonly inviteUsersAfterProvisioning: boolean;
}

const importLimit = 2000;

/**
 * ImportOrganizationUsersAndGroupsCommand (bitwarden/server 2026.8.0). Not transactional: earlier steps
 * stay done when a later one fails.
 */
function importAll(state: BitwardenState, request: SandboxRequest): Reply {
  const { members, groups, ...options } = readImport(request);
  if (members === null || groups === null || groups.some((group) => group.memberExternalIds === null))
    throw unhandled();
  const imported = members.filter((member) => !member.deleted);
  const isTooLarge = groups.length > importLimit || imported.length > importLimit;
  if (isTooLarge && !state.settings.selfHosted && !options.largeImport)
    throw badRequest("You cannot import this much data at once.");
  if (!state.settings.useDirectory) throw badRequest("Organization cannot use directory syncing.");

  const importedIds = new Set(imported.map((member) => member.externalId));
  const external = [...state.members.values()].filter((member) => isGiven(member.externalId));
  const known = toDictionary(
    external,
    (member) => member.externalId ?? "",
    (member) => member.id,
  );
  removeDeleted(state, members, importedIds, external);
  if (options.overwriteExisting) overwriteExisting(state, importedIds, external, known);
  if (imported.length > 0) adoptByEmail(state, imported, known);
  addNew(state, imported, known, options.inviteUsersAfterProvisioning);
  if (groups.length > 0) importGroups(state, groups, known);
  return empty(200);
}

/** Enumerable.ToDictionary: a repeated key throws, and the API answers 500. */
function toDictionary<Item, Value>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  itemValue: (item: Item) => Value,
): Map<string, Value> {
  const dictionary = new Map<string, Value>();
  for (const item of items) {
    const key = keyOf(item);
    if (dictionary.has(key)) throw unhandled();
    dictionary.set(key, itemValue(item));
  }
  return dictionary;
}

function isGiven(externalId: string | null): externalId is string {
  return externalId !== null && externalId.trim() !== "";
}

// Step 1: owners stay, although the last owner is not checked. Unknown ids are ignored.
function removeDeleted(
  state: BitwardenState,
  members: readonly ImportedMember[],
  importedIds: ReadonlySet<string>,
  external: readonly Member[],
): void {
  const deletedIds = new Set(members.filter((member) => member.deleted).map((member) => member.externalId));
  for (const member of external) {
    const id = member.externalId ?? "";
    if (deletedIds.has(id) && !importedIds.has(id) && member.type !== memberType.owner) remove(state, member.id);
  }
}

// Step 2: removes members of any status, admins included. One member without a master password fails the whole call.
function overwriteExisting(
  state: BitwardenState,
  importedIds: ReadonlySet<string>,
  external: readonly Member[],
  known: Map<string, string>,
): void {
  const surplus = external.filter(
    (member) => member.type !== memberType.owner && !importedIds.has(member.externalId ?? ""),
  );
  if (surplus.some((member) => !member.hasMasterPassword)) {
    throw badRequest(
      "Sync failed. To proceed, disable the 'Remove and re-add users during next sync' setting and try again.",
    );
  }
  for (const member of surplus) {
    if (state.members.has(member.id)) remove(state, member.id);
    known.delete(member.externalId ?? "");
  }
}

function remove(state: BitwardenState, memberId: string): void {
  state.removeMember(memberId);
  state.recordEvent(eventType.memberRemoved, { memberId });
}

// Step 3: members without externalId get the one imported for their address. An existing externalId is kept.
function adoptByEmail(state: BitwardenState, imported: readonly ImportedMember[], known: Map<string, string>): void {
  const unowned = [...state.members.values()].filter((member) => !isGiven(member.externalId));
  const byEmail = toDictionary(
    unowned,
    (member) => member.email,
    (member) => member.id,
  );
  const importedByEmail = toDictionary(
    imported,
    (member) => member.email,
    (member) => member.externalId,
  );
  const adopted: [string, string][] = [];
  for (const [email, externalId] of importedByEmail) {
    const memberId = byEmail.get(email);
    if (memberId === undefined) continue;
    // Dictionary.Add throws before anything is saved when another member has this externalId.
    if (known.has(externalId)) throw unhandled();
    known.set(externalId, memberId);
    adopted.push([memberId, externalId]);
  }
  for (const [memberId, externalId] of adopted) state.updateMember(memberId, { externalId });
}

// Step 4: seats are checked for the whole batch. A known address with another externalId is skipped without an error.
function addNew(
  state: BitwardenState,
  imported: readonly ImportedMember[],
  known: Map<string, string>,
  invites: boolean,
): void {
  const fresh = imported.filter(
    (member) => !known.has(member.externalId) && !isKnownEmail(state, member.email, member.email),
  );
  if (!invites && state.settings.stagedStatus) {
    for (const { email, externalId } of fresh)
      known.set(externalId, state.addMember({ email, externalId, status: memberStatus.staged }).id);
    return;
  }
  requireSeats(state, fresh.length, "Cannot autoscale on self-hosted instance.");
  for (const { email, externalId } of fresh) {
    const member = invite(state, email, externalId);
    if (!known.has(externalId)) known.set(externalId, member.id);
  }
}

// Step 5: groups match by externalId only. Members are replaced, also those added by hand. No group is deleted.
function importGroups(
  state: BitwardenState,
  groups: readonly ImportedGroup[],
  known: ReadonlyMap<string, string>,
): void {
  if (!state.settings.useGroups) throw badRequest("Organization cannot use groups.");
  const imported = toDictionary(
    groups,
    (group) => group.externalId,
    (group) => group,
  );
  const existing = toDictionary(
    [...state.groups.values()].filter((group) => isGiven(group.externalId)),
    (group) => group.externalId ?? "",
    (group) => group,
  );
  for (const [externalId, { name, memberExternalIds }] of imported) {
    const before = existing.get(externalId);
    const group = before ?? state.addGroup({ name, externalId });
    if (before === undefined) state.recordEvent(eventType.groupCreated, { groupId: group.id });
    else if (before.name !== name) {
      state.putGroup({ ...before, name });
      state.recordEvent(eventType.groupUpdated, { groupId: group.id });
    }
    const memberIds = (memberExternalIds ?? [])
      .map((id) => known.get(id))
      .filter((id) => id !== undefined && state.members.has(id));
    state.setGroupMembers(group.id, memberIds as string[]);
  }
}

function readImport(request: SandboxRequest): ImportRequest {
  const fields = readBodyObject(request);
  requiredProperty(fields, "overwriteExisting");
  const model = new ModelState();
  const members = readArray(fields, "members")?.map((value, index) => readImportedMember(value, index, model)) ?? null;
  const groups = readArray(fields, "groups")?.map((value, index) => readImportedGroup(value, index, model)) ?? null;
  const overwriteExisting = readBoolean(fields, "overwriteExisting") ?? false;
  model.check();
  return {
    members,
    groups,
    overwriteExisting,
    largeImport: readBoolean(fields, "largeImport") ?? false,
    inviteUsersAfterProvisioning: readBoolean(fields, "inviteUsersAfterProvisioning") ?? true,
  };
}

function readImportedMember(value: unknown, index: number, model: ModelState): ImportedMember {
  const path = `$.members[${index}]`;
  const key = `Members[${index}]`;
  const fields = asObject(value, path);
  const email = readString(fields, "email", path);
  const deleted = readBoolean(fields, "deleted", path) ?? false;
  if (email !== null && email !== "" && !isEmailAddress(email))
    model.add(`${key}.Email`, "The Email field is not a valid e-mail address.");
  checkLength(model, `${key}.Email`, email, 256);
  if (!deleted && (email === null || email.trim() === ""))
    model.add(`${key}.Email`, "Email is required for enabled members.");
  return { email: (email ?? "").toLowerCase(), externalId: requiredId(fields, path, key, model), deleted };
}

function readImportedGroup(value: unknown, index: number, model: ModelState): ImportedGroup {
  const path = `$.groups[${index}]`;
  const key = `Groups[${index}]`;
  const fields = asObject(value, path);
  const name = readString(fields, "name", path);
  if (name === null || name.trim() === "") model.add(`${key}.Name`, "The Name field is required.");
  checkLength(model, `${key}.Name`, name, 100);
  const ids = readArray(fields, "memberExternalIds", path)?.map((id) => String(id)) ?? null;
  return { name: name ?? "", externalId: requiredId(fields, path, key, model), memberExternalIds: ids };
}

function requiredId(fields: ReturnType<typeof asObject>, path: string, key: string, model: ModelState): string {
  const externalId = readPermissiveString(fields, "externalId", path);
  if (externalId === null || externalId.trim() === "")
    model.add(`${key}.ExternalId`, "The ExternalId field is required.");
  checkLength(model, `${key}.ExternalId`, externalId, 300);
  return externalId ?? "";
}
