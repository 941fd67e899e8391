import { setImmediate as nextTurn } from "node:timers/promises";
import type { Json, JsonObject } from "../../domain/model/entities.ts";
import { badRequest, errorBody, ScimError } from "./errors.ts";
import { isArray, isObject, ownAnyCase } from "./json.ts";
import type { Method, ScimAnswer } from "./resources.ts";

const REQUEST_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/** Operations after which other requests get their turn. */
const TURN = 10;

/** One operation as it is run: references to earlier ones resolved. */
export interface BulkCall {
  readonly method: Exclude<Method, "GET">;
  /** `Users` or `Groups`. */
  readonly resource: string;
  readonly id: string | null;
  readonly version: string | undefined;
  readonly data: JsonObject | null;
}

/** Runs one operation; never rejects for what a client can cause. */
export type RunBulkCall = (call: BulkCall) => Promise<ScimAnswer & { readonly location: string | null }>;

interface Operation {
  readonly method: Exclude<Method, "GET">;
  readonly path: string;
  readonly bulkId: string | null;
  readonly version: string | undefined;
  readonly data: JsonObject | null;
  /** bulkIds of other operations that this one names. */
  readonly needs: ReadonlySet<string>;
}

/**
 * Runs a Bulk request, one operation after the other (RFC 7644 §3.7). An operation that names the bulkId of a later one
 * waits for it; those that wait for each other are refused with 409.
 * @throws ScimError 413 for more than `maxOperations`, 400 invalidSyntax
 */
export async function runBulk(body: JsonObject, maxOperations: number, run: RunBulkCall): Promise<ScimAnswer> {
  const { operations, failOnErrors } = parseBulk(body, maxOperations);
  const results = new Map<number, JsonObject>();
  const ids = new Map<string, string | null>();
  const known = new Set(operations.flatMap((each) => (isOperation(each) && each.bulkId !== null ? [each.bulkId] : [])));
  let waiting = operations.map((operation, at) => ({ operation, at }));
  let failures = 0;
  while (waiting.length > 0 && failures < failOnErrors) {
    const ready = waiting.filter(
      ({ operation }) => !isOperation(operation) || [...operation.needs].every((id) => ids.has(id) || !known.has(id)),
    );
    const turn = ready.length > 0 ? ready : waiting;
    for (const { operation, at } of turn) {
      if (failures >= failOnErrors) break;
      const { result, isFailed } = await settle(operation, ready.length === 0, ids, run);
      results.set(at, result);
      if (isFailed) failures++;
      if (results.size % TURN === 0) await nextTurn();
    }
    const done = new Set(turn);
    waiting = waiting.filter((each) => !done.has(each));
  }
  const inOrder = [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
  return { status: 200, body: { schemas: [RESPONSE_URN], Operations: inOrder }, headers: {} };
}

const isOperation = (parsed: Operation | ScimError): parsed is Operation => !(parsed instanceof ScimError);

interface ParsedBulk {
  /** One that is not understood fails alone. */
  readonly operations: readonly (Operation | ScimError)[];
  readonly failOnErrors: number;
}

function parseBulk(body: JsonObject, maxOperations: number): ParsedBulk {
  const schemas = ownAnyCase(body, "schemas");
  if (!isArray(schemas) || !schemas.includes(REQUEST_URN))
    throw badRequest("invalidSyntax", `schemas must name ${REQUEST_URN}`);
  const operations = ownAnyCase(body, "Operations");
  if (!isArray(operations)) throw badRequest("invalidSyntax", "Operations must be a list");
  if (operations.length > maxOperations)
    throw new ScimError(413, null, `${operations.length} operations are more than maxOperations (${maxOperations})`);
  const failOnErrors = ownAnyCase(body, "failOnErrors") ?? 0;
  if (typeof failOnErrors !== "number" || !Number.isInteger(failOnErrors) || failOnErrors < 0)
    throw badRequest("invalidValue", "failOnErrors must be a whole number");
  return {
    operations: operations.map(parseOperation),
    failOnErrors: failOnErrors === 0 ? Number.POSITIVE_INFINITY : failOnErrors,
  };
}

function parseOperation(operation: Json): Operation | ScimError {
  if (!isObject(operation)) return badRequest("invalidSyntax", "each of Operations must be an object");
  const method = ownAnyCase(operation, "method");
  const upper = typeof method === "string" ? method.toUpperCase() : "";
  const path = ownAnyCase(operation, "path");
  const bulkId = ownAnyCase(operation, "bulkId") ?? null;
  const version = ownAnyCase(operation, "version");
  const data = ownAnyCase(operation, "data") ?? null;
  if (upper !== "POST" && upper !== "PUT" && upper !== "PATCH" && upper !== "DELETE")
    return badRequest("invalidSyntax", "method must be POST, PUT, PATCH or DELETE");
  if (typeof path !== "string") return badRequest("invalidSyntax", "path must be a string");
  if (bulkId !== null && typeof bulkId !== "string") return badRequest("invalidSyntax", "bulkId must be a string");
  if (upper === "POST" && bulkId === null) return badRequest("invalidSyntax", "a POST needs a bulkId");
  if (upper !== "DELETE" && !isObject(data)) return badRequest("invalidSyntax", "data must be an object");
  const needs = new Set<string>();
  mapReferences([path, data], (id) => {
    needs.add(id);
    return id;
  });
  return {
    method: upper,
    path,
    bulkId,
    version: typeof version === "string" ? version : undefined,
    data: isObject(data) ? data : null,
    needs,
  };
}

/** Calls `change` for each `bulkId:…` within a value and puts what it returns in its place (RFC 7644 §3.7.2). */
function mapReferences(value: Json, change: (bulkId: string) => string): Json {
  if (typeof value === "string")
    return value.includes("bulkId:")
      ? value.replace(/(^|[/"])bulkId:([^/"\]]+)/g, (_all, before: string, id: string) => before + change(id))
      : value;
  if (isArray(value)) return value.map((each) => mapReferences(each, change));
  if (!isObject(value)) return value;
  // fromEntries defines own properties: `__proto__` stays a plain key.
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mapReferences(each, change)]));
}

