import express, { type Express, type NextFunction, type Request, type Response, type Router } from "express";
import helmet from "helmet";
import { messageOf } from "../domain/model/errors.ts";
import { errorBody, ScimError } from "../sources/scim/errors.ts";

export interface ScimAppParts {
  /** Mounted at `/scim/v2`. */
  readonly scim: Router;
  /** Throws with the reason if the store does not accept writes. */
  readonly assertReady: () => Promise<void>;
  /**
   * Proxies whose X-Forwarded-For, -Proto and -Host are believed: none, the last N proxies, or addresses in these
   * ranges (`trust proxy` of Express). Default false.
   */
  readonly trustProxy?: false | number | readonly string[];
}

/** The server for identity providers and load balancers: SCIM, `/healthz`, `/readyz`. */
export function createScimApp({ scim, assertReady, trustProxy = false }: ScimAppParts): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("trust proxy", trustProxy);
  app.use("/scim/v2", scim);
  app.use(helmet());
  app.get("/healthz", (_request, response) => void response.type("text/plain").send("ok\n"));
  app.get("/readyz", async (_request, response) => {
    try {
      await assertReady();
      response.type("text/plain").send("ready\n");
    } catch (error) {
      response
        .status(503)
        .type("text/plain")
        .send(`not ready: ${messageOf(error)}\n`);
    }
  });
  app.use((_request, response) => answer(response, 404, "not found; SCIM is at /scim/v2"));
  app.use((_error: unknown, _request: Request, response: Response, _next: NextFunction) =>
    answer(response, 400, "this request cannot be read"),
  );
  return app;
}

const answer = (response: Response, status: number, detail: string): void =>
  void response
    .status(status)
    .type("application/scim+json")
    .send(JSON.stringify(errorBody(new ScimError(status, null, detail))));
