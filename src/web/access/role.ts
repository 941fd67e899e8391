import { createHash, timingSafeEqual } from "node:crypto";
import type { RequestHandler, Response } from "express";

/** What somebody may do: a viewer looks; an operator also runs, approves and reinvites; an admin also connects and disconnects. */
export type Role = "viewer" | "operator" | "admin";

/** Least first. */
export const ROLES: readonly Role[] = ["viewer", "operator", "admin"];

/** May somebody with `role` do what `needed` is needed for? */
export const allows = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** Who asks, once known. */
export interface Visitor {
  readonly role: Role;
  /** For people: an e-mail address, or "admin token". */
  readonly name: string;
  /** For the audit trail, e.g. `console:ada@example.com (oidc)`, `api:viewer (token 1a2b3c4d)`; never a secret. */
  readonly actor: string;
  /** A browser's session, or a bearer token. */
  readonly via: "session" | "token";
  /** What forms and API writes of this session must carry; null for a bearer token, which no other site can send. */
  readonly csrfToken: string | null;
  /** For answers that go on and on: false once the session is over or signed out. */
  readonly isStillIn: () => boolean;
}

const key = "visitor";

/** Notes who asks, for everything that comes after. */
export const admit = (response: Response, visitor: Visitor): void => {
  response.locals[key] = visitor;
};

/** Who asks, or null when nobody has signed in. */
export const findVisitor = (response: Response): Visitor | null =>
  (response.locals[key] as Visitor | undefined) ?? null;

/** Who asks, behind {@link requireRole}. @throws TypeError where that was forgotten */
export function visitorOf(response: Response): Visitor {
  const visitor = findVisitor(response);
  if (visitor === null) throw new TypeError("this route lacks requireRole");
  return visitor;
}

/** An error as the API gives it. */
export const problem = (code: string, message: string) => ({ error: { code, message } });

/** Lets those in who have at least this role: 401 for nobody, 403 for too little. The answer is JSON; pages have their own. */
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

/** A token of the configuration that signs in with a role. */
export interface RoleToken {
  readonly role: Role;
  readonly token: string;
}

/** SHA-256; hashing first makes the comparison independent of length. */
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Of so many characters no token is found by trying: `openssl rand -hex 16` makes 32. */
const unguessableChars = 32;

/** A token that was found. */
export interface FoundToken {
  readonly role: Role;
  /** Names it in the audit trail. */
  readonly fingerprint: string;
  /** Long enough to be heard however many wrong ones came from the same address: limiting guesses protects short ones. */
  readonly isUnguessable: boolean;
}

/** Finds the role of a token; compares with every known one, each in constant time. */
export function tokenFinder(tokens: readonly RoleToken[]) {
  const known = tokens.map(({ role, token }) => ({ role, hash: digest(token) }));
  return (presented: string): FoundToken | null => {
    const hash = digest(presented);
    const about = {
      fingerprint: hash.toString("hex").slice(0, 8),
      isUnguessable: presented.length >= unguessableChars,
    };
    let found: FoundToken | null = null;
    for (const each of known) if (timingSafeEqual(each.hash, hash)) found = { role: each.role, ...about };
    return found;
  };
}
