import { isDeepStrictEqual } from "node:util";
import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type {
  GroupEdit,
  GroupOptions,
  GroupResult,
  GroupWrite,
  MemberEdit,
  Reference,
  ScimRecord,
  ScimStore,
} from "../../domain/ports/scim-store.ts";
import type { Endpoint, Update } from "./endpoint.ts";
import { badRequest } from "./errors.ts";
import type { Filter } from "./filter.ts";
import { compileFilter } from "./filter-predicate.ts";
import { isArray, isObject, ownAnyCase } from "./json.ts";
import { indexedText, normalizeResource, requiredText } from "./normalize.ts";
import type { AttributeStep, PatchStep } from "./patch.ts";
import { applyPatch, parsePatch } from "./patch.ts";
import { GROUP_SCHEMA } from "./schemas.ts";

/** Called with the member ids that no user of the source has. They are left out of the group. */
export type ReportUnknown = (source: string, groupId: string, unknownMembers: readonly string[]) => void;

type ReadMembers = () => Promise<readonly Reference[]>;

/** `/Groups` (RFC 7643 §4.2, RFC 7644 §3). A change of some members edits rows; it does not read the other members. */
export function groupsEndpoint(
  store: ScimStore,
  patchOperations: number,
  optionsOf: (source: string) => GroupOptions,
  report: ReportUnknown,
): Endpoint {
  const recordOf = (source: string, { record, unknownMembers }: GroupResult): ScimRecord => {
    if (unknownMembers.length > 0) report(source, record.id, unknownMembers);
    return record;
  };
  const update = async (
    { source, id, expectedRev, cause }: Update,
    edit: (present: JsonObject, members: ReadMembers) => GroupEdit | Promise<GroupEdit>,
  ): Promise<ScimRecord> =>
    recordOf(
      source,
      await store.updateGroup(
        source,
        id,
        expectedRev,
        ({ resource }, members) => edit(resource, members),
        optionsOf(source),
        cause,
      ),
    );
  return {
    schema: GROUP_SCHEMA,
    patchStatus: 204,
    get: (source, id) => store.getGroup(source, id),
    list: (source, query) => store.listGroups(source, query),
    scan: (source, where, pageSize) => store.scanGroups(source, where, pageSize),
    references: (source, ids) => store.membersOfGroups(source, ids),
    create: async (source, body, cause) => {
      const write = toGroupWrite(normalizeResource(GROUP_SCHEMA, body));
      return recordOf(source, await store.createGroup(source, write, membersIn(body), optionsOf(source), cause));
    },
    replace: async (put) => {
      const next = normalizeResource(GROUP_SCHEMA, put.body);
      const members: MemberEdit[] = [{ op: "replace", userIds: membersIn(put.body) }];
      return update(put, (present) => ({ write: changedWrite(present, next), members }));
    },
    patch: async (patch) => {
      const steps = parsePatch(GROUP_SCHEMA, patch.body, patchOperations);
      const onMembers = steps.filter(isMemberStep);
      const onGroup = steps.filter((step) => !isMemberStep(step));
      return update(patch, (present, members) => {
        const write = changedWrite(present, applyPatch(present, onGroup, patch.id));
        return onMembers.some(needsMembers)
          ? members().then((read) => ({ write, members: toMemberEdits(onMembers, read) }))
          : { write, members: toMemberEdits(onMembers, []) };
      });
    },
    remove: (source, id, expectedRev, cause) => store.deleteGroup(source, id, expectedRev, cause),
  };
}

const changedWrite = (before: JsonObject, after: JsonObject): GroupWrite | null =>
  isDeepStrictEqual(before, after) ? null : toGroupWrite(after);

const toGroupWrite = (resource: JsonObject): GroupWrite => ({
  resource,
  displayName: requiredText(resource, "displayName"),
  externalId: indexedText(resource, "externalId"),
});

const membersIn = (body: JsonObject): string[] => toMemberIds(ownAnyCase(body, "members") ?? null);

