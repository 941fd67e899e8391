import type { Json, JsonObject } from "../../domain/model/entities.ts";
import { badRequest } from "./errors.ts";
import { isArray, ownAnyCase } from "./json.ts";
import type { ScimLimits } from "./options.ts";
import type { Projection } from "./projection.ts";
import { toProjection, WHOLE } from "./projection.ts";
import type { ResourceSchema } from "./schemas.ts";

/** A request for a list, by query parameters or a SearchRequest (RFC 7644 §3.4.2, §3.4.3). */
export interface ListRequest {
  readonly filter: string | null;
  readonly sortBy: string | null;
  readonly isDescending: boolean;
  /** 1-based, at least 1. */
  readonly startIndex: number;
  /** 0 to `maxResults`. */
  readonly count: number;
  readonly attributes: readonly string[];
  readonly excludedAttributes: readonly string[];
}

type PageLimits = Pick<ScimLimits, "maxResults" | "defaultResults">;

const SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/** Reads query parameters. The first of duplicates counts; unknown ones are ignored. */
export const listOfQuery = (query: URLSearchParams | null, limits: PageLimits): ListRequest =>
  toListRequest((name) => query?.get(name) ?? null, limits);

/**
 * Reads a SearchRequest (RFC 7644 §3.4.3).
 * @throws ScimError 400 invalidSyntax without its schema, invalidValue for a wrong type
 */
export function listOfSearch(body: JsonObject, limits: PageLimits): ListRequest {
  const schemas = ownAnyCase(body, "schemas") ?? [SEARCH_URN];
  if (!isArray(schemas) || !schemas.includes(SEARCH_URN))
    throw badRequest("invalidSyntax", `schemas must name ${SEARCH_URN}`);
  return toListRequest((name) => ownAnyCase(body, name) ?? null, limits);
}

function toListRequest(read: (name: string) => Json, { maxResults, defaultResults }: PageLimits): ListRequest {
  const count = toInteger(read("count"), "count") ?? defaultResults;
  return {
    filter: toText(read("filter"), "filter"),
    sortBy: toText(read("sortBy"), "sortBy"),
    isDescending: toText(read("sortOrder"), "sortOrder")?.toLowerCase() === "descending",
    startIndex: Math.max(1, toInteger(read("startIndex"), "startIndex") ?? 1),
    count: Math.min(maxResults, Math.max(0, count)),
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

/** Null for a blank text. */
function toText(value: Json, name: string): string | null {
  if (value === null) return null;
  if (typeof value !== "string") throw badRequest("invalidValue", `${name} must be a string`);
  return value.trim() === "" ? null : value;
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

const maxNames = 200;

function toNames(value: Json, name: string): readonly string[] {
  if (value === null) return [];
  const names = typeof value === "string" ? value.split(",") : value;
  if (!isArray(names) || names.length > maxNames)
    throw badRequest("invalidValue", `${name} must be at most ${maxNames} attribute names`);
  return names
    .map((each) => {
      if (typeof each !== "string") throw badRequest("invalidValue", `${name} must be attribute names`);
      return each.trim();
    })
    .filter((each) => each !== "");
}
