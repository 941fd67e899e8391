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
  readonly scope: "base" | "one" | "sub";
  readonly filter: Filter;
  /** Empty asks for all of them, so name what is needed; `1.1` for none. */
  readonly attributes: readonly string[];
}

/** A closed socket may still report an error: nobody waits for it. */
const nothing = (): undefined => undefined;

const startTlsOid = "1.3.6.1.4.1.1466.20037";

/**
 * One LDAP connection, one operation at a time. It never reconnects: when the connection is lost the operation fails,
 * and so does every later one. ldapts's `Client` is not used because it reconnects without binding, hides empty pages
 * that carry a cookie and cannot read intermediate messages; its codecs for requests and filters are.
 */
export class LdapSession {
  #socket: Socket;
  readonly #name: string;
  readonly #timeoutMs: number;
  #framer = new Framer();
  #inbox: LdapMessage[] = [];
  #messageId = 0;
  #failure: RollcallError | null = null;
  #wake: () => void = nothing;
  /** How many searches were sent: what a poll cost. */
  searches = 0;

  /** `socket` is connected; `timeoutMs` is for each operation from request to final answer. */
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
    this.#failure ??= new RollcallError("SOURCE_INCOMPLETE", `${this.#name}: ${what}`, { cause });
    this.#wake();
  }

  /** Upgrades the connection (RFC 4511 §4.14). @throws `SOURCE_UNAVAILABLE` */
  async startTls(options: ConnectionOptions, signal: AbortSignal): Promise<void> {
    const answer = await this.#exchange(
      new ExtendedRequest({ messageId: this.#nextId(), oid: startTlsOid }),
      "extended",
      signal,
    );
    if (answer.code !== 0)
      throw new RollcallError("SOURCE_UNAVAILABLE", `${this.#name}: StartTLS refused: ${describeResult(answer)}`);
    const plain = this.#socket;
    plain
      .removeAllListeners("readable")
      .removeAllListeners("end")
      .removeAllListeners("close")
      .removeAllListeners("error");
    const secure = connectTls({ ...options, socket: plain });
    this.#socket = secure;
    this.#framer = new Framer();
    await handshake(secure, this.#name, this.#timeoutMs, signal);
    this.#listen(secure);
  }

  /** Simple bind; an empty DN with an empty password is anonymous. The answer is the caller's to judge. */
  bind(dn: string, password: string, signal: AbortSignal): Promise<LdapResult> {
    return this.#exchange(new BindRequest({ messageId: this.#nextId(), dn, password }), "bound", signal);
  }

  /** SASL EXTERNAL: the client certificate is the identity. */
  bindExternal(signal: AbortSignal): Promise<LdapResult> {
    return this.#exchange(new BindRequest({ messageId: this.#nextId(), mechanism: "EXTERNAL" }), "bound", signal);
  }

  /**
   * Streams the answers to one search, the final `done` included; reading pauses while the consumer works.
   * No size limit is ever sent: a list cut off by it would look complete.
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
    using deadline = this.#send(request, signal);
    for (;;) {
      const message = await this.#next(request.messageId);
      yield message;
      if (message.kind === "done") return;
      deadline.check();
    }
  }

  /** Says good-bye and closes. Never throws. */
  close(): void {
    if (this.#failure === null) {
      this.#failure = new RollcallError("SOURCE_INCOMPLETE", `${this.#name}: the session is closed`);
      this.#socket.end(new UnbindRequest({ messageId: this.#nextId() }).write());
    }
    this.#socket.on("error", nothing);
    this.#socket.destroySoon();
  }

  async #exchange(request: Message, kind: "bound" | "extended", signal: AbortSignal): Promise<LdapResult> {
    using _deadline = this.#send(request, signal);
    const message = await this.#next(request.messageId);
    if (message.kind !== kind)
      throw new RollcallError(
        "SOURCE_INCOMPLETE",
        `${this.#name}: unexpected answer "${message.kind}" to a ${kind} request`,
      );
    return message.result;
  }

  /** Sends, and ends the connection when the operation takes too long or is aborted. */
  #send(request: Message, signal: AbortSignal): Disposable & { check(): void } {
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
      check: () => {
        if (this.#failure?.code === "ABORTED") throw this.#failure;
      },
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

  /** The next message of this operation. What came before the connection broke is still read. */
  async #next(messageId: number): Promise<LdapMessage> {
    for (;;) {
      const message = this.#inbox.shift();
      if (message !== undefined) {
        if (message.messageId === messageId) return message;
        if (message.messageId === 0 && message.kind === "extended") {
          // Notice of Disconnection (RFC 4511 §4.4.1): the operation will get no answer.
          throw new RollcallError(
            "SOURCE_INCOMPLETE",
            `${this.#name}: the server ends the connection: ${describeResult(message.result)}`,
          );
        }
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
 * @throws `SOURCE_UNAVAILABLE` with what to do, `ABORTED`
 */
export function handshake(socket: Socket, name: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: RollcallError | null): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.off("connect", ready).off("secureConnect", ready).off("error", failed).off("close", closed);
      if (error === null) {
        resolve();
        return;
      }
      socket.on("error", nothing);
      socket.destroy();
      reject(error);
    };
    const unavailable = (what: string, cause?: unknown) =>
      new RollcallError("SOURCE_UNAVAILABLE", `${name}: ${what}`, { cause });
    const ready = (): void => settle(null);
    const failed = (error: Error): void =>
      settle(unavailable(`can't connect: ${messageOf(error)}${adviceFor(error)}`, error));
    const closed = (): void => settle(unavailable("the server closed the connection before it was ready"));
    const abort = (): void => settle(new RollcallError("ABORTED", `${name}: stopped`, { cause: signal.reason }));
    const timer = setTimeout(() => settle(unavailable(`no connection within ${timeoutMs / 1000} s`)), timeoutMs);
    socket
      .once("encrypted" in socket ? "secureConnect" : "connect", ready)
      .once("error", failed)
      .once("close", closed);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

function adviceFor(error: Error & { readonly code?: unknown }): string {
  switch (error.code) {
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