const isMemberStep = (step: PatchStep): step is AttributeStep =>
  step.kind === "attribute" && step.attribute.name === "members";

/** The ids of `members`: `{value}` with or without type and display, or bare strings. */
function toMemberIds(value: Json): string[] {
  if (value === null) return [];
  return (isArray(value) ? value : [value]).map((each) => {
    const id = isObject(each) ? ownAnyCase(each, "value") : each;
    if (typeof id !== "string" || id === "" || id.includes("\0"))
      throw badRequest("invalidValue", "each of members needs a value, the id of a user");
    return id;
  });
}

/**
 * | operation on members            | edit                                                  |
 * |---------------------------------|-------------------------------------------------------|
 * | add, replace with values        | the same                                              |
 * | replace with null or []         | remove all                                            |
 * | remove, no value or null        | remove all                                            |
 * | remove with a list              | remove the listed ones; an empty list removes nobody  |
 * | remove members[filter]          | remove the chosen ones                                |
 * | replace members[filter] {value} | remove the chosen ones, add the value                 |
 */
function toMemberEdits(steps: readonly AttributeStep[], present: readonly Reference[]): MemberEdit[] {
  const edits: MemberEdit[] = [];
  for (const step of steps) {
    const chosen = step.filter === null ? [] : chosenIds(step.filter, present, edits);
    for (const edit of editsOf(step, chosen)) append(edits, edit);
  }
  return edits;
}

function editsOf({ op, filter, sub, value = null }: AttributeStep, chosen: readonly string[]): MemberEdit[] {
  if (sub !== null && sub.name !== "value") {
    if (op !== "remove") return [];
    throw badRequest("mutability", `members.${sub.name} is read-only`);
  }
  if (op === "remove" && filter !== null) return [{ op, userIds: chosen }];
  if (op === "remove" && value === null) return [{ op: "replace", userIds: [] }];
  const userIds = toMemberIds(value);
  if (filter === null || op === "add") return [{ op, userIds }];
  return [
    { op: "remove", userIds: chosen },
    { op: "add", userIds },
  ];
}

/** Joins neighbours with the same operation: many identity providers send one operation per member. */
function append(edits: MemberEdit[], edit: MemberEdit): void {
  if (edit.userIds.length === 0 && edit.op !== "replace") return;
  const last = edits.at(-1);
  if (last !== undefined && edit.op !== "replace" && last.op === edit.op)
    (last.userIds as string[]).push(...edit.userIds);
  else edits.push({ op: edit.op, userIds: [...edit.userIds] });
}

/** The ids of a filter that only names ids, as nearly all do: `value eq "x"`, joined by `or`. Null for other filters. */
function namedIds(filter: Filter): string[] | null {
  if (filter.op === "eq") return filter.path.attribute.name === "value" ? [String(filter.value)] : null;
  if (filter.op !== "or") return null;
  const named = filter.of.map(namedIds);
  return named.every((each) => each !== null) ? named.flat() : null;
}

const needsMembers = (step: AttributeStep): boolean => step.filter !== null && namedIds(step.filter) === null;

function chosenIds(filter: Filter, present: readonly Reference[], edits: readonly MemberEdit[]): readonly string[] {
  const named = namedIds(filter);
  if (named !== null) return named;
  const isChosen = compileFilter(filter);
  const displays = new Map(present.map((each) => [each.id, each.displayName]));
  return [...membersAfter(displays.keys(), edits)].filter((id) =>
    isChosen({ value: id, type: "User", display: displays.get(id) ?? null }),
  );
}

/** The ids of the members after some edits. */
function membersAfter(ids: Iterable<string>, edits: readonly MemberEdit[]): Set<string> {
  let members = new Set(ids);
  for (const { op, userIds } of edits) {
    if (op === "replace") members = new Set(userIds);
    else for (const id of userIds) op === "add" ? members.add(id) : members.delete(id);
  }
  return members;
}
