import { randomBytes } from "node:crypto";
import {
  basicCredentials,
  bearerToken,
  empty,
  formOf,
  json,
  Refusal,
  type Reply,
  type Route,
  type SandboxRequest,
} from "../kit/http.ts";
import type { Vendor } from "../kit/server.ts";
import type { Tokens } from "../kit/tokens.ts";
import type { Layout, OnePasswordState, OnePasswordUser, OnePasswordUserState, Scope } from "./state.ts";

export interface OnePasswordVendorOptions {
  readonly state: OnePasswordState;
  readonly tokens: Tokens;
  readonly clientId: string;
  readonly clientSecret: string;
}

interface LayoutPaths {
  readonly layout: Layout;
  readonly token: string;
  readonly revoke: string;
}

// v1beta1: www.1password.dev/users-api. v1: elastic/kibana#290784; its revoke path is a guess by analogy.
const layouts: readonly LayoutPaths[] = [
  { layout: "v1beta1", token: "/v1beta1/users/oauth2/token", revoke: "/v1beta1/users/oauth2/revoke" },
  { layout: "v1", token: "/v1/oauth/token", revoke: "/v1/oauth/revoke" },
];

const defaultPageSize = 25;
const maxPageSize = 1000;
// "<CompanyOrProductName>/<version>".
const userAgentPattern = /^[^\s/]+\/v?\d\S*/;

/** 1Password Users API for Partners of one account. Paths are case-sensitive, and `:suspend` is literal. */
export function onePasswordVendor(options: OnePasswordVendorOptions): Vendor {
  const { settings } = options.state;
  return {
    routes: layouts.flatMap((paths) => routesOf(options, paths)),
    isCaseSensitive: true,
    check: ({ path }) => {
      if (!settings.layouts.some((layout) => path.startsWith(`/${layout}/`))) throw new Refusal(notFound());
    },
    notFound,
    // grpc-gateway's answer to a known path with another method: 501, code 12.
    methodNotAllowed: () => status(501, 12, "Method Not Allowed"),
    unauthorized: () => status(401, 16, "unauthenticated"),
    rateLimited: (retryAfterSeconds) =>
      json(429, { code: 8, message: "resource_exhausted", details: [] }, { "retry-after": String(retryAfterSeconds) }),
    failure: () => status(500, 13, "internal"),
  };
}

function notFound(): Reply {
  return { status: 404, headers: { "content-type": "text/plain; charset=utf-8" }, body: "404 page not found\n" };
}

function routesOf(options: OnePasswordVendorOptions, { layout, token, revoke }: LayoutPaths): readonly Route[] {
  const users = `/${layout}/accounts/{account}/users`;
  const guarded = (method: Route["method"], template: string, scope: Scope, work: Work): Route => ({
    method,
    template,
    handle: (request) => refusal(options, request, scope) ?? work(options.state, request),
  });
  return [
    { method: "POST", template: token, handle: (request) => issueToken(options, request) },
    { method: "POST", template: revoke, handle: (request) => revokeToken(options, request) },
    guarded("GET", users, "list", listUsers),
    guarded("GET", `${users}/{user}`, "get", (state, request) => json(200, userModel(state, pathUser(state, request)))),
    guarded("POST", `${users}/{user}:suspend`, "suspend", suspend),
    guarded("POST", `${users}/{user}:reactivate`, "reactivate", reactivate),
  ];
}

type Work = (state: OnePasswordState, request: SandboxRequest) => Reply;

/** gRPC status as grpc-gateway writes it; `code` is the gRPC number. */
function status(http: number, code: number, message: string): Reply {
  return json(http, { code, message, details: [] });
}

/** Checks User-Agent, token, account and permission of a users call; undefined when the call may go on. */
function refusal(
  { state, tokens }: OnePasswordVendorOptions,
  { headers, params }: SandboxRequest,
  scope: Scope,
): Reply | undefined {
  // The documentation asks for this header. It is unknown whether 1Password refuses calls without it.
  if (state.settings.strictUserAgent && !userAgentPattern.test(headers["user-agent"] ?? ""))
    return status(403, 7, "invalid_user_agent");
  if (!tokens.isValid(bearerToken(headers))) return status(401, 16, "unauthenticated");
  // 403 has several causes as at 1Password: account, scope, last owner and EAM differ only in `message`.
  if (params[0] !== state.accountId) return status(403, 7, "account_mismatch");
  return state.settings.scopes.includes(scope) ? undefined : status(403, 7, "insufficient_scope");
}

function pathUser(state: OnePasswordState, { params }: SandboxRequest): OnePasswordUser {
  const user = state.users.get(params[1] ?? "");
  if (user === undefined) throw new Refusal(status(404, 5, "user_not_found"));
  return user;
}

/** protobuf JSON leaves out default values: an empty name, STATE_UNSPECIFIED. */
function userModel(state: OnePasswordState, user: OnePasswordUser): Record<string, string> {
  const model: Record<string, string> = { id: user.id, email: user.email };
  if (user.displayName !== "") model["display_name"] = user.displayName;
  if (user.state !== "STATE_UNSPECIFIED") model["state"] = user.state;
  return { ...model, create_time: user.createTime, path: `accounts/${state.accountId}/users/${user.id}` };
}

