import { randomBytes } from "node:crypto";
import type { Fault } from "../kit/faults.ts";
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
import {
  type Layout,
  type OnePasswordSettings,
  OnePasswordState,
  type OnePasswordUser,
  type OnePasswordUserState,
  type Scope,
} from "./state.ts";

export interface OnePasswordOptions extends SandboxOptions, Partial<OnePasswordSettings> {
  readonly accountId?: string;
}

export interface OnePasswordSandbox extends RunningEmulation<OnePasswordState> {
  /** Base to which `/v1beta1/accounts/...` is appended. */
  readonly apiUrl: string;
  readonly accountId: string;
}

const defaultPageSize = 25;
const maxPageSize = 1000;
// "<CompanyOrProductName>/<version>".
const userAgentPattern = /^[^\s/]+\/v?\d\S*/;

/** Starts an emulated 1Password account, empty unless `persistFile` holds one. */
export async function startOnePassword(options: OnePasswordOptions = {}): Promise<OnePasswordSandbox> {
  const {
    accountId = "SANDBOXACCOUNTABCDEFGHIJKL",
    clientId = "7d2b9c1e-5f04-4c3a-9e62-000000000001",
    clientSecret = "sandbox-1password-secret~000",
    clock = Date.now,
    random = Math.random,
  } = options;
  const state = new OnePasswordState({ accountId, clock, random, settings: options });
  const { url, ...emulator } = await startEmulator(options, { state, clientId, clientSecret }, onePasswordVendor);
  return { ...emulator, apiUrl: url, accountId };
}

/** 1Password Users API for Partners of one account. Paths are case-sensitive, and `:suspend` is literal. */
function onePasswordVendor(emulator: Emulation<OnePasswordState>): Vendor {
  const { settings } = emulator.state;
  return {
    // v1beta1: www.1password.dev/users-api. v1: elastic/kibana#290784; its revoke path is a guess by analogy.
    routes: { ...routesOf(emulator, "v1beta1", "users/oauth2"), ...routesOf(emulator, "v1", "oauth") },
    isCaseSensitive: true,
    check: ({ path }) => {
      if (!settings.layouts.some((layout) => path.startsWith(`/${layout}/`))) throw new Refusal(notFound());
    },
    notFound,
    // grpc-gateway's answer to a known path with another method: 501, code 12.
    methodNotAllowed: () => status(501, 12, "Method Not Allowed"),
    unauthorized: () => status(401, 16, "unauthenticated"),
    rateLimited: (retryAfterSeconds) =>
      status(429, 8, "resource_exhausted", { "retry-after": String(retryAfterSeconds) }),
    failure: () => status(500, 13, "internal"),
  };
}

function notFound(): Reply {
  return { status: 404, headers: { "content-type": "text/plain; charset=utf-8" }, body: "404 page not found\n" };
}

function routesOf(emulator: Emulation<OnePasswordState>, layout: Layout, oauth: string): Vendor["routes"] {
  const { state } = emulator;
  const users = `/${layout}/accounts/{account}/users`;
  const guarded =
    (scope: Scope, work: (request: SandboxRequest) => object): Handler =>
    (request) => {
      checkAccess(emulator, request, scope);
      return json(200, work(request));
    };
  return {
    [`POST /${layout}/${oauth}/token`]: (request) => issueToken(emulator, request),
    [`POST /${layout}/${oauth}/revoke`]: (request) => revokeToken(emulator, request),
    [`GET ${users}`]: guarded("list", (request) => listUsers(state, request)),
    [`GET ${users}/{user}`]: guarded("get", (request) => userModel(state, pathUser(state, request))),
    [`POST ${users}/{user}:suspend`]: guarded("suspend", (request) => userModel(state, suspend(state, request))),
    [`POST ${users}/{user}:reactivate`]: guarded("reactivate", (request) =>
      userModel(state, reactivate(state, request)),
    ),
  };
}

/** gRPC status as grpc-gateway writes it; `code` is the gRPC number. */
function status(http: number, code: number, message: string, headers?: Readonly<Record<string, string>>): Reply {
  return json(http, { code, message, details: [] }, headers);
}

