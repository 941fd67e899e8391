import { randomUUID } from "node:crypto";
import type { Request, Response, Router } from "express";
import express from "express";
import { noTracing } from "../../telemetry/index.ts";
import type { ScimPrincipal } from "./auth.ts";
import { addressOf, authenticated } from "./auth.ts";
import { expectedBytes, readBody } from "./body.ts";
import type { BulkCall, RunBulkCall } from "./bulk.ts";
import { runBulk } from "./bulk.ts";
import type { Discover } from "./discovery.ts";
import { createDiscovery, isDiscovery } from "./discovery.ts";
import type { Endpoint } from "./endpoint.ts";
import { errorBody, notFound, retryAfter, ScimError, toScimError } from "./errors.ts";
import { parseVersions } from "./etag.ts";
import { groupsEndpoint } from "./groups.ts";
import { ScanGate } from "./list.ts";
import type { ScimLimits, ScimOptions } from "./options.ts";
import { DEFAULT_LIMITS } from "./options.ts";
import type { Method, ResourceCall, ScimAnswer } from "./resources.ts";
import { notAllowed, serveResource } from "./resources.ts";
import { search } from "./search.ts";
import { usersEndpoint } from "./users.ts";

/** What all requests share. */
interface Service {
  readonly options: ScimOptions;
  readonly limits: ScimLimits;
  readonly gate: ScanGate;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly discover: Discover;
  readonly newRequestId: () => string;
}

/** One authenticated request, taken apart. */
interface Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly principal: ScimPrincipal;
  readonly requestId: string;
  readonly method: string;
  readonly segments: readonly string[];
  readonly query: URLSearchParams | null;
  readonly baseUrl: string;
}

/**
 * The SCIM 2.0 service provider (RFC 7643, RFC 7644), to be mounted at `/scim/v2` before any body parser. Each request is
 * authenticated before a byte of its body is read, and confined to the source of its token.
 */
