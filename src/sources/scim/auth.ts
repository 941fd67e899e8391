import { isIP } from "node:net";
import type { Request } from "express";
import { retryAfter, ScimError } from "./errors.ts";

/** The owner of a token. */
export interface ScimPrincipal {
  readonly source: string;
  /** Recorded with each change, e.g. `scim:okta`. */
  readonly actor: string;
}

/** Finds the principal of a bearer token, in constant time. Null for a wrong token. The store is read for tokens that are not in memory. */
export type Authenticate = (token: string) => ScimPrincipal | null | Promise<ScimPrincipal | null>;

/**
 * Returns the principal of the bearer token of a request (RFC 6750 §2.1).
 * @throws ScimError 401 with `WWW-Authenticate` (RFC 6750 §3), or 429 if `wrongToken` returns a wait
 */
export async function authenticated(
  request: Request,
  authenticate: Authenticate,
  wrongToken: (address: string) => number | null = () => null,
): Promise<ScimPrincipal> {
  const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1];
  const principal = token === undefined ? null : await authenticate(token);
  if (principal !== null) return principal;
  if (token === undefined) throw unauthorized("a bearer token is required", "");
  const waitMs = wrongToken(addressOf(request));
  if (waitMs === null) throw unauthorized("the bearer token is not valid", ', error="invalid_token"');
  const detail =
    "the bearer token is not valid, and this address has sent too many wrong tokens; a valid token is always accepted";
  throw new ScimError(429, null, detail, retryAfter(waitMs));
}

/** The address of the client. If the proxy sends no valid address: the address of the connection. */
export const addressOf = ({ ip = "", socket }: Request): string => (isIP(ip) === 0 ? (socket.remoteAddress ?? "") : ip);

const unauthorized = (detail: string, parameters: string): ScimError =>
  new ScimError(401, null, detail, { "WWW-Authenticate": `Bearer realm="scim"${parameters}` });
