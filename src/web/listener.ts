import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { RollcallError } from "../domain/errors.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A listener that is up. */
export interface Listener {
  /** With the port that was taken, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Takes no more connections, lets requests finish for at most `graceMs`, then cuts. */
  close(graceMs: number): Promise<void>;
}

/** A client that sends slower than this holds a connection for nothing. */
const headersTimeoutMs = 15_000;
const requestTimeoutMs = 60_000;
const keepAliveTimeoutMs = 65_000;
const sweepMs = 50;

/** @throws `CONFIG_INVALID` when the address can't be listened on. */
export async function listen(address: Address, handler: RequestListener): Promise<Listener> {
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      maxHeaderSize: 16_384,
    },
    handler,
  );
  server.on("clientError", refuse);
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
  return { url: `http://${host}:${port}`, close: (graceMs) => closeServer(server, graceMs) };
}

const unreadable: Readonly<Record<string, readonly [status: number, reason: string, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large", "the headers are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout", "the request took too long to arrive"],
};

/** What cannot be read as HTTP is answered like any other bad request, as a SCIM error (RFC 7644 §3.12), and hung up on. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const [status, reason, detail] = unreadable[error.code ?? ""] ?? [400, "Bad Request", "this is not an HTTP request"];
  const body = JSON.stringify({
    schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"],
    status: String(status),
    detail,
  });
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    "Content-Type: application/scim+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection whose last request is answered becomes idle, and would stay open until its client lets go.
  const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}
