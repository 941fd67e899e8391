import { isUtf8 } from "node:buffer";
import type { LookupFunction } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Dispatcher, fetch, type Response } from "undici";
import type { ZodType } from "zod";
import { type ErrorCode, RollcallError } from "../../domain/model/errors.ts";
import type { LogLevel, TargetEnvironment } from "../../domain/ports/target.ts";
import { noTracing } from "../../domain/ports/tracer.ts";
import { ForbiddenAddress, isLoopbackHost, refuseHost, rootOf } from "../../net/addresses.ts";
import { createDispatcher } from "../../net/dispatcher.ts";
import { type CallKind, defaultRateLimit, type RateLimit, RateLimiter, type Sleep } from "./rate-limiter.ts";

/** Maximum times to wait for a vendor, in milliseconds. */
export interface Timeouts {
  /** Until a TCP and TLS connection is open. Default 10 s. An injected dispatcher has its own. */
  readonly connectMs: number;
  /** Without any data: until the headers, then between two pieces of the body. Default 30 s. */
  readonly silenceMs: number;
  /** For the whole answer. Default 5 min. */
  readonly totalMs: number;
}

/** Options of the HTTP client of a target. All keys except `name` and `version` have defaults for production. */
export interface HttpOptions extends TargetEnvironment {
  readonly rateLimit?: Partial<RateLimit>;
  readonly timeouts?: Partial<Timeouts>;
  /** Default 64 MiB, counted after decompression. */
  readonly limitBytes?: number;
  /** Domains of the vendor's cloud. A name below one of them never has a private address. Default none. */
  readonly cloudDomains?: readonly string[];
  /** Looks names up. The client checks the addresses. Default: the operating system. */
  readonly lookup?: LookupFunction;
  /** Default: an agent that follows HTTPS_PROXY and NO_PROXY, and that `close` ends. An injected one stays open and checks no addresses. */
  readonly dispatcher?: Dispatcher;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly sleep?: Sleep;
  /** In [0, 1), for the jitter of retries. */
  readonly random?: () => number;
}

/** One call. */
export interface HttpRequest {
  /** A label of low cardinality, e.g. `members.list`. */
  readonly operation: string;
  readonly kind: CallKind;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** True if doing it twice is the same as once. Then it is retried after a lost connection, 502, 503, 504, and a read also after 500. */
  readonly isRepeatable: boolean;
}

/** An answer with its whole body. */
export interface Answer {
  readonly kind: "answer";
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** True if the body is not UTF-8. `text` then has replacement characters, perhaps inside an id. */
  readonly isBroken?: boolean;
}

/** It was sent, and no answer came. The vendor may have done it. */
export interface Lost {
  readonly kind: "lost";
  readonly error: RollcallError;
}

/** The result of a call. */
export type Reply = Answer | Lost;

const defaultTimeouts: Timeouts = { connectMs: 10_000, silenceMs: 30_000, totalMs: 300_000 };
const maxRetries = 3;
const firstBackoffMs = 500;
/** Maximum `Retry-After` to wait for. With a longer one, the caller gets the answer. */
const longestWaitMs = 60_000;

