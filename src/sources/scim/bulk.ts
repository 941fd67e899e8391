import { setImmediate as yieldToOthers } from "node:timers/promises";
import type { Json, JsonObject } from "../../domain/model/entities.ts";
import { badRequest, ScimError } from "./errors.ts";
import { isArray, isObject, ownAnyCase } from "./json.ts";
import type { ScimAnswer } from "./resources.ts";

const REQUEST_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/** Number of operations before the event loop serves other requests. */
const operationsPerRound = 10;

/** One operation, with references to earlier ones resolved. */
export interface BulkCall {
  readonly method: BulkMethod;
  /** `Users` or `Groups`. */
  readonly resource: string;
  readonly id: string | null;
  readonly version: string | undefined;
  readonly data: JsonObject | null;
}

/** The part of the server that a Bulk request needs. */
export interface BulkRunner {
  readonly baseUrl: string;
  run(call: BulkCall): Promise<ScimAnswer>;
  /** Turns an error of `run` into the answer to that operation. */
  refuse(error: unknown, method: string): ScimAnswer;
}

const METHODS = ["POST", "PUT", "PATCH", "DELETE"] as const;
type BulkMethod = (typeof METHODS)[number];

interface Operation {
  readonly method: BulkMethod;
  readonly path: string;
  readonly bulkId: string | null;
  readonly version: string | undefined;
  readonly data: JsonObject | null;
  /** bulkIds of the operations that this one refers to. */
  readonly needs: ReadonlySet<string>;
}

/** An operation, or why it was not understood: it fails alone. */
type Parsed = Operation | ScimError;

/**
 * Runs the operations of a Bulk request one after the other (RFC 7644 §3.7). An operation that refers to a later one
 * waits for it. Operations that wait for each other are answered with 409.
 * @throws ScimError 413 for more than `maxOperations`, 400 invalidSyntax
 */
export async function runBulk(body: JsonObject, maxOperations: number, runner: BulkRunner): Promise<ScimAnswer> {
  const { operations, failOnErrors } = parseBulk(body, maxOperations);
  const results: (JsonObject | undefined)[] = [];
  /** Null for an operation that failed. */
  const ids = new Map<string, string | null>();
  const known = new Set(operations.flatMap((each) => (isOperation(each) && each.bulkId !== null ? [each.bulkId] : [])));
  let waiting = operations.map((operation, at) => ({ operation, at }));
  let failures = 0;
  while (waiting.length > 0 && failures < failOnErrors) {
    const ready = waiting.filter(
      ({ operation }) => !isOperation(operation) || [...operation.needs].every((id) => ids.has(id) || !known.has(id)),
    );
    const batch = ready.length > 0 ? ready : waiting;
    for (const { operation, at } of batch) {
      if (failures >= failOnErrors) break;
      const { result, isFailed } = await settle(operation, ready.length === 0, ids, runner);
      results[at] = result;
      if (isFailed) failures++;
      if (at % operationsPerRound === 0) await yieldToOthers();
    }
    const done = new Set(batch);
    waiting = waiting.filter((each) => !done.has(each));
  }
  const inOrder = results.filter((each) => each !== undefined);
  return { status: 200, body: { schemas: [RESPONSE_URN], Operations: inOrder }, headers: {} };
}

const isOperation = (parsed: Parsed): parsed is Operation => !(parsed instanceof ScimError);

function parseBulk(body: JsonObject, maxOperations: number) {
  const schemas = ownAnyCase(body, "schemas");
  if (!isArray(schemas) || !schemas.includes(REQUEST_URN))
    throw badRequest("invalidSyntax", `schemas must name ${REQUEST_URN}`);
  const operations = ownAnyCase(body, "Operations");
  if (!isArray(operations)) throw badRequest("invalidSyntax", "Operations must be a list");
  if (operations.length > maxOperations)
    throw new ScimError(413, null, `${operations.length} operations; the limit (maxOperations) is ${maxOperations}`);
  const failOnErrors = ownAnyCase(body, "failOnErrors") ?? 0;
  if (typeof failOnErrors !== "number" || !Number.isInteger(failOnErrors) || failOnErrors < 0)
    throw badRequest("invalidValue", "failOnErrors must be a whole number");
  return {
    operations: operations.map(parseOperation),
    failOnErrors: failOnErrors === 0 ? Number.POSITIVE_INFINITY : failOnErrors,
  };
}

