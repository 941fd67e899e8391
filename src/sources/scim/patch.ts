import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type { AttributeTarget } from "./attribute-path.ts";
import { resolvePath } from "./attribute-path.ts";
import { badRequest } from "./errors.ts";
import { compileFilter } from "./evaluate.ts";
import type { Filter } from "./filter.ts";
import { parseValueFilter } from "./filter.ts";
import { isArray, isObject, own, ownAnyCase, without } from "./json.ts";
import { addValues, normalizeSub, normalizeValue, settleValues, toValues } from "./normalize.ts";
import type { Attribute, ResourceSchema } from "./schemas.ts";

export type PatchOp = "add" | "replace" | "remove";

/** One attribute to change. A path-less operation becomes one step per key of its value. */
export interface AttributeStep {
  readonly kind: "attribute";
  readonly op: PatchOp;
  readonly extension: string | null;
  readonly attribute: Attribute;
  /** Chooses among the values of a multi-valued attribute. */
  readonly filter: Filter | null;
  readonly sub: Attribute | null;
  /** Undefined only when the operation has no `value`; null unassigns. */
  readonly value: Json | undefined;
}

export type PatchStep =
  | AttributeStep
  /** Removes an extension whole. */
  | { readonly kind: "clear"; readonly urn: string }
  /** The id may be named if it stays what it is (requirement 25). */
  | { readonly kind: "id"; readonly value: Json };

/** Kept elsewhere, or not at all: naming them changes nothing (requirement 34). */
const IGNORED_PATHS: ReadonlySet<string> = new Set(["password", "schemas"]);

/**
 * The steps of a PATCH body, in order (RFC 7644 §3.5.2).
 * @throws ScimError 400 invalidSyntax, invalidPath, invalidFilter, mutability, noTarget or invalidValue
 */
export function parsePatch(schema: ResourceSchema, body: JsonObject, maxOperations: number): PatchStep[] {
  const operations = ownAnyCase(body, "Operations");
  if (!isArray(operations) || operations.length === 0)
    throw badRequest("invalidSyntax", "a PATCH body needs Operations, a list of at least one");
  if (operations.length > maxOperations)
    throw badRequest("tooMany", `${operations.length} Operations are more than ${maxOperations}; send them in parts`);
  return operations.flatMap((each) => parseOperation(schema, each));
}

function parseOperation(schema: ResourceSchema, operation: Json): PatchStep[] {
  if (!isObject(operation)) throw badRequest("invalidSyntax", "each of Operations must be an object");
  const op = parseOp(ownAnyCase(operation, "op"));
  const path = ownAnyCase(operation, "path") ?? "";
  const value = ownAnyCase(operation, "value");
  if (typeof path !== "string") throw badRequest("invalidPath", "path must be a string");
  if (op !== "remove" && value === undefined) throw badRequest("invalidValue", `${op} needs a value`);
  if (path.trim() !== "") return stepsAt(schema, op, path.trim(), value);
  if (op === "remove") throw badRequest("noTarget", "remove needs a path");
  if (!isObject(value)) throw badRequest("invalidValue", `${op} without a path needs an object as its value`);
  return stepsOf(schema, op, value, "");
}

function parseOp(op: Json | undefined): PatchOp {
  const lower = typeof op === "string" ? op.toLowerCase() : "";
  if (lower !== "add" && lower !== "replace" && lower !== "remove")
    throw badRequest("invalidSyntax", "op must be add, replace or remove");
  return lower;
}

/** Each key of a path-less value is a path (requirement 11); what names nothing, or what the server writes, is left out. */
function stepsOf(schema: ResourceSchema, op: PatchOp, values: JsonObject, prefix: string): PatchStep[] {
  return Object.keys(values).flatMap((key) => stepsOfKey(schema, op, prefix + key, own(values, key) ?? null));
}

