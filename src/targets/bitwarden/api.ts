import type { ZodType } from "zod";
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
import {
  type VendorError,
  type VendorGroup,
  type VendorMember,
  vendorError,
  vendorGroup,
  vendorIds,
  vendorList,
  vendorMember,
} from "./convert.ts";

/** One organization, by its API key (contract sheet §1, §7). */
export interface BitwardenOptions extends HttpOptions {
  /** The base to which `/public/members` is appended, e.g. `https://api.bitwarden.com`. */
  readonly apiUrl: string;
  /** The base to which `/connect/token` is appended, e.g. `https://identity.bitwarden.com`. */
  readonly identityUrl: string;
  /** `organization.<guid>` */
  readonly clientId: string;
  readonly clientSecret: string;
  /** From how many invitations in one apply they go by import, in one call; default: more than 20. */
  readonly importThreshold?: number;
}

/** What the vendor said to a write; a `lost` one may have been done. */
export type Written =
  | { readonly kind: "done"; readonly answer: Answer }
  | { readonly kind: "absent" }
  | { readonly kind: "refused"; readonly error: VendorError }
  | Lost;

/** Whom an import adds. */
export interface ImportedMember {
  readonly email: string;
  readonly externalId: string;
}

const maxListPages = 1_000;

const credentialsAdvice =
  "check client id and secret (My organization > API key), the region (US: bitwarden.com, EU: bitwarden.eu), and that the " +
  "organization is enabled and on a Teams or Enterprise plan; a key rotated just now can be refused for 5 minutes";

/** Typed calls of the public API; every answer is parsed here, nothing is decided here. */
export class BitwardenApi {
  readonly http: HttpClient;
  readonly #token: TokenKeeper;
  readonly #base: string;

