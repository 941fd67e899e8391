import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type { AttributePath } from "./attribute-path.ts";
import { resolvePath } from "./attribute-path.ts";
import { badRequest } from "./errors.ts";
import type { Filter } from "./filter.ts";
import { parsePatchPath } from "./filter.ts";
import { compileFilter } from "./filter-predicate.ts";
import { isArray, isObject, own, ownAnyCase, without } from "./json.ts";
import { addValues, normalizeSub, normalizeValue, settleValues, toValues } from "./normalize.ts";
import type { Attribute, ResourceSchema } from "./schemas.ts";

const OPS = ["add", "replace", "remove"] as const;
export type PatchOp = (typeof OPS)[number];

/** One attribute to change. An operation without a path becomes one step per key of its value. */
export interface AttributeStep extends AttributePath {
  readonly kind: "attribute";
  readonly op: PatchOp;
  /** Chooses among the values of a multi-valued attribute. Null chooses all. */
  readonly filter: Filter | null;
  /** Undefined only if the operation has no `value`. Null unassigns. */
  readonly value: Json | undefined;
}

export type PatchStep =
  | AttributeStep
  /** Removes a whole extension. */
  | { readonly kind: "clear"; readonly urn: string }
  /** Some identity providers send the id, which must not change. */
  | { readonly kind: "id"; readonly value: Json };

/** Not stored as attributes: naming them changes nothing. */
const IGNORED_PATHS: ReadonlySet<string> = new Set(["password", "schemas"]);

/**
 * The steps of a PATCH body, in order (RFC 7644 §3.5.2).
 * @throws ScimError 400 invalidSyntax, invalidPath, invalidFilter, mutability, noTarget, tooMany or invalidValue
 */
export function parsePatch(schema: ResourceSchema, body: JsonObject, maxOperations: number): PatchStep[] {
  const operations = ownAnyCase(body, "Operations");
  if (!isArray(operations) || operations.length === 0)
    throw badRequest("invalidSyntax", "a PATCH body needs Operations, a list of at least one operation");
  if (operations.length > maxOperations)
    throw badRequest(
      "tooMany",
      `${operations.length} Operations; the limit is ${maxOperations}. Send them in several requests.`,
    );
  return operations.flatMap((each) => parseOperation(schema, each));
}

function parseOperation(schema: ResourceSchema, operation: Json): PatchStep[] {
  if (!isObject(operation)) throw badRequest("invalidSyntax", "each of Operations must be an object");
  const given = ownAnyCase(operation, "op");
  const op = typeof given === "string" ? OPS.find((each) => each === given.toLowerCase()) : undefined;
  const path = ownAnyCase(operation, "path") ?? "";
  const value = ownAnyCase(operation, "value");
  if (op === undefined) throw badRequest("invalidSyntax", "op must be add, replace or remove");
  if (typeof path !== "string") throw badRequest("invalidPath", "path must be a string");
  if (op !== "remove" && value === undefined) throw badRequest("invalidValue", `${op} needs a value`);
  if (path.trim() !== "") return stepsAt(schema, op, path.trim(), value);
  if (op === "remove") throw badRequest("noTarget", "remove needs a path");
  if (!isObject(value)) throw badRequest("invalidValue", `${op} without a path needs an object as its value`);
  return stepsOf(schema, op, value, "");
}

/** Each key of the value is a path. Unknown and read-only attributes are left out. */
function stepsOf(schema: ResourceSchema, op: PatchOp, values: JsonObject, prefix: string): PatchStep[] {
  return Object.keys(values).flatMap((key): PatchStep[] => {
    const value = own(values, key) ?? null;
    const target = resolvePath(schema, prefix + key);
    if (target.kind === "unknown") return [];
    if (target.kind === "schema") return isObject(value) ? stepsOf(schema, op, value, `${prefix}${key}:`) : [];
    if (target.attribute.name === "id") return [{ kind: "id", value }];
    return isReadOnly(target) ? [] : [{ ...target, op, filter: null, value }];
  });
}

function stepsAt(schema: ResourceSchema, op: PatchOp, path: string, value: Json | undefined): PatchStep[] {
  if (IGNORED_PATHS.has(path.toLowerCase())) return [];
  const { target, filter } = parsePatchPath(path, schema);
  switch (target.kind) {
    case "unknown":
      if (target.isForeign) return [];
      throw badRequest("invalidPath", `${schema.name} has no attribute of this name: ${path.slice(0, 80)}`);
    case "schema": {
      const { extension } = target;
      if (op !== "remove")
        return isObject(value) ? stepsOf(schema, op, value, extension === null ? "" : `${extension.urn}:`) : [];
      if (extension === null) throw badRequest("mutability", "the core schema cannot be removed");
      return [{ kind: "clear", urn: extension.urn }];
    }
    case "attribute":
      if (target.attribute.name === "id" && op !== "remove") return [{ kind: "id", value: value ?? null }];
      if (isReadOnly(target)) throw badRequest("mutability", `${target.attribute.name} is read-only`);
      return [{ ...target, op, filter, value }];
  }
}

const isReadOnly = ({ attribute, sub }: AttributePath): boolean => attribute.isReadOnly || sub?.isReadOnly === true;

