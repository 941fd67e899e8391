import type { Answer } from "./wire.ts";

/** Any JSON. */
export type Loose = { readonly [key: string]: Loose } & { readonly [at: number]: Loose };

interface AttributeDefinition {
  readonly name: string;
  readonly type: string;
  readonly multiValued: boolean;
  readonly subAttributes?: readonly AttributeDefinition[];
}

type Attributes = ReadonlyMap<string, AttributeDefinition>;

/** Attributes by name, by the URN of their schema, as `/Schemas` lists them. */
export type Schemas = ReadonlyMap<string, Attributes>;

/** Reads `/Schemas`. */
export function schemasOf(document: Loose): Schemas {
  const list = document["Resources"] as unknown as readonly { id: string; attributes: AttributeDefinition[] }[];
  return new Map(list.map(({ id, attributes }) => [id, new Map(attributes.map((each) => [each.name, each]))]));
}

const error = "urn:ietf:params:scim:api:messages:2.0:Error";
const listResponse = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const bulkResponse = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
const resourceUrns: Readonly<Record<string, string>> = {
  User: "urn:ietf:params:scim:schemas:core:2.0:User",
  Group: "urn:ietf:params:scim:schemas:core:2.0:Group",
};
/** RFC 7644 §3.12. */
const scimTypes =
  "invalidFilter tooMany uniqueness mutability invalidSyntax invalidPath noTarget invalidValue invalidVers sensitive";

/** The request of an answer. */
export interface Asked {
  readonly method: string;
  readonly path: string;
}

/** Returns what is wrong with an answer. */
export function wrongWith(answer: Answer, asked: Asked, schemas: Schemas): readonly string[] {
  const { status, headers, body } = answer;
  const wrong: string[] = [...wrongStatus(answer, asked)];
  if (!(status >= 200 && status <= 599)) wrong.push(`status ${status}`);
  if (body.length === 0) {
    if (status >= 400 && asked.method !== "HEAD") wrong.push(`${status} without a body`);
    return wrong;
  }
  const type = headers.get("content-type") ?? "";
  if (!type.startsWith("application/scim+json")) return [...wrong, `${status} in ${type || "no type"}`];
  const parsed = parse(body);
  if (parsed === undefined) return [...wrong, `${status} with what is no JSON`];
  if (status >= 400) return [...wrong, ...wrongError(parsed, status)];
  return [...wrong, ...wrongBody(parsed, schemas)];
}

/** Only a deliberate 503, and 501 for features that are not offered, may be a 5xx. */
function wrongStatus({ status, headers }: Answer, { path }: Asked): readonly string[] {
  if (status === 503 || status === 429) return headers.has("retry-after") ? [] : [`${status} without Retry-After`];
  if (status === 501 && /\/Me\b/.test(path)) return [];
  return status >= 500 ? [`status ${status}`] : [];
}

function parse(body: Buffer): Loose | undefined {
  try {
    return JSON.parse(body.toString("utf8")) as Loose;
  } catch {
    return undefined;
  }
}

function wrongError(json: Loose, status: number): readonly string[] {
  const isSound =
    JSON.stringify(json["schemas"]) === JSON.stringify([error]) &&
    json["status"] === (String(status) as unknown) &&
    typeof json["detail"] === "string" &&
    (json["scimType"] === undefined || scimTypes.split(" ").includes(String(json["scimType"])));
  return isSound ? [] : [`no SCIM error: ${JSON.stringify(json).slice(0, 300)}`];
}

function wrongBody(json: Loose, schemas: Schemas): readonly string[] {
  const urns = json["schemas"] as unknown;
  if (Array.isArray(urns) && urns.includes(listResponse)) {
    const resources = (json["Resources"] ?? []) as unknown as readonly Loose[];
    const isSound =
      Array.isArray(resources) &&
      Number.isInteger(json["totalResults"]) &&
      (json["totalResults"] as unknown as number) >= resources.length;
    return isSound ? resources.flatMap((each) => wrongResource(each, schemas)) : ["no ListResponse"];
  }
  if (Array.isArray(urns) && urns.includes(bulkResponse)) {
    const operations = json["Operations"] as unknown as readonly Loose[];
    return Array.isArray(operations) ? operations.flatMap((each) => wrongOperation(each)) : ["no BulkResponse"];
  }
  return wrongResource(json, schemas);
}

function wrongOperation(operation: Loose): readonly string[] {
  const status = Number(operation["status"]);
  if (!(status >= 200 && status < 500)) return [`a Bulk operation ended with ${String(operation["status"])}`];
  return status >= 400 && operation["response"] !== undefined ? wrongError(operation["response"], status) : [];
}

/** Checks users and groups, complete or partial. Discovery documents are not checked. */
function wrongResource(json: Loose, schemas: Schemas): readonly string[] {
  const urns = (json["schemas"] ?? []) as unknown as readonly string[];
  const core = Object.values(resourceUrns).find((urn) => urns.includes(urn));
  if (core === undefined) return [];
  const wrong: string[] = [];
  if (typeof json["id"] !== "string") wrong.push("a resource without id");
  const attributes = schemas.get(core) ?? (new Map() as Attributes);
  for (const [key, value] of Object.entries(json)) wrong.push(...wrongAttribute(key, value, attributes, schemas));
  return wrong;
}

const common: Readonly<Record<string, string>> = {
  id: "string",
  externalId: "string",
  meta: "object",
  schemas: "object",
};

function wrongAttribute(key: string, value: Loose, attributes: Attributes, schemas: Schemas): readonly string[] {
  if (Object.hasOwn(common, key))
    return typeof value === common[key] && value !== null ? [] : [`${key} is no ${common[key]}`];
  const extension = schemas.get(key);
  if (extension === undefined) return wrongValue(value, attributes.get(key), key);
  return Object.entries(value).flatMap(([name, each]) => wrongValue(each, extension.get(name), `${key}:${name}`));
}

function wrongValue(value: unknown, definition: AttributeDefinition | undefined, at: string): readonly string[] {
  if (definition === undefined) return [`${at} is in no schema`];
  if (definition.multiValued) {
    if (!Array.isArray(value)) return [`${at} is no list`];
    return (value as unknown[]).flatMap((each) => wrongSingle(each, definition, at));
  }
  return wrongSingle(value, definition, at);
}

function wrongSingle(value: unknown, { type, subAttributes }: AttributeDefinition, at: string): readonly string[] {
  if (type === "complex") {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at} is no object`];
    return Object.entries(value).flatMap(([key, each]) =>
      wrongValue(
        each,
        subAttributes?.find(({ name }) => name === key),
        `${at}.${key}`,
      ),
    );
  }
  const wanted = type === "boolean" ? "boolean" : type === "integer" || type === "decimal" ? "number" : "string";
  return typeof value === wanted ? [] : [`${at} is ${JSON.stringify(value)?.slice(0, 60)}, not a ${wanted}`];
}
