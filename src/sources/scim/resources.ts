import type { Cause, JsonObject } from "../../domain/model/entities.ts";
import type { Endpoint, ScimRecord } from "./endpoint.ts";
import { notFound, ScimError } from "./errors.ts";
import type { Versions } from "./etag.ts";
import { isNamed, toEtag } from "./etag.ts";
import type { ListContext, ListResult } from "./list.ts";
import { listResources } from "./list.ts";
import type { ScimLimits } from "./options.ts";
import { listOfQuery, projectionOfQuery } from "./query.ts";
import { locationOf, renderAll } from "./render.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One call on a resource type, from a request of its own or out of a Bulk request. */
export interface ResourceCall extends ListContext {
  readonly method: Method;
  /** Null for the collection. */
  readonly id: string | null;
  readonly query: URLSearchParams | null;
  readonly ifMatch: Versions | null;
  readonly ifNoneMatch: Versions | null;
  readonly cause: Cause;
  readonly limits: ScimLimits;
  /** Read when it is needed; once. */
  readonly body: () => Promise<JsonObject>;
}

export interface ScimAnswer {
  readonly status: number;
  /** Null answers without one. */
  readonly body: JsonObject | null;
  readonly headers: Readonly<Record<string, string>>;
}

const LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/** RFC 7644 §3.4.2. */
export const listAnswer = ({ total, resources }: ListResult, startIndex: number): ScimAnswer => ({
  status: 200,
  body: { schemas: [LIST_URN], totalResults: total, startIndex, itemsPerPage: resources.length, Resources: resources },
  headers: {},
});

/** Refuses a method with a 405 that names the others (RFC 9110 §15.5.6). */
export const notAllowed = (method: string, allowed: string): ScimError =>
  new ScimError(405, null, `${method} is not allowed here; allowed: ${allowed}`, { Allow: allowed });

/** Serves one call: RFC 7644 §3.3 to §3.6. */
export async function serveResource(endpoint: Endpoint, call: ResourceCall): Promise<ScimAnswer> {
  const { id } = call;
  if (id === null) return serveCollection(endpoint, call);
  if (id.length > 256 || id.includes("\0")) throw notFound(endpoint.schema.name);
  switch (call.method) {
    case "GET":
      return readOne(endpoint, call, id);
    case "PUT":
      return shown(
        endpoint,
        call,
        200,
        await endpoint.replace(call.source, id, await expectedRev(endpoint, call, id), await call.body(), call.cause),
      );
    case "PATCH": {
      const record = await endpoint.patch(
        call.source,
        id,
        await expectedRev(endpoint, call, id),
        await call.body(),
        call.cause,
      );
      const isAsked = endpoint.patchStatus === 200 || call.query?.has("attributes") === true;
      return isAsked
        ? shown(endpoint, call, 200, record)
        : { status: 204, body: null, headers: { ETag: toEtag(record.rev) } };
    }
    case "DELETE":
      await endpoint.remove(call.source, id, await expectedRev(endpoint, call, id), call.cause);
      return { status: 204, body: null, headers: {} };
    case "POST":
      throw notAllowed("POST", "GET, HEAD, PUT, PATCH, DELETE");
  }
}

async function serveCollection(endpoint: Endpoint, call: ResourceCall): Promise<ScimAnswer> {
  switch (call.method) {
    case "GET": {
      const request = listOfQuery(call.query, call.limits);
      return listAnswer(await listResources(endpoint, request, call), request.startIndex);
    }
    case "POST": {
      const record = await endpoint.create(call.source, await call.body(), call.cause);
      const answer = await shown(endpoint, call, 201, record);
      return {
        ...answer,
        headers: { ...answer.headers, Location: locationOf(endpoint.schema, call.baseUrl, record.id) },
      };
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
    return { status: 304, body: null, headers: { ETag: toEtag(record.rev) } };
  return shown(endpoint, call, 200, record);
}

async function shown(endpoint: Endpoint, call: ResourceCall, status: number, record: ScimRecord): Promise<ScimAnswer> {
  const [body = null] = await renderAll(
    endpoint,
    call.source,
    [record],
    call.baseUrl,
    projectionOfQuery(endpoint.schema, call.query),
  );
  return { status, body, headers: { ETag: toEtag(record.rev) } };
}

const stale = (): ScimError => new ScimError(412, null, "the resource has changed since that version; read it again");

/**
 * The revision a write must find, checked by the store within the write (RFC 7644 §3.14). Only a condition that one
 * revision can't express is looked up first, and what was seen is then what the write must find.
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
