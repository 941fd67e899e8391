import express, { type Express, type NextFunction, type Request, type Response } from "express";
import helmet from "helmet";
import { messageOf } from "../domain/model/errors.ts";
import { requireRole } from "./access/role.ts";
import { createApi } from "./api/router.ts";
import { createConsole } from "./console/router.ts";
import { requestErrorStatus } from "./http/request-error.ts";
import type { ConsoleParts } from "./parts.ts";

export interface AdminAppParts extends ConsoleParts {
  readonly metrics: { text(): Promise<string>; readonly contentType: string };
}

/** Console pages, `/metrics` and `/api/v1`: for administrators and monitoring. */
export function createAdminApp(parts: AdminAppParts): Express {
  const { access, metrics } = parts;
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
  app.use("/api/v1", createApi(parts));
  app.use("/api", requireRole("viewer"));
  app.use(createConsole(parts));
  app.use(
    requireRole("viewer"),
    (_request, response) => void response.status(404).json({ error: { code: "NOT_FOUND", message: "no such page" } }),
  );
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const status = requestErrorStatus(error);
    const problem =
      status === null
        ? { code: "UNEXPECTED", message: messageOf(error) }
        : { code: "INVALID", message: "this request cannot be read" };
    response.status(status ?? 500).json({ error: problem });
  });
  return app;
}
