import { randomBytes } from "node:crypto";
import {
  basicCredentials,
  credentials,
  formOf,
  json,
  Refusal,
  type Reply,
  type SandboxRequest,
} from "../kit/requests.ts";
import {
  type Emulation,
  type Handler,
  type RunningEmulation,
  type SandboxOptions,
  startEmulator,
  type Vendor,
} from "../kit/server.ts";
import { groupRoutes } from "./groups.ts";
import { importRoutes } from "./import.ts";
import { memberRoutes } from "./members.ts";
import type { BitwardenSettings } from "./model.ts";
import { organizationRoutes } from "./organization.ts";
import { type RateVerdict, rateLimiter } from "./rate-limit.ts";
import { pathGuid, unhandled } from "./requests.ts";
import { BitwardenState } from "./state.ts";

export interface BitwardenOptions extends SandboxOptions, Partial<BitwardenSettings> {
  readonly organizationId?: string;
}

export interface BitwardenSandbox extends RunningEmulation<BitwardenState> {
  /** Base to which `/public/members` is appended. */
  readonly apiUrl: string;
  /** Base to which `/connect/token` is appended. */
  readonly identityUrl: string;
}

/** Starts an emulated Bitwarden server with one organization, empty unless `persistFile` holds one. */
export async function startBitwarden(options: BitwardenOptions = {}): Promise<BitwardenSandbox> {
  const {
    organizationId = "5a1db0c5-0000-4000-8000-000000000001",
    clientId = `organization.${organizationId}`,
    clientSecret = "sandbox-bitwarden-secret-000",
    clock = Date.now,
    random = Math.random,
  } = options;
  const state = new BitwardenState({ organizationId, clock, newId: () => randomGuid(random), settings: options });
  const { url, ...emulator } = await startEmulator(options, { state, clientId, clientSecret }, bitwardenVendor);
  return { ...emulator, apiUrl: `${url}/api`, identityUrl: `${url}/identity` };
}

/** A version 4 GUID, lower case as ASP.NET Core writes them. */
function randomGuid(random: () => number): string {
  return "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => Math.floor(random() * 16).toString(16));
}

/** Identity and Public API of one organization. ASP.NET Core routes in any letter case. */
function bitwardenVendor(emulator: Emulation<BitwardenState>): Vendor {
  const { state, tokens } = emulator;
  const admit = rateLimiter(state.now);
  const publicRoutes = Object.entries({ ...memberRoutes, ...groupRoutes, ...importRoutes, ...organizationRoutes });
  return {
    routes: {
      "POST /identity/connect/token": (request) => issueToken(emulator, request),
      ...Object.fromEntries(
        publicRoutes.map(([route, work]): [string, Handler] => [
          route,
          (request) => {
            if (!tokens.isValid(credentials(request.headers, "bearer"))) return unauthorized();
            const [id = ""] = request.params;
            const result = work(state, request, route.includes("{id}") ? pathGuid(id) : id);
            return result === undefined ? { status: 200 } : json(200, result);
          },
        ]),
      ),
    },
    isCaseSensitive: false,
    check: (request) => {
      const verdict = state.settings.rateLimits ? admit(request) : undefined;
      if (verdict !== undefined) throw new Refusal(tooMany(verdict));
    },
    notFound: () => ({ status: 404 }),
    methodNotAllowed: (allowed) => ({ status: 405, headers: { allow: allowed.join(", ") } }),
    unauthorized,
    rateLimited: (retryAfterSeconds) => tooMany({ period: "1m", retryAfterSeconds }),
    // The exception filter of the real server answers whatever its code does not expect.
    failure: () => unhandled().reply,
  };
}

// src/Core/Utilities/CustomIpRateLimitMiddleware.cs answers with the internal error model, not the public one.
function tooMany({ period, retryAfterSeconds }: RateVerdict): Reply {
  const body = {
    message: `Slow down! Too many requests. Try again in ${period}.`,
    validationErrors: null,
    exceptionMessage: null,
    exceptionStackTrace: null,
    innerExceptionMessage: null,
    object: "error",
  };
  return json(429, body, { "retry-after": String(retryAfterSeconds) });
}

function unauthorized(): Reply {
  return { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } };
}

const uncached = { "cache-control": "no-store, no-cache, max-age=0", pragma: "no-cache" };

/** Client credentials, in the form or as Basic. All OAuth errors are 400 (Duende TokenErrorHttpWriter). */
function issueToken(emulator: Emulation<BitwardenState>, request: SandboxRequest): Reply {
  const refuse = (error: string): Reply => json(400, { error }, uncached);
  const form = formOf(request);
  if (form === undefined) return refuse("invalid_request");
  const basic = basicCredentials(request.headers);
  const id = basic?.id ?? form.get("client_id");
  const secret = basic?.secret ?? form.get("client_secret");
  if (id !== emulator.clientId || secret !== emulator.clientSecret) return refuse("invalid_client");
  if (form.get("grant_type") !== "client_credentials") return refuse("unsupported_grant_type");
  const scopes = (form.get("scope") ?? "api.organization").split(/\s+/).filter((scope) => scope !== "");
  if (scopes.some((scope) => scope !== "api.organization")) return refuse("invalid_scope");
  const { tokenLifetimeSeconds } = emulator.state.settings;
  const token = makeJwt(emulator, tokenLifetimeSeconds);
  emulator.tokens.issue(token, tokenLifetimeSeconds, request);
  const body = { access_token: token, expires_in: tokenLifetimeSeconds, token_type: "Bearer" };
  return json(200, { ...body, scope: "api.organization" }, uncached);
}

/** Has the form of a real token (`typ: at+jwt`); clients must not read it. */
function makeJwt({ clientId, state }: Emulation<BitwardenState>, lifetimeSeconds: number): string {
  const iat = Math.floor(state.now() / 1000);
  const claims = {
    nbf: iat,
    exp: iat + lifetimeSeconds,
    iat,
    iss: "http://localhost/identity",
    client_id: clientId,
    scope: ["api.organization"],
    client_sub: state.organizationId,
    client_type: "Organization",
    jti: randomBytes(16).toString("hex").toUpperCase(),
  };
  const parts = [{ alg: "RS256", kid: "SANDBOX", typ: "at+jwt" }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  return `${parts.join(".")}.${randomBytes(64).toString("base64url")}`;
}
