import type { RequestHandler, Response } from "express";
import { findByHash, fingerprint, hashToken } from "../../crypto/tokens.ts";

/** A viewer reads; an operator also syncs, approves and reinvites; an admin also connects and disconnects. */
export type Role = "viewer" | "operator" | "admin";

/** From the least to the most powerful. */
export const ROLES: readonly Role[] = ["viewer", "operator", "admin"];

/** True if `role` includes the rights of `needed`. */
export const allows = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** The authenticated visitor of a request. */
export interface Visitor {
  readonly role: Role;
  /** Shown on pages: an e-mail address, or "admin token". */
  readonly name: string;
  /** For the audit trail, e.g. `console:ada@example.com (oidc)`, `api:viewer (token 1a2b3c4d)`; never a secret. */
  readonly actor: string;
  readonly via: "session" | "token";
  /** Token that forms and API writes of this session must contain. Null with a bearer token, which other sites cannot send. */
  readonly csrfToken: string | null;
  /** For streams: false once the session has ended. */
  readonly isStillIn: () => boolean;
}

const key = "visitor";

/** Stores the visitor for later handlers. */
export const admit = (response: Response, visitor: Visitor): void => {
  response.locals[key] = visitor;
};

/** Returns the visitor; null if nobody is signed in. */
export const findVisitor = (response: Response): Visitor | null =>
  (response.locals[key] as Visitor | undefined) ?? null;

/** Returns the visitor behind {@link requireRole}. @throws TypeError if the route lacks it */
export function visitorOf(response: Response): Visitor {
  const visitor = findVisitor(response);
  if (visitor === null) throw new TypeError("this route lacks requireRole");
  return visitor;
}

/** Returns an error in the form of the API. */
export const problem = (code: string, message: string) => ({ error: { code, message } });

/** Requires at least this role: otherwise 401 without a visitor, 403 with a lower role. Answers JSON; pages have their own check. */
export function requireRole(needed: Role): RequestHandler {
  return (_request, response, next) => {
    const visitor = findVisitor(response);
    if (visitor === null)
      return void response
        .status(401)
        .set("WWW-Authenticate", "Bearer")
        .json(problem("UNAUTHENTICATED", "the token is missing or wrong"));
    if (!allows(visitor.role, needed))
      return void response
        .status(403)
        .json(problem("FORBIDDEN", `this needs the role ${needed}; you are signed in as ${visitor.role}`));
    next();
  };
}

/** A token of the configuration and its role. */
export interface RoleToken {
  readonly role: Role;
  readonly token: string;
}

/** Minimum length of a token that nobody can guess. `openssl rand -hex 16` makes 32 characters. */
const unguessableChars = 32;

/** A valid token. */
export interface FoundToken {
  readonly role: Role;
  /** Names the token in the audit trail. */
  readonly fingerprint: string;
  /** True if the limit of guesses does not apply: it protects only short tokens. */
  readonly isUnguessable: boolean;
}

/** Returns a function that finds the role of a token. */
export function tokenFinder(tokens: readonly RoleToken[]) {
  const known = tokens.map(({ role, token }) => ({ role, hash: Buffer.from(hashToken(token), "hex") }));
  return (presented: string): FoundToken | null => {
    const found = findByHash(known, presented);
    return found === null
      ? null
      : {
          role: found.role,
          fingerprint: fingerprint(hashToken(presented)),
          isUnguessable: presented.length >= unguessableChars,
        };
  };
}
