import { hasCode, type RollcallError } from "../../domain/model/errors.ts";
import { ApiClient } from "../kit/api-client.ts";
import { type Answer, type HttpOptions, type HttpRequest, jsonOf, type Reply } from "../kit/http.ts";
import { TokenKeeper } from "../kit/oauth.ts";
import type { Written as AnyWritten } from "../kit/run-changes.ts";
import { type VendorUser, vendorError, vendorPage, vendorUser } from "./convert.ts";

/** One account, by an OAuth application with the four permissions of the Users API. */
export interface OnePasswordOptions extends HttpOptions {
  /** The base to which `/v1beta1/accounts/…` is appended, e.g. `https://api.1password.com`. */
  readonly apiUrl: string;
  readonly accountId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** `auto` (default) asks for a v1 token first and falls back on 404. It does so again when the answer changes. */
  readonly apiVersion?: "auto" | ApiVersion;
}

/** The two path layouts. */
export type ApiVersion = "v1" | "v1beta1";

/** Answer to a suspension or reactivation, both of which may be repeated. Null: the body has no user, or no slug. */
export type Written = AnyWritten<VendorUser | null, string | null>;

/** elastic/kibana#290784: 1Password shuts `v1beta1` off when `v1` becomes generally available. No source documents v1's revoke path. */
const tokenPaths: Readonly<Record<ApiVersion, { readonly token: string; readonly revoke: string }>> = {
  v1: { token: "/v1/oauth/token", revoke: "/v1/oauth/revoke" },
  v1beta1: { token: "/v1beta1/users/oauth2/token", revoke: "/v1beta1/users/oauth2/revoke" },
};

/** Tried in this order when the vendor answers 400. Null: the vendor's default, 25. */
const pageSizes = [1_000, 100, null] as const;

const credentialsAdvice =
  "check client id and secret, the region (1password.com, .ca or .eu), the account id, and that the OAuth application " +
  "(Integrations > Directory) isn't revoked and may list, get, suspend and reactivate users";

/** Typed calls of the Users API, in either path layout. It parses every answer and decides nothing. */
export class OnePasswordApi {
  readonly #options: OnePasswordOptions;
  readonly #client: ApiClient;
  readonly #base: string;
  readonly #tokens: Readonly<Record<ApiVersion, TokenKeeper>>;
  /** Null until a token endpoint has answered. */
  #version: ApiVersion | null;

