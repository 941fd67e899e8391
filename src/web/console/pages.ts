import type { Request, Response, Router } from "express";
import { z } from "zod";
import type { Seal } from "../../crypto/seal.ts";
import type { Cause } from "../../domain/model/entities.ts";
import { messageOf } from "../../domain/model/errors.ts";
import { formOf } from "../access/access.ts";
import { allows, findVisitor, type Role, type Visitor } from "../access/role.ts";
import { cookieName, readCookie } from "../access/session.ts";
import type { ConsoleParts } from "../parts.ts";
import type { Assets } from "./assets.ts";
import { html } from "./components/html.ts";
import { type Notice, type PageParts, renderPage } from "./components/layout.ts";

/** A request to a page. */
export interface Asked {
  readonly request: Request;
  readonly response: Response;
  readonly visitor: Visitor;
  /** Returns a parameter of the path, or an empty text. */
  param(name: string): string;
}

/** The result of an action: the next page, and its notice. */
export interface Done {
  readonly to: string;
  readonly notice: z.output<typeof noticeShape>;
}

/** Leads to the next page, which shows the notice. */
export const done = (to: string, kind: Done["notice"]["kind"], text: string): Done => ({ to, notice: { kind, text } });

/** The cause of a visitor's action, for the audit trail. */
export const causeOf = ({ actor }: Visitor): Cause => ({ actor, requestId: null });

/** Registers pages and actions with the role that they need. */
export interface Pages {
  /** Adds a page. `make` returns null if there is no such page, and "answered" if it has sent the answer itself. */
  get(path: string, role: Role, make: (asked: Asked) => Promise<PageParts | null | "answered">): void;
  /** Adds an action. `act` returns where to go next, or a page of its own: a form with its mistakes. */
  post(
    path: string,
    role: Role,
    act: (asked: Asked, form: Readonly<Record<string, string | undefined>>) => Promise<Done | PageParts | null>,
  ): void;
  show(asked: Pick<Asked, "request" | "response" | "visitor">, page: PageParts): Promise<void>;
}

/** Creates the pages on a router. Calls `changed` after each action. */
export function createPages(router: Router, parts: ConsoleParts, assets: Assets, changed: () => void): Pages {
  const notices = createNotices(parts.access.sealFor("notice"), parts.access.isSecure);
  const show: Pages["show"] = async ({ request, response, visitor }, page) => {
    const { targets } = await parts.status();
    const frame = {
      assets,
      version: parts.version,
      isSandbox: parts.isSandbox,
      badges: { plan: targets.reduce((sum, target) => sum + target.held - target.dismissed, 0) },
    };
    const notice = page.notice ?? notices.take(request, response);
    response
      .status(page.status ?? 200)
      .type("html")
      .send(renderPage(frame, visitor, { ...page, notice }).toString());
  };

  /** Returns null if the request is answered already: nobody is signed in, or the role does not allow it. */
  async function admitted(request: Request, response: Response, role: Role): Promise<Asked | null> {
    const visitor = findVisitor(response);
    if (visitor === null) {
      const to = request.method === "GET" ? request.originalUrl : "/";
      const where = `/sign-in?to=${encodeURIComponent(to)}`;
      // htmx asks for a part of a page: it must not be filled with the sign-in page.
      if (request.get("hx-request") !== undefined) response.status(401).set("HX-Redirect", "/sign-in").end();
      else response.redirect(303, where);
      return null;
    }
    const asked = {
      request,
      response,
      visitor,
      param: (name: string): string => String(request.params[name] ?? ""),
    };
    if (allows(visitor.role, role)) return asked;
    await show(asked, forbidden(role, visitor));
    return null;
  }

  return {
    show,
    get: (path, role, make) =>
      void router.get(path, async (request, response, next) => {
        const asked = await admitted(request, response, role);
        if (asked === null) return;
        const page = await make(asked);
        if (page === "answered") return;
        if (page === null) return next();
        await show(asked, page);
      }),
    post: (path, role, act) =>
      void router.post(path, async (request, response, next) => {
        const asked = await admitted(request, response, role);
        if (asked === null) return;
        const result = await act(asked, formOf(request));
        changed();
        if (result === null) return next();
        if (!("to" in result)) return show(asked, result);
        notices.leave(response, result.notice);
        response.redirect(303, result.to);
      }),
  };
}

/** The page for an address without a page. */
export const notFound: PageParts = {
  status: 404,
  title: "Not found",
  section: null,
  body: html`<p>There is no such page, or it no longer exists.</p><p><a class="button secondary" href="/">To the overview</a></p>`,
};

const forbidden = (role: Role, visitor: Visitor): PageParts => ({
  status: 403,
  title: "Not allowed",
  section: null,
  body: html`<p>This needs the role <strong>${role}</strong>; you are signed in as <strong>${visitor.role}</strong>.</p>`,
});

/** The page for an unexpected error. */
export const failed = (error: unknown): PageParts => ({
  status: 500,
  title: "Error",
  section: null,
  body: html`<p class="problem">${messageOf(error)}</p><p>The log of Rollcall has the details.</p>`,
});

const noticeShape = z.object({ kind: z.enum(["good", "bad", "info"]), text: z.string().max(2000) });
const noticeLifeMs = 60_000;

/** The result of an action, kept in a cookie until the next page shows it once. */
function createNotices(seal: Seal, isSecure: boolean) {
  const name = cookieName("rollcall-notice", isSecure);
  const attributes = { httpOnly: true, secure: isSecure, sameSite: "lax", path: "/" } as const;
  return {
    leave: (response: Response, notice: Done["notice"]) =>
      void response.cookie(name, seal.seal(notice), { ...attributes, maxAge: noticeLifeMs }),
    take(request: Request, response: Response): Notice | null {
      const text = readCookie(request, name);
      if (text === null) return null;
      response.clearCookie(name, attributes);
      return noticeShape.safeParse(seal.open(text)).data ?? null;
    },
  };
}
