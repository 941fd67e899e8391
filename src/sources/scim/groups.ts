import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type {
  GroupEdit,
  GroupOptions,
  GroupResult,
  GroupWrite,
  MemberEdit,
  Reference,
  ScimStore,
} from "../../domain/ports/scim-store.ts";
import type { Endpoint, ScimRecord } from "./endpoint.ts";
import { badRequest } from "./errors.ts";
import { compileFilter } from "./evaluate.ts";
import type { Filter } from "./filter.ts";
import { isArray, isObject, ownAnyCase } from "./json.ts";
import { isUnchanged, normalizeResource } from "./normalize.ts";
import type { AttributeStep, PatchStep } from "./patch.ts";
import { applyPatch, parsePatch } from "./patch.ts";
import { GROUP_SCHEMA } from "./schemas.ts";
import { indexedText, refuseOtherId, requiredText } from "./users.ts";

/** Told of member ids that name nobody and were left out (requirement 27). */
export type ReportUnknown = (source: string, groupId: string, unknownMembers: readonly string[]) => void;

/** `/Groups` (RFC 7643 §4.2, RFC 7644 §3). A group is changed by rows: its members are never read to change some. */
export function groupsEndpoint(
  store: ScimStore,
  patchOperations: number,
  optionsOf: (source: string) => GroupOptions,
  report: ReportUnknown,
): Endpoint {
  const reported = (source: string, result: GroupResult): ScimRecord => {
    if (result.unknownMembers.length > 0) report(source, result.record.id, result.unknownMembers);
    return result.record;
  };
  return {
    schema: GROUP_SCHEMA,
    patchStatus: 204,
    get: (source, id) => store.getGroup(source, id),
    list: (source, query) => store.listGroups(source, query),
    scan: (source, where, pageSize) => store.scanGroups(source, where, pageSize),
    references: (source, ids) => store.membersOfGroups(source, ids),
    create: async (source, body, cause) => {
      const write = toGroupWrite(normalizeResource(GROUP_SCHEMA, body));
      return reported(
        source,
        await store.createGroup(
          source,
          write,
          toMemberIds(ownAnyCase(body, "members") ?? null),
          optionsOf(source),
          cause,
        ),
      );
    },
    replace: async (source, id, expectedRev, body, cause) => {
      refuseOtherId(body, id);
      const next = normalizeResource(GROUP_SCHEMA, body);
      const members: MemberEdit[] = [{ op: "replace", userIds: toMemberIds(ownAnyCase(body, "members") ?? null) }];
      const edit = (present: ScimRecord): GroupEdit => ({ write: changedWrite(present.resource, next), members });
      return reported(source, await store.updateGroup(source, id, expectedRev, edit, optionsOf(source), cause));
    },
    patch: async (source, id, expectedRev, body, cause) => {
      const steps = parsePatch(GROUP_SCHEMA, body, patchOperations);
      const onMembers = steps.filter(isMemberStep);
      const onGroup = steps.filter((step) => !isMemberStep(step));
      const edit = (
        present: ScimRecord,
        members: () => Promise<readonly Reference[]>,
      ): GroupEdit | Promise<GroupEdit> => {
        const write = changedWrite(present.resource, applyPatch(present.resource, onGroup, id));
        return onMembers.some(needsMembers)
          ? members().then((read) => ({ write, members: toMemberEdits(onMembers, read) }))
          : { write, members: toMemberEdits(onMembers, []) };
      };
      return reported(source, await store.updateGroup(source, id, expectedRev, edit, optionsOf(source), cause));
    },
    remove: (source, id, expectedRev, cause) => store.deleteGroup(source, id, expectedRev, cause),
  };
}

function changedWrite(before: JsonObject, after: JsonObject): GroupWrite | null {
  return isUnchanged(before, after) ? null : toGroupWrite(after);
}

function toGroupWrite(resource: JsonObject): GroupWrite {
  return {
    resource,
    displayName: requiredText(resource, "displayName"),
    externalId: indexedText(resource, "externalId"),
  };
}

const isMemberStep = (step: PatchStep): step is AttributeStep =>
  step.kind === "attribute" && step.attribute.name === "members";

/** The ids of `members`: `{value}`, with or without type and display, or bare strings (requirement 26). */
function toMemberIds(value: Json): string[] {
  if (value === null) return [];
  return (isArray(value) ? value : [value]).map((each) => {
    const id = isObject(each) ? ownAnyCase(each, "value") : each;
    if (typeof id !== "string" || id === "" || id.includes("\0"))
      throw badRequest("invalidValue", "each of members must name a value, the id of a user");
    return id;
  });
}

/**
 * | operation on members            | edit                                                  |
 * |---------------------------------|-------------------------------------------------------|
 * | add, replace with values        | the same                                              |
 * | replace with null or []         | replace by nobody                                     |
 * | remove, no value or null        | replace by nobody (requirement 20)                    |
 * | remove with a list              | remove those listed (19); an empty list, nothing (20) |
 * | remove members[filter]          | remove who is chosen (21)                             |
 * | replace members[filter] {value} | remove who is chosen, add the value                   |
 */
function toMemberEdits(steps: readonly AttributeStep[], present: readonly Reference[]): MemberEdit[] {
  const edits: MemberEdit[] = [];
  for (const step of steps) {
    const chosen = step.filter === null ? [] : chosenIds(step.filter, present, edits);
    for (const edit of editsOf(step, chosen)) append(edits, edit);
  }
  return edits;
}

function editsOf(step: AttributeStep, chosen: readonly string[]): MemberEdit[] {
  const { op, filter, sub, value } = step;
  if (sub !== null && sub.name !== "value") {
    if (op !== "remove") return [];
    throw badRequest("mutability", `members.${sub.name} is read-only`);
  }
  if (filter === null) return [editOf(op, value)];
  if (op === "remove") return [{ op, userIds: chosen }];
  const added = toMemberIds(value ?? null);
  return op === "add"
    ? [{ op, userIds: added }]
    : [
        { op: "remove", userIds: chosen },
        { op: "add", userIds: added },
      ];
}

function editOf(op: AttributeStep["op"], value: Json | undefined): MemberEdit {
  if (op === "remove" && value == null) return { op: "replace", userIds: [] };
  return { op, userIds: toMemberIds(value ?? null) };
}

/** Joins neighbours that do the same: many IdPs send one operation per member. */
function append(edits: MemberEdit[], edit: MemberEdit): void {
  if (edit.userIds.length === 0 && edit.op !== "replace") return;
  const last = edits.at(-1);
  if (last !== undefined && edit.op !== "replace" && last.op === edit.op)
    (last.userIds as string[]).push(...edit.userIds);
  else edits.push({ op: edit.op, userIds: [...edit.userIds] });
}

/** The ids that a filter chooses if it only names values, which it nearly always does: `value eq "x"`, joined by `or`. */
function namedIds(filter: Filter): string[] | null {
  if (filter.op === "eq") return filter.path.attribute?.name === "value" ? [String(filter.value)] : null;
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

/** Who is in the group after the edits so far. */
function membersAfter(ids: Iterable<string>, edits: readonly MemberEdit[]): Set<string> {
  let members = new Set(ids);
  for (const { op, userIds } of edits) {
    if (op === "replace") members = new Set(userIds);
    else for (const id of userIds) op === "add" ? members.add(id) : members.delete(id);
  }
  return members;
}