  constructor(options: OnePasswordOptions) {
    this.#options = options;
    this.#client = new ApiClient(options, {
      credentials: credentialsAdvice,
      address: "apiUrl, apiVersion and accountId",
    });
    this.#base = options.apiUrl.replace(/\/+$/, "");
    this.#tokens = { v1: this.#keeper("v1"), v1beta1: this.#keeper("v1beta1") };
    this.#version = options.apiVersion === undefined || options.apiVersion === "auto" ? null : options.apiVersion;
  }

  get http() {
    return this.#client.http;
  }

  /**
   * Returns every user, each id once.
   * @throws `TARGET_INCOMPLETE` when the pages repeat or have no end
   */
  async listUsers(signal: AbortSignal): Promise<readonly VendorUser[]> {
    for (const pageSize of pageSizes) {
      const users = await this.#listBy(pageSize, signal);
      if (users !== null) return users;
    }
    throw this.http.error("UNEXPECTED_RESPONSE", "users.list answered 400 with every page size; check accountId");
  }

  /** Returns null if there is no such user and the account itself still answers. */
  async getUser(id: string, signal: AbortSignal): Promise<VendorUser | null> {
    const answer = await this.#userAnswer({ operation: "users.get", kind: "read", method: "GET" }, id, "", signal);
    if (answer.kind === "lost") throw answer.error;
    if (answer.status === 404) return null;
    if (answer.status === 200) return this.#client.parse("users.get", answer, vendorUser);
    throw this.#client.errorOf("users.get", answer);
  }

  suspendUser(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("users.suspend", id, ":suspend", signal);
  }

  reactivateUser(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("users.reactivate", id, ":reactivate", signal);
  }

  /** Revokes the tokens. Never throws. */
  async close(signal: AbortSignal): Promise<void> {
    await Promise.all(Object.values(this.#tokens).map((keeper) => keeper.revoke(signal)));
    await this.http.close();
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

  /** Returns null if the vendor refuses this page size. */
  async #listBy(pageSize: number | null, signal: AbortSignal): Promise<readonly VendorUser[] | null> {
    const first = await this.#page(pageSize, "", signal);
    if (first.status === 400) return null;
    const users = await this.#client.readPages("users.list", async (token) => {
      const answer = token === "" ? first : await this.#page(pageSize, token, signal);
      if (answer.status !== 200) throw this.#client.errorOf("users.list", answer);
      const page = this.#client.parse("users.list", answer, vendorPage);
      return { items: page.results ?? page.users ?? [], next: page.next_page_token ?? "" };
    });
    return [...new Map(users.map((user) => [user.id, user])).values()];
  }

  /** Reads one page. A 404 means that the layout has changed, or that the account is unknown. */
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
    if (reply.status >= 500) throw this.#client.errorOf("users.list", reply);
    return reply;
  }

  async #write(operation: string, id: string, verb: string, signal: AbortSignal): Promise<Written> {
    const reply = await this.#userAnswer({ operation, kind: "write", method: "POST" }, id, verb, signal);
    if (reply.kind === "lost") return reply;
    if (reply.status === 200) return { kind: "done", body: vendorUser.safeParse(jsonOf(reply)).data ?? null };
    if (reply.status === 404) return { kind: "absent" };
    if ([400, 403, 409].includes(reply.status)) return { kind: "refused", refusal: slugOf(reply) };
    const error = this.#client.errorOf(operation, reply);
    if (reply.status < 500) throw error;
    return { kind: "lost", error };
  }

  /**
   * Calls one user. A layout that is switched off answers 404 too, and every user would look deleted. So a 404 counts
   * only after the list has answered.
   */
  async #userAnswer(request: Call, id: string, verb: string, signal: AbortSignal): Promise<Reply> {
    const path = `/users/${encodeURIComponent(id)}${verb}`;
    const reply = await this.#send(request, path, signal);
    if (reply.kind === "lost" || reply.status !== 404) return reply;
    const versionBefore = this.#version;
    const list = await this.#page(1, "", signal);
    if (list.status !== 200 && list.status !== 400) throw this.#client.errorOf("users.list", list);
    return this.#version === versionBefore ? reply : this.#send(request, path, signal);
  }

  async #send(request: Call, path: string, signal: AbortSignal): Promise<Reply> {
    const version = await this.#currentVersion(signal);
    const account = encodeURIComponent(this.#options.accountId);
    const url = `${this.#base}/${version}/accounts/${account}${path}`;
    try {
      return await this.#client.send(this.#tokens[version], { ...request, url, isRepeatable: true }, signal);
    } catch (error) {
      if (!hasCode(error, "NOT_FOUND")) throw error;
      // The token endpoint has gone. The other layout, if it answers, is used from now on.
      if (await this.#hasOtherVersion(signal)) return this.#send(request, path, signal);
      throw this.#noTokenEndpoint(error);
    }
  }

  async #currentVersion(signal: AbortSignal): Promise<ApiVersion> {
    this.#version ??= (await this.#answering("v1", signal)) ?? (await this.#answering("v1beta1", signal));
    if (this.#version === null) throw this.#noTokenEndpoint(undefined);
    return this.#version;
  }

  /** True if the other layout gives tokens. It is used from then on. */
  async #hasOtherVersion(signal: AbortSignal): Promise<boolean> {
    if ((this.#options.apiVersion ?? "auto") !== "auto") return false;
    const other = await this.#answering(this.#version === "v1" ? "v1beta1" : "v1", signal);
    if (other === null) return false;
    this.http.log("info", "the Users API answers in another version", { from: this.#version, to: other });
    this.#version = other;
    return true;
  }

  /** Returns null if there is no such token endpoint. */
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
    const message = "there is no token endpoint at apiUrl (404); check apiUrl and apiVersion";
    return this.http.error("UNEXPECTED_RESPONSE", message, { cause });
  }
}

type Call = Pick<HttpRequest, "operation" | "kind" | "method">;

const slugOf = (answer: Answer): string | null => vendorError.safeParse(jsonOf(answer)).data?.message ?? null;
