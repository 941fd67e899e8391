import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Faults, Strike } from "./faults.ts";
import type { RequestLog } from "./request-log.ts";

/** A request with its body read. The path is not decoded and has no query string. */
export interface SandboxRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly remoteAddress: string;
}

/** An answer; no body means `Content-Length: 0`. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Thrown by a handler to answer something else than its result. */
export class Refusal extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(`refused with ${reply.status}`);
    this.reply = reply;
  }
}

/** A JSON answer. */
export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(value),
  };
}

/** An answer without a body. */
export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers };
}

/** One route: `{name}` in the template is one path segment without a colon. */
export interface Route<Handler> {
  readonly method: string;
  readonly template: string;
  readonly handle: Handler;
}

export interface RouteMatch<Handler> {
  readonly route: Route<Handler>;
  readonly params: readonly string[];
}

/** Finds the route of a request; `allow` lists the methods of the path when only the method was wrong. */
export class Router<Handler> {
  readonly #routes: { readonly route: Route<Handler>; readonly pattern: RegExp }[];

  constructor(routes: readonly Route<Handler>[], flags: "i" | "" = "") {
    this.#routes = routes.map((route) => ({ route, pattern: compile(route.template, flags) }));
  }

  match(method: string, path: string): RouteMatch<Handler> | { readonly allow: readonly string[] } {
    const allow: string[] = [];
    for (const { route, pattern } of this.#routes) {
      const found = pattern.exec(path);
      if (found === null) continue;
      if (route.method === method) return { route, params: found.slice(1) };
      allow.push(route.method);
    }
    return { allow };
  }
}

