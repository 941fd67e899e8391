import type { ZodType } from "zod";
import { ApiClient } from "../kit/api-client.ts";
import { type Answer, type HttpOptions, type HttpRequest, jsonOf, type Reply } from "../kit/http.ts";
import { TokenKeeper } from "../kit/oauth.ts";
import type { Written as AnyWritten } from "../kit/run-changes.ts";
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

/** One organization, by its API key. */
export interface BitwardenOptions extends HttpOptions {
  /** The base to which `/public/members` is appended, e.g. `https://api.bitwarden.com`. */
  readonly apiUrl: string;
  /** The base to which `/connect/token` is appended, e.g. `https://identity.bitwarden.com`. */
  readonly identityUrl: string;
  /** `organization.<guid>` */
  readonly clientId: string;
  readonly clientSecret: string;
  /** With more invitations than this in one apply, they go by import, in one call. Default 20. */
  readonly importThreshold?: number;
}

/** Answer to a write; `body` is the JSON of a good one. */
export type Written = AnyWritten<unknown, VendorError>;

/** A member that an import adds. */
export interface ImportedMember {
  readonly email: string;
  readonly externalId: string;
}

const credentialsAdvice =
  "check client id and secret (Admin Console > Settings > Organization info), the region (US: bitwarden.com, EU: bitwarden.eu), and that the " +
  "organization is enabled and on a Teams or Enterprise plan; a key rotated just now can be refused for 5 minutes";

const memberPath = (id: string, rest = ""): string => `/public/members/${encodeURIComponent(id)}${rest}`;
const groupPath = (id: string, rest = ""): string => `/public/groups/${encodeURIComponent(id)}${rest}`;

/** Typed calls of the Public API. It parses every answer and decides nothing. */
export class BitwardenApi {
  readonly #client: ApiClient;
  readonly #token: TokenKeeper;
  readonly #base: string;

