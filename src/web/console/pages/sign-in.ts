import express, { type Request, type Response, type Router } from "express";
import type { AuditEntry } from "../../../domain/model/audit.ts";
import { type Access, formOf, isSameOrigin } from "../../access/access.ts";
import { clientAddress, TooManySignIns } from "../../access/attempts.ts";
import { callbackPath, describeOidcError, flowLifeMs, type Oidc } from "../../access/oidc.ts";
import { type FoundToken, findVisitor } from "../../access/role.ts";
import { cookieName, readCookie, type Session } from "../../access/session.ts";
import type { Assets } from "../assets.ts";
import { type HtmlValue, html } from "../components/html.ts";
import { icon } from "../components/icons.ts";
import { renderBarePage } from "../components/layout.ts";

export interface SignInParts {
  readonly access: Access;
  /** Null: sign-in with a token only. */
  readonly oidc: Oidc | null;
  readonly assets: Assets;
  /** Writes sign-ins and sign-outs to the audit trail. */
  readonly record: (entry: AuditEntry) => Promise<void>;
  readonly warn: (message: string) => void;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Returns a path of this console; the overview for anything else. */
export const localPath = (text: unknown): string =>
  typeof text === "string" && /^\/(?![/\\])[\x21-\x7e]{0,1000}$/.test(text) && !text.startsWith("/sign-") ? text : "/";

/** Maximum number of delayed attempts: each holds a connection. */
const waitingLimit = 100;

/** The routes of sign-in, sign-out and of the identity provider. */
export function signInRoutes({ access, oidc, assets, record, warn, sleep }: SignInParts): Router {
  const router = express.Router();
  const { sessions, attempts } = access;
  const flowCookie = cookieName("rollcall-sign-in", access.isSecure);
  const flowAttributes = { httpOnly: true, secure: access.isSecure, sameSite: "lax", path: "/" } as const;
  let waiting = 0;

  const show = (response: Response, status: number, to: string, problem: HtmlValue = null): void =>
    void response.status(status).send(
      renderBarePage(
        assets,
        "Sign in",
        html`<h1>Sign in</h1>
${problem && html`<div class="notice bad" role="alert">${icon("bad")}<div>${problem}</div></div>`}
${oidc && html`<a class="button wide" href="/sign-in/oidc?to=${encodeURIComponent(to)}">Continue with your identity provider</a><p class="or"><span>or</span></p>`}
<form method="post" action="/sign-in">
  <input type="hidden" name="to" value="${to}">
  <label for="token">Admin token</label>
  <input id="token" name="token" type="password" autocomplete="current-password" required autofocus aria-describedby="token-help"${problem && html` aria-invalid="true"`}>
  <p id="token-help" class="hint">It is in the configuration under <code>admin.token</code>; <code>npm start</code> prints it.</p>
  <button type="submit"${oidc && html` class="secondary"`}>Sign in</button>
</form>`,
      ).toString(),
    );

  const begin = async (response: Response, who: Pick<Session, "role" | "name" | "actor" | "by">, to: string) => {
    // Recorded first: each session is on record, and a failed answer sets no session cookie.
    await record(entryOf(who.actor, "console.sign-in", { role: who.role }));
    sessions.begin(response, who);
    response.redirect(303, to);
  };

  const beginWithToken = (response: Response, { role, fingerprint }: FoundToken, to: string): Promise<void> =>
    begin(response, { role, name: `${role} token`, actor: `console:${role} (token ${fingerprint})`, by: "token" }, to);

  router.get("/sign-in", (request, response) => {
    const to = localPath(request.query["to"]);
    if (findVisitor(response) !== null) return response.redirect(303, to);
    show(response, 200, to);
  });

  router.post("/sign-in", async (request, response) => {
    const address = clientAddress(request);
    if (!isSameOrigin(request, access.publicOrigin))
      return show(response, 403, "/", "The request did not come from this page. Reload the page and try again.");
    await readSmallForm(request, response);
    const { token = "", to } = formOf(request);
    const found = access.findToken(token);
    if (found?.isUnguessable === true) return beginWithToken(response, found, localPath(to));
    if (attempts.isBlocked(address)) return refuse(request, response);
    const delayMs = attempts.delayMs();
    if (delayMs > 0) {
      if (waiting >= waitingLimit) return refuse(request, response);
      waiting += 1;
      try {
        await sleep(delayMs, AbortSignal.timeout(delayMs + 1000));
      } finally {
        waiting -= 1;
      }
      // Attempts that waited at the same time count one after the other: the first ones may have blocked the address.
      if (attempts.isBlocked(address)) return refuse(request, response);
    }
    if (found === null) {
      attempts.failed(address);
      warn(`console: a wrong token from ${address}`);
      return show(response, 401, localPath(to), "Rollcall does not know this token.");
    }
    await beginWithToken(response, found, localPath(to));
  });

  const tooMany = (response: Response, seconds: number, what: string, more = ""): void =>
    show(
      response.set("Retry-After", String(seconds)),
      429,
      "/",
      html`Too many ${what}. Wait <strong>${seconds} seconds</strong>, then try again.${more}`,
    );
  const refuse = (request: Request, response: Response): void =>
    tooMany(response, attempts.retryAfterSeconds(clientAddress(request)), "wrong tokens from your address");

  router.post("/sign-out", async (request, response) => {
    const session = sessions.find(request);
    if (session !== null && findVisitor(response) !== null) {
      sessions.end(response, session);
      await record(entryOf(session.actor, "console.sign-out", {}));
    }
    response.redirect(303, "/sign-in");
  });

  if (oidc === null) return router;

  router.get("/sign-in/oidc", async (request, response) => {
    try {
      const { url, flow } = await oidc.start(localPath(request.query["to"]));
      response.cookie(flowCookie, flow, { ...flowAttributes, maxAge: flowLifeMs });
      response.redirect(303, url.href);
    } catch (error) {
      warn(`console: the identity provider of sign-in can't be used: ${describeOidcError(error)}`);
      show(
        response,
        502,
        "/",
        "The identity provider does not answer correctly. The log has the reason. You can still sign in with a token.",
      );
    }
  });

  router.get(callbackPath, async (request, response) => {
    const flow = readCookie(request, flowCookie);
    try {
      const query = new URL(request.url, "http://localhost").searchParams;
      const { name, role, returnTo } = await oidc.finish(query, flow, clientAddress(request));
      response.clearCookie(flowCookie, flowAttributes);
      if (role === null) {
        warn(`console: ${name} signed in at the identity provider, and none of their groups has a role here`);
        return show(
          response,
          403,
          "/",
          html`<strong>${name}</strong> has no role here: none of your groups is listed under <code>admin.oidc.roles</code>. Ask the administrator of Rollcall.`,
        );
      }
      await begin(response, { role, name, actor: `console:${name} (oidc)`, by: "oidc" }, localPath(returnTo));
    } catch (error) {
      // Keeps the cookie: the browser may load the same page again.
      if (error instanceof TooManySignIns)
        return tooMany(
          response,
          error.retryAfterSeconds,
          "failed sign-ins over the identity provider",
          " You can still sign in with a token.",
        );
      response.clearCookie(flowCookie, flowAttributes);
      warn(`console: a sign-in over the identity provider was refused: ${describeOidcError(error)}`);
      show(
        response,
        403,
        "/",
        "The sign-in at the identity provider failed. Try again. If it fails again, read the reason in the log.",
      );
    }
  });
  return router;
}

const readForm = express.urlencoded({ extended: false, limit: "8kb", parameterLimit: 10 });
const readSmallForm = (request: Request, response: Response): Promise<void> =>
  new Promise((resolve, reject) => {
    readForm(request, response, (error?: unknown) =>
      error === undefined || error === null ? resolve() : reject(error),
    );
  });

const entryOf = (actor: string, action: string, detail: AuditEntry["detail"]): AuditEntry => ({
  actor,
  requestId: null,
  action,
  kind: null,
  entityId: null,
  name: null,
  target: null,
  rev: null,
  detail,
});
