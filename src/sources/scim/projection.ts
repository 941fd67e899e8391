import type { Json, JsonObject } from "../../domain/model/entities.ts";
import { resolvePath } from "./attribute-path.ts";
import { isArray, isObject } from "./json.ts";
import type { ResourceSchema } from "./schemas.ts";

/** What of a resource is shown (RFC 7644 §3.9). */
export interface Projection {
  /** Whether the references (`members`, `groups`) are shown, and so must be read. */
  readonly showsReferences: boolean;
  apply(resource: JsonObject): JsonObject;
}

export const WHOLE: Projection = { showsReferences: true, apply: (resource) => resource };

/** Names to keep or drop; null stands for all below. */
type Tree = Map<string, Tree | null>;

/** `id` and `schemas` are always returned (RFC 7643 §3.1, §3). */
const ALWAYS = ["schemas", "id"] as const;

/** A projection from the names of `attributes` and `excludedAttributes`; unknown names are ignored. */
export function toProjection(
  schema: ResourceSchema,
  attributes: readonly string[],
  excluded: readonly string[],
): Projection {
  if (attributes.length === 0 && excluded.length === 0) return WHOLE;
  const dropped = toTree(schema, excluded);
  for (const name of ALWAYS) dropped.delete(name);
  if (attributes.length === 0) {
    return { showsReferences: dropped.get(schema.references) !== null, apply: (resource) => drop(resource, dropped) };
  }
  const kept = toTree(schema, [...ALWAYS, ...attributes]);
  return {
    showsReferences: kept.has(schema.references) && dropped.get(schema.references) !== null,
    apply: (resource) => drop(keep(resource, kept), dropped),
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
      plant(
        tree,
        [target.extension, target.attribute.name, target.sub?.name ?? null].filter((each) => each !== null),
      );
    }
  }
  return tree;
}

function plant(tree: Tree, path: readonly string[]): void {
  const [first, ...rest] = path;
  if (first === undefined) return;
  if (rest.length === 0) {
    tree.set(first, null);
    return;
  }
  const below = tree.get(first);
  if (below === null) return;
  const branch: Tree = below ?? new Map();
  tree.set(first, branch);
  plant(branch, rest);
}

function keep(object: JsonObject, tree: Tree): JsonObject {
  const kept: Record<string, Json> = {};
  for (const [name, below] of tree) {
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    if (value !== undefined) kept[name] = below === null ? value : each(value, (part) => keep(part, below));
  }
  return kept;
}

function drop(object: JsonObject, tree: Tree): JsonObject {
  if (tree.size === 0) return object;
  const kept: Record<string, Json> = { ...object };
  for (const [name, below] of tree) {
    const value = kept[name];
    if (value === undefined) continue;
    if (below === null) delete kept[name];
    else kept[name] = each(value, (part) => drop(part, below));
  }
  return kept;
}

const each = (value: Json, change: (part: JsonObject) => JsonObject): Json =>
  isArray(value)
    ? value.map((part) => (isObject(part) ? change(part) : part))
    : isObject(value)
      ? change(value)
      : value;
