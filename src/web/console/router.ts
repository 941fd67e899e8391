import express, { type NextFunction, type Request, type Response, type Router } from "express";
import helmet from "helmet";
import { createShortMemory } from "../../app/short-memory.ts";
import { messageOf } from "../../domain/model/errors.ts";
import { findVisitor } from "../access/role.ts";
import { requestErrorStatus } from "../http/request-error.ts";
import type { ConsoleParts } from "../parts.ts";
import { loadAssets } from "./assets.ts";
import { signInRoutes } from "./pages/sign-in.ts";
import { createPages, failed, notFound } from "./pages.ts";
import { activityRoutes } from "./routes/activity.ts";
import { connectionRoutes } from "./routes/connections.ts";
import { overviewRoutes } from "./routes/overview.ts";
import { entityRoutes } from "./routes/people.ts";
import { planRoutes } from "./routes/plan.ts";

const securityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  // With `no-referrer`, browsers send `Origin: null` with forms, and the check of the origin fails.
  referrerPolicy: { policy: "same-origin" },
});

/** The pages of the admin listener. `Access.identify` must run before. */
export function createConsole(given: ConsoleParts): Router {
  // The pages of several visitors share one status: it takes long to count 50,000 people.
  const memory = createShortMemory(given.status, given);
  const parts = { ...given, status: memory.get };
  const assets = loadAssets();
  const router = express.Router();
  router.use(securityHeaders);
  router.use("/assets", assets.serve);
  router.use((_request, response, next) => {
    response.set("Cache-Control", "no-store");
    next();
  });
  router.use(signInRoutes({ ...parts, assets, warn: (message) => parts.log("warn", message) }));
  const pages = createPages(router, parts, assets, memory.forget);

  overviewRoutes(pages, parts);
  entityRoutes(pages, parts);
  planRoutes(pages, parts);
  connectionRoutes(pages, parts);
  activityRoutes(pages, parts);

  router.use(async (request: Request, response: Response, next: NextFunction) => {
    const visitor = findVisitor(response);
    if (visitor === null || request.method !== "GET" || request.accepts("html") === false) return next();
    await pages.show({ request, response, visitor }, notFound);
  });
  router.use(async (error: unknown, request: Request, response: Response, next: NextFunction) => {
    const visitor = findVisitor(response);
    if (visitor === null || response.headersSent || requestErrorStatus(error) !== null) return next(error);
    parts.log("error", `console: a page failed: ${messageOf(error)}`, { error });
    await pages.show({ request, response, visitor }, failed(error));
  });
  return router;
}
