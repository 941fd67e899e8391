import type { Criterion } from "../../domain/ports/scim-store.ts";
import type { AttributePath } from "./attribute-path.ts";
import { nameOf } from "./attribute-path.ts";
import type { Comparison, Filter } from "./filter.ts";
import type { ResourceSchema } from "./schemas.ts";

/**
 * A filter, split between the store and this process. `where` holds for every resource that the filter chooses.
 * `residual` is tested on each of them; null if `where` decides alone.
 */
interface StoreFilter {
  readonly where: Criterion;
  readonly residual: Filter | null;
}

type Field = Extract<Criterion, { readonly field: unknown }>["field"];

/** The column of an attribute. */
interface Column {
  readonly field: Field;
  /** Chooses the resources that have a value. Null if the column has its own value where the attribute has none. */
  readonly present: Criterion | null;
}

const ALL: Criterion = { op: "all" };

/** The store keeps an empty externalId; an empty one is not present. */
const hasExternalId: Criterion = {
  op: "and",
  of: [
    { op: "pr", field: "externalId" },
    { op: "not", of: { op: "eq", field: "externalId", value: "" } },
  ],
};

const SHARED: readonly (readonly [string, Column])[] = [
  ["id", { field: "id", present: ALL }],
  ["externalId", { field: "externalId", present: hasExternalId }],
  ["meta.created", { field: "createdAtMs", present: ALL }],
  ["meta.lastModified", { field: "modifiedAtMs", present: ALL }],
];

const COLUMNS: Readonly<Record<ResourceSchema["name"], ReadonlyMap<string, Column>>> = {
  User: new Map<string, Column>([
    ...SHARED,
    ["userName", { field: "userName", present: ALL }],
    // For a user without a displayName the column has the name that is shown instead.
    ["displayName", { field: "displayName", present: null }],
    ["emails.value", { field: "emails", present: { op: "pr", field: "emails" } }],
    ["active", { field: "isActive", present: ALL }],
    ["groups.value", { field: "groups", present: { op: "pr", field: "groups" } }],
  ]),
  Group: new Map<string, Column>([
    ...SHARED,
    ["displayName", { field: "displayName", present: ALL }],
    ["members.value", { field: "members", present: { op: "pr", field: "members" } }],
  ]),
};

/** Compiles a filter to what the columns of the store can decide (RFC 7644 §3.4.2.2), in time linear in its size. */
export function toStoreFilter(name: ResourceSchema["name"], filter: Filter): StoreFilter {
  return compile(filter, (path) => (path.extension === null ? COLUMNS[name].get(nameOf(path)) : undefined), false);
}

type ColumnOf = (path: AttributePath) => Column | undefined;

/**
 * `isOfValue`: true within a value path. There the columns only narrow the choice: a column cannot tell whether one value
 * satisfies two conditions, or whether another value satisfies a negated one.
 */
function compile(filter: Filter, columnOf: ColumnOf, isOfValue: boolean): StoreFilter {
  const undecided: StoreFilter = { where: ALL, residual: filter };
  switch (filter.op) {
    case "and":
    case "or": {
      const parts = filter.of.map((each) => compile(each, columnOf, isOfValue));
      const where: Criterion = { op: filter.op, of: parts.map((each) => each.where) };
      const residuals = parts.map((each) => each.residual).filter((each) => each !== null);
      if (filter.op === "and" && !isOfValue && residuals.length > 0)
        return { where, residual: { op: "and", of: residuals } };
      const isDecided = residuals.length === 0 && (filter.op === "or" || !isOfValue);
      return { where, residual: isDecided ? null : filter };
    }
    case "not": {
      const { where, residual } = compile(filter.of, columnOf, isOfValue);
      return residual !== null || isOfValue ? undecided : { where: { op: "not", of: where }, residual: null };
    }
    case "never":
      return { where: { op: "none" }, residual: null };
    case "some": {
      const ofValue: ColumnOf = ({ attribute }) => columnOf({ ...filter.path, sub: attribute });
      const { where, residual } = compile(filter.of, ofValue, true);
      return { where, residual: residual === null ? null : filter };
    }
    case "pr": {
      const present = columnOf(filter.path)?.present ?? null;
      return present === null ? undecided : { where: present, residual: null };
    }
    default: {
      const column = columnOf(filter.path);
      const where = column === undefined ? null : criterionOf(column.field, filter);
      if (where === null) return undecided;
      return { where, residual: column?.present === null ? filter : null };
    }
  }
}

/** Null if the store cannot make this comparison on the column. */
function criterionOf(field: Field, { op, value }: Comparison): Criterion | null {
  switch (field) {
    case "createdAtMs":
    case "modifiedAtMs":
      return typeof value !== "number" || op === "co" || op === "sw" || op === "ew" ? null : { op, field, value };
    case "isActive":
      return { op: "eq", field, value: value === true };
    case "members":
    case "groups":
      return op === "eq" ? { op, field, value: String(value) } : null;
    default:
      return { op, field, value: String(value) };
  }
}