/** Returns the resource after the steps, and leaves the given one unchanged. `id`: the id of the resource. */
export function applyPatch(resource: JsonObject, steps: readonly PatchStep[], id: string): JsonObject {
  return steps.reduce((present, step) => applyStep(present, step, id), resource);
}

function applyStep(resource: JsonObject, step: PatchStep, id: string): JsonObject {
  switch (step.kind) {
    case "clear":
      return without(resource, step.urn);
    case "id":
      if (step.value !== id) throw badRequest("mutability", "id is read-only");
      return resource;
    case "attribute": {
      const { extension, attribute } = step;
      if (extension === null) return withValue(resource, attribute.name, changed(step, own(resource, attribute.name)));
      const home = own(resource, extension);
      return withValue(resource, extension, applyStep(isObject(home) ? home : {}, { ...step, extension: null }, id));
    }
  }
}

/** Null, empty objects and empty lists mean "unassigned" (RFC 7643 §2.5). */
function withValue(home: JsonObject, key: string, value: Json): JsonObject {
  const isUnassigned = value === null || (typeof value === "object" && Object.keys(value).length === 0);
  return isUnassigned ? without(home, key) : { ...home, [key]: value };
}

/** The attribute's new value. */
function changed(step: AttributeStep, present: Json | undefined): Json {
  if (step.attribute.isMultiValued) {
    const values = isArray(present) ? present.filter(isObject) : [];
    return step.op === "remove" ? removedValues(step, values) : changedValues(step, values);
  }
  return changedSingle(step, isObject(present) ? present : {});
}

function changedSingle(step: AttributeStep, present: JsonObject): Json {
  const { op, attribute, sub, value = null } = step;
  const raw = op === "remove" ? null : value;
  if (sub !== null) {
    const next = withValue(present, sub.name, normalizeSub(attribute, sub, raw));
    return attribute.valueSub !== null && own(next, "value") === "" ? null : next;
  }
  const next = normalizeValue(attribute, raw, attribute.name);
  // A reference such as manager is replaced as a whole: the rest of the old value would describe another person.
  if (!isObject(next) || attribute.valueSub !== null) return next;
  const merged = { ...present, ...next };
  return isObject(raw) ? unassign(merged, attribute, raw) : merged;
}

/** Drops the sub-attributes that a client set to null. */
function unassign(present: JsonObject, attribute: Attribute, raw: JsonObject): JsonObject {
  const nulls = Object.keys(raw).filter((key) => raw[key] === null);
  return nulls.reduce((rest, key) => without(rest, attribute.subs?.get(key.toLowerCase())?.name ?? ""), present);
}

function changedValues(step: AttributeStep, present: readonly JsonObject[]): readonly Json[] {
  const { op, attribute, filter, sub, value = null } = step;
  if (filter !== null || sub !== null) return editedValues(step, present);
  return addValues(attribute, op === "add" ? present : [], toValues(attribute, value, attribute.name));
}

function editedValues(step: AttributeStep, present: readonly JsonObject[]): readonly Json[] {
  const { op, attribute, filter, sub, value = null } = step;
  const isChosen = filter === null ? () => true : compileFilter(filter);
  const selector = filter === null ? {} : constantsOf(filter);
  const change =
    sub === null
      ? (toValues(attribute, value, attribute.name)[0] ?? {})
      : withValue({}, sub.name, normalizeSub(attribute, sub, value));
  const edited = new Set<JsonObject>();
  const values = present.map((each) => {
    if (!isChosen(each)) return each;
    const base = sub !== null ? without(each, sub.name) : op === "add" ? each : (selector ?? {});
    const next = { ...base, ...change };
    edited.add(next);
    return next;
  });
  if (edited.size > 0) return settleValues(attribute, values, edited);
  if (selector === null || Object.hasOwn(selector, "value"))
    throw badRequest("noTarget", `the filter of the path chooses no value of ${attribute.name}`);
  // Entra ID sends this to create a value, e.g. replace `emails[type eq "work"].value` of a user without a work address.
  return Object.keys(change).length === 0 ? present : addValues(attribute, present, [{ ...selector, ...change }]);
}

/** The sub-attributes of a value that satisfies the filter. Null if the filter has other operators than `eq` and `and`. */
function constantsOf(filter: Filter): JsonObject | null {
  if (filter.op === "eq") return { [filter.path.attribute.name]: filter.value };
  if (filter.op !== "and") return null;
  const parts = filter.of.map(constantsOf);
  return parts.every((each) => each !== null)
    ? Object.fromEntries(parts.flatMap((each) => Object.entries(each)))
    : null;
}

function removedValues(step: AttributeStep, present: readonly JsonObject[]): readonly Json[] {
  const { attribute, filter, sub, value } = step;
  const isChosen = filter === null ? () => true : compileFilter(filter);
  if (sub !== null)
    return present
      .map((each) => (isChosen(each) ? without(each, sub.name) : each))
      .filter((each) => Object.keys(each).length > 0);
  if (filter !== null || value == null) return present.filter((each) => !isChosen(each));
  const listed = toValues(attribute, value, attribute.name);
  return present.filter(
    (each) => !listed.some((gone) => Object.keys(gone).every((key) => own(gone, key) === own(each, key))),
  );
}
