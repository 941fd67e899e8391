import { randomUUID } from "node:crypto";
import express, { type NextFunction, type Request, type Response, type Router } from "express";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";
import { requireRole, visitorOf } from "../access/role.ts";
import { requestErrorStatus } from "../http/request-error.ts";
import type { AdminParts } from "../parts.ts";
import { actingRoutes } from "./actions.ts";
import { describeApi } from "./openapi.ts";
import { readingRoutes } from "./queries.ts";
import { type Document, problem, type Route } from "./route.ts";

const readJson = express.json({ limit: "64kb", strict: true });

/** All routes of `/api/v1`. The router and the OpenAPI description use the same list. */
export const apiRoutes = (parts: AdminParts): readonly Route[] => [...readingRoutes(parts), ...actingRoutes(parts)];

/** `/api/v1`, to be mounted there behind `Access.identify`. */
export function createApi(parts: AdminParts): Router {
  const router = express.Router({ caseSensitive: true });
  const routes = apiRoutes(parts);
  const description = describeApi(routes, parts.version);
  router.use((request, response, next) => {
    response.set({ "X-Request-Id": requestIdOf(request), "Cache-Control": "no-store" });
    next();
  });
  router.get("/openapi.json", requireRole("viewer"), (_request, response) => void response.json(description));
  for (const each of routes) {
    const path = each.path.replace(/\{(\w+)\}/g, ":$1");
    // The role is checked before the body is read.
    router[each.method](path, requireRole(each.role), ...(each.body === null ? [] : [readJson]), (request, response) =>
      answer(each, request, response),
    );
  }
  router.use(requireRole("viewer"), (request, response) => {
    const known = routes.filter(({ path }) => pattern(path).test(request.path));
    if (known.length === 0)
      return send(response, problem(404, "NOT_FOUND", "no such path; /api/v1/openapi.json lists all paths"));
    const methods = known.map(({ method }) => method.toUpperCase()).join(", ");
    response.set("Allow", methods);
    send(response, problem(405, "METHOD_NOT_ALLOWED", `this path takes ${methods}`));
  });
  router.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error);
    send(response, refusal(error, parts, response));
  });
  return router;
}

const pattern = (path: string): RegExp => new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}/?$`);

async function answer(each: Route, request: Request, response: Response): Promise<void> {
  const cause = { actor: visitorOf(response).actor, requestId: response.get("X-Request-Id") ?? null };
  // A request without a body is fine if all keys are optional.
  const input = { params: request.params, query: request.query, body: request.body ?? {} };
  const reply = await each.run(input, { request, response, cause });
  if (reply !== "written") send(response, reply);
}

function send(response: Response, reply: Document): void {
  response.status(reply.status).json(reply.body);
}

/** Returns the client's own id if it is short and plain: the client can then find the same id in our log. */
function requestIdOf(request: Request): string {
  const given = request.get("x-request-id") ?? "";
  return /^[\w.:-]{1,100}$/.test(given) ? given : randomUUID();
}

function refusal(error: unknown, { log }: AdminParts, response: Response): Document {
  const status = statusOf(error);
  const body = (code: string, message: string) => ({ status, body: { error: { code, message } } });
  if (status === 404) return body("NOT_FOUND", messageOf(error));
  if (status < 500) return body("INVALID", "the body can't be read: send JSON, at most 64 kB");
  const requestId = response.get("X-Request-Id");
  log(status === 500 ? "error" : "warn", `api: ${messageOf(error)}`, { error, requestId });
  return error instanceof RollcallError
    ? body(error.code, error.message)
    : body("UNEXPECTED", `an unexpected error; the log has it under request id ${requestId}`);
}

/** A failure of a vendor is 502; a database that does not answer is 503. */
function statusOf(error: unknown): number {
  if (error instanceof RollcallError) {
    if (error.code.startsWith("TARGET_") || error.code === "UNEXPECTED_RESPONSE" || error.code === "ABORTED")
      return 502;
    if (error.code === "NOT_FOUND") return 404;
    return error.code === "STORE_UNAVAILABLE" ? 503 : 500;
  }
  // The vendor took longer than we wait.
  if (error instanceof Error && error.name === "TimeoutError") return 502;
  return requestErrorStatus(error) ?? 500;
}
