import type { IncomingMessage } from "node:http";
import { ScimError } from "./errors.ts";

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
 * @throws ScimError 401 with `WWW-Authenticate` (RFC 6750 §3)
 */
export async function authenticated(request: IncomingMessage, authenticate: Authenticate): Promise<ScimPrincipal> {
  const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1];
  const principal = token === undefined ? null : await authenticate(token);
  if (principal !== null) return principal;
  const challenge = token === undefined ? 'Bearer realm="scim"' : 'Bearer realm="scim", error="invalid_token"';
  throw new ScimError(401, null, token === undefined ? "a bearer token is needed" : "the bearer token is not valid", {
    "WWW-Authenticate": challenge,
  });
}
