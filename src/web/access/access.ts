import express, { type NextFunction, type Request, type RequestHandler, type Response } from "express";
import { createSeal, type Seal } from "../../crypto/seal.ts";
import { clientAddress, createSignInLimit } from "./attempts.ts";
import { admit, problem, type RoleToken, tokenFinder, type Visitor } from "./role.ts";
import { createSessions, type Session, type Sessions } from "./session.ts";

export interface AccessParts {
  /** Tokens of the configuration. Each signs in to the console and is a bearer token of the API. */
  readonly tokens: readonly RoleToken[];
  /** Other secrets and rules of sign-in. All sessions end when one of them changes. */
  readonly moreSecrets: readonly string[];
  /** Address for browsers, e.g. `https://rollcall.example.com`; null: taken from each request. */
  readonly publicUrl: string | null;
  /** True if the listener itself uses TLS. */
  readonly isTls: boolean;
  readonly now: () => number;
  /** Called for each wrong bearer token, at most ten times a minute per address. */
  readonly warn?: (message: string) => void;
}

/** Authentication, shared by pages, API and metrics. */
export type Access = ReturnType<typeof createAccess>;

/**
 * True if a page of ours sent this request. Browsers say where a request comes from, and no script can change that:
 * `Sec-Fetch-Site`, and in older browsers `Origin`. A request without either header is refused.
 */
export function isSameOrigin(request: Request, publicOrigin: string | null): boolean {
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin";
  const { origin, host } = request.headers;
  if (origin === undefined || origin === "null") return false;
  return publicOrigin === null ? URL.parse(origin)?.host === host : origin === publicOrigin;
}

const readForm = express.urlencoded({ extended: false, limit: "32kb", parameterLimit: 200 });
const isSafe = (method: string): boolean => method === "GET" || method === "HEAD" || method === "OPTIONS";

export function createAccess({ tokens, moreSecrets, publicUrl, isTls, now, warn }: AccessParts) {
  const publicOrigin = publicUrl === null ? null : new URL(publicUrl).origin;
  const isSecure = publicOrigin?.startsWith("https:") ?? isTls;
  // Includes the role, so that sessions end when the role of their token changes.
  const secrets = [...tokens.map(({ role, token }) => `${role} ${token}`), ...moreSecrets];
  const sessions = createSessions({ secrets, isSecure, now });
  const attempts = createSignInLimit(now);
  const findToken = tokenFinder(tokens);

  /**
   * Identifies the visitor. {@link requireRole} decides later whether that is enough. Refuses a wrong bearer token, and a
   * write with a session cookie that no page of ours sent. Reads the body only of small forms.
   */
  const identify: RequestHandler = (request, response, next) => {
    const { authorization } = request.headers;
    if (authorization !== undefined) return byToken(authorization, request, response, next);
    const session = sessions.find(request);
    if (session === null) return next();
    admit(response, visitorOfSession(session, sessions));
    if (isSafe(request.method)) {
      // Automatic requests of a page do not show that a person is present.
      if (request.query["live"] === undefined && request.headers.accept !== "text/event-stream")
        sessions.touch(response, session);
      return next();
    }
    if (!isSameOrigin(request, publicOrigin)) return refuseForgery(response);
    checkCsrf(sessions, session, request, response, next);
  };

  const byToken = (authorization: string, request: Request, response: Response, next: NextFunction): void => {
    const address = clientAddress(request);
    const [, presented] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
    const found = presented === undefined ? null : findToken(presented);
    if (found?.isUnguessable !== true && attempts.isBlocked(address))
      return void tooMany(response, attempts.retryAfterSeconds(address));
    if (found === null) {
      attempts.failed(address);
      warn?.(`api: a wrong token from ${address}`);
      return void response
        .status(401)
        .set("WWW-Authenticate", "Bearer")
        .json(problem("UNAUTHENTICATED", "the token is missing or wrong"));
    }
    const { role, fingerprint } = found;
    admit(response, {
      role,
      name: `${role} token`,
      actor: `api:${role} (token ${fingerprint})`,
      via: "token",
      csrfToken: null,
      isStillIn: () => true,
    });
    next();
  };
  /** Makes a seal under the same secrets as the sessions. */
  const sealFor = (purpose: string): Seal => createSeal(secrets, purpose);
  return { sessions, attempts, publicOrigin, isSecure, findToken, sealFor, identify };
}

const visitorOfSession = (session: Session, sessions: Sessions): Visitor => ({
  role: session.role,
  name: session.name,
  actor: session.actor,
  via: "session",
  csrfToken: sessions.csrfToken(session),
  isStillIn: () => sessions.isGood(session),
});

function checkCsrf(
  sessions: Sessions,
  session: Session,
  request: Request,
  response: Response,
  next: NextFunction,
): void {
  const header = request.get("x-csrf-token");
  if (header !== undefined) return void (sessions.isCsrfToken(session, header) ? next() : refuseForgery(response));
  if (request.is("application/x-www-form-urlencoded") === false) return void refuseForgery(response);
  readForm(request, response, (error?: unknown) => {
    if (error !== undefined && error !== null) return next(error);
    sessions.isCsrfToken(session, formOf(request)["_csrf"] ?? "") ? next() : refuseForgery(response);
  });
}

/** Returns the fields of a form. If a field was sent more than once, the first value counts. */
export function formOf(request: Request): Readonly<Record<string, string | undefined>> {
  const body: unknown = request.body;
  if (typeof body !== "object" || body === null) return {};
  return Object.fromEntries(
    Object.entries(body).map(([key, value]) => [key, String(Array.isArray(value) ? value[0] : value)]),
  );
}

const refuseForgery = (response: Response): void =>
  void response
    .status(403)
    .json(
      problem(
        "FORGED",
        "this request does not come from a page of this console, or the page was loaded before you signed in: reload it",
      ),
    );

const tooMany = (response: Response, seconds: number): void =>
  void response
    .status(429)
    .set("Retry-After", String(seconds))
    .json(problem("TOO_MANY", `too many wrong tokens from this address: try again in ${seconds} s`));