  constructor(options: BitwardenOptions) {
    this.#client = new ApiClient(options, { credentials: credentialsAdvice, address: "apiUrl" });
    this.#base = options.apiUrl.replace(/\/+$/, "");
    this.#token = new TokenKeeper({
      http: this.http,
      tokenUrl: `${options.identityUrl.replace(/\/+$/, "")}/connect/token`,
      revokeUrl: null,
      clientId: options.clientId,
      clientSecret: options.clientSecret,
      authentication: "post",
      // Bitwarden ignores the device for an organization's key; Vaultwarden requires it.
      parameters: { scope: "api.organization", deviceIdentifier: "rollcall", deviceName: "rollcall", deviceType: "8" },
      adviceOnRefusal: credentialsAdvice,
    });
  }

  get http() {
    return this.#client.http;
  }

  listMembers(signal: AbortSignal): Promise<readonly VendorMember[]> {
    return this.#list("members.list", "/public/members", vendorMember, signal);
  }

  listGroups(signal: AbortSignal): Promise<readonly VendorGroup[]> {
    return this.#list("groups.list", "/public/groups", vendorGroup, signal);
  }

  /** Returns null if there is no such member. */
  getMember(id: string, signal: AbortSignal): Promise<VendorMember | null> {
    return this.#read("members.get", memberPath(id), vendorMember, signal);
  }

  getGroup(id: string, signal: AbortSignal): Promise<VendorGroup | null> {
    return this.#read("groups.get", groupPath(id), vendorGroup, signal);
  }

  /** Returns null if there is no such group. */
  memberIds(groupId: string, signal: AbortSignal): Promise<readonly string[] | null> {
    return this.#read("groups.memberIds", groupPath(groupId, "/member-ids"), vendorIds, signal);
  }

  groupIds(memberId: string, signal: AbortSignal): Promise<readonly string[] | null> {
    return this.#read("members.groupIds", memberPath(memberId, "/group-ids"), vendorIds, signal);
  }

  /** Invites as a plain user, without groups: with an unknown group id, Bitwarden answers an error after the invitation. */
  invite(email: string, externalId: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.invite", "POST", "/public/members", signal, {
      email,
      type: 2,
      externalId,
      collections: [],
      groups: [],
    });
  }

  /** `body` is the whole member: Bitwarden clears what it leaves out. */
  putMember(id: string, body: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<Written> {
    return this.#write("members.put", "PUT", memberPath(id), signal, body);
  }

  revokeMember(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.revoke", "POST", memberPath(id, "/revoke"), signal);
  }

  restoreMember(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.restore", "POST", memberPath(id, "/restore"), signal);
  }

  reinviteMember(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.reinvite", "POST", memberPath(id, "/reinvite"), signal);
  }

  deleteMember(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("members.delete", "DELETE", memberPath(id), signal);
  }

  createGroup(name: string, externalId: string, signal: AbortSignal): Promise<Written> {
    return this.#write("groups.create", "POST", "/public/groups", signal, { name, externalId, collections: [] });
  }

  /** Leaves the collections out, so that they stay as they are. */
  putGroup(id: string, name: string, externalId: string, signal: AbortSignal): Promise<Written> {
    return this.#write("groups.put", "PUT", groupPath(id), signal, { name, externalId });
  }

  deleteGroup(id: string, signal: AbortSignal): Promise<Written> {
    return this.#write("groups.delete", "DELETE", groupPath(id), signal);
  }

  /** Replaces the whole list. `memberIds` must be distinct: a repeated id is an error 500. */
  putMemberIds(groupId: string, memberIds: readonly string[], signal: AbortSignal): Promise<Written> {
    return this.#write("groups.putMemberIds", "PUT", groupPath(groupId, "/member-ids"), signal, { memberIds });
  }

  putGroupIds(memberId: string, groupIds: readonly string[], signal: AbortSignal): Promise<Written> {
    return this.#write("members.putGroupIds", "PUT", memberPath(memberId, "/group-ids"), signal, { groupIds });
  }

  /** Only adds members. It deletes and overwrites nothing, and does not touch groups. */
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

  #list<T>(operation: string, path: string, schema: ZodType<T>, signal: AbortSignal): Promise<readonly T[]> {
    return this.#client.readPages(operation, async (token) => {
      const query = token === "" ? "" : `?continuationToken=${encodeURIComponent(token)}`;
      const answer = await this.#readAnswer(operation, `${path}${query}`, signal);
      if (answer.status === 404) throw this.#client.errorOf(operation, answer);
      const { data, continuationToken } = this.#client.parse(operation, answer, vendorList(schema));
      return { items: data, next: continuationToken ?? "" };
    });
  }

  async #read<T>(operation: string, path: string, schema: ZodType<T>, signal: AbortSignal): Promise<T | null> {
    const answer = await this.#readAnswer(operation, path, signal);
    return answer.status === 404 ? null : this.#client.parse(operation, answer, schema);
  }

  /** Returns an answer of status 200 or 404. */
  async #readAnswer(operation: string, path: string, signal: AbortSignal): Promise<Answer> {
    const request = { operation, kind: "read", method: "GET", url: this.#base + path, isRepeatable: true } as const;
    const reply = await this.#send(request, signal);
    if (reply.kind === "lost") throw reply.error;
    if (reply.status === 200 || reply.status === 404) return reply;
    throw this.#client.errorOf(operation, reply);
  }

  async #write(
    operation: string,
    method: "POST" | "PUT" | "DELETE",
    path: string,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<Written> {
    const request = {
      operation,
      kind: "write",
      method,
      url: this.#base + path,
      isRepeatable: method === "PUT",
      ...(body !== undefined && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    } as const;
    const reply = await this.#send(request, signal);
    if (reply.kind === "lost") return reply;
    if (reply.status === 200) return { kind: "done", body: jsonOf(reply) };
    // A 404 has an empty body for the id in the path, and a JSON one for an id in the body.
    if (reply.status === 404 && reply.text === "") return { kind: "absent" };
    if ([400, 402, 404, 409].includes(reply.status))
      return { kind: "refused", refusal: this.#refusalIn(operation, reply) };
    const error = this.#client.errorOf(operation, reply);
    if (reply.status < 500) throw error;
    return { kind: "lost", error };
  }

  async #send(request: HttpRequest, signal: AbortSignal): Promise<Reply> {
    try {
      return await this.#client.send(this.#token, request, signal);
    } catch (error) {
      throw this.#client.noTokenEndpoint(error, "identityUrl");
    }
  }

  #refusalIn(operation: string, answer: Answer): VendorError {
    const parsed = vendorError.safeParse(jsonOf(answer));
    if (parsed.success) return parsed.data;
    throw this.#client.errorOf(operation, answer);
  }
}
