import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import express, { type Request, type RequestHandler, type Response } from "express";
import { type Fault, Faults } from "./faults.ts";
import { type Persistable, persist } from "./persist.ts";
import { RequestLog } from "./request-log.ts";
import { json, Refusal, type Reply, type SandboxRequest, Tokens } from "./requests.ts";

/** Options of both emulators. */
export interface SandboxOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly clock?: () => number;
  /** Returns at least 0 and below 1, for ids and for faults with a probability. Default `Math.random`. */
  readonly random?: () => number;
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** Loaded at the start and written before each answer. Default: the state is only in memory. */
  readonly persistFile?: string;
  /** Added to each answer; default 0. Also `faults.latencyMs`. */
  readonly latencyMs?: number;
}

/** The parts of a running emulator that its handlers use. */
export interface Emulation<State> {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly state: State;
  readonly faults: Faults;
  readonly requests: RequestLog;
  readonly tokens: Tokens;
}

export interface RunningEmulation<State> extends Emulation<State> {
  /** Writes changes that were made through `state` to `persistFile`. Requests write theirs themselves. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Does the work and answers; may throw `Refusal`. */
export type Handler = (request: SandboxRequest) => Reply;

/** The parts of an emulator that differ between vendors. */
export interface Vendor {
  /** Handlers by method and path, such as `GET /users/{id}`. `{name}` is one path segment without a colon. */
  readonly routes: Readonly<Record<string, Handler>>;
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

// Kestrel's default MaxRequestBodySize; Bitwarden does not change it as far as known.
const maxBodyBytes = 30_000_000;

/** Serves a vendor on plain HTTP. `url` is the base of its paths. */
export async function startEmulator<State extends Persistable>(
  { host = "127.0.0.1", port = 0, clock = Date.now, random = Math.random, persistFile, latencyMs = 0 }: SandboxOptions,
  parts: { readonly state: State; readonly clientId: string; readonly clientSecret: string },
  vendorOf: (emulator: Emulation<State>) => Vendor,
): Promise<RunningEmulation<State> & { readonly url: string }> {
  const flush = persistFile === undefined ? async () => undefined : await persist(persistFile, parts.state);
  const emulator = { ...parts, faults: new Faults(random), requests: new RequestLog(), tokens: new Tokens(clock) };
  emulator.faults.latencyMs = latencyMs;
  const vendor = vendorOf(emulator);
  const closing = new AbortController();
  const app = appOf({ ...emulator, vendor, clock, flush, closing: closing.signal });
  const server = await new Promise<ReturnType<typeof app.listen>>((resolve, reject) => {
    const listening = app.listen(port, host, (error) => (error === undefined ? resolve(listening) : reject(error)));
  });
  // Idle connections stay open: a reset that no fault asked for would make tests unreliable.
  server.keepAliveTimeout = 600_000;
  const address = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    closing.abort();
    if (server.listening) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    }
    await flush();
  };
  const url = `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
  return { ...emulator, flush, close, url };
}

interface Serving extends Omit<Emulation<unknown>, "state"> {
  readonly vendor: Vendor;
  readonly clock: () => number;
  readonly flush: () => Promise<void>;
  readonly closing: AbortSignal;
}

function appOf(serving: Serving): express.Express {
  const { vendor } = serving;
  const app = express();
  app.disable("x-powered-by");
  app.use(express.text({ type: () => true, limit: maxBodyBytes }));
  const routes = Object.entries(vendor.routes).map(([route, handle]) => {
    const [method = "", template = ""] = route.split(" ");
    return { method, template, handle };
  });
  for (const [template, sharing] of Map.groupBy(routes, (route) => route.template)) {
    const work = (request: SandboxRequest): Reply => {
      const route = sharing.find(({ method }) => method === request.method);
      return route?.handle(request) ?? vendor.methodNotAllowed(sharing.map(({ method }) => method));
    };
    const pattern = `^${template.replace(/\{\w+\}/g, "([^/:]+)")}/?$`;
    app.all(new RegExp(pattern, vendor.isCaseSensitive ? "" : "i"), respond(serving, template, work));
  }
  app.use(respond(serving, "?", vendor.notFound));
  // A body over the limit, or a path that is not percent-encoded correctly.
  app.use((error: { readonly status?: number }, _request: Request, response: Response, _next: unknown) => {
    response.status(error.status ?? 500).end();
  });
  return app;
}

/** Answers with what `work` returns, or as the faults that hit the request demand. */
function respond(
  { vendor, faults, requests, clock, flush, closing }: Serving,
  route: string,
  work: Handler,
): RequestHandler {
  return async (incoming, response) => {
    const { method, originalUrl, path, socket, headers } = incoming;
    const atMs = clock();
    const log = (status: number): void =>
      requests.record({ atMs, method, path: originalUrl, status }, `${method} ${route}`);
    const hits = faults.strike(method, originalUrl);
    const delayMs = hits.reduce((sum, fault) => sum + (fault.kind === "delay" ? fault.ms : 0), faults.latencyMs);
    if (delayMs > 0) await delay(delayMs, undefined, { signal: closing }).catch(() => undefined);
    if (closing.aborted) return;
    const isHit = (...kinds: readonly Fault["kind"][]): boolean => hits.some(({ kind }) => kinds.includes(kind));
    const isLeftUndone = isHit("resetBefore", "hang");
    const reply = isLeftUndone
      ? { status: 0 }
      : replyTo({
          method,
          path,
          params: Object.values(incoming.params).flat(),
          query: new URLSearchParams(originalUrl.slice(path.length + 1)),
          headers,
          body: typeof incoming.body === "string" ? incoming.body : "",
          remoteAddress: socket.remoteAddress ?? "",
          faults: hits,
        });
    if (!isLeftUndone) await flush();
    if (isLeftUndone || isHit("resetAfter", "hangAfter")) {
      log(0);
      if (isHit("resetBefore", "resetAfter")) socket.resetAndDestroy();
      return;
    }
    log(reply.status);
    // Not `response.send`: it would add a charset and an ETag, which the vendors do not send.
    const length = String(Buffer.byteLength(reply.body ?? ""));
    response.writeHead(reply.status, { ...reply.headers, "content-length": length }).end(reply.body);
  };

  function replyTo(request: SandboxRequest): Reply {
    const replaced = replacement(vendor, request.faults.at(-1));
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
function replacement(vendor: Vendor, fault: Fault | undefined): Reply | undefined {
  switch (fault?.kind) {
    case "status":
      return fault.body === undefined
        ? { status: fault.status, headers: fault.headers ?? {} }
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