/** Checks User-Agent, token, account and permission of a users call. Throws `Refusal` when the call may not go on. */
function checkAccess(emulator: Emulation<OnePasswordState>, { headers, params }: SandboxRequest, scope: Scope): void {
  const { accountId, settings } = emulator.state;
  // The documentation asks for this header. It is unknown whether 1Password refuses calls without it.
  if (settings.strictUserAgent && !userAgentPattern.test(headers["user-agent"] ?? ""))
    throw forbidden("invalid_user_agent");
  if (!emulator.tokens.isValid(credentials(headers, "bearer"))) throw new Refusal(status(401, 16, "unauthenticated"));
  if (params[0] !== accountId) throw forbidden("account_mismatch");
  if (!settings.scopes.includes(scope)) throw forbidden("insufficient_scope");
}

/** 403 has several causes as at 1Password: account, scope, last owner and EAM differ only in `message`. */
function forbidden(message: string): Refusal {
  return new Refusal(status(403, 7, message));
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

function listUsers(state: OnePasswordState, { query, faults }: SandboxRequest): object {
  const isHit = (fault: Fault["kind"]): boolean => faults.some(({ kind }) => kind === fault);
  const filter = query.get("filter") ?? "";
  const wanted = filterState(filter);
  const size = pageSize(query.get("max_page_size") ?? "");
  const given = query.get("page_token") ?? "";
  const from = readPageToken(given, filter, size);
  const { users, next } = state.page(from, size, wanted);
  const results = isHit("dropPage") ? [] : users.map((user) => userModel(state, user));
  const answer: Record<string, unknown> = {};
  // An empty list and an empty token are also left out.
  if (results.length > 0) answer["results"] = results;
  if (isHit("repeatPageToken")) answer["next_page_token"] = given === "" ? pageToken(next ?? 0, filter, size) : given;
  else if (next !== undefined && !isHit("truncateList")) answer["next_page_token"] = pageToken(next, filter, size);
  return answer;
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

function pageSize(text: string): number {
  if (text === "" || text === "0") return defaultPageSize;
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

function refuseBody({ body }: SandboxRequest): void {
  if (body !== "") throw invalidArgument("request_body_not_allowed");
}

// Idempotent: a suspended user is returned unchanged.
function suspend(state: OnePasswordState, request: SandboxRequest): OnePasswordUser {
  refuseBody(request);
  const user = pathUser(state, request);
  if (user.state === "SUSPENDED") return user;
  // The only slug that is known from public code (elastic/kibana one_password.ts).
  if (state.isLastActiveOwner(user)) throw forbidden("no_owner_remain");
  // The documentation says that this is impossible. The slug is invented.
  if (user.isEam) throw forbidden("eam_user_not_allowed");
  return state.updateUser(user.id, { state: "SUSPENDED" });
}

// Idempotent: only a suspended user changes.
function reactivate(state: OnePasswordState, request: SandboxRequest): OnePasswordUser {
  refuseBody(request);
  const user = pathUser(state, request);
  return user.state === "SUSPENDED" ? state.updateUser(user.id, { state: "ACTIVE" }) : user;
}

const uncached = { "cache-control": "no-store" };

/** Basic only: client_secret_post is refused (elastic/kibana#255076). Unlike at Bitwarden, a wrong client is 401. */
function issueToken(emulator: Emulation<OnePasswordState>, request: SandboxRequest): Reply {
  checkClient(emulator, request);
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
  const { tokenLifetimeSeconds } = emulator.state.settings;
  const token = `ory_at_${randomBytes(32).toString("base64url")}.${randomBytes(32).toString("base64url")}`;
  emulator.tokens.issue(token, tokenLifetimeSeconds, request);
  return json(200, { access_token: token, expires_in: tokenLifetimeSeconds, scope, token_type: "bearer" }, uncached);
}

/** 200 also for unknown and expired tokens, 401 for a wrong client. */
function revokeToken(emulator: Emulation<OnePasswordState>, request: SandboxRequest): Reply {
  checkClient(emulator, request);
  const token = formOf(request)?.get("token");
  if (token == null) return oauthError("invalid_request", "Request parameter 'token' is missing.");
  emulator.tokens.revoke(token);
  return { status: 200 };
}

function checkClient({ clientId, clientSecret }: Emulation<OnePasswordState>, { headers }: SandboxRequest): void {
  const basic = basicCredentials(headers);
  if (basic?.id === clientId && basic.secret === clientSecret) return;
  const body = { error: "invalid_client", error_description: "The client credentials are invalid." };
  throw new Refusal(json(401, body, { ...uncached, "www-authenticate": "Basic" }));
}

function oauthError(error: string, description: string): Reply {
  return json(400, { error, error_description: description }, uncached);
}