function parseOperation(operation: Json): Parsed {
  if (!isObject(operation)) return badRequest("invalidSyntax", "each of Operations must be an object");
  const given = ownAnyCase(operation, "method");
  const method = typeof given === "string" ? METHODS.find((each) => each === given.toUpperCase()) : undefined;
  const path = ownAnyCase(operation, "path");
  const bulkId = ownAnyCase(operation, "bulkId") ?? null;
  const version = ownAnyCase(operation, "version");
  const data = ownAnyCase(operation, "data") ?? null;
  if (method === undefined) return badRequest("invalidSyntax", `method must be one of ${METHODS.join(", ")}`);
  if (typeof path !== "string") return badRequest("invalidSyntax", "path must be a string");
  if (bulkId !== null && typeof bulkId !== "string") return badRequest("invalidSyntax", "bulkId must be a string");
  if (method === "POST" && bulkId === null) return badRequest("invalidSyntax", "a POST needs a bulkId");
  if (method !== "DELETE" && !isObject(data)) return badRequest("invalidSyntax", "data must be an object");
  const needs = new Set<string>();
  mapReferences([path, data], (id) => {
    needs.add(id);
    return id;
  });
  return {
    method,
    path,
    bulkId,
    version: typeof version === "string" ? version : undefined,
    data: isObject(data) ? data : null,
    needs,
  };
}

/** Replaces each `bulkId:…` within a value by what `change` returns for it (RFC 7644 §3.7.2). */
function mapReferences(value: Json, change: (bulkId: string) => string): Json {
  if (typeof value === "string")
    return value.includes("bulkId:")
      ? value.replace(/(^|[/"])bulkId:([^/"\]]+)/g, (_all, before: string, id: string) => before + change(id))
      : value;
  if (isArray(value)) return value.map((each) => mapReferences(each, change));
  if (!isObject(value)) return value;
  // fromEntries defines own properties, so that `__proto__` stays a plain key.
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mapReferences(each, change)]));
}

async function settle(
  operation: Parsed,
  isCircular: boolean,
  ids: Map<string, string | null>,
  { baseUrl, run, refuse }: BulkRunner,
): Promise<{ readonly result: JsonObject; readonly isFailed: boolean }> {
  const { method, bulkId } = isOperation(operation) ? operation : { method: null, bulkId: null };
  let answer: ScimAnswer;
  let location: string | undefined;
  try {
    if (!isOperation(operation)) throw operation;
    if (isCircular) throw new ScimError(409, null, "these operations refer to each other's bulkId in a circle");
    const call = resolved(operation, ids);
    if (call.id !== null) location = `${baseUrl}/${call.resource}/${call.id}`;
    answer = await run(call);
    location = answer.headers["Location"] ?? location;
  } catch (error) {
    answer = refuse(error, method ?? "");
  }
  const { status, body, headers } = answer;
  const isFailed = status >= 400;
  if (bulkId !== null) ids.set(bulkId, isFailed ? null : (location?.split("/").at(-1) ?? null));
  const version = headers["ETag"];
  const result = {
    ...(method === null ? {} : { method }),
    ...(bulkId === null ? {} : { bulkId }),
    status: String(status),
    ...(location === undefined ? {} : { location }),
    ...(version === undefined ? {} : { version }),
    ...(isFailed && body !== null ? { response: body } : {}),
  };
  return { result, isFailed };
}

function resolved(operation: Operation, ids: ReadonlyMap<string, string | null>): BulkCall {
  const toId = (bulkId: string): string => {
    const id = ids.get(bulkId);
    if (id == null)
      throw badRequest("invalidValue", `bulkId ${bulkId} is not the bulkId of an operation that succeeded`);
    return id;
  };
  const [path, data] = [mapReferences(operation.path, toId), mapReferences(operation.data, toId)];
  const [resource = "", id = null, ...rest] = String(path)
    .split("/")
    .filter((part) => part !== "");
  if ((resource !== "Users" && resource !== "Groups") || rest.length > 0)
    throw new ScimError(404, null, "path must be /Users, /Users/{id}, /Groups or /Groups/{id}");
  return { method: operation.method, resource, id, version: operation.version, data: isObject(data) ? data : null };
}
