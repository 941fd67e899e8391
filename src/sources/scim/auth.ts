import { isIP } from "node:net";
import type { Request } from "express";
import { retryAfter, ScimError } from "./errors.ts";

/** Whom a token belongs to. */
export interface ScimPrincipal {
  readonly source: string;
  /** Stored with each change, e.g. `scim:okta`. */
  readonly actor: string;
}

/** The principal of a bearer token, found in constant time; null when there is none. A token not known yet may need a look at the store. */
export type Authenticate = (token: string) => ScimPrincipal | null | Promise<ScimPrincipal | null>;

/**
 * The principal of a request's bearer token (RFC 6750 §2.1).
 * @throws ScimError 401 with `WWW-Authenticate` (RFC 6750 §3), or 429 when `wrongToken` wants its client to wait
 */
export async function authenticated(
  request: Request,
  authenticate: Authenticate,
  wrongToken: (address: string) => number | null = () => null,
): Promise<ScimPrincipal> {
  const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1];
  const principal = token === undefined ? null : await authenticate(token);
  if (principal !== null) return principal;
  if (token === undefined) throw unauthorized("a bearer token is needed", "");
  const waitMs = wrongToken(addressOf(request));
  if (waitMs === null) throw unauthorized("the bearer token is not valid", ', error="invalid_token"');
  const detail =
    "the bearer token is not valid, and too many wrong ones came from this address; a valid one is always taken";
  throw new ScimError(429, null, detail, retryAfter(waitMs));
}

/** The client's address; that of the connection when what a proxy says is none. */
export const addressOf = ({ ip = "", socket }: Request): string => (isIP(ip) === 0 ? (socket.remoteAddress ?? "") : ip);

const unauthorized = (detail: string, parameters: string): ScimError =>
  new ScimError(401, null, detail, { "WWW-Authenticate": `Bearer realm="scim"${parameters}` });
