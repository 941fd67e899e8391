import type { Json, JsonObject } from "../../domain/model/entities.ts";
import type { Reference, ScimRecord } from "../../domain/ports/scim-store.ts";
import type { Endpoint } from "./endpoint.ts";
import { toEtag } from "./etag.ts";
import type { Projection } from "./projection.ts";
import { WHOLE } from "./projection.ts";
import type { ResourceSchema } from "./schemas.ts";

export const locationOf = (schema: ResourceSchema, baseUrl: string, id: string): string =>
  `${baseUrl}${schema.endpoint}/${id}`;

/** The resource as clients see it: the stored attributes and those that the server adds (RFC 7643 §3.1). */
export function render(
  schema: ResourceSchema,
  record: ScimRecord,
  references: readonly Reference[] | null,
  baseUrl: string,
): JsonObject {
  const { resource } = record;
  const shown: Record<string, Json> = { schemas: schemasOf(schema, resource), id: record.id, ...resource };
  if (references !== null && (references.length > 0 || schema.references === "members")) {
    shown[schema.references] = references.map((each) => toReference(schema, each, baseUrl));
  }
  shown["meta"] = {
    resourceType: schema.name,
    created: new Date(record.createdAtMs).toISOString(),
    lastModified: new Date(record.modifiedAtMs).toISOString(),
    location: locationOf(schema, baseUrl, record.id),
    version: toEtag(record.rev),
  };
  return shown;
}

function schemasOf(schema: ResourceSchema, resource: JsonObject): string[] {
  const urns = [schema.urn];
  for (const { urn } of schema.extensions) if (Object.hasOwn(resource, urn)) urns.push(urn);
  return urns;
}

function toReference(schema: ResourceSchema, each: Reference, baseUrl: string): JsonObject {
  return schema.references === "members"
    ? { value: each.id, display: each.displayName, type: "User", $ref: `${baseUrl}/Users/${each.id}` }
    : { value: each.id, display: each.displayName, type: "direct", $ref: `${baseUrl}/Groups/${each.id}` };
}

/** Renders records with the attributes that the client asked for. References are read only if they are shown. */
export async function renderAll(
  endpoint: Endpoint,
  source: string,
  records: readonly ScimRecord[],
  baseUrl: string,
  projection: Projection = WHOLE,
): Promise<JsonObject[]> {
  const { schema } = endpoint;
  const references =
    projection.showsReferences && records.length > 0
      ? await endpoint.references(
          source,
          records.map((each) => each.id),
        )
      : null;
  return records.map((each) =>
    projection.apply(render(schema, each, references === null ? null : (references.get(each.id) ?? []), baseUrl)),
  );
}
