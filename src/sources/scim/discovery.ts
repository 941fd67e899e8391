import type { NextFunction, Request, Response } from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";
import type { Json, JsonObject } from "../../domain/model/entities.ts";
import { ScimError } from "./errors.ts";
import { isArray, isObject, own } from "./json.ts";
import type { ScimLimits } from "./options.ts";
import { attributeOf, ENTERPRISE_URN, GROUP_SCHEMA, USER_SCHEMA } from "./schemas.ts";

/** Answers a discovery path. Null for an unknown one. */
export type Discover = (
  request: Request,
  response: Response,
  segments: readonly string[],
  baseUrl: string,
) => Promise<JsonObject | null>;

/** The known ids of each discovery path. scimmy builds filters from ids, so it receives no others. */
const IDS: ReadonlyMap<string, readonly string[]> = new Map([
  ["ServiceProviderConfig", []],
  ["ResourceTypes", [USER_SCHEMA.name, GROUP_SCHEMA.name]],
  ["Schemas", [USER_SCHEMA.urn, GROUP_SCHEMA.urn, ENTERPRISE_URN]],
]);

export const isDiscovery = (segment: string): boolean => IDS.has(segment);

/**
 * `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` (RFC 7644 §4), answered by scimmy-routers. It receives only
 * the paths above, without a query: filter, sort and page do not apply. Its answer is caught and cached. Each request
 * gets absolute locations in it.
 */
export function createDiscovery(limits: ScimLimits, groupNamesUnique: boolean): Discover {
  const routers = declare(limits, groupNamesUnique);
  const documents = new Map<string, JsonObject>();
  return async (request, response, [name = "", id, ...rest], baseUrl) => {
    const ids = IDS.get(name);
    const known = id === undefined ? undefined : ids?.find((each) => each.toLowerCase() === id.toLowerCase());
    if (ids === undefined || rest.length > 0 || (id !== undefined && known === undefined)) return null;
    const path = known === undefined ? `/${name}` : `/${name}/${known}`;
    const document = documents.get(path) ?? (await ask(routers, request, response, path));
    documents.set(path, document);
    return located(document, `${baseUrl}/${name}`);
  };
}

/** scimmy's settings are global. Its authentication schemes accumulate unless they are emptied. */
function declare(limits: ScimLimits, groupNamesUnique: boolean): SCIMMYRouters {
  const { User, Group } = SCIMMY.Resources;
  SCIMMY.Resources.declare(User.extend(SCIMMY.Schemas.EnterpriseUser, false));
  SCIMMY.Resources.declare(Group);
  attributeOf(SCIMMY.Schemas.Group.definition, "displayName").config["uniqueness"] = groupNamesUnique
    ? "server"
    : "none";
  SCIMMY.Config.set({ authenticationSchemes: [] });
  const routers = new SCIMMYRouters({ type: "bearer", handler: () => "" });
  SCIMMY.Config.set({
    patch: true,
    sort: true,
    etag: true,
    changePassword: false,
    filter: { supported: true, maxResults: limits.maxResults },
    bulk: { supported: true, maxOperations: limits.bulkOperations, maxPayloadSize: limits.bulkBytes },
  });
  return routers;
}

type Handle = (request: Request, response: Response, next: NextFunction) => void;

/** Catches one answer of scimmy-routers at `send`. */
function ask(routers: SCIMMYRouters, request: Request, response: Response, path: string): Promise<JsonObject> {
  const { url } = request;
  const { send } = response;
  const restore = (): void => {
    request.url = url;
    response.send = send;
  };
  return new Promise<JsonObject>((resolve, reject) => {
    request.url = path;
    response.send = (body: unknown) => {
      if (response.statusCode === 200) resolve(JSON.parse(JSON.stringify(body)) as JsonObject);
      else reject(new ScimError(400, "invalidSyntax", "a discovery request must not have a body"));
      return response;
    };
    (routers as unknown as Handle)(request, response, (error: unknown) => reject(error));
  }).finally(restore);
}

/** Adds absolute locations, and to a list the number of its entries. */
function located(document: JsonObject, collectionUrl: string): JsonObject {
  const resources = own(document, "Resources");
  if (isArray(resources))
    return {
      ...document,
      itemsPerPage: resources.length,
      Resources: resources.map((each) => withLocation(each, collectionUrl)),
    };
  return withLocation(document, collectionUrl) as JsonObject;
}

function withLocation(document: Json, collectionUrl: string): Json {
  if (!isObject(document)) return document;
  const id = own(document, "id") ?? own(document, "name");
  const meta = own(document, "meta");
  return {
    ...document,
    meta: {
      ...(isObject(meta) ? meta : {}),
      location: typeof id === "string" ? `${collectionUrl}/${id}` : collectionUrl,
    },
  };
}