/** An HTTP client with rate limits, retries, timeouts and a maximum body size. It never follows a redirect. */
export class HttpClient {
  readonly #options: HttpOptions;
  readonly #timeouts: Timeouts;
  readonly #limitBytes: number;
  readonly #dispatcher: Dispatcher;
  readonly #limiter: RateLimiter;
  readonly #random: () => number;
  readonly #closing = new AbortController();
  readonly clock: () => number;
  readonly sleep: Sleep;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#timeouts = { ...defaultTimeouts, ...options.timeouts };
    this.#limitBytes = options.limitBytes ?? 64 * 1024 * 1024;
    this.#dispatcher =
      options.dispatcher ??
      createDispatcher({
        connectMs: this.#timeouts.connectMs,
        ca: options.ca,
        lookup: options.lookup,
        publicDomains: options.cloudDomains,
      });
    this.#random = options.random ?? Math.random;
    this.clock = options.clock ?? Date.now;
    this.sleep = options.sleep ?? ((ms, signal) => delay(ms, undefined, { signal }));
    this.#limiter = new RateLimiter({ ...defaultRateLimit, ...options.rateLimit }, this.clock, this.sleep);
  }

  get name(): string {
    return this.#options.name;
  }

  /**
   * Sends when the rate limit allows. Maximum 3 retries, with backoff and jitter or after `Retry-After`. Every call is
   * retried after 429, which refuses it before any work. A repeatable call is also retried after a lost connection, 502,
   * 503 or 504, and a read after 500.
   * @throws `TARGET_UNREACHABLE` when nothing can have been sent, `UNEXPECTED_RESPONSE` for a body over the limit, `ABORTED`
   */
  async send(request: HttpRequest, callerSignal: AbortSignal): Promise<Reply> {
    const signal = AbortSignal.any([callerSignal, this.#closing.signal]);
    this.#refuseUrl(request);
    for (let attempt = 0; ; attempt += 1) {
      const reply = await this.#attempt(request, signal, attempt);
      const waitMs = this.#waitBeforeRetry(request, reply, attempt);
      if (waitMs === null) {
        if (reply.kind === "lost" && !reply.mayBeDone) throw reply.error;
        return reply;
      }
      this.log("debug", "trying again", { operation: request.operation, attempt: attempt + 1, waitMs });
      await this.#abortable(signal, () => this.sleep(waitMs, signal));
    }
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.log?.(level, message, { target: this.name, ...fields });
  }

  /** An error about this target: `<name>: <message>`. */
  error(code: ErrorCode, message: string, details: ConstructorParameters<typeof RollcallError>[2] = {}): RollcallError {
    return new RollcallError(code, `${this.name}: ${message}`, details);
  }

  /** Stops what is under way, and ends the connections of an own dispatcher. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the target was closed"));
    if (this.#options.dispatcher === undefined) await this.#dispatcher.destroy();
  }

  #refuseUrl({ url, operation }: HttpRequest): void {
    const { protocol, hostname } = new URL(url);
    const forbidden = refuseHost(hostname);
    if (forbidden !== null) throw this.error("TARGET_UNREACHABLE", `${operation}: ${forbidden.message}`);
    if (protocol === "https:" || this.#options.allowInsecureHttp === true || isLoopbackHost(hostname)) return;
    throw this.error(
      "CONFIG_INVALID",
      `${protocol}//${hostname} would carry secrets in the clear; use https, or set allowInsecureHttp`,
    );
  }

  async #attempt(request: HttpRequest, signal: AbortSignal, attempt: number): Promise<Attempt> {
    const path = `${request.method} ${new URL(request.url).pathname}`;
    await this.#abortable(signal, () => this.#limiter.take(request.kind, path, signal));
    const startMs = performance.now();
    const reply = await this.#traced(request, signal, attempt);
    const status = reply.kind === "answer" ? reply.status : "error";
    this.#options.onRequest?.({ operation: request.operation, status, seconds: (performance.now() - startMs) / 1000 });
    return reply;
  }

  /** One span for each call (OpenTelemetry's conventions for HTTP clients). Its URL stays out: it names people by id. */
  #traced(request: HttpRequest, signal: AbortSignal, attempt: number): Promise<Attempt> {
    const { tracer = noTracing } = this.#options;
    if (!tracer.isOn) return this.#exchange(request, signal);
    const { hostname, port, protocol } = new URL(request.url);
    const attributes = {
      "http.request.method": request.method,
      "server.address": hostname,
      "server.port": Number(port || (protocol === "https:" ? 443 : 80)),
      "rollcall.target": this.name,
      "rollcall.operation": request.operation,
      ...(attempt > 0 && { "http.request.resend_count": attempt }),
    };
    return tracer.span(`${request.method} ${request.operation}`, { kind: "client", attributes }, async (span) => {
      const reply = await this.#exchange(request, signal);
      if (reply.kind === "lost") span.fail(reply.error.code);
      else {
        span.set({ "http.response.status_code": reply.status });
        if (reply.status >= 400) span.fail(String(reply.status));
      }
      return reply;
    });
  }

  async #exchange(request: HttpRequest, signal: AbortSignal): Promise<Attempt> {
    const { silenceMs, totalMs } = this.#timeouts;
    const patience = new AbortController();
    const giveUp = (ms: number): NodeJS.Timeout => setTimeout(() => patience.abort(new PatienceLost(ms)), ms);
    const silence = giveUp(silenceMs);
    const total = giveUp(totalMs);
    try {
      const response = await fetch(request.url, {
        method: request.method,
        headers: { "user-agent": `rollcall/${this.#options.version}`, accept: "application/json", ...request.headers },
        body: request.body ?? null,
        redirect: "manual",
        dispatcher: this.#dispatcher,
        signal: AbortSignal.any([signal, patience.signal]),
      });
      const body = await this.#readBody(request, response, () => silence.refresh());
      return {
        kind: "answer",
        status: response.status,
        headers: new Headers([...response.headers]),
        text: body.toString("utf8").replace(/^\uFEFF/, ""),
        isBroken: !isUtf8(body),
      };
    } catch (cause) {
      if (cause instanceof RollcallError) throw cause;
      if (signal.aborted) throw this.#aborted(signal);
      return this.#lost(request, patience.signal.aborted ? patience.signal.reason : cause);
    } finally {
      clearTimeout(silence);
      clearTimeout(total);
    }
  }

  async #readBody(request: HttpRequest, response: Response, onProgress: () => void): Promise<Buffer> {
    onProgress();
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of response.body ?? []) {
      onProgress();
      sizeBytes += chunk.byteLength;
      if (sizeBytes > this.#limitBytes) {
        const limit = this.#limitBytes.toLocaleString("en");
        throw this.error(
          "UNEXPECTED_RESPONSE",
          `${request.operation} answered ${response.status} with more than ${limit} bytes`,
        );
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  #lost(request: HttpRequest, cause: unknown): Attempt {
    if (cause instanceof PatienceLost) {
      const error = this.error("TARGET_UNREACHABLE", `no answer to ${request.operation} within ${cause.ms / 1000} s`, {
        cause,
      });
      return { kind: "lost", error, mayBeDone: true, isBrief: false };
    }
    const reason = reasonOf(cause);
    const host = new URL(request.url).host;
    // fetch's own "fetch failed" would add nothing to the reason.
    const error = this.error("TARGET_UNREACHABLE", `${request.operation}: no connection to ${host} (${reason.text})`, {
      ...(!(cause instanceof Error && cause.message === "fetch failed") && { cause }),
    });
    return { kind: "lost", error, mayBeDone: !reason.isBeforeSending, isBrief: reason.isBrief };
  }

  /** Null: take the reply as it is. */
  #waitBeforeRetry(request: HttpRequest, reply: Attempt, attempt: number): number | null {
    if (attempt >= maxRetries) return null;
    // After a 500, a write may be half done. A read can be repeated.
    const brief = request.kind === "read" ? [500, 502, 503, 504] : [502, 503, 504];
    const isTransient = reply.kind === "lost" ? reply.isBrief : brief.includes(reply.status);
    const isRefusedUnread = reply.kind === "answer" && reply.status === 429;
    if (!isRefusedUnread && !(isTransient && request.isRepeatable)) return null;
    const wished = reply.kind === "answer" ? this.retryAfterMs(reply) : null;
    if (wished !== null && wished > longestWaitMs) return null;
    const backoffMs = firstBackoffMs * 2 ** attempt * (0.5 + this.#random());
    return wished === null ? backoffMs : wished + firstBackoffMs * this.#random();
  }

  /** `Retry-After` in milliseconds from now (RFC 9110 §10.2.3: seconds or a date); null when absent or unreadable. */
  retryAfterMs(answer: Answer): number | null {
    const value = answer.headers.get("retry-after");
    if (value === null) return null;
    const atMs = /^\d+$/.test(value.trim()) ? this.clock() + Number(value) * 1000 : Date.parse(value);
    return Number.isNaN(atMs) ? null : Math.max(0, atMs - this.clock());
  }

  #aborted(signal: AbortSignal): RollcallError {
    return this.error("ABORTED", "stopped before the end", { cause: signal.reason });
  }

  async #abortable<T>(signal: AbortSignal, wait: () => Promise<T>): Promise<T> {
    try {
      return await wait();
    } catch (cause) {
      if (signal.aborted) throw this.#aborted(signal);
      throw cause;
    }
  }
}

