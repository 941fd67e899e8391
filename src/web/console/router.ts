import express, { type NextFunction, type Request, type Response, type Router } from "express";
import helmet from "helmet";
import type { Attention } from "../../domain/console.ts";
import { messageOf } from "../../domain/errors.ts";
import { allows, findVisitor, type Role, type Visitor } from "../access/role.ts";
import { loadAssets } from "./assets.ts";
import { html } from "./html.ts";
import { type Frame, type PageParts, renderPage } from "./layout.ts";
import { overviewBody } from "./overview.ts";
import type { ConsoleParts, ConsoleStatus } from "./parts.ts";
import { signInRoutes } from "./sign-in.ts";

/** What makes a page; null: there is no such thing. */
export type PageMaker = (request: Request, visitor: Visitor, response: Response) => Promise<PageParts | null>;

/** Registers pages that need a role. */
export interface Pages {
  get(path: string, role: Role, make: PageMaker): void;
  show(response: Response, visitor: Visitor, page: PageParts, status?: number): Promise<void>;
}

const securityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      // Pico draws its marks with data: images in the stylesheet.
      imgSrc: ["'self'", "data:"],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  // `no-referrer` would make browsers send `Origin: null` with forms, which the check of where they come from needs.
  referrerPolicy: { policy: "same-origin" },
});

/** The pages of the admin listener. Who asks must have been found out before (see `Access.identify`). */
export function createConsole(parts: ConsoleParts): Router {
  const assets = loadAssets();
  const router = express.Router();
  router.use(securityHeaders);
  router.use("/assets", assets.serve);
  router.use((_request, response, next) => {
    response.set("Cache-Control", "no-store");
    next();
  });
  router.use(signInRoutes({ ...parts, assets, warn: (message) => parts.log("warn", message) }));

  const frameOf = (status: ConsoleStatus): Frame => ({
    assets,
    version: parts.version,
    isSandbox: parts.isSandbox,
    badges: { plan: status.targets.reduce((sum, target) => sum + target.held, 0) },
  });
  const pages: Pages = {
    get(path, role, make) {
      router.get(path, async (request, response, next) => {
        const visitor = findVisitor(response);
        if (visitor === null) return response.redirect(303, `/sign-in?to=${encodeURIComponent(request.originalUrl)}`);
        if (!allows(visitor.role, role)) return pages.show(response, visitor, forbidden(role, visitor), 403);
        const page = await make(request, visitor, response);
        if (response.headersSent) return;
        if (page === null) return next();
        await pages.show(response, visitor, page);
      });
    },
    async show(response, visitor, page, status = 200) {
      response
        .status(status)
        .type("html")
        .send(renderPage(frameOf(await parts.status()), visitor, page).toString());
    },
  };

  pages.get("/", "viewer", async () => {
    const status = await parts.status();
    const targets = status.targets.map(({ name }) => name);
    const nowMs = parts.now();
    const { reader } = parts;
    const [attention, hours, recent] =
      reader === null
        ? [heldBy(status), [], []]
        : await Promise.all([
            reader.attention(targets, nowMs),
            reader.hourly(targets, nowMs - 24 * 3_600_000),
            reader.activity({ ...anyActivity, limit: 8 }).then(({ rows }) => rows),
          ]);
    return {
      title: "Overview",
      section: "overview",
      body: overviewBody({ status, attention, hours, recent, vendorUrl: parts.vendorUrl, nowMs }),
    };
  });

  router.use(async (request: Request, response: Response, next: NextFunction) => {
    const visitor = findVisitor(response);
    if (visitor === null || request.method !== "GET" || request.accepts("html") === false) return next();
    await pages.show(response, visitor, notFound, 404);
  });
  router.use(async (error: unknown, _request: Request, response: Response, next: NextFunction) => {
    const visitor = findVisitor(response);
    if (visitor === null || response.headersSent) return next(error);
    parts.log("error", `console: a page failed: ${messageOf(error)}`, { error });
    await pages.show(response, visitor, failed(error), 500);
  });
  return router;
}

/** What the status alone tells of what waits for a person. */
const heldBy = (status: ConsoleStatus): readonly Attention[] =>
  status.targets
    .filter(({ held }) => held > 0)
    .map(({ name, held }) => ({ connection: name, kind: "held", count: held, sinceMs: null, first: [] }));

const anyActivity = {
  entityId: null,
  connection: null,
  action: null,
  actor: null,
  sinceMs: null,
  untilMs: null,
  isFailureOnly: false,
  beforeSeq: null,
} as const;

const notFound: PageParts = {
  title: "Nothing here",
  section: null,
  body: html`<p>There is no such page, or what it showed is gone.</p><p><a class="button secondary" href="/">To the overview</a></p>`,
};

const forbidden = (role: Role, visitor: Visitor): PageParts => ({
  title: "Not with your role",
  section: null,
  body: html`<p>This needs the role <strong>${role}</strong>; you are signed in as <strong>${visitor.role}</strong>.</p>`,
});

const failed = (error: unknown): PageParts => ({
  title: "That did not work",
  section: null,
  body: html`<p>${messageOf(error)}</p><p>The log says more. Nothing was changed by this page.</p>`,
});
