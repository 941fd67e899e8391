import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type { AttributePath } from "./attribute-path.ts";
import { leafOf } from "./attribute-path.ts";
import type { CompareOp, Comparison, Filter, FilterValue } from "./filter.ts";
import { isArray, isObject, own } from "./json.ts";

export type Predicate = (resource: JsonObject) => boolean;

/**
 * Compiles a filter for resources as this server renders them, with canonical names. A multi-valued attribute matches
 * if any of its values matches. An attribute without a value matches no comparison (RFC 7644 §3.4.2.2).
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
    case "never":
      return () => false;
    case "pr":
      return (resource) => valuesAt(resource, filter.path).some(isPresent);
    case "some": {
      const of = compileFilter(filter.of);
      return (resource) => valuesAt(resource, filter.path).some((value) => isObject(value) && of(value));
    }
    default: {
      const matches = compileComparison(filter);
      return (resource) => valuesAt(resource, filter.path).some(matches);
    }
  }
}

/** All values of a path on a rendered resource. */
export function valuesAt(resource: JsonObject, { extension, attribute, sub }: AttributePath): readonly Json[] {
  const home = extension === null ? resource : own(resource, extension);
  const values = isObject(home) ? listed(own(home, attribute.name)) : [];
  return sub === null ? values : values.flatMap((value) => (isObject(value) ? listed(own(value, sub.name)) : []));
}

const listed = (value: Json | undefined): readonly Json[] =>
  value === undefined ? [] : isArray(value) ? value : [value];

const isPresent = (value: Json): boolean =>
  value !== null && value !== "" && (!isObject(value) || Object.values(value).some(isPresent));

/** Folds text whose case does not matter. The store folds in the same way. */
export const foldCase = (text: string): string => text.toLowerCase();

const HOLDS: Readonly<Record<CompareOp, (value: FilterValue, wanted: FilterValue) => boolean>> = {
  eq: (value, wanted) => value === wanted,
  gt: (value, wanted) => value > wanted,
  ge: (value, wanted) => value >= wanted,
  lt: (value, wanted) => value < wanted,
  le: (value, wanted) => value <= wanted,
  co: (value, wanted) => String(value).includes(String(wanted)),
  sw: (value, wanted) => String(value).startsWith(String(wanted)),
  ew: (value, wanted) => String(value).endsWith(String(wanted)),
};

function compileComparison({ op, path, value }: Comparison): (found: Json) => boolean {
  const holds = HOLDS[op];
  const { type, isCaseExact } = leafOf(path);
  if (type === "dateTime") return (found) => typeof found === "string" && holds(Date.parse(found), value);
  if (typeof value !== "string") return (found) => typeof found === typeof value && holds(found as FilterValue, value);
  const fold = isCaseExact ? (text: string) => text : foldCase;
  const wanted = fold(value);
  return (found) => typeof found === "string" && holds(fold(found), wanted);
}
