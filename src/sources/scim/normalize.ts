import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type { ScimError } from "./errors.ts";
import { badRequest } from "./errors.ts";
import { isArray, isObject, own } from "./json.ts";
import type { Attribute, Attributes, ResourceSchema } from "./schemas.ts";

/** Maximum number of values of an attribute. It bounds the work of one request. */
const maxValues = 500;

/**
 * Returns the resource to store, from a body of an identity provider. Names become canonical. Null, `[]`, unknown and
 * read-only attributes, `schemas`, the password and the references (`members`, `groups`) are dropped. Identity providers
 * also send booleans as strings, and a manager as a string: both are accepted.
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

const tooMany = (name: string, count: number): ScimError =>
  badRequest("invalidValue", `${name} has ${count} values; the limit is ${maxValues}`);

const wrongType = (name: string, wish: string): ScimError => badRequest("invalidValue", `${name} must be ${wish}`);

/** Returns the value in the type of the attribute. Null means "unassigned" (RFC 7643 §2.5). */
export function normalizeValue(attribute: Attribute, raw: Json, name: string): Json {
  if (!attribute.isMultiValued) return normalizeSingle(attribute, unwrapped(attribute, raw), name);
  const values = addValues(attribute, [], toValues(attribute, raw, name));
  return values.length === 0 ? null : values;
}

/** Entra ID sends a single value in an array, bare or as `{value}`. */
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
  // PostgreSQL cannot store NUL, and UTF-8 has no unpaired surrogates.
  if (raw.includes("\0") || !raw.isWellFormed())
    throw wrongType(name, "text without NUL and without unpaired surrogates");
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

/** The value of a sub-attribute. The `value` of a multi-valued attribute is trimmed, and a blank one is unassigned. */
export function normalizeSub(attribute: Attribute, sub: Attribute, raw: Json): Json {
  const normal = normalizeSingle(sub, unwrapped(sub, raw), `${attribute.name}.${sub.name}`);
  if (!attribute.isMultiValued || sub !== attribute.valueSub || typeof normal !== "string") return normal;
  const trimmed = normal.trim();
  return trimmed === "" ? null : trimmed;
}

/** The values that a client sent for a multi-valued attribute: a list, or one bare value. */
export function toValues(attribute: Attribute, raw: Json, name: string): JsonObject[] {
  if (raw === null) return [];
  const list = isArray(raw) ? raw : [raw];
  if (list.length > maxValues) throw tooMany(name, list.length);
  return list
    .map((each) => {
      if (each === null) throw wrongType(`each value of ${name}`, "an object");
      return normalizeComplex(attribute, each, name);
    })
    .filter((each) => each !== null);
}

/**
 * Adds values to a multi-valued attribute. A value with the type and value of a present one updates that. At most one
 * value is primary: the first added one that says so, otherwise the present one (RFC 7644 §3.5.2).
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
  if (byKey.size > maxValues) throw tooMany(attribute.name, byKey.size);
  return withOnePrimary([...byKey.values()], primaryKey === null ? undefined : byKey.get(primaryKey));
}

/** Values after some were edited in place: duplicates merged, and at most one primary, an edited one first. */
export function settleValues(
  attribute: Attribute,
  values: readonly JsonObject[],
  edited: ReadonlySet<JsonObject>,
): readonly JsonObject[] {
  const filled = values.filter((each) => Object.keys(each).length > 0);
  const primary = filled.find((each) => edited.has(each) && own(each, "primary") === true);
  return [...new Map(withOnePrimary(filled, primary).map((each) => [keyOf(attribute, each), each])).values()];
}

/** Takes `primary` from all values but `primary`. Undefined leaves all values as they are. */
const withOnePrimary = (values: readonly JsonObject[], primary: JsonObject | undefined): readonly JsonObject[] =>
  primary === undefined
    ? values
    : values.map((each) => (each !== primary && own(each, "primary") === true ? { ...each, primary: false } : each));

/** Two values with the same key are the same value: by `value` and `type` (RFC 7643 §2.4), else by all sub-attributes. */
function keyOf(attribute: Attribute, element: JsonObject): string {
  const value = own(element, "value");
  if (attribute.valueSub === null || typeof value !== "string")
    return JSON.stringify(Object.entries(element).sort(([a], [b]) => (a < b ? -1 : 1)));
  const type = own(element, "type");
  const text = attribute.valueSub.isCaseExact ? value : value.toLowerCase();
  // NUL separates: no stored text contains it.
  return typeof type === "string" ? `${type.toLowerCase()}\0${text}` : `\0${text}`;
}

/** Maximum length of text that the store has an index of: PostgreSQL indexes at most 2,700 bytes. */
const maxIndexedLength = 512;

export function refuseLong(name: string, value: string): void {
  if (value.length > maxIndexedLength)
    throw badRequest("invalidValue", `${name} has ${value.length} characters; the limit is ${maxIndexedLength}`);
}

/** Shortens a text for an index, without cutting a character in half. */
export const shortened = (text: string): string => text.slice(0, maxIndexedLength).toWellFormed();

export function textOf(resource: JsonObject, name: string): string | null {
  const value = own(resource, name);
  return typeof value === "string" ? value : null;
}

/** Text of a column that has an index. */
export function indexedText(resource: JsonObject, name: string): string | null {
  const value = textOf(resource, name);
  if (value !== null) refuseLong(name, value);
  return value;
}

/** Text of a required attribute: not only blanks. */
export function requiredText(resource: JsonObject, name: string): string {
  const value = indexedText(resource, name);
  if (value === null || value.trim() === "") throw badRequest("invalidValue", `${name} is required`);
  return value;
}
