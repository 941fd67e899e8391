import { connect, type Socket } from "node:net";

/** The answer to one request on one connection. */
export interface Answer {
  readonly status: number;
  /** Names in lower case; the last value of a repeated one. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** An answer, or why there is none. */
export type Reply = { readonly kind: "answer"; readonly answer: Answer } | { readonly kind: "closed" | "silent" };

/** Maximum time for an answer. */
const patienceMs = 15_000;

/** One connection with one request at a time. It is opened when needed and kept while both sides keep it. */
export class Lane {
  readonly #port: number;
  #socket: Socket | null = null;
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends these bytes and reads one answer. `isLast`: closes the connection, because later bytes could belong to this request. */
  async ask(bytes: Buffer, isHead: boolean, isLast: boolean, waitMs = patienceMs): Promise<Reply> {
    const isOld = this.#socket !== null;
    const reply = await this.#once(bytes, isHead, waitMs);
    if (isLast || reply.kind !== "answer") this.close();
    // The server may have closed a kept connection during the write, which says nothing about the request.
    if (reply.kind === "closed" && isOld) return this.ask(bytes, isHead, isLast, waitMs);
    return reply;
  }

  /** Bytes without a request: a second answer to one request. */
  get leftOver(): Buffer {
    return this.#received;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
    this.#received = Buffer.alloc(0);
  }

  async #once(bytes: Buffer, isHead: boolean, waitMs: number): Promise<Reply> {
    this.#socket ??= this.#open();
    this.#socket.write(bytes);
    const untilMs = performance.now() + waitMs;
    for (;;) {
      const answer = this.#take(isHead);
      if (answer !== null) {
        if (answer.headers.get("connection")?.toLowerCase() === "close" || this.#isClosed) this.close();
        return { kind: "answer", answer };
      }
      if (this.#isClosed) return { kind: "closed" };
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return { kind: "silent" };
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #open(): Socket {
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    this.#isClosed = false;
    this.#received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      if (this.#socket !== socket) return;
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    const closed = (): void => {
      if (this.#socket !== socket) return;
      this.#isClosed = true;
      this.#wake();
    };
    socket.on("error", closed).on("end", closed).on("close", closed);
    return socket;
  }

  /** Returns one complete answer, or null while a part is missing. */
  #take(isHead: boolean): Answer | null {
    for (;;) {
      const end = this.#received.indexOf("\r\n\r\n");
      if (end < 0) return null;
      const [first = "", ...lines] = this.#received.subarray(0, end).toString("latin1").split("\r\n");
      const status = Number(first.split(" ")[1]);
      const headers = new Map(
        lines.map((line) => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
        }),
      );
      const from = end + 4;
      if (status < 200) {
        this.#received = this.#received.subarray(from);
        continue;
      }
      const hasBody = !isHead && status !== 204 && status !== 304;
      if (hasBody && headers.get("transfer-encoding") === "chunked") {
        const last = this.#received.indexOf("0\r\n\r\n", from);
        if (last < 0) return null;
        const body = this.#received.subarray(from, last);
        this.#received = this.#received.subarray(last + 5);
        return { status, headers, body };
      }
      const length = hasBody ? Number(headers.get("content-length") ?? 0) : 0;
      if (this.#received.length < from + length) return null;
      const body = this.#received.subarray(from, from + length);
      this.#received = this.#received.subarray(from + length);
      return { status, headers, body };
    }
  }
}

/** Answer of the probe in the process (test/fuzz/probe.ts). */
export interface Vitals {
  readonly isIntact: boolean;
  /** CPU time of the longest turn of the event loop since the last answer. */
  readonly worstStallMs: number;
  readonly loopDelayMaxMs: number;
  readonly uncaught: number;
  readonly heapMiB: number;
}

/** Asks the probe, one question at a time. */
export class Probe {
  readonly #socket: Socket;
  #text = "";
  #resolve: (vitals: Vitals | null) => void = () => undefined;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString();
      if (!this.#text.endsWith("\n")) return;
      this.#resolve(JSON.parse(this.#text) as Vitals);
      this.#text = "";
    });
    for (const event of ["error", "close"]) this.#socket.on(event, () => this.#resolve(null));
  }

  /** Returns null when the process has ended. */
  ask(): Promise<Vitals | null> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve(null);
      this.#resolve = resolve;
      this.#socket.write("?\n");
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
