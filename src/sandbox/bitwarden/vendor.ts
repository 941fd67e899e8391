import { randomBytes } from "node:crypto";
import {
  basicCredentials,
  bearerToken,
  empty,
  formOf,
  json,
  Refusal,
  type Reply,
  type SandboxRequest,
} from "../kit/http.ts";
import { RateLimiter, type RateRule, type RateVerdict } from "../kit/rate-limit.ts";
import type { Vendor } from "../kit/server.ts";
import type { Tokens } from "../kit/tokens.ts";
import { groupRoutes } from "./groups.ts";
import { importRoutes } from "./import.ts";
import { memberRoutes } from "./members.ts";
import { organizationRoutes } from "./organization.ts";
import { unhandled } from "./requests.ts";
import type { BitwardenState } from "./state.ts";

export interface BitwardenVendorOptions {
  readonly state: BitwardenState;
  readonly tokens: Tokens;
  readonly clock: () => number;
  readonly clientId: string;
  readonly clientSecret: string;
}

const tokenPath = "/identity/connect/token";

// src/Api/appsettings.json and src/Identity/appsettings.json, IpRateLimitOptions.
const perSecond: RateRule = { limit: 5, windowMs: 1000, period: "1s" };
const writeRules: readonly RateRule[] = [{ limit: 60, windowMs: 60_000, period: "1m" }, perSecond];
const readRules: readonly RateRule[] = [{ limit: 200, windowMs: 60_000, period: "1m" }];
const tokenRules: readonly RateRule[] = [{ limit: 10, windowMs: 60_000, period: "1m" }, perSecond];

/** Identity and Public API of one organization. ASP.NET Core routes in any letter case. */
export function bitwardenVendor(options: BitwardenVendorOptions): Vendor {
  const { state, tokens } = options;
  const limiter = new RateLimiter(options.clock);
  const routes = [...memberRoutes, ...groupRoutes, ...importRoutes, ...organizationRoutes];
  return {
    routes: [
      { method: "POST", template: tokenPath, handle: (request) => issueToken(options, request) },
      ...routes.map(({ method, template, handle }) => ({
        method,
        template,
        handle: (request: SandboxRequest) =>
          tokens.isValid(bearerToken(request.headers))
            ? handle(state, request, request.params[0] ?? "")
            : unauthorized(),
      })),
    ],
    isCaseSensitive: false,
    check: (request) => {
      if (state.settings.rateLimits) checkRate(limiter, request);
    },
    notFound: () => empty(404),
    methodNotAllowed: (allowed) => empty(405, { allow: allowed.join(", ") }),
    unauthorized,
    rateLimited: (retryAfterSeconds) => tooMany({ rule: writeRules[0] ?? perSecond, retryAfterSeconds }),
    // The exception filter of the real server answers whatever its code does not expect.
    failure: () => unhandled().reply,
  };
}

// Per client address, verb and path: PUTs to different ids are counted separately (PathCounterKeyBuilder).
function checkRate(limiter: RateLimiter, request: SandboxRequest): void {
  const isToken = request.path.toLowerCase() === tokenPath;
  const rules = isToken ? tokenRules : request.method === "GET" ? readRules : writeRules;
  const verdict = limiter.admit(`${request.remoteAddress} ${request.method} ${request.path.toLowerCase()}`, rules);
  if (verdict !== undefined) throw new Refusal(tooMany(verdict));
}

// src/Core/Utilities/CustomIpRateLimitMiddleware.cs answers with the internal error model, not the public one.
function tooMany({ rule, retryAfterSeconds }: RateVerdict): Reply {
  const body = {
    message: `Slow down! Too many requests. Try again in ${rule.period}.`,
    validationErrors: null,
    exceptionMessage: null,
    exceptionStackTrace: null,
    innerExceptionMessage: null,
    object: "error",
  };
  return json(429, body, { "retry-after": String(retryAfterSeconds) });
}

function unauthorized(): Reply {
  return empty(401, { "www-authenticate": 'Bearer error="invalid_token"' });
}

/** Client credentials, in the form or as Basic. All OAuth errors are 400 (Duende TokenErrorHttpWriter). */
function issueToken(options: BitwardenVendorOptions, request: SandboxRequest): Reply {
  const form = formOf(request);
  if (form === undefined) return oauthError("invalid_request");
  const basic = basicCredentials(request.headers);
  const id = basic?.id ?? form.get("client_id");
  const secret = basic?.secret ?? form.get("client_secret");
  if (id !== options.clientId || secret !== options.clientSecret) return oauthError("invalid_client");
  if (form.get("grant_type") !== "client_credentials") return oauthError("unsupported_grant_type");
  const scopes = (form.get("scope") ?? "api.organization").split(/\s+/).filter((scope) => scope !== "");
  if (scopes.some((scope) => scope !== "api.organization")) return oauthError("invalid_scope");
  const lifetimeSeconds = options.state.settings.tokenLifetimeSeconds;
  const token = makeJwt(options, lifetimeSeconds);
  options.tokens.issue(token, request.strike.expireEarlySeconds ?? lifetimeSeconds);
  const body = { access_token: token, expires_in: lifetimeSeconds, token_type: "Bearer", scope: "api.organization" };
  return json(200, body, { "cache-control": "no-store, no-cache, max-age=0", pragma: "no-cache" });
}

function oauthError(error: string): Reply {
  return json(400, { error }, { "cache-control": "no-store, no-cache, max-age=0", pragma: "no-cache" });
}

/** Has the form of a real token (`typ: at+jwt`); clients must not read it. */
function makeJwt(options: BitwardenVendorOptions, lifetimeSeconds: number): string {
  const iat = Math.floor(options.clock() / 1000);
  const claims = {
    nbf: iat,
    exp: iat + lifetimeSeconds,
    iat,
    iss: "http://localhost/identity",
    client_id: options.clientId,
    scope: ["api.organization"],
    client_sub: options.state.organizationId,
    client_type: "Organization",
    jti: randomBytes(16).toString("hex").toUpperCase(),
  };
  const parts = [{ alg: "RS256", kid: "SANDBOX", typ: "at+jwt" }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  return `${parts.join(".")}.${randomBytes(64).toString("base64url")}`;
}
