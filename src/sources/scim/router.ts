import { randomUUID } from "node:crypto";
import type { Request, Response, Router } from "express";
import express from "express";
import { noTracing } from "../../telemetry/index.ts";
import { addressOf, authenticated } from "./auth.ts";
import { expectedBytes, readBody } from "./body.ts";
import { runBulk } from "./bulk.ts";
import type { Discover } from "./discovery.ts";
import { createDiscovery, isDiscovery } from "./discovery.ts";
import type { Endpoint } from "./endpoint.ts";
import { errorBody, notFound, retryAfter, ScimError, toScimError } from "./errors.ts";
import { parseVersions } from "./etag.ts";
import { groupsEndpoint } from "./groups.ts";
import { listResources, ScanGate } from "./list.ts";
import { listOfSearch } from "./list-request.ts";
import type { ScimLimits, ScimOptions } from "./options.ts";
import { defaultLimits } from "./options.ts";
import type { CallContext, ScimAnswer } from "./resources.ts";
import { notAllowed, serveResource } from "./resources.ts";
import { usersEndpoint } from "./users.ts";

/** Shared by all requests. */
interface Service {
  readonly options: ScimOptions;
  readonly limits: ScimLimits;
  readonly gate: ScanGate;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly discover: Discover;
  readonly newRequestId: () => string;
}

/** One request. Of its URL, `segments` is the path without empty parts. */
interface Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly segments: readonly string[];
  readonly query: URLSearchParams | null;
  readonly requestId: string;
}

/** One authenticated request. */
interface Admitted extends Exchange {
  readonly context: CallContext;
  /** GET for HEAD. */
  readonly method: string;
}

/**
 * Creates the SCIM 2.0 service provider (RFC 7643, RFC 7644). To be mounted at `/scim/v2`, before any body parser. A
 * request is authenticated before its body is read, and sees only the source of its token.
 */
export function createScimRouter(options: ScimOptions): Router {
  const limits = { ...defaultLimits, ...options.limits };
  const reportUnknown = (source: string, groupId: string, unknownMembers: readonly string[]): void =>
    options.log?.("warn", `scim: left ${unknownMembers.length} unknown members out of group ${groupId}`, {
      source,
      groupId,
      unknownMembers: unknownMembers.slice(0, 20),
    });
  const service: Service = {
    options,
    limits,
    gate: new ScanGate(limits.scans, limits.waitingScans),
    endpoints: new Map([
      ["Users", usersEndpoint(options.store, limits.patchOperations)],
      ["Groups", groupsEndpoint(options.store, limits.patchOperations, options.groupOptions, reportUnknown)],
    ]),
    discover: createDiscovery(limits, options.groupNamesUnique),
    newRequestId: options.newRequestId ?? randomUUID,
  };
  return express.Router().use((request, response) => serve(service, request, response));
}

async function serve(service: Service, request: Request, response: Response): Promise<void> {
  const exchange: Exchange = {
    request,
    response,
    ...parseUrl(request.url),
    requestId: givenRequestId(request) ?? service.newRequestId(),
  };
  const { tracer = noTracing } = service.options;
  if (!tracer.isOn) return void (await respond(service, exchange));
  const { requestId, segments } = exchange;
  const { method } = request;
  const route = request.baseUrl + routeOf(segments);
  const attributes = {
    "http.request.method": method,
    "http.route": route,
    "url.path": request.baseUrl + request.url.replace(/\?.*$/s, ""),
    "url.scheme": request.protocol,
    "rollcall.request_id": requestId,
  };
  const { traceparent } = request.headers;
  const from = typeof traceparent === "string" ? { traceparent } : {};
  return tracer.span(`${method} ${route}`, { kind: "server", attributes, requestId, ...from }, async (span) => {
    const { status, source } = await respond(service, exchange);
    span.set({ "http.response.status_code": status, "rollcall.source": source });
    if (status >= 500) span.fail(String(status));
  });
}

const other = "other";

/** `Users`, `Bulk`, `Schemas`, …: a name with few values, for metrics. */
const resourceOf = ([first = other]: readonly string[]): string =>
  ROUTES.has(first) || isDiscovery(first) ? first : other;

