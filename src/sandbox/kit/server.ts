import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import express, { type Request, type RequestHandler, type Response } from "express";
import type { Faults, Strike } from "./faults.ts";
import { empty, json, Refusal, type Reply, type Route, type SandboxRequest } from "./http.ts";
import type { RequestLog } from "./request-log.ts";

/** The parts of an emulator that differ between vendors. */
export interface Vendor {
  readonly routes: readonly Route[];
  /** True if `/Users` and `/users` are different paths. */
  readonly isCaseSensitive: boolean;
  /** Checks every request, also one without a route. Throws `Refusal` to answer instead of the route. */
  check(request: SandboxRequest): void;
  notFound(): Reply;
  /** Answers a known path that takes only the methods in `allowed`. */
  methodNotAllowed(allowed: readonly string[]): Reply;
  unauthorized(): Reply;
  rateLimited(retryAfterSeconds: number): Reply;
  /** Answers an unexpected exception, which is a bug of the emulator; `requests.failures` keeps it. */
  failure(): Reply;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: () => number;
  readonly faults: Faults;
  readonly requests: RequestLog;
  readonly vendor: Vendor;
  /** Makes changes durable; awaited before an answer leaves. */
  readonly flush: () => Promise<void>;
}

export interface RunningServer {
  readonly url: string;
  close(): Promise<void>;
}

// Kestrel's default MaxRequestBodySize; Bitwarden does not change it as far as known.
const maxBodyBytes = 30_000_000;

/** Serves a vendor on plain HTTP. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { vendor, host, port } = options;
  const closing = new AbortController();
  const app = express();
  app.disable("x-powered-by");
  app.use(express.text({ type: () => true, limit: maxBodyBytes }));
  for (const [template, routes] of Map.groupBy(vendor.routes, (route) => route.template)) {
    const work = (request: SandboxRequest): Reply => {
      const route = routes.find(({ method }) => method === request.method);
      return route?.handle(request) ?? vendor.methodNotAllowed(routes.map(({ method }) => method));
    };
    app.all(pathPattern(template, vendor.isCaseSensitive), respond(options, closing.signal, template, work));
  }
  app.use(respond(options, closing.signal, "?", vendor.notFound));
  // A body over the limit, or a path that is not percent-encoded correctly.
  app.use((error: { readonly status?: number }, _request: Request, response: Response, _next: unknown) => {
    response.status(error.status ?? 500).end();
  });
  const server = await new Promise<ReturnType<typeof app.listen>>((resolve, reject) => {
    const listening = app.listen(port, host, (error) => (error === undefined ? resolve(listening) : reject(error)));
  });
  // Idle connections stay open: a reset that no fault asked for would make tests unreliable.
  server.keepAliveTimeout = 600_000;
  const address = server.address() as AddressInfo;
  return {
    url: `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`,
    close: async () => {
      closing.abort();
      if (server.listening) {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeAllConnections();
        await closed;
      }
      await options.flush();
    },
  };
}

function pathPattern(template: string, isCaseSensitive: boolean): RegExp {
  return new RegExp(`^${template.replace(/\{\w+\}/g, "([^/:]+)")}/?$`, isCaseSensitive ? "" : "i");
}

/** Answers with what `work` returns, or as the faults that hit the request demand. */
function respond(
  { vendor, faults, requests, clock, flush }: ServerOptions,
  closing: AbortSignal,
  route: string,
  work: (request: SandboxRequest) => Reply,
): RequestHandler {
  return async (incoming, response) => {
    const { method, originalUrl, path, socket, headers } = incoming;
    const atMs = clock();
    const log = (status: number): void =>
      requests.record({ atMs, method, path: originalUrl, status }, `${method} ${route}`);
    const strike = faults.strike(method, originalUrl);
    if (strike.delayMs > 0) await delay(strike.delayMs, undefined, { signal: closing }).catch(() => undefined);
    if (closing.aborted) return;
    const kind = strike.terminal?.kind;
    const request: SandboxRequest = {
      method,
      path,
      params: Object.values(incoming.params).flat(),
      query: new URLSearchParams(originalUrl.slice(path.length + 1)),
      headers,
      body: typeof incoming.body === "string" ? incoming.body : "",
      remoteAddress: socket.remoteAddress ?? "",
      strike,
    };
    const isDone = kind !== "resetBefore" && kind !== "hang";
    const reply = isDone ? replyTo(request) : empty(0);
    if (isDone) await flush();
    if (kind === "resetBefore" || kind === "resetAfter" || kind === "hang" || kind === "hangAfter") {
      log(0);
      if (kind === "resetBefore" || kind === "resetAfter") socket.resetAndDestroy();
      return;
    }
    log(reply.status);
    // Not `response.send`: it would add a charset and an ETag, which the vendors do not send.
    const length = String(Buffer.byteLength(reply.body ?? ""));
    response.writeHead(reply.status, { ...reply.headers, "content-length": length }).end(reply.body);
  };

  function replyTo(request: SandboxRequest): Reply {
    const replaced = replacement(vendor, request.strike);
    if (replaced !== undefined) return replaced;
    try {
      vendor.check(request);
      return work(request);
    } catch (error) {
      if (error instanceof Refusal) return error.reply;
      requests.failures.push(error);
      return vendor.failure();
    }
  }
}

/** The answer that a fault gives in place of the work; undefined when the work is to be done. */
function replacement(vendor: Vendor, { terminal: fault }: Strike): Reply | undefined {
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
      return undefined;
  }
}

function htmlPage(status: number): Reply {
  const body = `<html>\r\n<head><title>${status} Bad Gateway</title></head>\r\n<body><center><h1>${status} Bad Gateway</h1></center></body>\r\n</html>\r\n`;
  return { status, headers: { "content-type": "text/html" }, body };
}
