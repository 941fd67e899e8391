import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type { ScimError } from "./errors.ts";
import { badRequest } from "./errors.ts";
import { isArray, isObject, isSameJson, own } from "./json.ts";
import type { Attribute, Attributes, ResourceSchema } from "./schemas.ts";

/** Values an attribute may have; keeps the work per value bounded. */
const MAX_VALUES = 500;

/**
 * A resource as it will be kept, from a body of an identity provider: canonical names; null, `[]` and what is in no
 * registered schema dropped; read-only attributes, `schemas` and the password left out; booleans as strings and manager as
 * a string understood (requirements 7, 8, 14, 34). The references (`members`, `groups`) are not part of it.
 * @throws ScimError 400 invalidValue, naming the attribute
 */
export function normalizeResource(schema: ResourceSchema, body: JsonObject): JsonObject {
  const resource: Record<string, Json> = {};
  const extended = new Map<string, Record<string, Json>>();
  const keep = (urn: string, attributes: Attributes, values: JsonObject): void => {
    const home = extended.get(urn) ?? {};
    for (const key of Object.keys(values)) put(home, attributes.get(key.toLowerCase()), own(values, key));
    extended.set(urn, home);
  };
  for (const key of Object.keys(body)) {
    const lower = key.toLowerCase();
    const attribute = schema.attributes.get(lower);
    if (attribute !== undefined) {
      if (attribute.name !== schema.references) put(resource, attribute, body[key]);
      continue;
    }
    const extension = schema.urns.get(lower);
    const values = body[key];
    if (extension != null && isObject(values)) keep(extension.urn, extension.attributes, values);
    else if (extension != null && values != null) throw wrongType(extension.urn, "an object");
    else
      for (const each of schema.extensions)
        if (each.attributes.has(lower)) keep(each.urn, each.attributes, { [key]: values ?? null });
  }
  for (const [urn, values] of extended) if (Object.keys(values).length > 0) resource[urn] = values;
  return resource;
}

function put(home: Record<string, Json>, attribute: Attribute | undefined, raw: Json | undefined): void {
  if (attribute === undefined || attribute.isReadOnly || raw === undefined) return;
  const value = normalizeValue(attribute, raw, attribute.name);
  if (value !== null) home[attribute.name] = value;
}

const wrongType = (name: string, wish: string): ScimError => badRequest("invalidValue", `${name} must be ${wish}`);

/** One attribute's value in its type; null when that means "unassigned" (RFC 7643 §2.5). */
export function normalizeValue(attribute: Attribute, raw: Json, name: string): Json {
  if (attribute.isMultiValued) return normalizeValues(attribute, raw, name);
  return normalizeSingle(attribute, unwrapped(attribute, raw), name);
}

/** Entra sends single values in an array, alone or as `{value}` (requirement 14). */
function unwrapped(attribute: Attribute, raw: Json): Json {
  if (!isArray(raw)) return raw;
  if (raw.length === 0) return null;
  const [first = null] = raw;
  if (raw.length > 1) return raw;
  return attribute.type !== "complex" && isObject(first) ? (own(first, "value") ?? null) : first;
}

function normalizeSingle(attribute: Attribute, raw: Json, name: string): Json {
  if (raw === null) return null;
  switch (attribute.type) {
    case "complex":
      return normalizeComplex(attribute, raw, name);
    case "boolean":
      return toBoolean(raw, name);
    case "integer":
    case "decimal":
      if (typeof raw !== "number") throw wrongType(name, "a number");
      return raw;
    default:
      return toText(raw, name);
  }
}

function toBoolean(raw: Json, name: string): boolean {
  if (typeof raw === "boolean") return raw;
  const lower = typeof raw === "string" ? raw.trim().toLowerCase() : "";
  if (lower !== "true" && lower !== "false") throw wrongType(name, "true or false");
  return lower === "true";
}

function toText(raw: Json, name: string): string {
  if (typeof raw !== "string") throw wrongType(name, "a string");
  // PostgreSQL refuses NUL, and UTF-8 has no unpaired surrogates.
  if (raw.includes("\0") || !raw.isWellFormed()) throw wrongType(name, "text without NUL and unpaired surrogates");
  return raw;
}

function normalizeComplex(attribute: Attribute, raw: Json, name: string): JsonObject | null {
  const { subs, valueSub } = attribute;
  const source = typeof raw === "string" && valueSub !== null ? { value: raw } : raw;
  if (!isObject(source) || subs === null) throw wrongType(name, "an object");
  const value: Record<string, Json> = {};
  for (const key of Object.keys(source)) {
    const sub = subs.get(key.toLowerCase());
    if (sub === undefined || sub.isReadOnly) continue;
    const normal = normalizeSub(attribute, sub, source[key] as Json);
    if (normal !== null) value[sub.name] = normal;
  }
  const isCleared = !attribute.isMultiValued && valueSub !== null && own(value, "value") === "";
  return isCleared || Object.keys(value).length === 0 ? null : value;
}