/** A route with few values, for traces: an id becomes `{id}`. */
function routeOf(segments: readonly string[]): string {
  const first = resourceOf(segments);
  const [, second, ...more] = segments;
  if (first === other) return "/*";
  if (second === undefined) return `/${first}`;
  return more.length > 0 ? `/${first}/*` : `/${first}/${second === ".search" ? second : "{id}"}`;
}

async function respond(
  service: Service,
  exchange: Exchange,
): Promise<{ readonly status: number; readonly source: string }> {
  const { request, response, segments, requestId } = exchange;
  const { options, gate, limits } = service;
  const startedAt = performance.now();
  const { method } = request;
  const address = addressOf(request);
  let source = "";
  let answer: ScimAnswer;
  try {
    const principal = await authenticated(request, options.authenticate, options.wrongToken);
    source = principal.source;
    const baseUrl = (options.publicUrl()?.replace(/\/$/, "") ?? ownUrl(request)) + request.baseUrl;
    const context = { source, baseUrl, gate, limits, cause: { actor: principal.actor, requestId } };
    answer = await admit(service, { ...exchange, context, method: method === "HEAD" ? "GET" : method });
  } catch (error) {
    answer = refuse(service, error, { source, requestId, method });
  }
  const { status } = answer;
  write(response, answer, requestId);
  options.onRequest?.({
    requestId,
    source,
    address,
    method,
    resource: resourceOf(segments),
    status,
    seconds: (performance.now() - startedAt) / 1000,
  });
  return { status, source };
}

/** The id of the client, if it is short and has only characters that are safe in logs and headers. */
function givenRequestId({ headers }: Request): string | null {
  const given = headers["x-request-id"];
  return typeof given === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$/.test(given) ? given : null;
}

/** Extra slashes are ignored: some identity providers send them. */
function parseUrl(url: string): Pick<Exchange, "segments" | "query"> {
  const mark = url.indexOf("?");
  const path = mark === -1 ? url : url.slice(0, mark);
  return {
    segments: path.split("/").filter((part) => part !== ""),
    query: mark === -1 ? null : new URLSearchParams(url.slice(mark + 1)),
  };
}

/** The URL that the client used. An invalid Host header is not repeated. */
function ownUrl(request: Request): string {
  // Behind a trusted proxy (`trust proxy` of Express) this is the host of X-Forwarded-Host.
  const host = request.host ?? "";
  return `${request.protocol}://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : "localhost"}`;
}

/** Asks `options.admit`, before the body is read. */
async function admit(service: Service, exchange: Admitted): Promise<ScimAnswer> {
  const { request, response, segments, context } = exchange;
  const limitBytes = segments[0] === "Bulk" ? service.limits.bulkBytes : service.limits.bodyBytes;
  const bodyBytes = expectedBytes(request, limitBytes);
  const admittance = service.options.admit?.({ source: context.source, bodyBytes });
  if (admittance === undefined) return route(service, exchange);
  if (admittance.kind === "refused") {
    const { status, detail, retryAfterMs } = admittance;
    return { status, body: errorBody(new ScimError(status, null, detail)), headers: retryAfter(retryAfterMs) };
  }
  // The answer stays in memory until the client has read it, so the request is over when the response closes.
  response.once("close", admittance.leave);
  try {
    return await route(service, exchange);
  } finally {
    // If the response closed before, "close" does not come again.
    if (response.destroyed) admittance.leave();
  }
}

type Serve = (service: Service, exchange: Admitted, rest: readonly string[]) => Promise<ScimAnswer>;

const ROUTES: ReadonlyMap<string, Serve> = new Map<string, Serve>([
  ["Users", serveEndpoint],
  ["Groups", serveEndpoint],
  [".search", (service, exchange, rest) => serveSearch(exchange, [...service.endpoints.values()], rest)],
  ["Bulk", serveBulk],
  [
    "Me",
    () => Promise.reject(new ScimError(501, null, "/Me is not supported: a token belongs to a source, not a user")),
  ],
]);

