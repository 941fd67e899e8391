import express, { type Express, type NextFunction, type Request, type Response } from "express";
import helmet from "helmet";
import { messageOf } from "../domain/model/errors.ts";
import type { Access } from "./access/access.ts";
import { requireRole } from "./access/role.ts";
import type { ApiParts } from "./api/parts.ts";
import { createApi } from "./api/router.ts";
import type { ConsoleParts } from "./console/parts.ts";
import { createConsole } from "./console/router.ts";

export interface AdminAppParts {
  readonly access: Access;
  readonly metrics: { text(): Promise<string>; readonly contentType: string };
  readonly console: ConsoleParts;
  readonly api: ApiParts;
}

/** What operators and monitoring reach: pages, `/metrics` and `/api/v1`. */
export function createAdminApp({ access, metrics, console, api }: AdminAppParts): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.use(helmet());
  app.get("/healthz", (_request, response) => void response.type("text/plain").send("ok\n"));
  app.use(access.identify);
  app.get(
    "/metrics",
    requireRole("viewer"),
    async (_request, response) =>
      void response.setHeader("Content-Type", metrics.contentType).end(await metrics.text()),
  );
  app.use("/api/v1", createApi(api));
  app.use("/api", requireRole("viewer"));
  app.use(createConsole(console));
  app.use(
    requireRole("viewer"),
    (_request, response) =>
      void response.status(404).json({ error: { code: "NOT_FOUND", message: "there is nothing here" } }),
  );
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const status = statusOf(error);
    const message = status === 500 ? messageOf(error) : "this request cannot be read";
    response.status(status).json({ error: { code: status === 500 ? "UNEXPECTED" : "INVALID", message } });
  });
  return app;
}

/** A body that is too large or no form has a status of its own; everything else is ours. */
function statusOf(error: unknown): number {
  const status = typeof error === "object" && error !== null && "status" in error ? error.status : null;
  return typeof status === "number" && status >= 400 && status < 500 ? status : 500;
}