function listUsers(state: OnePasswordState, request: SandboxRequest): Reply {
  const { strike } = request;
  const filter = request.query.get("filter") ?? "";
  const wanted = filterState(filter);
  const size = pageSize(request.query.get("max_page_size"));
  const given = request.query.get("page_token") ?? "";
  const from = readPageToken(given, filter, size);
  const { users, next } = state.page(from, size, wanted);
  const results = strike.dropPage ? [] : users.map((user) => userModel(state, user));
  const answer: Record<string, unknown> = {};
  // An empty list and an empty token are also left out.
  if (results.length > 0) answer["results"] = results;
  if (strike.repeatPageToken) answer["next_page_token"] = given === "" ? pageToken(next ?? 0, filter, size) : given;
  else if (next !== undefined && !strike.truncateList) answer["next_page_token"] = pageToken(next, filter, size);
  return json(200, answer);
}

function invalidArgument(message: string): Refusal {
  return new Refusal(status(400, 3, message));
}

function filterState(filter: string): OnePasswordUserState | undefined {
  switch (filter) {
    case "":
      return undefined;
    case "user.isActive()":
      return "ACTIVE";
    case "user.isSuspended()":
      return "SUSPENDED";
    default:
      throw invalidArgument("invalid_filter");
  }
}

function pageSize(text: string | null): number {
  if (text === null || text === "" || text === "0") return defaultPageSize;
  // The documentation does not say whether more than 1000 is refused or reduced. This emulator refuses it.
  if (!/^\d{1,9}$/.test(text) || Number(text) > maxPageSize) throw invalidArgument("invalid_max_page_size");
  return Number(text);
}

function pageToken(position: number, filter: string, size: number): string {
  return Buffer.from(JSON.stringify([position, filter, size])).toString("base64");
}

/** Valid only with the filter and page size that it was made for. */
function readPageToken(token: string, filter: string, size: number): number {
  if (token === "") return 0;
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64").toString("utf8"));
    if (Array.isArray(value) && Number.isInteger(value[0]) && value[1] === filter && value[2] === size)
      return Number(value[0]);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw invalidArgument("invalid_page_token");
}

function refuseBody(request: SandboxRequest): void {
  if (request.body !== "") throw invalidArgument("request_body_not_allowed");
}

// Idempotent: a suspended user is returned unchanged.
function suspend(state: OnePasswordState, request: SandboxRequest): Reply {
  refuseBody(request);
  const user = pathUser(state, request);
  if (user.state === "SUSPENDED") return json(200, userModel(state, user));
  // The only slug that is known from public code (elastic/kibana one_password.ts).
  if (state.isLastActiveOwner(user)) return status(403, 7, "no_owner_remain");
  // The documentation says that this is impossible. The slug is invented.
  if (user.isEam) return status(403, 7, "eam_user_not_allowed");
  return json(200, userModel(state, state.updateUser(user.id, { state: "SUSPENDED" })));
}

// Idempotent: only a suspended user changes.
function reactivate(state: OnePasswordState, request: SandboxRequest): Reply {
  refuseBody(request);
  const user = pathUser(state, request);
  return json(
    200,
    userModel(state, user.state === "SUSPENDED" ? state.updateUser(user.id, { state: "ACTIVE" }) : user),
  );
}

/** Basic only: client_secret_post is refused (elastic/kibana#255076). Unlike at Bitwarden, a wrong client is 401. */
function issueToken(options: OnePasswordVendorOptions, request: SandboxRequest): Reply {
  if (!isClient(options, request)) return invalidClient();
  const form = formOf(request);
  if (form === undefined)
    return oauthError("invalid_request", "The request body must be application/x-www-form-urlencoded.");
  const grant = form.get("grant_type");
  if (grant === null) return oauthError("invalid_request", "Request parameter 'grant_type' is missing.");
  if (grant !== "client_credentials")
    return oauthError("unsupported_grant_type", `The grant type '${grant}' is not supported.`);
  const scope = form.get("scope") ?? "";
  if (scope !== "" && scope !== "openid")
    return oauthError("invalid_scope", "The requested scope is invalid, unknown, or malformed.");
  const lifetimeSeconds = options.state.settings.tokenLifetimeSeconds;
  const token = `ory_at_${randomBytes(32).toString("base64url")}.${randomBytes(32).toString("base64url")}`;
  options.tokens.issue(token, request.strike.expireEarlySeconds ?? lifetimeSeconds);
  return json(
    200,
    { access_token: token, expires_in: lifetimeSeconds, scope, token_type: "bearer" },
    { "cache-control": "no-store" },
  );
}

/** 200 also for unknown and expired tokens, 401 for a wrong client. */
function revokeToken(options: OnePasswordVendorOptions, request: SandboxRequest): Reply {
  if (!isClient(options, request)) return invalidClient();
  const token = formOf(request)?.get("token");
  if (token == null) return oauthError("invalid_request", "Request parameter 'token' is missing.");
  options.tokens.revoke(token);
  return empty(200);
}

function isClient(options: OnePasswordVendorOptions, request: SandboxRequest): boolean {
  const basic = basicCredentials(request.headers);
  return basic !== undefined && basic.id === options.clientId && basic.secret === options.clientSecret;
}

function invalidClient(): Reply {
  const body = { error: "invalid_client", error_description: "The client credentials are invalid." };
  return json(401, body, { "cache-control": "no-store", "www-authenticate": "Basic" });
}

function oauthError(error: string, description: string): Reply {
  return json(400, { error, error_description: description }, { "cache-control": "no-store" });
}
