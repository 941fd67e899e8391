import type { Request, Response, Router } from "express";
import { messageOf } from "../../domain/model/errors.ts";
import { formOf } from "../access/access.ts";
import { allows, findVisitor, type Role, type Visitor } from "../access/role.ts";
import type { Assets } from "./assets.ts";
import { html } from "./components/html.ts";
import { type Notice, type PageParts, renderPage } from "./components/layout.ts";
import { createNotices } from "./components/notices.ts";
import type { ConsoleParts } from "./parts.ts";

/** Of a request to a page: who asks, and what the address says. */
export interface Asked {
  readonly request: Request;
  readonly response: Response;
  readonly visitor: Visitor;
  /** A part of the path; empty where there is none. */
  param(name: string): string;
}

/** Where to go after something was done, and what to say there. */
export interface Done {
  readonly to: string;
  readonly notice: { readonly kind: Notice["kind"]; readonly text: string };
}

/** Registers what needs a role. */
export interface Pages {
  /** A page; null: there is no such thing. A maker that has answered by itself gives `answered`. */
  get(path: string, role: Role, make: (asked: Asked) => Promise<PageParts | null | "answered">): void;
  /** Something that is done: it ends in another page, or in one of its own (a form with what is wrong in it). */
  post(
    path: string,
    role: Role,
    act: (asked: Asked, form: Readonly<Record<string, string | undefined>>) => Promise<Done | PageParts | null>,
  ): void;
  show(asked: Pick<Asked, "request" | "response" | "visitor">, page: PageParts): Promise<void>;
}

/** Pages of the console on a router. `changed` is called after something was done. */
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

  /** Null once it is answered: nobody is signed in, or with too small a role. */
  async function admitted(request: Request, response: Response, role: Role): Promise<Asked | null> {
    const visitor = findVisitor(response);
    if (visitor === null) {
      const to = request.method === "GET" ? request.originalUrl : "/";
      const where = `/sign-in?to=${encodeURIComponent(to)}`;
      // A part of a page that asks by itself must not be filled with the sign-in page.
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

/** There is no such page, or what it showed is gone. */
export const notFound: PageParts = {
  status: 404,
  title: "Nothing here",
  section: null,
  body: html`<p>There is no such page, or what it showed is gone.</p><p><a class="button secondary" href="/">To the overview</a></p>`,
};

const forbidden = (role: Role, visitor: Visitor): PageParts => ({
  status: 403,
  title: "Not with your role",
  section: null,
  body: html`<p>This needs the role <strong>${role}</strong>; you are signed in as <strong>${visitor.role}</strong>.</p>`,
});

/** Something went wrong that no page expected. */
export const failed = (error: unknown): PageParts => ({
  status: 500,
  title: "That did not work",
  section: null,
  body: html`<p class="problem">${messageOf(error)}</p><p>The log says more.</p>`,
});
