import { createHash, timingSafeEqual } from "node:crypto";
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from "express";
import helmet from "helmet";
import { messageOf } from "../domain/errors.ts";

export interface AdminAppParts {
  /** Signs in to everything here but `/healthz`. */
  readonly token: string;
  readonly metrics: { text(): Promise<string>; readonly contentType: string };
  /** What `rollcall status --json` prints. */
  readonly status: () => Promise<unknown>;
}

/** What operators and monitoring reach: `/metrics` and `/api/v1/status`, with the admin token as bearer. */
export function createAdminApp({ token, metrics, status }: AdminAppParts): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use(helmet());
  app.get("/healthz", (_request, response) => void response.type("text/plain").send("ok\n"));
  app.use(requireBearer(token));
  app.get(
    "/metrics",
    async (_request, response) =>
      void response.setHeader("Content-Type", metrics.contentType).end(await metrics.text()),
  );
  app.get("/api/v1/status", async (_request, response) => void response.json(await status()));
  app.use((_request, response) => void response.status(404).json({ error: "not found" }));
  app.use(
    (error: unknown, _request: Request, response: Response, _next: NextFunction) =>
      void response.status(500).json({ error: messageOf(error) }),
  );
  return app;
}

function requireBearer(token: string): RequestHandler {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(token);
  return (request, response, next) => {
    const [, presented] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    if (presented !== undefined && timingSafeEqual(digest(presented), expected)) return next();
    response.status(401).set("WWW-Authenticate", "Bearer").json({ error: "the admin token is missing or wrong" });
  };
}