/** `mayBeDone` is false if nothing was sent. `isBrief` is true if it took no long wait and may end by itself, so that a retry is useful. */
type Attempt = Answer | (Lost & { readonly mayBeDone: boolean; readonly isBrief: boolean });

class PatienceLost extends Error {
  readonly ms: number;
  constructor(ms: number) {
    super(`nothing for ${ms} ms`);
    this.ms = ms;
  }
}

const beforeSending = [
  "UND_ERR_CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENETUNREACH",
  "EHOSTUNREACH",
];

/** Reads the code that undici and Node put somewhere down the chain of causes; when in doubt, the request was sent. */
function reasonOf(thrown: unknown): { text: string; isBeforeSending: boolean; isBrief: boolean } {
  const root = rootOf(thrown);
  if (root instanceof ForbiddenAddress) return { text: root.message, isBeforeSending: true, isBrief: false };
  // The proxy has refused to connect: undici's only sign is this text (undici 8.12, lib/dispatcher/proxy-agent.js).
  const [, byProxy] = /^Proxy response \((\d+)\) !== 200/.exec(root.message) ?? [];
  if (byProxy !== undefined)
    return { text: `the proxy answered ${byProxy} to CONNECT; see HTTPS_PROXY`, isBeforeSending: true, isBrief: false };
  const code = "code" in root && typeof root.code === "string" ? root.code : root.message;
  const syscall = "syscall" in root ? root.syscall : undefined;
  const isConnecting = syscall === "connect" || syscall === "getaddrinfo" || beforeSending.includes(code);
  const isCertificate = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|ERR_SSL_/.test(code);
  return {
    // Node's message has the address that was called, perhaps a proxy's.
    text:
      syscall === "connect"
        ? root.message.replace(/^connect /, "")
        : `${code}${/SELF_SIGNED|UNABLE_TO_/.test(code) ? certificateHint : ""}`,
    isBeforeSending: isConnecting || isCertificate,
    isBrief: !/TIMEOUT/.test(code) && !isCertificate,
  };
}

