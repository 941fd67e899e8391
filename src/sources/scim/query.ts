import type { Json, JsonObject } from "../../domain/model/entities.ts";
import { badRequest } from "./errors.ts";
import { isArray, ownAnyCase } from "./json.ts";
import type { ListRequest } from "./list.ts";
import type { ScimLimits } from "./options.ts";
import type { Projection } from "./projection.ts";
import { toProjection, WHOLE } from "./projection.ts";
import type { ResourceSchema } from "./schemas.ts";

type PageLimits = Pick<ScimLimits, "maxResults" | "defaultResults">;

const SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/** A list by query parameters; the first of duplicates counts, unknown ones are ignored (requirement 47). */
export const listOfQuery = (query: URLSearchParams | null, limits: PageLimits): ListRequest =>
  toListRequest((name) => query?.get(name) ?? null, limits);

/**
 * A list by a SearchRequest (RFC 7644 §3.4.3).
 * @throws ScimError 400 invalidSyntax without its schema, invalidValue for a wrong type
 */
export function listOfSearch(body: JsonObject, limits: PageLimits): ListRequest {
  const schemas = ownAnyCase(body, "schemas") ?? [SEARCH_URN];
  if (!isArray(schemas) || !schemas.includes(SEARCH_URN))
    throw badRequest("invalidSyntax", `schemas must name ${SEARCH_URN}`);
  return toListRequest((name) => ownAnyCase(body, name) ?? null, limits);
}

function toListRequest(read: (name: string) => Json, limits: PageLimits): ListRequest {
  const filter = toText(read("filter"), "filter");
  const sortBy = toText(read("sortBy"), "sortBy");
  return {
    filter: filter === null || filter.trim() === "" ? null : filter,
    sortBy: sortBy === null || sortBy.trim() === "" ? null : sortBy,
    isDescending: toText(read("sortOrder"), "sortOrder")?.toLowerCase() === "descending",
    startIndex: Math.max(1, toInteger(read("startIndex"), "startIndex") ?? 1),
    count: Math.min(
      limits.maxResults,
      Math.max(0, toInteger(read("count"), "count") ?? Math.min(limits.defaultResults, limits.maxResults)),
    ),
    attributes: toNames(read("attributes"), "attributes"),
    excludedAttributes: toNames(read("excludedAttributes"), "excludedAttributes"),
  };
}

/** `attributes` and `excludedAttributes` of a request for one resource. */
export function projectionOfQuery(schema: ResourceSchema, query: URLSearchParams | null): Projection {
  if (query === null) return WHOLE;
  return toProjection(
    schema,
    toNames(query.get("attributes"), "attributes"),
    toNames(query.get("excludedAttributes"), "excludedAttributes"),
  );
}

function toText(value: Json, name: string): string | null {
  if (value === null || typeof value === "string") return value;
  throw badRequest("invalidValue", `${name} must be a string`);
}

function toInteger(value: Json, name: string): number | null {
  if (value === null || value === "") return null;
  if (
    typeof value === "number" ? !Number.isInteger(value) : typeof value !== "string" || !/^\s*[+-]?\d+\s*$/.test(value)
  ) {
    throw badRequest("invalidValue", `${name} must be a whole number`);
  }
  return Math.min(Number(value), 2 ** 31);
}

const MAX_NAMES = 200;

function toNames(value: Json, name: string): readonly string[] {
  if (value === null) return [];
  const names = typeof value === "string" ? value.split(",") : value;
  if (!isArray(names) || names.length > MAX_NAMES)
    throw badRequest("invalidValue", `${name} must be at most ${MAX_NAMES} attribute names`);
  return names
    .map((each) => {
      if (typeof each !== "string") throw badRequest("invalidValue", `${name} must be attribute names`);
      return each.trim();
    })
    .filter((each) => each !== "");
}
