import { empty, json, type Reply, type SandboxRequest } from "../kit/http.ts";
import { type BitwardenRoute, listOf, replacement } from "./members.ts";
import { type CollectionAccess, eventType, type Group } from "./model.ts";
import {
  badRequest,
  checkLength,
  checkManage,
  commandNotFound,
  ModelState,
  pathEntity,
  pathGuid,
  readBodyObject,
  readCollections,
  readGroupWrite,
  readGuids,
  readString,
} from "./requests.ts";
import type { BitwardenState } from "./state.ts";

export const groupRoutes: readonly BitwardenRoute[] = [
  {
    method: "GET",
    template: "/api/public/groups",
    handle: (state) =>
      listOf(
        state,
        Array.from(state.groups.values(), (group) => groupModel(group)),
      ),
  },
  { method: "POST", template: "/api/public/groups", handle: postGroup },
  {
    method: "GET",
    template: "/api/public/groups/{id}",
    handle: (state, _, id) => json(200, groupModel(pathEntity(state.groups, id))),
  },
  { method: "PUT", template: "/api/public/groups/{id}", handle: putGroup },
  { method: "DELETE", template: "/api/public/groups/{id}", handle: deleteGroup },
  {
    method: "GET",
    template: "/api/public/groups/{id}/member-ids",
    handle: (state, _, id) => json(200, [...state.memberIdsOf(pathEntity(state.groups, id).id)]),
  },
  { method: "PUT", template: "/api/public/groups/{id}/member-ids", handle: putMemberIds },
  { method: "GET", template: "/api/public/collections", handle: listCollections },
  { method: "GET", template: "/api/public/collections/{id}", handle: getCollection },
  { method: "PUT", template: "/api/public/collections/{id}", handle: putCollection },
  { method: "DELETE", template: "/api/public/collections/{id}", handle: deleteCollection },
];

function groupModel(
  group: Group,
  collections: readonly CollectionAccess[] | null = group.collections,
): Record<string, unknown> {
  return { object: "group", id: group.id, name: group.name, externalId: group.externalId, collections };
}

// Two groups may have the same name or externalId: the server has no unique index (src/Sql/dbo/Tables/Group.sql).
function postGroup(state: BitwardenState, request: SandboxRequest): Reply {
  const model = readGroupWrite(readBodyObject(request));
  if (!state.settings.useGroups) throw badRequest("This organization cannot use groups.");
  checkCollections(state, model.collections);
  const group = state.addGroup({
    name: model.name,
    externalId: model.externalId,
    collections: model.collections ?? [],
  });
  state.recordEvent(eventType.groupCreated, { groupId: group.id });
  return json(200, groupModel(group, model.collections ?? null));
}

function putGroup(state: BitwardenState, request: SandboxRequest, id: string): Reply {
  const groupId = pathGuid(id);
  const model = readGroupWrite(readBodyObject(request));
  const group = pathEntity(state.groups, groupId);
  if (!state.settings.useGroups) throw badRequest("This organization cannot use groups.");
  checkCollections(state, model.collections);
  // An absent externalId is reset, absent collections are kept (UpdateGroupCommand calls ReplaceAsync(group) for null).
  const updated: Group = {
    ...group,
    name: model.name,
    externalId: model.externalId,
    collections: model.collections ?? group.collections,
  };
  state.putGroup(updated);
  state.recordEvent(eventType.groupUpdated, { groupId: group.id });
  return json(200, groupModel(updated, model.collections ?? null));
}

function checkCollections(state: BitwardenState, collections: readonly CollectionAccess[] | undefined): void {
  if (collections === undefined) return;
  checkManage(collections);
  if (!collections.every((access) => state.collections.has(access.id))) throw commandNotFound();
}

// Members of any status may be in a group. No event is recorded (GroupsController.PutMemberIds calls the repository).
function putMemberIds(state: BitwardenState, request: SandboxRequest, id: string): Reply {
  const groupId = pathGuid(id);
  const memberIds = readGuids(readBodyObject(request), "memberIds");
  const group = pathEntity(state.groups, groupId);
  state.setGroupMembers(group.id, replacement(memberIds, state.members, state.memberIdsOf(group.id)));
  return empty(200);
}

function deleteGroup(state: BitwardenState, _: SandboxRequest, id: string): Reply {
  const group = pathEntity(state.groups, id);
  state.removeGroup(group.id);
  state.recordEvent(eventType.groupDeleted, { groupId: group.id });
  return empty(200);
}

// Names are encrypted and not returned. The API cannot create collections (CollectionsController).
function collectionModels(state: BitwardenState): Record<string, unknown>[] {
  const groupsByCollection = new Map<string, CollectionAccess[]>();
  for (const group of state.groups.values()) {
    for (const access of group.collections) {
      const entry = { ...access, id: group.id };
      const entries = groupsByCollection.get(access.id);
      if (entries === undefined) groupsByCollection.set(access.id, [entry]);
      else entries.push(entry);
    }
  }
  return Array.from(state.collections.values(), ({ id, externalId }) => ({
    object: "collection",
    id,
    externalId,
    groups: groupsByCollection.get(id) ?? [],
  }));
}

function listCollections(state: BitwardenState): Reply {
  return listOf(state, collectionModels(state));
}

function getCollection(state: BitwardenState, _: SandboxRequest, id: string): Reply {
  const collection = pathEntity(state.collections, id);
  return json(
    200,
    collectionModels(state).find((model) => model["id"] === collection.id),
  );
}

// An absent externalId is reset. Groups stay when absent or null; an empty list removes all.
function putCollection(state: BitwardenState, request: SandboxRequest, id: string): Reply {
  const guid = pathGuid(id);
  const fields = readBodyObject(request);
  const externalId = readString(fields, "externalId");
  const modelState = new ModelState();
  checkLength(modelState, "ExternalId", externalId, 300);
  modelState.check();
  const groups = readCollections(fields, "groups");
  const { id: collectionId } = pathEntity(state.collections, guid);
  if (groups?.some((access) => !state.groups.has(access.id))) throw commandNotFound();
  state.putCollection({ id: collectionId, externalId });
  for (const group of groups === undefined ? [] : state.groups.values()) {
    const access = groups?.find((entry) => entry.id === group.id);
    const others = group.collections.filter((entry) => entry.id !== collectionId);
    state.putGroup({
      ...group,
      collections: access === undefined ? others : [...others, { ...access, id: collectionId }],
    });
  }
  state.recordEvent(eventType.collectionUpdated, { collectionId });
  return getCollection(state, request, collectionId);
}

function deleteCollection(state: BitwardenState, _: SandboxRequest, id: string): Reply {
  const { id: collectionId } = pathEntity(state.collections, id);
  state.removeCollection(collectionId);
  state.recordEvent(eventType.collectionDeleted, { collectionId });
  return empty(200);
}
