import { once } from "node:events";
import type { RequestListener } from "node:http";
import { connect, type Socket } from "node:net";
import { connect as secureConnect } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type Listener, type ListenerOptions, listen } from "../../src/web/http/listener.ts";
import { authority } from "../support/certificates.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const ok: RequestListener = (_request, response) => void response.end("ok\n");

async function up(handler: RequestListener, options: ListenerOptions = {}): Promise<Listener> {
  const listener = await listen({ host: "127.0.0.1", port: 0 }, handler, {
    ...options,
    timeouts: { lookEveryMs: 50, ...options.timeouts },
  });
  closers.push(() => listener.close(0));
  return listener;
}

/** A connection that never closes by itself, and the text that it received. `over` resolves when the server closes it. */
async function dial({ url }: Listener) {
  const socket: Socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", allowHalfOpen: true });
  closers.push(() => socket.destroy());
  let text = "";
  socket.setEncoding("latin1").on("data", (more: string) => {
    text += more;
  });
  socket.on("error", () => undefined);
  let isOver = false;
  const over = new Promise<void>((resolve) => {
    for (const event of ["end", "close"]) socket.on(event, () => resolve());
  }).then(() => {
    isOver = true;
  });
  await once(socket, "connect");
  return {
    socket,
    text: () => text,
    over,
    /** Writes and waits for the status line of an answer. */
    ask: async (request: string): Promise<string> => {
      const before = text.length;
      socket.write(request);
      while (!text.slice(before).includes("\r\n\r\n")) {
        if (isOver) throw new Error(`hung up on after: ${text}`);
        await Promise.race([once(socket, "data"), over]);
      }
      return text.slice(before);
    },
  };
}

/** A connection to a new listener. */
const dialed = async (handler: RequestListener, options: ListenerOptions = {}) => dial(await up(handler, options));
/** Sends the text every 20 ms until the test ends. */
function drip(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 20);
  closers.push(() => clearInterval(timer));
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

describe("connections", () => {
  it("beyond the limit get 503 except for health checks, and the others continue", async () => {
    let crowded = 0;
    const listener = await up(ok, { connections: 3, onCrowded: () => (crowded += 1) });
    const inside = [await dial(listener), await dial(listener), await dial(listener)];
    for (const each of inside) expect(await each.ask(get("/scim/v2/Users"))).toMatch(/^HTTP\/1\.1 200/);
    const fourth = await dial(listener);
    expect(await fourth.ask(get("/healthz"))).toMatch(/^HTTP\/1\.1 200/);
    expect(await fourth.ask(get("/readyz?x"))).toMatch(/^HTTP\/1\.1 200/);
    const refused = await fourth.ask(get("/scim/v2/Users"));
    expect(refused).toMatch(/^HTTP\/1\.1 503 /);
    expect(refused).toMatch(/^retry-after: 1\r$/im);
    expect(refused).toMatch(/^connection: close\r$/im);
    expect(refused).toContain('"status":"503"');
    await fourth.over;
    fourth.socket.destroy();
    expect(crowded).toBe(1);
    inside[0]?.socket.destroy();
    // The connection is free once the server has noticed that it closed.
    for (;;) {
      const next = await dial(listener);
      if (/^HTTP\/1\.1 200/.test(await next.ask(get("/scim/v2/Users")))) break;
      next.socket.destroy();
    }
    expect(await inside[1]?.ask(get("/scim/v2/Users"))).toMatch(/^HTTP\/1\.1 200/);
  });

  it("beyond the limit that send nothing are soon closed", async () => {
    const listener = await up(ok, { connections: 1, timeouts: { reserveMs: 100 } });
    const first = await dial(listener);
    await first.ask(get("/"));
    const silent = await dial(listener);
    await silent.over;
    expect(await first.ask(get("/"))).toMatch(/^HTTP\/1\.1 200/);
  });

  it("far beyond the limit are dropped and counted", async () => {
    let crowded = 0;
    const listener = await up(ok, { connections: 1, onCrowded: () => (crowded += 1) });
    const dials = await Promise.all(Array.from({ length: 70 }, () => dial(listener)));
    await Promise.race(dials.map(({ over }) => over));
    expect(crowded).toBeGreaterThan(0);
    expect(await dials[0]?.ask(get("/"))).toMatch(/^HTTP\/1\.1 200/);
  });
});