interface Settled {
  readonly result: JsonObject;
  readonly isFailed: boolean;
}

async function settle(
  operation: Operation | ScimError,
  isCircular: boolean,
  ids: Map<string, string | null>,
  run: RunBulkCall,
): Promise<Settled> {
  if (!isOperation(operation)) return { result: failure({}, operation), isFailed: true };
  const { method, bulkId } = operation;
  const named = { method, ...(bulkId === null ? {} : { bulkId }) };
  try {
    if (isCircular) throw new ScimError(409, null, "these operations name each other's bulkId in a circle");
    const answer = await run(resolved(operation, ids));
    const isFailed = answer.status >= 400;
    if (bulkId !== null) ids.set(bulkId, isFailed ? null : (answer.location?.split("/").at(-1) ?? null));
    const version = answer.headers["ETag"];
    const result = {
      ...named,
      status: String(answer.status),
      ...(answer.location === null ? {} : { location: answer.location }),
      ...(version === undefined ? {} : { version }),
      ...(isFailed && answer.body !== null ? { response: answer.body } : {}),
    };
    return { result, isFailed };
  } catch (error) {
    if (!(error instanceof ScimError)) throw error;
    if (bulkId !== null) ids.set(bulkId, null);
    return { result: failure(named, error), isFailed: true };
  }
}

const failure = (named: JsonObject, error: ScimError): JsonObject => ({
  ...named,
  status: String(error.status),
  response: errorBody(error),
});

function resolved(operation: Operation, ids: ReadonlyMap<string, string | null>): BulkCall {
  const toId = (bulkId: string): string => {
    const id = ids.get(bulkId);
    if (id == null) throw badRequest("invalidValue", `bulkId ${bulkId} names no operation that succeeded`);
    return id;
  };
  const [path, data] = [mapReferences(operation.path, toId), mapReferences(operation.data, toId)];
  const [resource = "", id = null, ...rest] = String(path)
    .split("/")
    .filter((part) => part !== "");
  if ((resource !== "Users" && resource !== "Groups") || rest.length > 0)
    throw new ScimError(404, null, "path must be /Users, /Groups or one of theirs");
  return { method: operation.method, resource, id, version: operation.version, data: isObject(data) ? data : null };
}