export function createScimRouter(options: ScimOptions): Router {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const reportUnknown = (source: string, groupId: string, unknownMembers: readonly string[]): void =>
    options.log?.("warn", `scim: ${unknownMembers.length} members of group ${groupId} name nobody and were left out`, {
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

function serve(service: Service, request: Request, response: Response): Promise<void> {
  const { segments, query } = parseUrl(request.url);
  const requestId = givenRequestId(request) ?? service.newRequestId();
  const { tracer = noTracing } = service.options;
  if (!tracer.isOn) return respond(service, { request, response, segments, query, requestId }).then(() => undefined);
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
    const { status, source } = await respond(service, { request, response, segments, query, requestId });
    span.set({ "http.response.status_code": status, "rollcall.source": source });
    if (status >= 500) span.fail(String(status));
  });
}

/** Of low cardinality, and without an id: `/Users/{id}`. */
function routeOf([first = "", second, ...more]: readonly string[]): string {
  if (!ROUTES.has(first) && !isDiscovery(first)) return "/*";
  if (second === undefined) return `/${first}`;
  return more.length > 0 ? `/${first}/*` : `/${first}/${second === ".search" ? second : "{id}"}`;
}

interface Arrival {
  readonly request: Request;
  readonly response: Response;
  readonly segments: readonly string[];
  readonly query: URLSearchParams | null;
  readonly requestId: string;
}

async function respond(
  service: Service,
  { request, response, segments, query, requestId }: Arrival,
): Promise<{ readonly status: number; readonly source: string }> {
  const startedAt = performance.now();
  const { method } = request;
  const address = addressOf(request);
  let source = "";
  let answer: ScimAnswer;
  try {
    const principal = await authenticated(request, service.options.authenticate, service.options.wrongToken);
    source = principal.source;
    const baseUrl = (service.options.publicUrl()?.replace(/\/$/, "") ?? ownUrl(request)) + request.baseUrl;
    answer = await routeAdmitted(service, {
      request,
      response,
      principal,
      requestId,
      method: method === "HEAD" ? "GET" : method,
      segments,
      query,
      baseUrl,
    });
  } catch (error) {
    answer = refusal(service, error, { source, requestId, method });
  }
  write(response, answer, requestId);
  const [first = "other"] = segments;
  const resource = ROUTES.has(first) || isDiscovery(first) ? first : "other";
  service.options.onRequest?.({
    requestId,
    source,
    address,
    method,
    resource,
    status: answer.status,
    seconds: (performance.now() - startedAt) / 1000,
  });
  return { status: answer.status, source };
}

/** The client's own id, when it is one that logs and headers can carry as it is: what it sends beyond that is not repeated. */
function givenRequestId({ headers }: Request): string | null {
  const given = headers["x-request-id"];
  return typeof given === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$/.test(given) ? given : null;
}

/** Empty segments are dropped: extra slashes mean nothing (requirement 47). */
function parseUrl(url: string): { readonly segments: readonly string[]; readonly query: URLSearchParams | null } {
  const mark = url.indexOf("?");
  const path = mark === -1 ? url : url.slice(0, mark);
  return {
    segments: path.split("/").filter((part) => part !== ""),
    query: mark === -1 ? null : new URLSearchParams(url.slice(mark + 1)),
  };
}

/** A Host that could not be one is not repeated. */
function ownUrl(request: Request): string {
  // Behind a proxy that is trusted, what it was asked for (`trust proxy` of Express).
  const host = request.host ?? "";
  return `${request.protocol}://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : "localhost"}`;
}

type Serve = (service: Service, exchange: Exchange, rest: readonly string[]) => Promise<ScimAnswer>;

const ROUTES: ReadonlyMap<string, Serve> = new Map<string, Serve>([
  ["Users", serveEndpoint],
  ["Groups", serveEndpoint],
  [".search", (service, exchange, rest) => serveSearch(service, exchange, [...service.endpoints.values()], rest)],
  ["Bulk", serveBulk],
  [
    "Me",
    async () => {
      throw new ScimError(501, null, "/Me is not offered: a token belongs to a directory, not to a person");
    },
  ],
]);

/** Refused here, a request has cost a look at its headers and its token. */
async function routeAdmitted(service: Service, exchange: Exchange): Promise<ScimAnswer> {
  const { request, response, principal, segments } = exchange;
  const limitBytes = segments[0] === "Bulk" ? service.limits.bulkBytes : service.limits.bodyBytes;
  const admittance = service.options.admit?.({
    source: principal.source,
    bodyBytes: expectedBytes(request, limitBytes),
  });
  if (admittance === undefined) return route(service, exchange);
  if (admittance.kind === "refused") {
    const { status, detail, retryAfterMs } = admittance;
    return { status, body: errorBody(new ScimError(status, null, detail)), headers: retryAfter(retryAfterMs) };
  }
  // Until the answer is away, not only written: a client that does not read keeps it in memory.
  response.once("close", admittance.leave);
  try {
    return await route(service, exchange);
  } finally {
    // Gone before it was listened for: "close" does not come again.
    if (response.destroyed) admittance.leave();
  }
}

async function route(service: Service, exchange: Exchange): Promise<ScimAnswer> {
  const [first = "", ...rest] = exchange.segments;
  const serveRoute = ROUTES.get(first);
  if (serveRoute !== undefined) return serveRoute(service, exchange, rest);
  if (!isDiscovery(first)) throw notFound("endpoint");
  if (exchange.method !== "GET") throw notAllowed(exchange.method, "GET, HEAD");
  const document = await service.discover(
    exchange.request,
    exchange.response,
    exchange.segments.map(decoded),
    exchange.baseUrl,
  );
  if (document === null) throw notFound(first);
  return { status: 200, body: document, headers: {} };
}

async function serveEndpoint(service: Service, exchange: Exchange, rest: readonly string[]): Promise<ScimAnswer> {
  const endpoint = service.endpoints.get(exchange.segments[0] ?? "");
  const [id, ...more] = rest;
  if (endpoint === undefined || more.length > 0) throw notFound("endpoint");
  if (id === ".search") return serveSearch(service, exchange, [endpoint], more);
  return serveResource(endpoint, {
    ...contextOf(service, exchange),
    method: methodOf(exchange.method, id === undefined ? "GET, HEAD, POST" : "GET, HEAD, PUT, PATCH, DELETE"),
    id: id === undefined ? null : decoded(id),
    query: exchange.query,
    ifMatch: parseVersions(exchange.request.headers["if-match"]),
    ifNoneMatch: parseVersions(exchange.request.headers["if-none-match"]),
    body: () => readBody(exchange.request, service.limits.bodyBytes),
  });
}

const METHODS: ReadonlySet<string> = new Set<Method>(["GET", "POST", "PUT", "PATCH", "DELETE"]);
const isMethod = (method: string): method is Method => METHODS.has(method);

function methodOf(method: string, allowed: string): Method {
  if (!isMethod(method)) throw notAllowed(method, allowed);
  return method;
}

/** Text that is no percent-encoded UTF-8 names nothing. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw notFound("resource");
  }
}

type CallContext = Pick<ResourceCall, "source" | "baseUrl" | "gate" | "cause" | "limits">;

const contextOf = (service: Service, { principal, baseUrl, requestId }: Exchange): CallContext => ({
  source: principal.source,
  baseUrl,
  gate: service.gate,
  cause: { actor: principal.actor, requestId },
  limits: service.limits,
});

async function serveSearch(
  service: Service,
  exchange: Exchange,
  endpoints: readonly Endpoint[],
  rest: readonly string[],
): Promise<ScimAnswer> {
  if (rest.length > 0) throw notFound("endpoint");
  if (exchange.method !== "POST") throw notAllowed(exchange.method, "POST");
  return search(
    endpoints,
    await readBody(exchange.request, service.limits.bodyBytes),
    contextOf(service, exchange),
    service.limits,
  );
}

async function serveBulk(service: Service, exchange: Exchange, rest: readonly string[]): Promise<ScimAnswer> {
  if (rest.length > 0) throw notFound("endpoint");
  if (exchange.method !== "POST") throw notAllowed(exchange.method, "POST");
  const body = await readBody(exchange.request, service.limits.bulkBytes);
  return runBulk(body, service.limits.bulkOperations, bulkRunner(service, exchange));
}

const bulkRunner =
  (service: Service, exchange: Exchange): RunBulkCall =>
  async (call: BulkCall) => {
    const endpoint = service.endpoints.get(call.resource);
    if (endpoint === undefined) throw notFound("endpoint");
    const { method, id } = call;
    const { data } = call;
    try {
      const body = async () => data ?? {};
      const answer = await serveResource(endpoint, {
        ...contextOf(service, exchange),
        method,
        id,
        query: null,
        ifMatch: parseVersions(call.version),
        ifNoneMatch: null,
        body,
      });
      return {
        ...answer,
        location: answer.headers["Location"] ?? `${exchange.baseUrl}${endpoint.schema.endpoint}/${id ?? ""}`,
      };
    } catch (error) {
      const refused = refusal(service, error, {
        source: exchange.principal.source,
        requestId: exchange.requestId,
        method,
      });
      return { ...refused, location: id === null ? null : `${exchange.baseUrl}${endpoint.schema.endpoint}/${id}` };
    }
  };

interface Refused {
  readonly source: string;
  readonly requestId: string;
  readonly method: string;
}

/** An error that nobody foresaw tells the client nothing of the inside; the log has it all under the request id. */
function refusal(service: Service, error: unknown, refused: Refused): ScimAnswer {
  const known = toScimError(error);
  if (known === null) {
    service.options.log?.("error", "scim: a request failed unexpectedly", {
      ...refused,
      stack: error instanceof Error ? error.stack : String(error),
    });
  } else if (known.status >= 500 && known.status !== 501) {
    service.options.log?.("warn", `scim: ${known.message}`, { ...refused, status: known.status });
  }
  const told =
    known ??
    new ScimError(500, null, `something went wrong here, not in the request; the log has it as ${refused.requestId}`);
  return { status: told.status, body: errorBody(told), headers: told.headers };
}

/** Those of Helmet's headers that mean something for JSON: its whole set would cost as much as the rest of an answer. */
const SAFE_HEADERS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
  "X-Content-Type-Options": "nosniff",
};

function write(response: Response, { status, body, headers }: ScimAnswer, requestId: string): void {
  if (response.headersSent || response.destroyed) return;
  // All at once: a header set before makes Node go through the others one by one.
  const always = { "X-Request-Id": requestId, ...SAFE_HEADERS };
  if (body === null) {
    response.writeHead(status, { ...always, ...headers }).end();
    return;
  }
  const text = JSON.stringify(body);
  response
    .writeHead(status, {
      ...always,
      ...headers,
      "Content-Type": "application/scim+json",
      "Content-Length": Buffer.byteLength(text),
    })
    .end(text);
}
