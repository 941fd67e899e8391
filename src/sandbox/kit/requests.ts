import type { IncomingHttpHeaders } from "node:http";
import type { Fault } from "./faults.ts";

/** A request with its body read. */
export interface SandboxRequest {
  readonly method: string;
  /** As sent: not decoded, without the query string. */
  readonly path: string;
  /** Values of the `{name}` parts of the route, in order. */
  readonly params: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly remoteAddress: string;
  /** The faults that hit this request. */
  readonly faults: readonly Fault[];
}

/** An answer; no body means `Content-Length: 0`. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Thrown by a handler to send another answer than its result. */
export class Refusal extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(`refused with ${reply.status}`);
    this.reply = reply;
  }
}

/** A JSON answer. */
export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(value),
  };
}

/** Returns the part of `Authorization` after the scheme. Schemes are case-insensitive (RFC 9110 §11.1). */
export function credentials({ authorization = "" }: IncomingHttpHeaders, scheme: "bearer" | "basic"): string {
  const [given = "", ...rest] = authorization.split(" ");
  return given.toLowerCase() === scheme ? rest.join(" ").trim() : "";
}

/** Client id and secret of a Basic header, both form-urlencoded (RFC 6749 §2.3.1). */
export function basicCredentials(headers: IncomingHttpHeaders): { id: string; secret: string } | undefined {
  const text = Buffer.from(credentials(headers, "basic"), "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  return { id: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) };
}

function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replace(/\+/g, " "));
  } catch {
    // A bare percent sign: the client did not encode it, so the raw text is compared.
    return text;
  }
}

/** The fields of an `application/x-www-form-urlencoded` body; undefined when the body has another type. */
export function formOf({ headers, body }: SandboxRequest): URLSearchParams | undefined {
  return mediaType(headers) === "application/x-www-form-urlencoded" ? new URLSearchParams(body) : undefined;
}

/** The media type in lower case without parameters; empty when there is none. */
export function mediaType(headers: IncomingHttpHeaders): string {
  return (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** Bearer tokens that were issued and have not expired. */
export class Tokens {
  /** Tokens issued so far. */
  issued = 0;
  readonly #clock: () => number;
  readonly #expiryMs = new Map<string, number>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Issues a token for a request. A fault can make it expire early. */
  issue(token: string, lifetimeSeconds: number, { faults }: SandboxRequest): void {
    for (const old of this.#expiryMs.keys()) if (!this.isValid(old)) this.revoke(old);
    const fault = faults.find(({ kind }) => kind === "expireEarly");
    const seconds = fault?.kind === "expireEarly" ? fault.afterSeconds : lifetimeSeconds;
    this.#expiryMs.set(token, this.#clock() + seconds * 1000);
    this.issued += 1;
  }

  isValid(token: string): boolean {
    const expiryMs = this.#expiryMs.get(token);
    return expiryMs !== undefined && expiryMs > this.#clock();
  }

  revoke(token: string): void {
    this.#expiryMs.delete(token);
  }

  /** Revokes every token. */
  revokeAll(): void {
    this.#expiryMs.clear();
  }

  /** Tokens that would be accepted now. */
  get alive(): number {
    return [...this.#expiryMs.keys()].filter((token) => this.isValid(token)).length;
  }
}
