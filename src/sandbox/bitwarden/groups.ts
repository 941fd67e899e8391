import type { z } from "zod";
import { type BitwardenRoutes, checkManage, listOf, replacement } from "./members.ts";
import { eventType, type Group } from "./model.ts";
import {
  badRequest,
  collections,
  commandNotFound,
  guids,
  maxLength,
  model,
  pathEntity,
  readBody,
  requiredText,
  text,
} from "./requests.ts";
import type { BitwardenState } from "./state.ts";

const groupModel = model({ name: requiredText(maxLength(100)), externalId: text(maxLength(300)), collections });
const membersModel = model({ memberIds: guids });
const collectionModel = model({ externalId: text(maxLength(300)), groups: collections });

/** Groups and collections. */
export const groupRoutes: BitwardenRoutes = {
  "GET /api/public/groups": (state) => listOf(state, state.groups.values().map(shownGroup)),

  // Two groups may have the same name or externalId: the server has no unique index (src/Sql/dbo/Tables/Group.sql).
  "POST /api/public/groups": (state, request) => {
    const given = readBody(request, groupModel);
    checkGroup(state, given);
    const group = state.addGroup({ ...given, collections: given.collections ?? [] });
    state.recordEvent(eventType.groupCreated, { groupId: group.id });
    return { ...shownGroup(group), collections: given.collections };
  },

  "GET /api/public/groups/{id}": (state, _, id) => shownGroup(pathEntity(state.groups, id)),

  "PUT /api/public/groups/{id}": (state, request, id) => {
    const given = readBody(request, groupModel);
    const before = pathEntity(state.groups, id);
    checkGroup(state, given);
    // An absent externalId is reset. Absent collections are kept (UpdateGroupCommand calls ReplaceAsync(group)).
    const group: Group = { ...before, ...given, collections: given.collections ?? before.collections };
    state.groups.set(id, group);
    state.recordEvent(eventType.groupUpdated, { groupId: id });
    return { ...shownGroup(group), collections: given.collections };
  },

  "DELETE /api/public/groups/{id}": (state, _, id) => {
    pathEntity(state.groups, id);
    state.removeGroup(id);
    state.recordEvent(eventType.groupDeleted, { groupId: id });
  },

  "GET /api/public/groups/{id}/member-ids": (state, _, id) => [...state.memberIdsOf(pathEntity(state.groups, id).id)],

  // Members of any status may be in a group. No event is recorded (GroupsController.PutMemberIds calls the repository).
  "PUT /api/public/groups/{id}/member-ids": (state, request, id) => {
    const { memberIds } = readBody(request, membersModel);
    pathEntity(state.groups, id);
    state.setGroupMembers(id, replacement(memberIds, state.members, state.memberIdsOf(id)));
  },

  "GET /api/public/collections": (state) => listOf(state, shownCollections(state)),

  "GET /api/public/collections/{id}": shownCollection,

  // An absent externalId is reset. Groups stay when absent or null; an empty list removes all.
  "PUT /api/public/collections/{id}": (state, request, id) => {
    const { externalId, groups } = readBody(request, collectionModel);
    pathEntity(state.collections, id);
    if (groups?.some((access) => !state.groups.has(access.id))) throw commandNotFound();
    state.collections.set(id, { id, externalId });
    for (const group of groups === null ? [] : state.groups.values()) {
      const others = group.collections.filter((access) => access.id !== id);
      const access = groups?.find((entry) => entry.id === group.id);
      state.groups.set(group.id, {
        ...group,
        collections: access === undefined ? others : [...others, { ...access, id }],
      });
    }
    state.recordEvent(eventType.collectionUpdated, { collectionId: id });
    return shownCollection(state, request, id);
  },

  "DELETE /api/public/collections/{id}": (state, _, id) => {
    pathEntity(state.collections, id);
    state.removeCollection(id);
    state.recordEvent(eventType.collectionDeleted, { collectionId: id });
  },
};

function shownGroup(group: Group) {
  return { object: "group", ...group };
}

function checkGroup(state: BitwardenState, { collections: given }: z.output<typeof groupModel>): void {
  if (!state.settings.useGroups) throw badRequest("This organization cannot use groups.");
  checkManage(given ?? []);
  if (given?.some((access) => !state.collections.has(access.id))) throw commandNotFound();
}

// Names are encrypted and not returned. The API cannot create collections (CollectionsController).
function shownCollections(state: BitwardenState) {
  const holders = state.groups.values().flatMap((group) => group.collections.map((access) => ({ access, group })));
  const holdersOf = Map.groupBy(holders, ({ access }) => access.id);
  return state.collections.values().map((collection) => ({
    object: "collection",
    ...collection,
    groups: (holdersOf.get(collection.id) ?? []).map(({ access, group }) => ({ ...access, id: group.id })),
  }));
}

function shownCollection(state: BitwardenState, _: unknown, id: string) {
  pathEntity(state.collections, id);
  return shownCollections(state).find((collection) => collection.id === id);
}
