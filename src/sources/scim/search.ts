import type { JsonObject } from "../../domain/model/entities.ts";
import type { Endpoint } from "./endpoint.ts";
import type { ListContext } from "./list.ts";
import { listResources } from "./list.ts";
import type { ScimLimits } from "./options.ts";
import { listOfSearch } from "./query.ts";
import type { ScimAnswer } from "./resources.ts";
import { listAnswer } from "./resources.ts";

/** `.search` of one resource type, or of all: their lists one after the other, paged as one (RFC 7644 §3.4.3). */
export async function search(
  endpoints: readonly Endpoint[],
  body: JsonObject,
  context: ListContext,
  limits: ScimLimits,
): Promise<ScimAnswer> {
  const request = listOfSearch(body, limits);
  const resources: JsonObject[] = [];
  let total = 0;
  for (const endpoint of endpoints) {
    const offset = Math.max(0, request.startIndex - 1 - total);
    const part = await listResources(endpoint, request, context, offset, request.count - resources.length);
    total += part.total;
    resources.push(...part.resources);
  }
  return listAnswer({ total, resources }, request.startIndex);
}