  constructor(options: BitwardenOptions) {
    this.http = new HttpClient(options);
    this.#base = options.apiUrl.replace(/\/+$/, "");
    this.#token = new TokenKeeper({
      http: this.http,
      tokenUrl: `${options.identityUrl.replace(/\/+$/, "")}/connect/token`,
      revokeUrl: null,
      clientId: options.clientId,
      clientSecret: options.clientSecret,
      authentication: "post",
      // Bitwarden ignores the device of an organization's key; Vaultwarden requires it (§1).
      parameters: { scope: "api.organization", deviceIdentifier: "rollcall", deviceName: "rollcall", deviceType: "8" },
      adviceOnRefusal: credentialsAdvice,
    });
  }

  listMembers(signal: AbortSignal): Promise<readonly VendorMember[]> {
    return this.#list("members.list", "/public/members", vendorMember, signal);
  }

  listGroups(signal: AbortSignal): Promise<readonly VendorGroup[]> {
    return this.#list("groups.list", "/public/groups", vendorGroup, signal);
  }

  /** Null: there is no such member. */
  getMember(id: string, signal: AbortSignal): Promise<VendorMember | null> {
    return this.#read("members.get", `/public/members/${encodeURIComponent(id)}`, vendorMember, signal);
  }

  getGroup(id: string, signal: AbortSignal): Promise<VendorGroup | null> {
    return this.#read("groups.get", `/public/groups/${encodeURIComponent(id)}`, vendorGroup, signal);
  }

  /** Null: there is no such group. */
  memberIds(groupId: string, signal: AbortSignal): Promise<readonly string[] | null> {
    return this.#read(
      "groups.memberIds",
      `/public/groups/${encodeURIComponent(groupId)}/member-ids`,
      vendorIds,
      signal,
    );
  }

  groupIds(memberId: string, signal: AbortSignal): Promise<readonly string[] | null> {
    return this.#read(
      "members.groupIds",
      `/public/members/${encodeURIComponent(memberId)}/group-ids`,
      vendorIds,
      signal,
    );
  }

  /** Always as a plain user, without groups: an unknown group id would undo the invitation (§3.4). */
  invite(email: string, externalId: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.invite", "POST", "/public/members", signal, {
      email,
      type: 2,
      externalId,
      collections: [],
      groups: [],
    });
  }

  /** `body` is the whole member: what it leaves out is lost (§3.5). */
  putMember(id: string, body: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<Written> {
    return this.#write("members.put", "PUT", `/public/members/${encodeURIComponent(id)}`, signal, body);
  }

  revokeMember(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.revoke", "POST", `/public/members/${encodeURIComponent(id)}/revoke`, signal);
  }

  restoreMember(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.restore", "POST", `/public/members/${encodeURIComponent(id)}/restore`, signal);
  }

  reinviteMember(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.reinvite", "POST", `/public/members/${encodeURIComponent(id)}/reinvite`, signal);
  }

  deleteMember(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.delete", "DELETE", `/public/members/${encodeURIComponent(id)}`, signal);
  }

  createGroup(name: string, externalId: string, signal: AbortSignal): Promise<Written> {
    return this.#write("groups.create", "POST", "/public/groups", signal, { name, externalId, collections: [] });
  }

  /** Collections stay as they are because they are left out (§0.2). */
  putGroup(id: string, name: string, externalId: string, signal: AbortSignal): Promise<Written> {
    return this.#write("groups.put", "PUT", `/public/groups/${encodeURIComponent(id)}`, signal, { name, externalId });
  }

  deleteGroup(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("groups.delete", "DELETE", `/public/groups/${encodeURIComponent(id)}`, signal);
  }

  /** Full replacement; `memberIds` must be distinct (§4). */
  putMemberIds(groupId: string, memberIds: readonly string[], signal: AbortSignal): Promise<Written> {
    const path = `/public/groups/${encodeURIComponent(groupId)}/member-ids`;
    return this.#write("groups.putMemberIds", "PUT", path, signal, { memberIds });
  }

  putGroupIds(memberId: string, groupIds: readonly string[], signal: AbortSignal): Promise<Written> {
    const path = `/public/members/${encodeURIComponent(memberId)}/group-ids`;
    return this.#write("members.putGroupIds", "PUT", path, signal, { groupIds });
  }

  /** Only ever adds: nothing is deleted or overwritten, groups are not touched (§5). */
  importMembers(members: readonly ImportedMember[], signal: AbortSignal): Promise<Written> {
    const body = {
      groups: [],
      members: members.map(({ email, externalId }) => ({ email, externalId, deleted: false })),
      overwriteExisting: false,
      largeImport: false,
      inviteUsersAfterProvisioning: true,
    };
    return this.#write("organization.import", "POST", "/public/organization/import", signal, body);
  }

  async #list<T>(operation: string, path: string, schema: ZodType<T>, signal: AbortSignal): Promise<readonly T[]> {
    const items: T[] = [];
    const seen = new Set<string>();
    let query = "";
    for (let page = 0; page < maxListPages; page += 1) {
      const answer = await this.#readAnswer(operation, `${path}${query}`, signal);
      if (answer.status === 404) throw this.#notThere(operation, answer);
      const list = parseAnswer(this.http, operation, answer, vendorList(schema));
      for (const item of list.data) items.push(item);
      const token = list.continuationToken ?? "";
      if (token === "") return items;
      if (seen.has(token))
        throw this.http.error(
          "TARGET_INCOMPLETE",
          `${operation} gave the same continuationToken twice, after ${items.length} entries`,
        );
      seen.add(token);
      query = `?continuationToken=${encodeURIComponent(token)}`;
    }
    throw this.http.error(
      "TARGET_INCOMPLETE",
      `${operation} had not ended after ${maxListPages} pages, ${items.length} entries`,
    );
  }

  async #read<T>(operation: string, path: string, schema: ZodType<T>, signal: AbortSignal): Promise<T | null> {
    const answer = await this.#readAnswer(operation, path, signal);
    return answer.status === 404 ? null : parseAnswer(this.http, operation, answer, schema);
  }

  /** An answer of status 200 or 404. */
  async #readAnswer(operation: string, path: string, signal: AbortSignal): Promise<Answer> {
    const reply = await this.#send(
      { operation, kind: "read", method: "GET", url: this.#base + path, isRepeatable: true },
      signal,
    );
    if (reply.kind === "lost") throw reply.error;
    if (reply.status === 200 || reply.status === 404) return reply;
    if (reply.status >= 500) throw this.#broken(operation, reply);
    throw this.#unexpected(operation, reply);
  }

  async #write(
    operation: string,
    method: "POST" | "PUT" | "DELETE",
    path: string,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<Written> {
    const content =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const request = {
      operation,
      kind: "write",
      method,
      url: this.#base + path,
      isRepeatable: method === "PUT",
      ...content,
    } as const;
    const reply = await this.#send(request, signal);
    if (reply.kind === "lost") return reply;
    if (reply.status === 200) return { kind: "done", answer: reply };
    // Both shapes: an empty body for the id in the path, a JSON one for an id in the body (§2).
    if (reply.status === 404)
      return reply.text === "" ? { kind: "absent" } : { kind: "refused", error: this.#errorOf(operation, reply) };
    if (reply.status === 400 || reply.status === 402 || reply.status === 409)
      return { kind: "refused", error: this.#errorOf(operation, reply) };
    if (reply.status < 500) throw this.#unexpected(operation, reply);
    return { kind: "lost", error: this.#broken(operation, reply) };
  }

  async #send(request: HttpRequest, signal: AbortSignal): Promise<Answer | Lost> {
    const call = (token: string): Promise<Answer | Lost> => {
      const headers = { ...request.headers, authorization: `Bearer ${token}` };
      return this.http.send({ ...request, headers }, signal);
    };
    try {
      const reply = await this.#token.withToken(call, signal);
      if (reply.kind === "answer" && reply.status === 429) throw this.#rateLimited(request.operation, reply);
      return reply;
    } catch (error) {
      if (!hasCode(error, "NOT_FOUND")) throw error;
      throw this.http.error("UNEXPECTED_RESPONSE", "there is no token endpoint at identityUrl (404); check it", {
        cause: error,
      });
    }
  }

  #rateLimited(operation: string, answer: Answer): Error {
    const retryAfterMs = this.http.retryAfterMs(answer) ?? 60_000;
    return this.http.error("TARGET_RATE_LIMITED", `${operation} was answered 429 again and again; lower rateLimit`, {
      retryAfterMs,
    });
  }

  #errorOf(operation: string, answer: Answer): VendorError {
    const parsed = vendorError.safeParse(jsonOf(answer));
    if (parsed.success) return parsed.data;
    throw this.#unexpected(operation, answer);
  }

  #unexpected(operation: string, answer: Answer): Error {
    const what = `${operation} answered ${answer.status} with ${describeBody(answer)}`;
    if (answer.status !== 403) return this.http.error("UNEXPECTED_RESPONSE", `${what}; check apiUrl`);
    return this.http.error("TARGET_REFUSED_CREDENTIALS", `${what}; ${credentialsAdvice}`, { isPermanent: true });
  }

  /** 500 is about this call (§0.5: duplicates make it), 502 to 504 about the whole target. */
  #broken(operation: string, answer: Answer): RollcallError {
    const code = answer.status > 500 ? "TARGET_UNREACHABLE" : "UNEXPECTED_RESPONSE";
    return this.http.error(code, `${operation} answered ${answer.status} with ${describeBody(answer)}`);
  }

  #notThere(operation: string, answer: Answer): Error {
    return this.http.error(
      "UNEXPECTED_RESPONSE",
      `${operation} answered 404 with ${describeBody(answer)}; check apiUrl`,
    );
  }
}
