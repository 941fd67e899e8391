import type { Criterion, TextField } from "../../domain/ports/scim-store.ts";
import type { CompareOp, Filter, FilterPath, FilterValue } from "./filter.ts";
import type { ResourceSchema } from "./schemas.ts";

/** `where` holds for every resource that the filter holds for; `residual` is what remains to be tested on each, null when `where` says it all. */
export interface StoreFilter {
  readonly where: Criterion;
  readonly residual: Filter | null;
}

const ALL: Criterion = { op: "all" };
const NONE: Criterion = { op: "none" };

/** How an attribute is kept. `isExact` false: the column has a value where the attribute may have none (a person's displayName). */
type Column =
  | { readonly kind: "text"; readonly field: TextField; readonly isAlways: boolean; readonly isExact: boolean }
  | { readonly kind: "time"; readonly field: "createdAtMs" | "modifiedAtMs" }
  | { readonly kind: "active" }
  | { readonly kind: "reference"; readonly field: "members" | "groups" };

const text = (field: TextField, isAlways: boolean, isExact = true): Column => ({
  kind: "text",
  field,
  isAlways,
  isExact,
});

const SHARED: readonly (readonly [string, Column])[] = [
  ["id", text("id", true)],
  ["externalId", text("externalId", false)],
  ["meta.created", { kind: "time", field: "createdAtMs" }],
  ["meta.lastModified", { kind: "time", field: "modifiedAtMs" }],
];

const COLUMNS: Readonly<Record<ResourceSchema["name"], ReadonlyMap<string, Column>>> = {
  User: new Map<string, Column>([
    ...SHARED,
    ["userName", text("userName", true)],
    ["displayName", text("displayName", false, false)],
    ["emails.value", text("emails", false)],
    ["active", { kind: "active" }],
    ["groups.value", { kind: "reference", field: "groups" }],
  ]),
  Group: new Map<string, Column>([
    ...SHARED,
    ["displayName", text("displayName", true)],
    ["members.value", { kind: "reference", field: "members" }],
  ]),
};

/** Compiles a filter to what the store's columns can decide (RFC 7644 §3.4.2.2), in time linear in its size. */
export function toStoreFilter(name: ResourceSchema["name"], filter: Filter): StoreFilter {
  return compile(filter, (path) => columnOf(name, path));
}

type ColumnOf = (path: FilterPath) => Column | null;

function columnOf(name: ResourceSchema["name"], path: FilterPath): Column | null {
  if (path.attribute === null || path.extension !== null) return null;
  const key = path.sub === null ? path.attribute.name : `${path.attribute.name}.${path.sub.name}`;
  return COLUMNS[name].get(key) ?? null;
}

function compile(filter: Filter, columns: ColumnOf): StoreFilter {
  switch (filter.op) {
    case "and":
    case "or": {
      const parts = filter.of.map((each) => compile(each, columns));
      const where: Criterion = { op: filter.op, of: parts.map((each) => each.where) };
      const residuals = parts.map((each) => each.residual).filter((each) => each !== null);
      if (residuals.length === 0) return { where, residual: null };
      return { where, residual: filter.op === "and" ? { op: "and", of: residuals } : filter };
    }
    case "not": {
      const inner = compile(filter.of, columns);
      return inner.residual === null
        ? { where: { op: "not", of: inner.where }, residual: null }
        : { where: ALL, residual: filter };
    }
    case "some":
      return compileSome(filter, columns);
    case "pr":
      return filter.path.attribute === null ? { where: NONE, residual: null } : present(filter, columns(filter.path));
    case "ne":
      return compile({ op: "not", of: { ...filter, op: "eq" } }, columns);
    default:
      if (filter.path.attribute === null) return { where: NONE, residual: null };
      return compare(filter, filter.op, columns(filter.path), filter.value);
  }
}

/** A value that satisfies several conditions satisfies each: the columns narrow, the rest is tested. One condition alone is exact. */
function compileSome(filter: Filter & { op: "some" }, columns: ColumnOf): StoreFilter {
  const { path, of } = filter;
  const { attribute } = path;
  if (attribute === null) return { where: NONE, residual: null };
  const inner: ColumnOf = (each) => (each.attribute === null ? null : columns({ ...path, sub: each.attribute }));
  const isSingle = of.op !== "and" && of.op !== "or" && of.op !== "not" && of.op !== "ne" && of.op !== "some";
  const compiled = isSingle ? compile(of, inner) : { where: superset(of, inner), residual: filter };
  return compiled.residual === null ? compiled : { where: compiled.where, residual: filter };
}

/** What any resource must satisfy that has one value satisfying `of`. */
function superset(of: Filter, columns: ColumnOf): Criterion {
  switch (of.op) {
    case "and":
    case "or":
      return { op: of.op, of: of.of.map((each) => superset(each, columns)) };
    case "not":
    case "ne":
    case "some":
      return ALL;
    default:
      return compile(of, columns).where;
  }
}

function present(filter: Filter & { op: "pr" }, column: Column | null): StoreFilter {
  if (column?.kind === "reference") return { where: { op: "pr", field: column.field }, residual: null };
  if (column?.kind === "time" || column?.kind === "active") return { where: ALL, residual: null };
  if (column?.kind === "text" && column.isAlways) return { where: ALL, residual: null };
  if (column?.kind === "text" && column.field === "emails")
    return { where: { op: "pr", field: "emails" }, residual: null };
  if (column?.kind === "text" && column.field === "externalId") {
    // Kept as written, so it may be empty; an empty one is not present.
    const isEmpty: Criterion = { op: "eq", field: "externalId", value: "" };
    return {
      where: {
        op: "and",
        of: [
          { op: "pr", field: "externalId" },
          { op: "not", of: isEmpty },
        ],
      },
      residual: null,
    };
  }
  return { where: ALL, residual: filter };
}

function compare(filter: Filter, op: Exclude<CompareOp, "ne">, column: Column | null, value: FilterValue): StoreFilter {
  const where = column === null ? null : criterion(op, column, value);
  if (where === null) return { where: ALL, residual: filter };
  return { where, residual: column?.kind === "text" && !column.isExact ? filter : null };
}

function criterion(op: Exclude<CompareOp, "ne">, column: Column, value: FilterValue): Criterion | null {
  switch (column.kind) {
    case "text":
      return { op, field: column.field, value: String(value) };
    case "time":
      return typeof value !== "number" || op === "co" || op === "sw" || op === "ew"
        ? null
        : { op, field: column.field, value };
    case "active":
      return { op: "eq", field: "isActive", value: value === true };
    case "reference":
      return op === "eq" ? { op, field: column.field, value: String(value) } : null;
  }
}
