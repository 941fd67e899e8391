import type { Json, JsonObject } from "../../domain/model/entities.ts";
import { resolvePath } from "./attribute-path.ts";
import { isArray, isObject } from "./json.ts";
import type { ResourceSchema } from "./schemas.ts";

/** The part of a resource that a client asked for (RFC 7644 §3.9). */
export interface Projection {
  /** True if the references (`members`, `groups`) are shown, and must be read. */
  readonly showsReferences: boolean;
  apply(resource: JsonObject): JsonObject;
}

export const WHOLE: Projection = { showsReferences: true, apply: (resource) => resource };

/** Attributes to keep or drop. Null: the whole attribute. */
type Tree = Map<string, Tree | null>;

/** Always returned (RFC 7643 §3 and §3.1). */
const ALWAYS = ["schemas", "id"] as const;

/** Reads the names of `attributes` and `excludedAttributes`. Unknown names are ignored. */
export function toProjection(
  schema: ResourceSchema,
  attributes: readonly string[],
  excluded: readonly string[],
): Projection {
  if (attributes.length === 0 && excluded.length === 0) return WHOLE;
  const dropped = toTree(schema, excluded);
  for (const name of ALWAYS) dropped.delete(name);
  if (attributes.length === 0) {
    return {
      showsReferences: dropped.get(schema.references) !== null,
      apply: (resource) => project(resource, dropped, "drop"),
    };
  }
  const kept = toTree(schema, [...ALWAYS, ...attributes]);
  return {
    showsReferences: kept.has(schema.references) && dropped.get(schema.references) !== null,
    apply: (resource) => project(project(resource, kept, "keep"), dropped, "drop"),
  };
}

function toTree(schema: ResourceSchema, names: readonly string[]): Tree {
  const tree: Tree = new Map();
  for (const name of names) {
    const target = resolvePath(schema, name.trim());
    if (target.kind === "schema") {
      if (target.extension !== null) tree.set(target.extension.urn, null);
      else for (const attribute of schema.attributes.values()) tree.set(attribute.name, null);
    } else if (target.kind === "attribute") {
      const { extension, attribute, sub } = target;
      const names = sub === null ? [] : [sub.name];
      plant(tree, extension === null ? [attribute.name, ...names] : [extension, attribute.name, ...names]);
    }
  }
  return tree;
}

function plant(tree: Tree, [first, ...rest]: readonly [string, ...string[]]): void {
  const below = tree.get(first);
  const [second, ...more] = rest;
  if (second === undefined) tree.set(first, null);
  else if (below !== null) {
    const branch: Tree = below ?? new Map();
    tree.set(first, branch);
    plant(branch, [second, ...more]);
  }
}

/** Keeps or drops the attributes of the tree. */
function project(object: JsonObject, tree: Tree, action: "keep" | "drop"): JsonObject {
  const shown: Record<string, Json> = action === "keep" ? {} : { ...object };
  for (const [name, below] of tree) {
    const value = object[name];
    if (value === undefined || !Object.hasOwn(object, name)) continue;
    if (below !== null) shown[name] = eachPart(value, (part) => project(part, below, action));
    else if (action === "keep") shown[name] = value;
    else delete shown[name];
  }
  return shown;
}

const eachPart = (value: Json, change: (part: JsonObject) => JsonObject): Json =>
  isArray(value) ? value.map((part) => eachPart(part, change)) : isObject(value) ? change(value) : value;