async function route(service: Service, exchange: Admitted): Promise<ScimAnswer> {
  const { request, response, segments, method, context } = exchange;
  const [first = "", ...rest] = segments;
  const serveRoute = ROUTES.get(first);
  if (serveRoute !== undefined) return serveRoute(service, exchange, rest);
  if (!isDiscovery(first)) throw notFound("endpoint");
  if (method !== "GET") throw notAllowed(method, "GET, HEAD");
  const document = await service.discover(request, response, segments.map(decoded), context.baseUrl);
  if (document === null) throw notFound(first);
  return { status: 200, body: document, headers: {} };
}

async function serveEndpoint(service: Service, exchange: Admitted, rest: readonly string[]): Promise<ScimAnswer> {
  const { request, segments, query, method, context } = exchange;
  const endpoint = service.endpoints.get(segments[0] ?? "");
  const [id, ...more] = rest;
  if (endpoint === undefined || more.length > 0) throw notFound("endpoint");
  if (id === ".search") return serveSearch(exchange, [endpoint], more);
  return serveResource(endpoint, {
    ...context,
    method,
    id: id === undefined ? null : decoded(id),
    query,
    ifMatch: parseVersions(request.headers["if-match"]),
    ifNoneMatch: parseVersions(request.headers["if-none-match"]),
    body: () => readBody(request, context.limits.bodyBytes),
  });
}

/** Text that is not percent-encoded UTF-8 is not the name of anything. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw notFound("resource");
  }
}

/** Reads the body of an address that takes only POST. */
function posted({ request, method }: Admitted, rest: readonly string[], limitBytes: number) {
  if (rest.length > 0) throw notFound("endpoint");
  if (method !== "POST") throw notAllowed(method, "POST");
  return readBody(request, limitBytes);
}

async function serveSearch(
  exchange: Admitted,
  endpoints: readonly Endpoint[],
  rest: readonly string[],
): Promise<ScimAnswer> {
  const { context } = exchange;
  const { limits } = context;
  const search = listOfSearch(await posted(exchange, rest, limits.bodyBytes), limits);
  return { status: 200, body: await listResources(endpoints, search, context), headers: {} };
}

async function serveBulk(service: Service, exchange: Admitted, rest: readonly string[]): Promise<ScimAnswer> {
  const { requestId, context } = exchange;
  const { source, baseUrl, limits } = context;
  return runBulk(await posted(exchange, rest, limits.bulkBytes), limits.bulkOperations, {
    baseUrl,
    run: async ({ resource, method, id, version, data }) => {
      const endpoint = service.endpoints.get(resource);
      if (endpoint === undefined) throw notFound("endpoint");
      const ifMatch = parseVersions(version);
      const body = async () => data ?? {};
      return serveResource(endpoint, { ...context, method, id, query: null, ifMatch, ifNoneMatch: null, body });
    },
    refuse: (error, method) => refuse(service, error, { source, requestId, method }),
  });
}

/** The answer to an unexpected error has only its request id; the log has the rest. */
function refuse(
  { options }: Service,
  error: unknown,
  request: { readonly source: string; readonly requestId: string; readonly method: string },
): ScimAnswer {
  const known = toScimError(error);
  if (known === null) {
    const stack = error instanceof Error ? error.stack : String(error);
    options.log?.("error", "scim: a request failed unexpectedly", { ...request, stack });
  } else if (known.status >= 500 && known.status !== 501) {
    options.log?.("warn", `scim: ${known.message}`, { ...request, status: known.status });
  }
  const answered =
    known ?? new ScimError(500, null, `internal error; the log of Rollcall has it as request ${request.requestId}`);
  return { status: answered.status, body: errorBody(answered), headers: answered.headers };
}

/** The headers of Helmet that matter for JSON. The whole set would cost as much time as the rest of an answer. */
const SAFE_HEADERS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
  "X-Content-Type-Options": "nosniff",
};

function write(response: Response, { status, body, headers }: ScimAnswer, requestId: string): void {
  if (response.headersSent || response.destroyed) return;
  // All headers in one call: Node writes them faster if none was set before.
  const always = { "X-Request-Id": requestId, ...SAFE_HEADERS, ...headers };
  if (body === null) {
    response.writeHead(status, always).end();
    return;
  }
  const text = JSON.stringify(body);
  response
    .writeHead(status, {
      ...always,
      "Content-Type": "application/scim+json",
      "Content-Length": Buffer.byteLength(text),
    })
    .end(text);
}
