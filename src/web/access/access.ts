import express, { type NextFunction, type Request, type RequestHandler, type Response } from "express";
import { createSeal, type Seal } from "../../crypto/seal.ts";
import { clientAddress, createSignInLimit, type SignInLimit } from "./attempts.ts";
import { admit, problem, type RoleToken, tokenFinder, type Visitor } from "./role.ts";
import { createSessions, type Session, type Sessions } from "./session.ts";

export interface AccessParts {
  /** Tokens of the configuration; each signs in to the console and is a bearer token of the API. */
  readonly tokens: readonly RoleToken[];
  /** What sign-in rests on besides, secrets and rules: sessions end when any of it changes. */
  readonly moreSecrets: readonly string[];
  /** What browsers reach, e.g. `https://rollcall.example.com`; null: as each request says. */
  readonly publicUrl: string | null;
  /** Does the listener itself speak TLS? */
  readonly isTls: boolean;
  readonly now: () => number;
  /** Told of wrong bearer tokens: ten a minute of each address at most. Default: nobody. */
  readonly warn?: (message: string) => void;
}

/** Who may come in, shared by pages, API and metrics. */
export interface Access {
  readonly sessions: Sessions;
  readonly attempts: SignInLimit;
  readonly publicOrigin: string | null;
  readonly isSecure: boolean;
  findToken: ReturnType<typeof tokenFinder>;
  /** Seals under the same secrets as sessions. */
  sealFor(purpose: string): Seal;
  /**
   * Finds out who asks and goes on either way: {@link requireRole} decides. A wrong bearer token is refused here, and so is
   * a write with a session's cookie that no page of ours has sent. Of a write's body only a small form is read.
   */
  readonly identify: RequestHandler;
}

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

/** A form of the console is small. */
const readForm = express.urlencoded({ extended: false, limit: "32kb", parameterLimit: 200 });
const isSafe = (method: string): boolean => method === "GET" || method === "HEAD" || method === "OPTIONS";

export function createAccess({ tokens, moreSecrets, publicUrl, isTls, now, warn }: AccessParts): Access {
  const publicOrigin = publicUrl === null ? null : new URL(publicUrl).origin;
  const isSecure = publicOrigin?.startsWith("https:") ?? isTls;
  // With its role: a token that is given another one ends the sessions it began.
  const secrets = [...tokens.map(({ role, token }) => `${role} ${token}`), ...moreSecrets];
  const sessions = createSessions({ secrets, isSecure, now });
  const attempts = createSignInLimit(now);
  const findToken = tokenFinder(tokens);

  const identify: RequestHandler = (request, response, next) => {
    const { authorization } = request.headers;
    if (authorization !== undefined) return byToken(authorization, request, response, next);
    const session = sessions.find(request);
    if (session === null) return next();
    admit(response, visitorOfSession(session, sessions));
    if (isSafe(request.method)) {
      // What a page asks by itself says nothing about whether somebody still sits there.
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

/** The fields of a form that was sent; of a field that came more than once the first. */
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
        "this request was not sent by a page of this console, or the page is from before you signed in: reload it",
      ),
    );

const tooMany = (response: Response, seconds: number): void =>
  void response
    .status(429)
    .set("Retry-After", String(seconds))
    .json(problem("TOO_MANY", `too many wrong tokens from this address: try again in ${seconds} s`));
