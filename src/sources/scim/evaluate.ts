import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type { CompareOp, Filter, FilterPath, FilterValue } from "./filter.ts";
import { isObject, own } from "./json.ts";

export type Predicate = (resource: JsonObject) => boolean;

/**
 * Compiles a filter for resources as this server renders them (canonical names). A multi-valued attribute matches when
 * any of its values does; `ne` is the contrary of `eq`; what has no value matches no comparison but `ne`
 * (RFC 7644 §3.4.2.2).
 */
export function compileFilter(filter: Filter): Predicate {
  switch (filter.op) {
    case "and": {
      const of = filter.of.map(compileFilter);
      return (resource) => of.every((each) => each(resource));
    }
    case "or": {
      const of = filter.of.map(compileFilter);
      return (resource) => of.some((each) => each(resource));
    }
    case "not": {
      const of = compileFilter(filter.of);
      return (resource) => !of(resource);
    }
    case "pr": {
      const read = reader(filter.path);
      return (resource) => read(resource).some(isPresent);
    }
    case "some": {
      const read = reader(filter.path);
      const of = compileFilter(filter.of);
      return (resource) => read(resource).some((value) => isObject(value) && of(value));
    }
    case "ne": {
      const equals = compileFilter({ ...filter, op: "eq" });
      return (resource) => !equals(resource);
    }
    default: {
      const read = reader(filter.path);
      const matches = comparison(filter.op, filter.path, filter.value);
      return (resource) => read(resource).some(matches);
    }
  }
}

/** All values that a path has on a resource. */
function reader(path: FilterPath): (resource: JsonObject) => readonly Json[] {
  const { extension, attribute, sub } = path;
  if (attribute === null) return () => [];
  return (resource) => {
    const home = extension === null ? resource : own(resource, extension);
    const values = isObject(home) ? listed(own(home, attribute.name)) : [];
    return sub === null ? values : values.flatMap((value) => (isObject(value) ? listed(own(value, sub.name)) : []));
  };
}

const listed = (value: Json | undefined): readonly Json[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as Json];

const isPresent = (value: Json): boolean =>
  value !== null && value !== "" && (!isObject(value) || Object.values(value).some(isPresent));

type Test = (value: Json) => boolean;

function comparison(op: Exclude<CompareOp, "ne">, path: FilterPath, wanted: FilterValue): Test {
  const attribute = path.sub ?? path.attribute;
  if (attribute?.type === "dateTime")
    return ordered(op, (value) => (typeof value === "string" ? Date.parse(value) : Number.NaN), wanted);
  if (typeof wanted !== "string")
    return ordered(op, (value) => (typeof value === typeof wanted ? (value as FilterValue) : null), wanted);
  const fold = attribute?.isCaseExact === true ? (text: string) => text : foldCase;
  return ordered(op, (value) => (typeof value === "string" ? fold(value) : null), fold(wanted));
}

/** How text is folded where case does not matter; the store does the same. */
export const foldCase = (text: string): string => text.toLowerCase();

function ordered(op: Exclude<CompareOp, "ne">, read: (value: Json) => FilterValue | null, wanted: FilterValue): Test {
  const test =
    (holds: (value: FilterValue) => boolean): Test =>
    (raw) => {
      const value = read(raw);
      return value !== null && holds(value);
    };
  switch (op) {
    case "eq":
      return test((value) => value === wanted);
    case "gt":
      return test((value) => value > wanted);
    case "ge":
      return test((value) => value >= wanted);
    case "lt":
      return test((value) => value < wanted);
    case "le":
      return test((value) => value <= wanted);
    case "co":
      return test((value) => String(value).includes(String(wanted)));
    case "sw":
      return test((value) => String(value).startsWith(String(wanted)));
    case "ew":
      return test((value) => String(value).endsWith(String(wanted)));
  }
}