function compile(template: string, flags: string): RegExp {
  const escaped = template.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\{\w+\}/g, "([^/:]+)")}/?$`, flags);
}

/** What a vendor's emulator plugs into the server. */
export interface Vendor {
  /** Does the work and answers; may throw `Refusal`. */
  handle(request: SandboxRequest, strike: Strike): Reply;
  /** Name of the request's route, for counting. */
  routeOf(method: string, path: string): string;
  unauthorized(): Reply;
  rateLimited(retryAfterSeconds: number): Reply;
  /** The answer to an exception nobody expected, which is a bug of the emulator; `requests.failures` keeps it. */
  failure(): Reply;
  /** Makes changes durable; awaited before any answer leaves. */
  persist(): Promise<void>;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: () => number;
  readonly faults: Faults;
  readonly requests: RequestLog;
  readonly vendor: Vendor;
}

export interface RunningServer {
  readonly url: string;
  close(): Promise<void>;
}

// Kestrel's default MaxRequestBodySize, which the vendor does not change as far as known.
const bodyLimitBytes = 30_000_000;

/** Serves a vendor on plain HTTP. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const timers = new Set<NodeJS.Timeout>();
  const server = createServer((request, response) => {
    void serve(options, timers, request, response).catch((error: unknown) =>
      response.destroy(error instanceof Error ? error : undefined),
    );
  });
  // Idle clients are never hung up on: a reset that no fault asked for would make tests flaky.
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    close: async () => {
      for (const timer of timers) clearTimeout(timer);
      if (server.listening) {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeAllConnections();
        await closed;
      }
      await options.vendor.persist();
    },
  };
}

async function serve(
  options: ServerOptions,
  timers: Set<NodeJS.Timeout>,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = incoming.url ?? "/";
  const method = incoming.method ?? "GET";
  const { pathname, query } = split(target);
  const atMs = options.clock();
  const log = (status: number): void =>
    options.requests.record(
      { atMs, method, path: target, status },
      `${method} ${options.vendor.routeOf(method, pathname)}`,
    );

  const body = await readBody(incoming);
  const strike = options.faults.strike(method, target);
  if (strike.delayMs > 0) await pause(strike.delayMs, timers);
  const before = strike.terminal?.kind;
  if (before === "resetBefore" || before === "hang") {
    log(0);
    if (before === "resetBefore") incoming.socket.resetAndDestroy();
    return;
  }
  const request: SandboxRequest = {
    method,
    path: pathname,
    query,
    headers: incoming.headers,
    body: body ?? "",
    remoteAddress: incoming.socket.remoteAddress ?? "",
  };
  const reply = body === undefined ? empty(413) : answer(options, request, strike);
  await options.vendor.persist();
  if (before === "resetAfter" || before === "hangAfter") {
    log(0);
    if (before === "resetAfter") incoming.socket.resetAndDestroy();
    return;
  }
  log(reply.status);
  send(response, reply);
}

function answer(options: ServerOptions, request: SandboxRequest, strike: Strike): Reply {
  const { vendor } = options;
  const fault = strike.terminal;
  switch (fault?.kind) {
    case "status":
      return fault.body === undefined
        ? empty(fault.status, fault.headers)
        : json(fault.status, fault.body, fault.headers);
    case "html":
      return htmlPage(fault.status ?? 502);
    case "rateLimit":
      return vendor.rateLimited(fault.retryAfterSeconds);
    case "unauthorized":
      return vendor.unauthorized();
    default:
      return work(options, request, strike);
  }
}

function work({ vendor, requests }: ServerOptions, request: SandboxRequest, strike: Strike): Reply {
  try {
    return vendor.handle(request, strike);
  } catch (error) {
    if (error instanceof Refusal) return error.reply;
    requests.failures.push(error);
    return vendor.failure();
  }
}

function htmlPage(status: number): Reply {
  const body = `<html>\r\n<head><title>${status} Bad Gateway</title></head>\r\n<body><center><h1>${status} Bad Gateway</h1></center></body>\r\n</html>\r\n`;
  return { status, headers: { "content-type": "text/html" }, body };
}

function split(target: string): { pathname: string; query: URLSearchParams } {
  const mark = target.indexOf("?");
  if (mark < 0) return { pathname: target, query: new URLSearchParams() };
  return { pathname: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) };
}

/** The body as text, or `undefined` when it is over the limit. */
async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= bodyLimitBytes) chunks.push(chunk);
  }
  return size > bodyLimitBytes ? undefined : Buffer.concat(chunks).toString("utf8");
}

function pause(ms: number, timers: Set<NodeJS.Timeout>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      resolve();
    }, ms);
    timers.add(timer);
  });
}

function send(response: ServerResponse, reply: Reply): void {
  const body = reply.body === undefined ? undefined : Buffer.from(reply.body, "utf8");
  response.writeHead(reply.status, { ...reply.headers, "content-length": String(body?.length ?? 0) });
  response.end(body);
}

/** The parts of an `Authorization` header, scheme in lower case. */
export function authorization(
  headers: IncomingHttpHeaders,
): { readonly scheme: string; readonly value: string } | undefined {
  const header = headers.authorization;
  if (header === undefined) return undefined;
  const space = header.indexOf(" ");
  return space < 0
    ? { scheme: header.toLowerCase(), value: "" }
    : { scheme: header.slice(0, space).toLowerCase(), value: header.slice(space + 1).trim() };
}

/** Client id and secret out of a Basic header, both form-urlencoded (RFC 6749 §2.3.1). */
export function basicCredentials(
  headers: IncomingHttpHeaders,
): { readonly id: string; readonly secret: string } | undefined {
  const found = authorization(headers);
  if (found?.scheme !== "basic") return undefined;
  const text = Buffer.from(found.value, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  return { id: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) };
}

function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replace(/\+/g, " "));
  } catch {
    // Not form-urlencoded after all (a bare percent sign): the raw text is compared.
    return text;
  }
}

/** True for `application/x-www-form-urlencoded`, with or without parameters. */
export function isForm(headers: IncomingHttpHeaders): boolean {
  return mediaType(headers) === "application/x-www-form-urlencoded";
}

/** The media type in lower case without parameters; empty when there is none. */
export function mediaType(headers: IncomingHttpHeaders): string {
  return (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}