/** One sub-attribute's value. The `value` of a multi-valued attribute is trimmed, and blank means unassigned. */
export function normalizeSub(attribute: Attribute, sub: Attribute, raw: Json): Json {
  const normal = normalizeSingle(sub, unwrapped(sub, raw), `${attribute.name}.${sub.name}`);
  if (!attribute.isMultiValued || sub !== attribute.valueSub || typeof normal !== "string") return normal;
  const trimmed = normal.trim();
  return trimmed === "" ? null : trimmed;
}

function normalizeValues(attribute: Attribute, raw: Json, name: string): readonly Json[] | null {
  const values = toValues(attribute, raw, name);
  const settled = addValues(attribute, [], values);
  return settled.length === 0 ? null : settled;
}

/** The single values of what a client sent for a multi-valued attribute: a list, or one of them bare. */
export function toValues(attribute: Attribute, raw: Json, name: string): JsonObject[] {
  if (raw === null) return [];
  const list = isArray(raw) ? raw : [raw];
  if (list.length > MAX_VALUES)
    throw badRequest("invalidValue", `${name} has ${list.length} values, the limit is ${MAX_VALUES}`);
  return list
    .map((each) => {
      if (each === null) throw wrongType(`each value of ${name}`, "an object");
      return normalizeComplex(attribute, each, name);
    })
    .filter((each) => each !== null);
}

/**
 * Adds values to a multi-valued attribute: one with the (type, value) of a present one updates that, and of several
 * primaries one stays: the last value that `added` calls primary takes it from the present ones (RFC 7644 §3.5.2),
 * within `added` the first wins.
 */
export function addValues(
  attribute: Attribute,
  present: readonly JsonObject[],
  added: readonly JsonObject[],
): readonly JsonObject[] {
  const byKey = new Map(present.map((each) => [keyOf(attribute, each), each]));
  let primaryKey: string | null = null;
  for (const value of added) {
    const key = keyOf(attribute, value);
    byKey.set(key, { ...byKey.get(key), ...value });
    if (own(value, "primary") === true) primaryKey ??= key;
  }
  if (byKey.size > MAX_VALUES)
    throw badRequest("invalidValue", `${attribute.name} has ${byKey.size} values, the limit is ${MAX_VALUES}`);
  const chosen = primaryKey;
  return chosen === null ? [...byKey.values()] : onlyPrimary([...byKey], ([key]) => key === chosen);
}

/** Takes `primary` from all values but those that `isChosen` names. */
function onlyPrimary(
  entries: readonly (readonly [string, JsonObject])[],
  isChosen: (entry: readonly [string, JsonObject]) => boolean,
): JsonObject[] {
  return entries.map((entry) =>
    own(entry[1], "primary") === true && !isChosen(entry) ? { ...entry[1], primary: false } : entry[1],
  );
}

/** The values after some were edited in place: duplicates merged, and an edited primary takes the place of the others. */
export function settleValues(
  attribute: Attribute,
  values: readonly JsonObject[],
  edited: ReadonlySet<JsonObject>,
): readonly JsonObject[] {
  const filled = values.filter((each) => Object.keys(each).length > 0);
  const primary = filled.find((each) => edited.has(each) && own(each, "primary") === true);
  const cleared =
    primary === undefined
      ? filled
      : onlyPrimary(
          filled.map((each) => ["", each] as const),
          ([, each]) => each === primary,
        );
  return [...new Map(cleared.map((each) => [keyOf(attribute, each), each])).values()];
}

/** What makes two values the same one: `value` and `type` (RFC 7643 §2.4), or everything where there is no `value`. */
function keyOf(attribute: Attribute, element: JsonObject): string {
  const value = own(element, "value");
  if (attribute.valueSub === null || typeof value !== "string")
    return JSON.stringify(Object.entries(element).sort(([a], [b]) => (a < b ? -1 : 1)));
  const type = own(element, "type");
  const text = attribute.valueSub.isCaseExact ? value : value.toLowerCase();
  // No text that is kept has a NUL in it.
  return typeof type === "string" ? `${type.toLowerCase()}\0${text}` : `\0${text}`;
}

/** The same resource, for the purpose of not writing it again. */
export const isUnchanged = (before: JsonObject, after: JsonObject): boolean => isSameJson(before, after);
