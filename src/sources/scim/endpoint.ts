import type { Cause, JsonObject } from "../../domain/model/entities.ts";
import type { Criterion, ListPage, ListQuery, Reference, ScimRecord } from "../../domain/ports/scim-store.ts";
import type { ResourceSchema } from "./schemas.ts";

/** One PUT or PATCH. */
export interface Update {
  readonly source: string;
  readonly id: string;
  /** The revision that the write must find. Null accepts any. */
  readonly expectedRev: number | null;
  readonly body: JsonObject;
  readonly cause: Cause;
}

/** One resource type over the store: the differences between users and groups. */
export interface Endpoint {
  readonly schema: ResourceSchema;
  /** Status of a PATCH: 200 with the resource, or 204 without it unless the client asks for `attributes`. */
  readonly patchStatus: 200 | 204;
  get(source: string, id: string): Promise<ScimRecord | null>;
  list(source: string, query: ListQuery): Promise<ListPage<ScimRecord>>;
  scan(source: string, where: Criterion, pageSize: number): AsyncIterable<readonly ScimRecord[]>;
  /** `groups` of users, `members` of groups. */
  references(source: string, ids: readonly string[]): Promise<ReadonlyMap<string, readonly Reference[]>>;
  create(source: string, body: JsonObject, cause: Cause): Promise<ScimRecord>;
  replace(update: Update): Promise<ScimRecord>;
  patch(update: Update): Promise<ScimRecord>;
  remove(source: string, id: string, expectedRev: number | null, cause: Cause): Promise<void>;
}
