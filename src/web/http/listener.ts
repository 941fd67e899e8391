import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { createServer as createSecureServer, Server as SecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type SecureContextOptions, TLSSocket } from "node:tls";
import { RollcallError } from "../../domain/model/errors.ts";
import { errorBody, ScimError } from "../../sources/scim/errors.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A running listener. */
export interface Listener {
  /** With the actual port, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Uses another certificate for new connections. No effect without TLS. */
  useContext(context: SecureContextOptions): void;
  /** Accepts no more connections, lets requests finish for at most `graceMs`, then closes all connections. */
  close(graceMs: number): Promise<void>;
}

/** Maximum times of a connection, in milliseconds. */
export interface ListenerTimeouts {
  /** For all headers of a request. Default 15 s. */
  readonly headersMs: number;
  /** For a whole request with its body, also if it arrives in small pieces. Default 60 s. */
  readonly requestMs: number;
  /** Between two requests. Default 65 s: longer than the 60 s of most proxies, so that they close first. */
  readonly keepAliveMs: number;
  /** Without a byte in either direction, for example if a client does not read its answer. Default 120 s. */
  readonly silenceMs: number;
  /** For a connection beyond the limit. Default 5 s. */
  readonly reserveMs: number;
  /** For a TLS handshake. Default 10 s. */
  readonly handshakeMs: number;
  /** Time between two checks of the first two. Default 2 s. */
  readonly lookEveryMs: number;
}

export interface ListenerOptions {
  /** Maximum open connections. Default 1000. Beyond, requests except health checks get 503 and the connection is closed. */
  readonly connections?: number;
  readonly timeouts?: Partial<ListenerTimeouts>;
  /** Default: plain HTTP. */
  readonly tls?: ListenerTls;
  /** Called for each request or connection beyond the limit. */
  readonly onCrowded?: () => void;
}

/** TLS of a listener. */
export interface ListenerTls {
  readonly context: SecureContextOptions;
  /** `required`: the handshake fails without a certificate of the authority. `optional`: it fails only with a wrong certificate. */
  readonly clientCert: "none" | "optional" | "required";
}

const defaultTimeouts: ListenerTimeouts = {
  headersMs: 15_000,
  requestMs: 60_000,
  keepAliveMs: 65_000,
  silenceMs: 120_000,
  reserveMs: 5000,
  handshakeMs: 10_000,
  lookEveryMs: 2000,
};
const defaultConnections = 1000;
/** Connections beyond the limit that still get an answer: 503, or the health check. Further connections are dropped. */
const reserve = 64;
/** Maximum bytes of the request line and all headers together. */
const maxHeadBytes = 16_384;
const maxUrlBytes = 8192;
const maxHeaders = 100;
/** Time for a client to read the refusal before its connection is closed. */
const lingerMs = 1000;
const sweepMs = 50;

/** Listens on an address. @throws `CONFIG_INVALID` if that fails */
export async function listen(
  address: Address,
  handler: RequestListener,
  options: ListenerOptions = {},
): Promise<Listener> {
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const connections = options.connections ?? defaultConnections;
  const onCrowded = options.onCrowded ?? (() => undefined);
  const crowd = createCrowd(connections, timeouts.reserveMs);
  const serverOptions = {
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    connectionsCheckingInterval: timeouts.lookEveryMs,
    maxHeaderSize: maxHeadBytes,
    // Checked below. Node would answer 400 without a body.
    requireHostHeader: false,
  };
  const serve: RequestListener = (request, response) => {
    const refused = refusalOf(request, crowd.isBeyond(request.socket));
    if (refused === null) return handler(request, response);
    if (refused === tooManyConnections) onCrowded();
    answer(response, refused);
  };
  const { tls } = options;
  const server =
    tls === undefined
      ? createServer(serverOptions, serve)
      : createSecureServer({ ...serverOptions, ...secureOptions(tls), handshakeTimeout: timeouts.handshakeMs }, serve);
  // One more than the limit. Node drops further headers silently, so this one shows that there were too many.
  server.maxHeadersCount = maxHeaders + 1;
  server.maxConnections = connections + reserve;
  server.setTimeout(timeouts.silenceMs);
  if (tls === undefined) server.on("connection", crowd.add);
  else
    server.on("secureConnection", (socket: TLSSocket) => {
      if (isStranger(socket, tls)) socket.destroy();
      else crowd.add(socket);
    });
  server.on("drop", onCrowded);
  server.on("clientError", refuse);
  // Without this, Node answers 417 without a body.
  server.on("checkExpectation", (_request: IncomingMessage, response: ServerResponse) =>
    answer(response, noExpectation),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "another process listens there" : cause.message;
      reject(
        new RollcallError("CONFIG_INVALID", `cannot listen on ${address.host}:${address.port}: ${why}`, { cause }),
      );
    });
    server.listen(address.port, address.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return {
    url: `${tls === undefined ? "http" : "https"}://${host}:${port}`,
    useContext: (context) => {
      if (server instanceof SecureServer) server.setSecureContext(context);
    },
    close: (graceMs) => closeServer(server, graceMs),
  };
}

