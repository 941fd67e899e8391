import { hasCode, type RollcallError } from "../../domain/model/errors.ts";
import {
  type Answer,
  describeBody,
  HttpClient,
  type HttpOptions,
  type HttpRequest,
  jsonOf,
  type Lost,
  parseAnswer,
} from "../kit/http.ts";
import { TokenKeeper } from "../kit/oauth.ts";
import { type VendorUser, vendorError, vendorPage, vendorUser } from "./convert.ts";

/** One account, by an OAuth application with the four Users API permissions (contract sheet §1). */
export interface OnePasswordOptions extends HttpOptions {
  /** The base to which `/v1beta1/accounts/…` is appended, e.g. `https://api.1password.com`. */
  readonly apiUrl: string;
  readonly accountId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** `auto` (default) asks for a v1 token first and falls back on 404, again whenever the answer changes. */
  readonly apiVersion?: "auto" | ApiVersion;
}

/** The two path layouts (§0.3). */
export type ApiVersion = "v1" | "v1beta1";

/** What the vendor said to a suspension or reactivation; both may be repeated. */
export type Written =
  | { readonly kind: "done"; readonly user: VendorUser | null }
  | { readonly kind: "absent" }
  | { readonly kind: "refused"; readonly slug: string | null }
  | Lost;

/** elastic/kibana#290784: `v1beta1` is shut off when `v1` becomes generally available (§0.3); v1's revoke path is by analogy. */
const tokenPaths: Readonly<Record<ApiVersion, { readonly token: string; readonly revoke: string }>> = {
  v1: { token: "/v1/oauth/token", revoke: "/v1/oauth/revoke" },
  v1beta1: { token: "/v1beta1/users/oauth2/token", revoke: "/v1beta1/users/oauth2/revoke" },
};

/** Tried in this order when the vendor answers 400; null leaves the size to it (default 25, §5). */
const pageSizes = [1_000, 100, null] as const;
const maxPages = 10_000;

const credentialsAdvice =
  "check client id and secret, the region (1password.com, .ca or .eu), the account id, and that the OAuth application " +
  "(Integrations > Directory) isn't revoked and may list, get, suspend and reactivate users";

/** Typed calls of the Users API in either layout; every answer is parsed here, nothing is decided here. */
export class OnePasswordApi {
  readonly http: HttpClient;
  readonly #options: OnePasswordOptions;
  readonly #base: string;
  readonly #tokens: Readonly<Record<ApiVersion, TokenKeeper>>;
  /** Null until a token endpoint has answered. */
  #version: ApiVersion | null;

  constructor(options: OnePasswordOptions) {
    this.#options = options;
    this.http = new HttpClient(options);
    this.#base = options.apiUrl.replace(/\/+$/, "");
    this.#tokens = { v1: this.#keeper("v1"), v1beta1: this.#keeper("v1beta1") };
    this.#version = this.#isAuto ? null : (options.apiVersion as ApiVersion);
  }

  /**
   * Every user, page by page, each id once.
   * @throws `TARGET_INCOMPLETE` when the pages go in a circle or don't end
   */
  async listUsers(signal: AbortSignal): Promise<readonly VendorUser[]> {
    for (const pageSize of pageSizes) {
      const users = await this.#listBy(pageSize, signal);
      if (users !== null) return users;
    }
    throw this.http.error("UNEXPECTED_RESPONSE", "users.list answered 400 with every page size; check accountId");
  }

  /** Null: there is no such user, and the account itself still answers. */
  async getUser(id: string, signal: AbortSignal): Promise<VendorUser | null> {
    const answer = await this.#userAnswer({ operation: "users.get", kind: "read", method: "GET" }, id, "", signal);
    if (answer.kind === "lost") throw answer.error;
    if (answer.status === 404) return null;
    if (answer.status === 200) return parseAnswer(this.http, "users.get", answer, vendorUser);
    throw answer.status >= 500 ? this.#broken("users.get", answer) : this.#unexpected("users.get", answer);
  }

