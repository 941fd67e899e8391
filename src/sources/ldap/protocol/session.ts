import { once } from "node:events";
import type { Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import {
  BindRequest,
  type Control,
  ExtendedRequest,
  type Filter,
  type Message,
  SearchRequest,
  UnbindRequest,
} from "ldapts";
import { messageOf, RollcallError } from "../../../domain/model/errors.ts";
import { describeResult } from "./result-codes.ts";
import { decode, Framer, type LdapMessage, type LdapResult } from "./wire.ts";

export interface SearchParameters {
  readonly base: string;
  readonly scope: "base" | "sub";
  readonly filter: Filter;
  /** Name each needed attribute: an empty list asks for all of them. `1.1` asks for none. */
  readonly attributes: readonly string[];
}

const ignore = (): undefined => undefined;
const startTlsOid = "1.3.6.1.4.1.1466.20037";

/**
 * One LDAP connection with one operation at a time. A lost connection fails the current operation and every later one.
 * Requests, filters and controls are those of ldapts. docs/adr/0005 says why its `Client` is not used.
 */
export class LdapSession {
  #socket: Socket;
  readonly #name: string;
  readonly #timeoutMs: number;
  #framer = new Framer();
  #inbox: LdapMessage[] = [];
  #messageId = 0;
  #failure: RollcallError | null = null;
  #wake: () => void = ignore;
  /** Number of searches that were sent. */
  searches = 0;

  /** `socket` is connected. `timeoutMs` is the maximum time of one operation, from request to final answer. */
  constructor(socket: Socket, name: string, timeoutMs: number) {
    this.#name = name;
    this.#timeoutMs = timeoutMs;
    this.#socket = socket;
    this.#listen(socket);
  }

  #listen(socket: Socket): void {
    socket.on("readable", () => this.#wake());
    socket.on("end", () => this.#fail("the server closed the connection"));
    socket.on("close", () => this.#fail("the connection was closed"));
    socket.on("error", (error) => this.#fail(`the connection broke: ${error.message}`, error));
  }

  #fail(what: string, cause?: unknown): void {
    this.#failure ??= this.#incomplete(what, cause);
    this.#wake();
  }

  #incomplete(what: string, cause?: unknown): RollcallError {
    return new RollcallError("SOURCE_INCOMPLETE", `${this.#name}: ${what}`, { cause });
  }

  /** Upgrades the connection (RFC 4511 §4.14). @throws `SOURCE_UNAVAILABLE` */
  async startTls(options: ConnectionOptions, signal: AbortSignal): Promise<void> {
    const request = new ExtendedRequest({ messageId: this.#nextId(), oid: startTlsOid });
    const answer = await this.#exchange(request, "extended", signal);
    if (answer.code !== 0)
      throw new RollcallError("SOURCE_UNAVAILABLE", `${this.#name}: StartTLS refused: ${describeResult(answer)}`);
    const plain = this.#socket;
    for (const event of ["readable", "end", "close", "error"]) plain.removeAllListeners(event);
    const secure = connectTls({ ...options, socket: plain });
    this.#socket = secure;
    // Data that arrived before the handshake is not protected by TLS. It is dropped.
    this.#framer = new Framer();
    await handshake(secure, this.#name, this.#timeoutMs, signal);
    this.#listen(secure);
  }

  /** Simple bind. An empty DN with an empty password is anonymous. The caller checks the result code. */
  bind(dn: string, password: string, signal: AbortSignal): Promise<LdapResult> {
    return this.#exchange(new BindRequest({ messageId: this.#nextId(), dn, password }), "bound", signal);
  }

  /** SASL EXTERNAL: the client certificate is the identity. */
  bindExternal(signal: AbortSignal): Promise<LdapResult> {
    return this.#exchange(new BindRequest({ messageId: this.#nextId(), mechanism: "EXTERNAL" }), "bound", signal);
  }

  /**
   * Streams the answers to one search, including the final `done`. Reading pauses while the consumer works.
   * No size limit is sent: a list that it cuts off would look complete.
   * @throws `SOURCE_INCOMPLETE`, `ABORTED`
   */
  async *search(
    parameters: SearchParameters,
    controls: readonly Control[],
    signal: AbortSignal,
  ): AsyncGenerator<LdapMessage> {
    const { base, scope, filter, attributes } = parameters;
    const request = new SearchRequest({
      messageId: this.#nextId(),
      baseDN: base,
      scope,
      filter,
      attributes: [...attributes],
      controls: [...controls],
      timeLimit: Math.ceil(this.#timeoutMs / 1000),
    });
    this.searches += 1;
    using _deadline = this.#send(request, signal);
    for (;;) {
      const message = await this.#next(request.messageId);
      yield message;
      if (message.kind === "done") return;
      if (this.#failure?.code === "ABORTED") throw this.#failure;
    }
  }

  /** Sends an unbind request and closes. Never throws. */
  close(): void {
    if (this.#failure === null) {
      this.#failure = this.#incomplete("the session is closed");
      this.#socket.end(new UnbindRequest({ messageId: this.#nextId() }).write());
    }
    this.#socket.on("error", ignore);
    this.#socket.destroySoon();
  }

  async #exchange(request: Message, kind: "bound" | "extended", signal: AbortSignal): Promise<LdapResult> {
    using _deadline = this.#send(request, signal);
    const message = await this.#next(request.messageId);
    if (message.kind !== kind) throw this.#incomplete(`unexpected answer "${message.kind}" to a ${kind} request`);
    return message.result;
  }

  /** Sends, and ends the connection if the operation takes too long or is aborted. */
  #send(request: Message, signal: AbortSignal): Disposable {
    if (this.#failure !== null) throw this.#failure;
    const abort = (): void => {
      this.#failure ??= new RollcallError("ABORTED", `${this.#name}: stopped`, { cause: signal.reason });
      this.#socket.destroy();
      this.#wake();
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    const timer = setTimeout(() => {
      this.#fail(`no complete answer within ${this.#timeoutMs / 1000} s; raise "timeout" if the server is only slow`);
      this.#socket.destroy();
    }, this.#timeoutMs);
    if (!signal.aborted) this.#socket.write(request.write());
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
      },
    };
  }

  #nextId(): number {
    this.#messageId = (this.#messageId % 0x7ffffffe) + 1;
    return this.#messageId;
  }

  /** The next message of this operation. Messages that arrived before the connection broke are still read. */
  async #next(messageId: number): Promise<LdapMessage> {
    for (;;) {
      const message = this.#inbox.shift();
      if (message !== undefined) {
        if (message.messageId === messageId) return message;
        // Notice of Disconnection (RFC 4511 §4.4.1): the operation gets no answer.
        if (message.messageId === 0 && message.kind === "extended")
          throw this.#incomplete(`the server ends the connection: ${describeResult(message.result)}`);
        continue;
      }
      const chunk = this.#socket.read() as Buffer | null;
      if (chunk !== null) this.#inbox.push(...this.#framer.push(chunk).map(decode));
      else if (this.#failure !== null) throw this.#failure;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/**
 * Waits until a connecting socket can be used.
 * @throws `SOURCE_UNAVAILABLE` with advice, `ABORTED`
 */
export async function handshake(socket: Socket, name: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const stopWith = (why: string) => () => stop.abort(new RollcallError("SOURCE_UNAVAILABLE", `${name}: ${why}`));
  const closed = stopWith("the server closed the connection before it was ready");
  const timer = setTimeout(stopWith(`no connection within ${timeoutMs / 1000} s`), timeoutMs);
  socket.once("close", closed);
  try {
    const ready = "encrypted" in socket ? "secureConnect" : "connect";
    await once(socket, ready, { signal: AbortSignal.any([signal, stop.signal]) });
  } catch (cause) {
    socket.on("error", ignore);
    socket.destroy();
    if (signal.aborted) throw new RollcallError("ABORTED", `${name}: stopped`, { cause: signal.reason });
    stop.signal.throwIfAborted();
    const why = `can't connect: ${messageOf(cause)}${adviceFor(cause)}`;
    throw new RollcallError("SOURCE_UNAVAILABLE", `${name}: ${why}`, { cause });
  } finally {
    clearTimeout(timer);
    socket.off("close", closed);
  }
}

function adviceFor(error: unknown): string {
  switch (error instanceof Error && "code" in error ? error.code : null) {
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return "; name the certificate authority in tls.caFile";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return "; use the name that is in the server's certificate, or set tls.servername";
    default:
      return "";
  }
}