const certificateHint = "; for an authority of your own set caFile, or NODE_EXTRA_CA_CERTS";

/**
 * Reads the JSON of an answer by a schema. The error describes what came instead, without quoting it.
 * @throws `UNEXPECTED_RESPONSE`
 */
export function parseAnswer<T>(http: HttpClient, operation: string, answer: Answer, schema: ZodType<T>): T {
  const json = jsonOf(answer);
  if (json === undefined) {
    throw http.error(
      "UNEXPECTED_RESPONSE",
      `${operation} answered ${answer.status} with ${describeBody(answer)} instead of JSON`,
    );
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined ? "" : ` at "${issue.path.join(".")}": ${issue.message}`;
  throw http.error("UNEXPECTED_RESPONSE", `${operation} answered ${answer.status} with unexpected JSON${where}`, {
    cause: parsed.error,
  });
}

/** Returns the JSON of the answer; undefined if it is not JSON. */
export function jsonOf(answer: Answer): unknown {
  if (answer.isBroken === true) return undefined;
  try {
    return JSON.parse(answer.text) as unknown;
  } catch {
    return undefined; // each caller decides what that means
  }
}

/** Returns e.g. `an empty body`, `512 characters of text/html`. */
export function describeBody(answer: Answer): string {
  if (answer.text === "") return "an empty body";
  const type = (answer.headers.get("content-type") ?? "unknown type").split(";", 1)[0] ?? "";
  return `${answer.text.length.toLocaleString("en")} characters of ${type.slice(0, 60)}`;
}