const secureOptions = ({ context, clientCert }: ListenerTls) => ({
  ...context,
  requestCert: clientCert !== "none",
  rejectUnauthorized: clientCert === "required",
});

/** True if the client shows a certificate that the authority did not sign. */
const isStranger = (socket: TLSSocket, { clientCert }: ListenerTls): boolean =>
  clientCert === "optional" && !socket.authorized && socket.getPeerX509Certificate() !== undefined;

/** Counts open connections and remembers those beyond the limit. */
function createCrowd(limit: number, reserveMs: number) {
  let open = 0;
  const beyond = new WeakSet<Duplex>();
  const add = (socket: Socket): void => {
    open += 1;
    socket.once("close", () => {
      open -= 1;
    });
    if (open <= limit) return;
    beyond.add(socket);
    setTimeout(() => socket.destroy(), reserveMs).unref();
  };
  return { add, isBeyond: (socket: Duplex): boolean => beyond.has(socket) };
}

/** Refusals in the form of RFC 7644 §3.12. Identity providers show the detail to people. */
const refusal = (status: number, detail: string, headers = {}): ScimError =>
  new ScimError(status, null, detail, headers);
const tooManyConnections = refusal(503, "too many connections are open; try again", { "Retry-After": "1" });
const longUrl = refusal(414, `the URL is longer than ${maxUrlBytes} bytes; POST to /.search takes longer filters`);
const manyHeaders = refusal(431, `there are more than ${maxHeaders} headers`);
const noExpectation = refusal(417, "Expect can only be 100-continue");
/** RFC 9112 §3.2. */
const noHost = refusal(400, "HTTP/1.1 needs one Host header");
const noHttp = refusal(400, "this is not an HTTP request");
/** By error code of Node.js. */
const unreadable = new Map([
  ["HPE_HEADER_OVERFLOW", refusal(431, `the request line and its headers are larger than ${maxHeadBytes} bytes`)],
  ["ERR_HTTP_REQUEST_TIMEOUT", refusal(408, "the request took too long to arrive")],
]);

/** Health checks are always answered, because an orchestrator restarts a process that does not answer. */
const isHealth = (url: string): boolean => /^\/(healthz|readyz)(\?|$)/.test(url);

function refusalOf(
  { url = "", rawHeaders, headers, httpVersion }: IncomingMessage,
  isBeyond: boolean,
): ScimError | null {
  if (isBeyond && !isHealth(url)) return tooManyConnections;
  if (url.length > maxUrlBytes) return longUrl;
  if (headers.host === undefined && httpVersion === "1.1") return noHost;
  return rawHeaders.length / 2 > maxHeaders ? manyHeaders : null;
}

function headAndBody(refused: ScimError) {
  const text = JSON.stringify(errorBody(refused));
  const length = String(Buffer.byteLength(text));
  return { text, head: { ...refused.headers, "Content-Type": "application/scim+json", "Content-Length": length } };
}

function answer(response: ServerResponse, refused: ScimError): void {
  const { head, text } = headAndBody(refused);
  response.shouldKeepAlive = false;
  response.writeHead(refused.status, head).end(text);
}

/** Answers a request that is not HTTP, and closes the connection. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  // Without a finished TLS handshake no answer is possible: plain HTTP, or a missing certificate.
  const isUnsecured = socket instanceof TLSSocket && socket.getProtocol() === null;
  if (error.code === "ECONNRESET" || !socket.writable || isUnsecured) return void socket.destroy();
  const refused = unreadable.get(error.code ?? "") ?? noHttp;
  const { head, text } = headAndBody(refused);
  const lines = [
    `HTTP/1.1 ${refused.status} ${STATUS_CODES[refused.status]}`,
    ...Object.entries(head).map(([name, value]) => `${name}: ${value}`),
    "Connection: close",
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n${text}`);
  // A client that keeps the connection open would count as a request in flight forever.
  setTimeout(() => socket.destroy(), lingerMs).unref();
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // After its last answer a connection becomes idle. It would stay open until the client closes it.
  const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}