describe("slow clients", () => {
  const timeouts = { headersMs: 200, requestMs: 400, keepAliveMs: 200, silenceMs: 300 };

  it("that send headers too slowly are disconnected", async () => {
    const { socket, text, over } = await dialed(ok, { timeouts });
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
    drip(socket, "X: y\r\n");
    await over;
    expect(text()).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("that send a body too slowly are disconnected, and their request ends although they keep the connection", async () => {
    const ended = Promise.withResolvers<boolean>();
    const handler: RequestListener = (request, response) => {
      request.resume();
      response.once("close", () => ended.resolve(request.complete));
    };
    const { socket, text } = await dialed(handler, { timeouts });
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    drip(socket, "x");
    expect(await ended.promise).toBe(false);
    expect(text()).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("that do not read their answer are disconnected", async () => {
    const ended = Promise.withResolvers<void>();
    const handler: RequestListener = (_request, response) => {
      response.once("close", () => ended.resolve());
      response.end(Buffer.alloc(64 * 1024 * 1024));
    };
    const { socket } = await dialed(handler, { timeouts });
    socket.pause();
    socket.write(get("/"));
    await ended.promise;
  });

  it("that keep an idle connection are disconnected", async () => {
    const { ask, over } = await dialed(ok, { timeouts });
    expect(await ask(get("/"))).toMatch(/^HTTP\/1\.1 200/);
    await over;
  });
});

describe("a request beyond a limit", () => {
  const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n";
  const headers = (count: number): string => `GET / HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(count)}\r\n`;
  it.each([
    { what: "a long URL", request: get(`/${"x".repeat(8192)}`), status: 414 },
    { what: "many headers", request: headers(100), status: 431 },
    { what: "very many headers", request: headers(2500), status: 431 },
    { what: "large headers", request: `GET / HTTP/1.1\r\nHost: x\r\na: ${"b".repeat(17_000)}\r\n\r\n`, status: 431 },
    { what: "no Host", request: "GET / HTTP/1.1\r\n\r\n", status: 400 },
    { what: "two spellings of the length", request: `${post}Content-Length: 2\r\n\r\n`, status: 400 },
    { what: "a length and chunks", request: `${post}Transfer-Encoding: chunked\r\n\r\n`, status: 400 },
  ])("with $what is refused before anything else, and the connection is closed", async ({ request, status }) => {
    let asked = 0;
    const { ask, over } = await dialed((_request, response) => {
      asked += 1;
      response.end();
    });
    expect(await ask(request)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    await over;
    expect(asked).toBe(0);
  });

  it("does not have 99 headers or a URL of 8 KB: these are accepted", async () => {
    const { ask } = await dialed(ok);
    expect(await ask(headers(99).replace("/", `/${"x".repeat(8191)}`))).toMatch(/^HTTP\/1\.1 200/);
  });
});

describe("TLS", () => {
  const ca = authority();
  const clients = authority("Client CA");
  const context = { ...ca.server({ name: "x" }), ca: clients.cert };

  it("with optional client certificates accepts no certificate or a valid one, and refuses others", async () => {
    const listener = await up(ok, { tls: { context, clientCert: "optional" } });
    const statusFor = async (own: object): Promise<string> => {
      const port = Number(new URL(listener.url).port);
      const socket = secureConnect({ port, host: "127.0.0.1", ca: ca.cert, ...own });
      closers.push(() => socket.destroy());
      let text = "";
      socket.setEncoding("latin1").on("data", (more: string) => {
        text += more;
      });
      socket.on("error", () => undefined);
      socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      await once(socket, "close");
      return text.slice(9, 12);
    };
    expect(await statusFor({})).toBe("200");
    expect(await statusFor(clients.client({ name: "known" }))).toBe("200");
    expect(await statusFor(authority("Somebody else").client({ name: "stranger" }))).toBe("");
    expect(await statusFor(clients.client({ name: "past", toMs: Date.now() - 1000 }))).toBe("");
  });

  it("ends a handshake that stalls or never begins", async () => {
    const listener = await up(ok, { tls: { context, clientCert: "none" }, timeouts: { handshakeMs: 150 } });
    const silent = await dial(listener);
    const stuck = await dial(listener);
    stuck.socket.write(Buffer.from("160301020001000100", "hex"));
    await Promise.all([silent.over, stuck.over]);
  });
});

it("pipelined requests are answered in order, each once", async () => {
  const { socket, text } = await dialed((request, response) => void setImmediate(() => response.end(request.url)));
  socket.write(Array.from({ length: 500 }, (_, index) => get(`/n${index};`)).join(""));
  while (!text().includes("/n499;")) await once(socket, "data");
  expect([...text().matchAll(/\/n(\d+);/g)].map(([, index]) => Number(index))).toEqual([...Array(500).keys()]);
});
