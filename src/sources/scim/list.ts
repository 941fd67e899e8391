import { setImmediate as nextTurn } from "node:timers/promises";
import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type { Criterion, ListPage, ListQuery } from "../../domain/ports/scim-store.ts";
import { resolvePath } from "./attribute-path.ts";
import type { Endpoint, ScimRecord } from "./endpoint.ts";
import { badRequest, unavailable } from "./errors.ts";
import type { Predicate } from "./evaluate.ts";
import { compileFilter, foldCase } from "./evaluate.ts";
import type { Filter } from "./filter.ts";
import { parseFilter } from "./filter.ts";
import { toStoreFilter } from "./filter-sql.ts";
import { isArray, isObject, own } from "./json.ts";
import { toProjection } from "./projection.ts";
import { render, renderAll } from "./render.ts";
import type { Attribute, ResourceSchema } from "./schemas.ts";

/** What a list is asked for, by query parameters or a SearchRequest (RFC 7644 §3.4.2, §3.4.3). */
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

export interface ListResult {
  readonly total: number;
  readonly resources: readonly JsonObject[];
}

const SCAN_PAGE = 200;
const ALL: Criterion = { op: "all" };

/** Lets a few scans run at once; the others wait, up to a number. */
export class ScanGate {
  readonly #limit: number;
  readonly #waitingLimit: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limit: number, waitingLimit: number) {
    this.#limit = limit;
    this.#waitingLimit = waitingLimit;
  }

  async run<T>(scan: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) {
      if (this.#waiting.length >= this.#waitingLimit)
        throw unavailable("too many filters that need a scan are waiting; try again");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await scan();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

/** Everything a list needs beside what it is asked for. */
export interface ListContext {
  readonly source: string;
  readonly baseUrl: string;
  readonly gate: ScanGate;
}

/** One page of a resource type; `total` is exact. `offset` is 0-based. */
export async function listResources(
  endpoint: Endpoint,
  request: ListRequest,
  context: ListContext,
  offset: number = request.startIndex - 1,
  limit: number = request.count,
): Promise<ListResult> {
  const { schema } = endpoint;
  const { where, residual } =
    request.filter === null
      ? { where: ALL, residual: null }
      : toStoreFilter(schema.name, parseFilter(request.filter, schema));
  const sort = request.sortBy === null ? null : toSort(schema, request.sortBy);
  const projection = toProjection(schema, request.attributes, request.excludedAttributes);
  const page =
    residual === null && sort?.attribute == null
      ? await endpoint.list(context.source, {
          where,
          sort: sort === null ? null : { field: sort.field, isDescending: request.isDescending },
          offset,
          limit,
        })
      : await context.gate.run(() =>
          scanPage(endpoint, { where, residual, sort, isDescending: request.isDescending, offset, limit }, context),
        );
  return {
    total: page.total,
    resources: await renderAll(endpoint, context.source, page.records, context.baseUrl, projection),
  };
}

type SortField = NonNullable<ListQuery["sort"]>["field"];

/** By a column of the store, or by an attribute over a scan. */
type Sort =
  | { readonly attribute: null; readonly field: SortField }
  | { readonly attribute: Attribute; readonly extension: string | null; readonly sub: Attribute | null };

const SORT_FIELDS: ReadonlyMap<string, SortField> = new Map([
  ["id", "id"],
  ["userName", "userName"],
  ["externalId", "externalId"],
  ["displayName", "displayName"],
  ["meta.created", "createdAtMs"],
  ["meta.lastModified", "modifiedAtMs"],
]);

/** Null for an attribute that no schema has: nothing to sort by (RFC 7644 §3.4.2.3). */
function toSort(schema: ResourceSchema, sortBy: string): Sort | null {
  const target = resolvePath(schema, sortBy.trim());
  if (target.kind !== "attribute") return null;
  const { extension, attribute } = target;
  const sub = target.sub ?? attribute.valueSub;
  if (attribute.subs !== null && sub === null)
    throw badRequest("invalidValue", `sortBy: ${attribute.name} is complex, name a sub-attribute`);
  const field =
    extension === null ? SORT_FIELDS.get(sub === null ? attribute.name : `${attribute.name}.${sub.name}`) : undefined;
  return field === undefined ? { extension, attribute, sub } : { attribute: null, field };
}

interface Scan {
  readonly where: Criterion;
  readonly residual: Filter | null;
  readonly sort: Sort | null;
  readonly isDescending: boolean;
  readonly offset: number;
  readonly limit: number;
}

/** Decides page by page what columns cannot; holds one page, the answer, and the sort keys. */
async function scanPage(endpoint: Endpoint, scan: Scan, context: ListContext): Promise<ListPage<ScimRecord>> {
  const { offset, limit, sort } = scan;
  const records: ScimRecord[] = [];
  const keys: { readonly id: string; readonly key: string | null }[] = [];
  let total = 0;
  for await (const page of endpoint.scan(context.source, scan.where, SCAN_PAGE)) {
    for (const record of await matching(endpoint, page, scan.residual, context)) {
      if (sort !== null) keys.push({ id: record.id, key: sortKey(record, sort) });
      else if (total >= offset && records.length < limit) records.push(record);
      total++;
    }
    await nextTurn();
  }
  if (sort === null) return { total, records };
  keys.sort((a, b) => compareKeys(a.key, b.key) * (scan.isDescending ? -1 : 1));
  for (const { id } of keys.slice(offset, offset + limit)) {
    const record = await endpoint.get(context.source, id);
    if (record !== null) records.push(record);
  }
  return { total, records };
}

async function matching(
  endpoint: Endpoint,
  page: readonly ScimRecord[],
  residual: Filter | null,
  context: ListContext,
): Promise<readonly ScimRecord[]> {
  if (residual === null) return page;
  const matches: Predicate = compileFilter(residual);
  const { schema } = endpoint;
  const references = mentions(residual, schema.references)
    ? await endpoint.references(
        context.source,
        page.map((each) => each.id),
      )
    : null;
  return page.filter((each) => matches(render(schema, each, references?.get(each.id) ?? null, context.baseUrl)));
}

function mentions(filter: Filter, name: string): boolean {
  switch (filter.op) {
    case "and":
    case "or":
      return filter.of.some((each) => mentions(each, name));
    case "not":
      return mentions(filter.of, name);
    default:
      return filter.path.attribute?.name === name;
  }
}

function sortKey(record: ScimRecord, sort: Sort): string | null {
  if (sort.attribute === null) {
    const value =
      sort.field === "createdAtMs" || sort.field === "modifiedAtMs"
        ? String(record[sort.field]).padStart(15, "0")
        : textAt(record.resource, sort.field);
    return sort.field === "id" ? record.id : value;
  }
  const home = sort.extension === null ? record.resource : own(record.resource, sort.extension);
  const value = isObject(home) ? own(home, sort.attribute.name) : undefined;
  const chosen = isArray(value)
    ? (value.find((each) => isObject(each) && own(each, "primary") === true) ?? value[0])
    : value;
  const leaf = sort.sub === null ? chosen : isObject(chosen) ? own(chosen, sort.sub.name) : undefined;
  return toKey(leaf, (sort.sub ?? sort.attribute).isCaseExact);
}

const textAt = (resource: JsonObject, name: string): string | null => toKey(own(resource, name), name === "externalId");

function toKey(value: Json | undefined, isCaseExact: boolean): string | null {
  if (value === undefined || value === null) return null;
  return isCaseExact ? String(value) : foldCase(String(value));
}

/** What has no value comes last, in ascending order (RFC 7644 §3.4.2.3). */
function compareKeys(a: string | null, b: string | null): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b ? -1 : 1;
}
