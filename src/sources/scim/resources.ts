import type { Cause, JsonObject } from "../../domain/model/entities.ts";
import type { ScimRecord } from "../../domain/ports/scim-store.ts";
import type { Endpoint } from "./endpoint.ts";
import { badRequest, notFound, ScimError, stale } from "./errors.ts";
import type { Versions } from "./etag.ts";
import { isNamed, toEtag } from "./etag.ts";
import { own } from "./json.ts";
import type { ListContext } from "./list.ts";
import { listResources } from "./list.ts";
import { listOfQuery, projectionOfQuery } from "./list-request.ts";
import type { ScimLimits } from "./options.ts";
import { locationOf, renderAll } from "./render.ts";

/** Shared by all calls of one request. */
export interface CallContext extends ListContext {
  readonly cause: Cause;
  readonly limits: ScimLimits;
}

/** One call on a resource type: a request of its own, or an operation of a Bulk request. */
export interface ResourceCall extends CallContext {
  readonly method: string;
  /** Null for the collection. */
  readonly id: string | null;
  readonly query: URLSearchParams | null;
  readonly ifMatch: Versions | null;
  readonly ifNoneMatch: Versions | null;
  /** Reads the body. To be called once at most. */
  readonly body: () => Promise<JsonObject>;
}

export interface ScimAnswer {
  readonly status: number;
  /** Null for an answer without a body. */
  readonly body: JsonObject | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** A 405 with the methods that are allowed (RFC 9110 §15.5.6). */
export const notAllowed = (method: string, allowed: string): ScimError =>
  new ScimError(405, null, `${method} is not allowed here; allowed: ${allowed}`, { Allow: allowed });

const maxIdLength = 256;

/** Serves one call: RFC 7644 §3.3 to §3.6. */
export async function serveResource(endpoint: Endpoint, call: ResourceCall): Promise<ScimAnswer> {
  const { source, method, id, cause } = call;
  if (id === null) return serveCollection(endpoint, call);
  if (id.length > maxIdLength || id.includes("\0")) throw notFound(endpoint.schema.name);
  switch (method) {
    case "GET":
      return readOne(endpoint, call, id);
    case "PUT":
    case "PATCH": {
      const update = { source, id, expectedRev: await expectedRev(endpoint, call, id), body: await call.body(), cause };
      if (method === "PUT") {
        refuseOtherId(update.body, id);
        return shown(endpoint, call, 200, await endpoint.replace(update));
      }
      const record = await endpoint.patch(update);
      const isShown = endpoint.patchStatus === 200 || call.query?.has("attributes") === true;
      return isShown ? shown(endpoint, call, 200, record) : { status: 204, body: null, headers: etagOf(record) };
    }
    case "DELETE":
      await endpoint.remove(source, id, await expectedRev(endpoint, call, id), cause);
      return { status: 204, body: null, headers: {} };
    default:
      throw notAllowed(method, "GET, HEAD, PUT, PATCH, DELETE");
  }
}

async function serveCollection(endpoint: Endpoint, call: ResourceCall): Promise<ScimAnswer> {
  switch (call.method) {
    case "GET": {
      const list = await listResources([endpoint], listOfQuery(call.query, call.limits), call);
      return { status: 200, body: list, headers: {} };
    }
    case "POST": {
      const record = await endpoint.create(call.source, await call.body(), call.cause);
      const { headers, ...answer } = await shown(endpoint, call, 201, record);
      return { ...answer, headers: { ...headers, Location: locationOf(endpoint.schema, call.baseUrl, record.id) } };
    }
    default:
      throw notAllowed(call.method, "GET, HEAD, POST");
  }
}

async function readOne(endpoint: Endpoint, call: ResourceCall, id: string): Promise<ScimAnswer> {
  const record = await endpoint.get(call.source, id);
  if (record === null) throw notFound(`${endpoint.schema.name} ${id}`);
  if (call.ifMatch !== null && !isNamed(call.ifMatch, record.rev)) throw stale();
  if (call.ifNoneMatch !== null && isNamed(call.ifNoneMatch, record.rev))
    return { status: 304, body: null, headers: etagOf(record) };
  return shown(endpoint, call, 200, record);
}

async function shown(endpoint: Endpoint, call: ResourceCall, status: number, record: ScimRecord): Promise<ScimAnswer> {
  const projection = projectionOfQuery(endpoint.schema, call.query);
  const [body = null] = await renderAll(endpoint, call.source, [record], call.baseUrl, projection);
  return { status, body, headers: etagOf(record) };
}

const etagOf = ({ rev }: ScimRecord): Readonly<Record<string, string>> => ({ ETag: toEtag(rev) });

/** A PUT may contain the id, but must not change it (RFC 7644 §3.5.1). */
function refuseOtherId(body: JsonObject, id: string): void {
  const given = own(body, "id");
  if (given != null && given !== id) throw badRequest("mutability", "id is read-only");
}

/**
 * The revision that a write must find. The store checks it within the write (RFC 7644 §3.14). A condition that one
 * revision cannot express is tested here, and the write must then find the revision of that test.
 */
async function expectedRev(endpoint: Endpoint, call: ResourceCall, id: string): Promise<number | null> {
  const { ifMatch, ifNoneMatch } = call;
  if (ifMatch === null && ifNoneMatch === null) return null;
  if (ifNoneMatch === null && ifMatch !== "any" && ifMatch?.size === 1) return ifMatch.values().next().value ?? null;
  const present = await endpoint.get(call.source, id);
  if (present === null) throw notFound(`${endpoint.schema.name} ${id}`);
  if (ifMatch !== null && !isNamed(ifMatch, present.rev)) throw stale();
  if (ifNoneMatch !== null && isNamed(ifNoneMatch, present.rev)) throw stale();
  return present.rev;
}
