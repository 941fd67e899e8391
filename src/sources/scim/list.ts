import { setImmediate as yieldToOthers } from "node:timers/promises";
import type { JsonObject } from "../../domain/model/entities.ts";
import type { Criterion, ListPage, ListQuery, ScimRecord } from "../../domain/ports/scim-store.ts";
import type { AttributePath } from "./attribute-path.ts";
import { leafOf, nameOf, resolvePath } from "./attribute-path.ts";
import type { Endpoint } from "./endpoint.ts";
import { badRequest, unavailable } from "./errors.ts";
import type { Filter } from "./filter.ts";
import { parseFilter } from "./filter.ts";
import { compileFilter, foldCase, valuesAt } from "./filter-predicate.ts";
import { isObject, own } from "./json.ts";
import type { ListRequest } from "./list-request.ts";
import { toProjection } from "./projection.ts";
import { render, renderAll } from "./render.ts";
import type { ResourceSchema } from "./schemas.ts";
import { toStoreFilter } from "./store-filter.ts";

/** One page of a list. `total` counts all pages. */
interface ListResult {
  readonly total: number;
  readonly resources: readonly JsonObject[];
}

const scanPageSize = 200;
const ALL: Criterion = { op: "all" };

/** Limits the scans that run at once. A limited number of further scans waits; the rest is refused with 503. */
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
        throw unavailable("too many requests with slow filters are waiting; try again");
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

/** The origin of a list request. */
export interface ListContext {
  readonly source: string;
  readonly baseUrl: string;
  readonly gate: ScanGate;
}

const LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/**
 * Answers a list of one resource type, or of several one after the other, with pages over all of them
 * (RFC 7644 §3.4.2, §3.4.3).
 */
export async function listResources(
  endpoints: readonly Endpoint[],
  request: ListRequest,
  context: ListContext,
): Promise<JsonObject> {
  const resources: JsonObject[] = [];
  let total = 0;
  for (const endpoint of endpoints) {
    const offset = Math.max(0, request.startIndex - 1 - total);
    const part = await listPart(endpoint, request, context, offset, request.count - resources.length);
    total += part.total;
    resources.push(...part.resources);
  }
  return {
    schemas: [LIST_URN],
    totalResults: total,
    startIndex: request.startIndex,
    itemsPerPage: resources.length,
    Resources: resources,
  };
}

/** `offset` is 0-based. */
async function listPart(
  endpoint: Endpoint,
  { filter, sortBy, isDescending, attributes, excludedAttributes }: ListRequest,
  context: ListContext,
  offset: number,
  limit: number,
): Promise<ListResult> {
  const { schema } = endpoint;
  const { source, baseUrl, gate } = context;
  const { where, residual } =
    filter === null ? { where: ALL, residual: null } : toStoreFilter(schema.name, parseFilter(filter, schema));
  const sort = sortBy === null ? null : toSort(schema, sortBy, isDescending);
  const projection = toProjection(schema, attributes, excludedAttributes);
  const page =
    residual === null && isByColumn(sort)
      ? await endpoint.list(source, { where, sort, offset, limit })
      : await gate.run(() => scanPage(endpoint, { where, residual, sort, offset, limit }, context));
  return { total: page.total, resources: await renderAll(endpoint, source, page.records, baseUrl, projection) };
}

type SortField = NonNullable<ListQuery["sort"]>["field"];

interface Sort<Field = SortField | null> {
  readonly path: AttributePath;
  /** The column of the attribute. Null if the store has none. */
  readonly field: Field;
  readonly isDescending: boolean;
}

const isByColumn = (sort: Sort | null): sort is Sort<SortField> | null => sort === null || sort.field !== null;

const SORT_FIELDS: ReadonlyMap<string, SortField> = new Map([
  ["id", "id"],
  ["userName", "userName"],
  ["externalId", "externalId"],
  ["displayName", "displayName"],
  ["meta.created", "createdAtMs"],
  ["meta.lastModified", "modifiedAtMs"],
]);

/** Null for an unknown attribute: the list is then not sorted (RFC 7644 §3.4.2.3). */
function toSort(schema: ResourceSchema, sortBy: string, isDescending: boolean): Sort | null {
  const target = resolvePath(schema, sortBy.trim());
  if (target.kind !== "attribute") return null;
  const { extension, attribute } = target;
  const path = { extension, attribute, sub: target.sub ?? attribute.valueSub };
  if (leafOf(path).subs !== null)
    throw badRequest("invalidValue", `sortBy: ${attribute.name} is complex, name a sub-attribute`);
  return { path, field: (extension === null ? SORT_FIELDS.get(nameOf(path)) : undefined) ?? null, isDescending };
}

interface Scan {
  readonly where: Criterion;
  readonly residual: Filter | null;
  readonly sort: Sort | null;
  readonly offset: number;
  readonly limit: number;
}

/** Tests page by page what columns cannot decide. Memory: one page, the answer, and the sort keys. */
async function scanPage(
  endpoint: Endpoint,
  { where, residual, sort, offset, limit }: Scan,
  { source, baseUrl }: ListContext,
): Promise<ListPage<ScimRecord>> {
  const { schema } = endpoint;
  const matches = residual === null ? () => true : compileFilter(residual);
  const needsReferences = residual !== null && mentions(residual, schema.references);
  const records: ScimRecord[] = [];
  const keys: { readonly id: string; readonly key: string | null }[] = [];
  let total = 0;
  for await (const page of endpoint.scan(source, where, scanPageSize)) {
    const ids = page.map((each) => each.id);
    const references = needsReferences ? await endpoint.references(source, ids) : null;
    for (const record of page) {
      const resource = render(schema, record, references?.get(record.id) ?? null, baseUrl);
      if (!matches(resource)) continue;
      if (sort !== null) keys.push({ id: record.id, key: sortKey(resource, sort.path) });
      else if (total >= offset && records.length < limit) records.push(record);
      total++;
    }
    await yieldToOthers();
  }
  if (sort === null) return { total, records };
  keys.sort((a, b) => compareKeys(a.key, b.key) * (sort.isDescending ? -1 : 1));
  for (const { id } of keys.slice(offset, offset + limit)) {
    const record = await endpoint.get(source, id);
    if (record !== null) records.push(record);
  }
  return { total, records };
}

function mentions(filter: Filter, name: string): boolean {
  switch (filter.op) {
    case "and":
    case "or":
      return filter.of.some((each) => mentions(each, name));
    case "not":
      return mentions(filter.of, name);
    case "never":
      return false;
    default:
      return filter.path.attribute.name === name;
  }
}

/** Sorts a multi-valued attribute by its primary value, otherwise by the first one (RFC 7644 §3.4.2.3). */
function sortKey(resource: JsonObject, path: AttributePath): string | null {
  const values = valuesAt(resource, { ...path, sub: null });
  const chosen = values.find((each) => isObject(each) && own(each, "primary") === true) ?? values[0];
  const value = path.sub === null ? chosen : isObject(chosen) ? own(chosen, path.sub.name) : undefined;
  if (value === undefined || value === null) return null;
  return leafOf(path).isCaseExact ? String(value) : foldCase(String(value));
}

/** In ascending order, resources without a value come last (RFC 7644 §3.4.2.3). */
function compareKeys(a: string | null, b: string | null): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b ? -1 : 1;
}