  suspendUser(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("users.suspend", id, ":suspend", signal);
  }

  reactivateUser(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("users.reactivate", id, ":reactivate", signal);
  }

  /** Gives back the tokens; never throws. */
  async close(signal: AbortSignal): Promise<void> {
    await Promise.all(Object.values(this.#tokens).map((keeper) => keeper.revoke(signal)));
    await this.http.close();
  }

  get #isAuto(): boolean {
    return (this.#options.apiVersion ?? "auto") === "auto";
  }

  #keeper(version: ApiVersion): TokenKeeper {
    const { clientId, clientSecret } = this.#options;
    return new TokenKeeper({
      http: this.http,
      tokenUrl: this.#base + tokenPaths[version].token,
      revokeUrl: this.#base + tokenPaths[version].revoke,
      clientId,
      clientSecret,
      authentication: "basic",
      parameters: { scope: "openid" },
      adviceOnRefusal: credentialsAdvice,
    });
  }

  /** Null: this page size was refused. */
  async #listBy(pageSize: number | null, signal: AbortSignal): Promise<readonly VendorUser[] | null> {
    const users = new Map<string, VendorUser>();
    const seen = new Set<string>();
    let token = "";
    for (let page = 0; page < maxPages; page += 1) {
      const answer = await this.#page(pageSize, token, signal);
      if (answer.status === 400 && page === 0) return null;
      if (answer.status !== 200) throw this.#unexpected("users.list", answer);
      const parsed = parseAnswer(this.http, "users.list", answer, vendorPage);
      for (const user of parsed.results ?? parsed.users ?? []) users.set(user.id, user);
      token = parsed.next_page_token ?? "";
      if (token === "") return [...users.values()];
      if (seen.has(token))
        throw this.http.error(
          "TARGET_INCOMPLETE",
          `users.list gave the same page token twice, after ${users.size} users`,
        );
      seen.add(token);
    }
    throw this.http.error("TARGET_INCOMPLETE", `users.list had not ended after ${maxPages} pages, ${users.size} users`);
  }

  /** One page; a 404 here means that the layout has changed, or that the account is unknown. */
  async #page(pageSize: number | null, pageToken: string, signal: AbortSignal): Promise<Answer> {
    const query = new URLSearchParams();
    if (pageSize !== null) query.set("max_page_size", String(pageSize));
    if (pageToken !== "") query.set("page_token", pageToken);
    const request = { operation: "users.list", kind: "read", method: "GET" } as const;
    const path = query.size === 0 ? "/users" : `/users?${query}`;
    let reply = await this.#send(request, path, signal);
    if (reply.kind === "answer" && reply.status === 404 && (await this.#hasOtherVersion(signal))) {
      reply = await this.#send(request, path, signal);
    }
    if (reply.kind === "lost") throw reply.error;
    if (reply.status >= 500) throw this.#broken("users.list", reply);
    return reply;
  }

  async #write(operation: string, id: string, verb: string, signal: AbortSignal): Promise<Written> {
    const reply = await this.#userAnswer({ operation, kind: "write", method: "POST" }, id, verb, signal);
    if (reply.kind === "lost") return reply;
    if (reply.status === 200) return { kind: "done", user: vendorUser.safeParse(jsonOf(reply)).data ?? null };
    if (reply.status === 404) return { kind: "absent" };
    if (reply.status === 403 || reply.status === 400 || reply.status === 409)
      return { kind: "refused", slug: slugOf(reply) };
    if (reply.status >= 500) return { kind: "lost", error: this.#broken(operation, reply) };
    throw this.#unexpected(operation, reply);
  }

