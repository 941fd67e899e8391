import type { IncomingHttpHeaders } from "node:http";
import type { Strike } from "./faults.ts";

/** A request with its body read. */
export interface SandboxRequest {
  readonly method: string;
  /** As sent: not decoded, without the query string. */
  readonly path: string;
  /** Values of the `{name}` parts of the route's template, in order. */
  readonly params: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly remoteAddress: string;
  /** The faults that hit this request. */
  readonly strike: Strike;
}

/** An answer; no body means `Content-Length: 0`. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** One route: `{name}` in the template is one path segment without a colon. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly template: string;
  /** Does the work and answers; may throw `Refusal`. */
  readonly handle: (request: SandboxRequest) => Reply;
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

/** An answer without a body. */
export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers };
}

/** The token of an `Authorization: Bearer` header; undefined when there is none. */
export function bearerToken(headers: IncomingHttpHeaders): string | undefined {
  return credentials(headers, "bearer");
}

/** Client id and secret of a Basic header, both form-urlencoded (RFC 6749 §2.3.1). */
export function basicCredentials(
  headers: IncomingHttpHeaders,
): { readonly id: string; readonly secret: string } | undefined {
  const text = Buffer.from(credentials(headers, "basic") ?? "", "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  return { id: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) };
}

/** Returns the part of `Authorization` after the scheme. Schemes are case-insensitive (RFC 9110 §11.1). */
function credentials({ authorization = "" }: IncomingHttpHeaders, scheme: string): string | undefined {
  const [given = "", ...rest] = authorization.split(" ");
  return given.toLowerCase() === scheme ? rest.join(" ").trim() : undefined;
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