function stepsOfKey(schema: ResourceSchema, op: PatchOp, path: string, value: Json): PatchStep[] {
  const target = resolvePath(schema, path);
  switch (target.kind) {
    case "unknown":
      return [];
    case "schema":
      return isObject(value) ? stepsOf(schema, op, value, `${path}:`) : [];
    case "attribute":
      if (target.attribute.name === "id") return [{ kind: "id", value }];
      if (target.attribute.isReadOnly || target.sub?.isReadOnly === true) return [];
      return [{ ...target, kind: "attribute", op, filter: null, value }];
  }
}

function stepsAt(schema: ResourceSchema, op: PatchOp, path: string, value: Json | undefined): PatchStep[] {
  if (IGNORED_PATHS.has(path.toLowerCase())) return [];
  const bracket = path.indexOf("[");
  const target = resolvePath(schema, bracket === -1 ? path : path.slice(0, bracket));
  switch (target.kind) {
    case "unknown":
      if (target.isForeign) return [];
      throw badRequest("invalidPath", `path names no attribute of ${schema.name}: ${path.slice(0, 80)}`);
    case "schema":
      if (op !== "remove")
        return isObject(value)
          ? stepsOf(schema, op, value, target.extension === null ? "" : `${target.extension.urn}:`)
          : [];
      if (target.extension === null) throw badRequest("mutability", "the core schema cannot be removed");
      return [{ kind: "clear", urn: target.extension.urn }];
    case "attribute":
      return [attributeStep(op, target, bracket === -1 ? null : chosenBy(target, path, bracket), value)];
  }
}

function attributeStep(
  op: PatchOp,
  target: AttributeTarget,
  chosen: Chosen | null,
  value: Json | undefined,
): PatchStep {
  const { extension, attribute } = target;
  const sub = chosen?.sub ?? target.sub;
  if (attribute.name === "id" && op !== "remove") return { kind: "id", value: value ?? null };
  if (attribute.isReadOnly || sub?.isReadOnly === true)
    throw badRequest("mutability", `${attribute.name} is read-only`);
  return { kind: "attribute", op, extension, attribute, filter: chosen?.filter ?? null, sub, value };
}

interface Chosen {
  readonly filter: Filter;
  readonly sub: Attribute | null;
}

/** `[filter]` and what follows: nothing or `.sub`. */
function chosenBy(target: AttributeTarget, path: string, bracket: number): Chosen {
  const { attribute } = target;
  if (!attribute.isMultiValued || target.sub !== null)
    throw badRequest("invalidPath", `${attribute.name} has no values to choose from`);
  const { filter, end } = parseValueFilter(path, bracket + 1, attribute);
  const rest = path.slice(end).trim();
  if (rest === "") return { filter, sub: null };
  const sub = rest.startsWith(".") ? attribute.subs?.get(rest.slice(1).toLowerCase()) : undefined;
  if (sub === undefined)
    throw badRequest("invalidPath", `path names no sub-attribute of ${attribute.name}: ${path.slice(0, 80)}`);
  return { filter, sub };
}

/** The resource after the steps; the one given is left as it is. `id` is that of the resource. */
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
      const values = isObject(home) ? home : {};
      return withValue(
        resource,
        extension,
        withValue(values, attribute.name, changed(step, own(values, attribute.name))),
      );
    }
  }
}

/** Null and empty objects and lists are "unassigned". */
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
  // A reference such as manager is replaced whole: parts of the old one would name another person.
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
    throw badRequest("noTarget", `no value of ${attribute.name} is chosen by the path`);
  // Requirements 12 and 13: Entra means "make one".
  return Object.keys(change).length === 0 ? present : addValues(attribute, present, [{ ...selector, ...change }]);
}

/** What a value must be to satisfy the filter, as far as that is said by `eq` and `and`; null when it is said otherwise. */
function constantsOf(filter: Filter): JsonObject | null {
  if (filter.op === "eq") return filter.path.attribute === null ? null : { [filter.path.attribute.name]: filter.value };
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