  /**
   * A call on one user. A switched-off layout answers 404 too, and everybody would look deleted: so a 404 is believed
   * only after the list has answered.
   */
  async #userAnswer(request: Call, id: string, verb: string, signal: AbortSignal): Promise<Answer | Lost> {
    const path = `/users/${encodeURIComponent(id)}${verb}`;
    const reply = await this.#send(request, path, signal);
    if (reply.kind === "lost" || reply.status !== 404) return reply;
    const versionBefore = this.#version;
    const list = await this.#page(1, "", signal);
    if (list.status !== 200 && list.status !== 400) throw this.#unexpected("users.list", list);
    return this.#version === versionBefore ? reply : this.#send(request, path, signal);
  }

  async #send(request: Call, path: string, signal: AbortSignal): Promise<Answer | Lost> {
    const version = await this.#currentVersion(signal);
    const account = encodeURIComponent(this.#options.accountId);
    const url = `${this.#base}/${version}/accounts/${account}${path}`;
    const call = (token: string): Promise<Answer | Lost> =>
      this.http.send({ ...request, url, headers: { authorization: `Bearer ${token}` }, isRepeatable: true }, signal);
    try {
      const reply = await this.#tokens[version].withToken(call, signal);
      if (reply.kind === "answer" && reply.status === 429) throw this.#rateLimited(request.operation, reply);
      return reply;
    } catch (error) {
      if (!hasCode(error, "NOT_FOUND")) throw error;
      // The token endpoint that once answered is gone: the other layout's, if there is one, is asked next time.
      if (this.#isAuto && (await this.#hasOtherVersion(signal))) return this.#send(request, path, signal);
      throw this.#noTokenEndpoint(error);
    }
  }

  async #currentVersion(signal: AbortSignal): Promise<ApiVersion> {
    this.#version ??= (await this.#answering("v1", signal)) ?? (await this.#answering("v1beta1", signal));
    if (this.#version === null) throw this.#noTokenEndpoint(undefined);
    return this.#version;
  }

  /** True when the layout not in use gives tokens; it is in use from then on. */
  async #hasOtherVersion(signal: AbortSignal): Promise<boolean> {
    if (!this.#isAuto) return false;
    const other = await this.#answering(this.#version === "v1" ? "v1beta1" : "v1", signal);
    if (other === null) return false;
    this.http.log("info", "the Users API answers in another version", { from: this.#version, to: other });
    this.#version = other;
    return true;
  }

  /** Null: there is no such token endpoint. */
  async #answering(version: ApiVersion, signal: AbortSignal): Promise<ApiVersion | null> {
    try {
      await this.#tokens[version].get(signal);
      return version;
    } catch (error) {
      if (hasCode(error, "NOT_FOUND")) return null;
      throw error;
    }
  }

  #noTokenEndpoint(cause: unknown): RollcallError {
    return this.http.error(
      "UNEXPECTED_RESPONSE",
      "there is no token endpoint at apiUrl (404); check apiUrl and apiVersion",
      { cause },
    );
  }

  #rateLimited(operation: string, answer: Answer): RollcallError {
    const retryAfterMs = this.http.retryAfterMs(answer) ?? 60_000;
    return this.http.error("TARGET_RATE_LIMITED", `${operation} was answered 429 again and again; lower rateLimit`, {
      retryAfterMs,
    });
  }

  #broken(operation: string, answer: Answer): RollcallError {
    const code = answer.status > 500 ? "TARGET_UNREACHABLE" : "UNEXPECTED_RESPONSE";
    return this.http.error(code, `${operation} answered ${answer.status} with ${describeBody(answer)}`);
  }

  #unexpected(operation: string, answer: Answer): RollcallError {
    const what = `${operation} answered ${answer.status} with ${describeBody(answer)}`;
    if (answer.status === 403)
      return this.http.error("TARGET_REFUSED_CREDENTIALS", `${what}; ${credentialsAdvice}`, { isPermanent: true });
    return this.http.error("UNEXPECTED_RESPONSE", `${what}; check apiUrl, apiVersion and accountId`);
  }
}

type Call = Pick<HttpRequest, "operation" | "kind" | "method">;

const slugOf = (answer: Answer): string | null => vendorError.safeParse(jsonOf(answer)).data?.message ?? null;
