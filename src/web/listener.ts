import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
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

/** @throws `CONFIG_INVALID` when the address can't be listened on. */
export async function listen(address: Address, handler: RequestListener): Promise<Listener> {
  const server = createServer(
    { headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs, keepAliveTimeout: keepAliveTimeoutMs, maxHeaderSize: 16_384 },
    handler,
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "another process listens there" : cause.message;
      reject(new RollcallError("CONFIG_INVALID", `cannot listen on ${address.host}:${address.port}: ${why}`, { cause }));
    });
    server.listen(address.port, address.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return { url: `http://${host}:${port}`, close: (graceMs) => closeServer(server, graceMs) };
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(cut);
}
