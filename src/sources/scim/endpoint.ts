import type { Cause, JsonObject } from "../../domain/model/entities.ts";
import type { Criterion, ListPage, ListQuery, Reference, UserRecord } from "../../domain/ports/scim-store.ts";
import type { ResourceSchema } from "./schemas.ts";

/** A stored resource of either kind: users and groups have the same record. */
export type ScimRecord = UserRecord;

/** One resource type over the store: what is different between people and groups, and nothing else. */
export interface Endpoint {
  readonly schema: ResourceSchema;
  /** The status of a PATCH: 200 answers with the resource, 204 with nothing unless the client asks for attributes. */
  readonly patchStatus: 200 | 204;
  get(source: string, id: string): Promise<ScimRecord | null>;
  list(source: string, query: ListQuery): Promise<ListPage<ScimRecord>>;
  scan(source: string, where: Criterion, pageSize: number): AsyncIterable<readonly ScimRecord[]>;
  /** `groups` of people, `members` of groups. */
  references(source: string, ids: readonly string[]): Promise<ReadonlyMap<string, readonly Reference[]>>;
  create(source: string, body: JsonObject, cause: Cause): Promise<ScimRecord>;
  replace(source: string, id: string, expectedRev: number | null, body: JsonObject, cause: Cause): Promise<ScimRecord>;
  patch(source: string, id: string, expectedRev: number | null, body: JsonObject, cause: Cause): Promise<ScimRecord>;
  remove(source: string, id: string, expectedRev: number | null, cause: Cause): Promise<void>;
}
