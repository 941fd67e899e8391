import { unreachable } from "../../domain/model/plan.ts";
import type { Criterion, ListQuery, TextField } from "../../domain/ports/scim-store.ts";
import type { SqlValue } from "./driver.ts";

/** A condition in SQL with its parameters, in order. */
export interface Condition {
  readonly text: string;
  readonly params: readonly SqlValue[];
}

export const always: Condition = { text: "1 = 1", params: [] };
export const never: Condition = { text: "1 = 0", params: [] };

/** A condition from its text and parameters. */
export const condition = (text: string, ...params: readonly SqlValue[]): Condition => ({ text, params });

/** All of these conditions. */
export const allOf = (parts: readonly Condition[]): Condition =>
  parts.length === 0
    ? always
    : { text: `(${parts.map(({ text }) => text).join(" AND ")})`, params: parts.flatMap(({ params }) => params) };

/** The column contains this text, in any place. */
export const contains = (column: string, value: string): Condition =>
  value.includes("\u0000") ? never : condition(`${column} LIKE ? ESCAPE '\\'`, `%${escapeLike(value)}%`);

type Table = "users" | "groups";

/** The column of each field. A folded one is stored in lower case. */
const columns: Readonly<
  Record<Table, Readonly<Record<Exclude<TextField, "emails">, { readonly column: string; readonly isFolded: boolean }>>>
> = {
  users: {
    id: { column: "t.id", isFolded: false },
    userName: { column: "t.user_name_key", isFolded: true },
    externalId: { column: "t.external_id", isFolded: false },
    displayName: { column: "t.display_name_key", isFolded: true },
  },
  groups: {
    id: { column: "t.id", isFolded: false },
    userName: { column: "t.display_name_key", isFolded: true },
    externalId: { column: "t.external_id", isFolded: false },
    displayName: { column: "t.display_name_key", isFolded: true },
  },
};

const comparison = { eq: "=", gt: ">", ge: ">=", lt: "<", le: "<=" } as const;

/** Folds a text for comparison: plain lower case, the same on every database. */
export const fold = (text: string): string => text.toLowerCase();

/** Converts a criterion to SQL over table `t`. Values become parameters. */
export function toSql(criterion: Criterion, table: Table): Condition {
  switch (criterion.op) {
    case "all":
      return always;
    case "none":
      return never;
    case "and":
    case "or":
      return joined(criterion.of, criterion.op, table);
    case "not": {
      const inner = toSql(criterion.of, table);
      // A comparison with NULL (no value) is unknown in SQL. In SCIM its negation is true.
      return { text: `NOT coalesce(${inner.text}, 1 = 0)`, params: inner.params };
    }
    case "pr":
      return presence(criterion.field, table);
    default:
      return compare(criterion, table);
  }
}

function joined(of: readonly Criterion[], op: "and" | "or", table: Table): Condition {
  const parts = of.map((part) => toSql(part, table));
  if (op === "and" || parts.length === 0) return op === "and" ? allOf(parts) : never;
  return { text: `(${parts.map(({ text }) => text).join(" OR ")})`, params: parts.flatMap(({ params }) => params) };
}

function presence(field: "externalId" | "emails" | "members" | "groups", table: Table): Condition {
  switch (field) {
    case "externalId":
      return condition("t.external_id IS NOT NULL");
    case "emails":
      return table === "users" ? condition("EXISTS (SELECT 1 FROM user_emails e WHERE e.user_seq = t.seq)") : never;
    case "members":
      return condition("EXISTS (SELECT 1 FROM memberships m WHERE m.group_seq = t.seq)");
    case "groups":
      return condition("EXISTS (SELECT 1 FROM memberships m WHERE m.user_seq = t.seq)");
    default:
      return unreachable(field);
  }
}

type Comparison = Exclude<Criterion, { readonly op: "and" | "or" | "not" | "all" | "none" | "pr" }>;

function compare(criterion: Comparison, table: Table): Condition {
  switch (criterion.field) {
    case "createdAtMs":
      return condition(`t.created_at_ms ${comparison[criterion.op]} ?`, criterion.value);
    case "modifiedAtMs":
      return condition(`t.modified_at_ms ${comparison[criterion.op]} ?`, criterion.value);
    case "isActive":
      return condition("t.is_active = ?", criterion.value ? 1 : 0);
    case "members":
      return {
        text: "EXISTS (SELECT 1 FROM memberships m JOIN users u ON u.seq = m.user_seq WHERE m.group_seq = t.seq AND u.id = ?)",
        params: [criterion.value],
      };
    case "groups":
      return {
        text: "EXISTS (SELECT 1 FROM memberships m JOIN groups g ON g.seq = m.group_seq WHERE m.user_seq = t.seq AND g.id = ?)",
        params: [criterion.value],
      };
    case "emails":
      return addresses(criterion.op, criterion.value);
    default: {
      const { column, isFolded } = columns[table][criterion.field];
      return text(column, criterion.op, isFolded ? fold(criterion.value) : criterion.value);
    }
  }
}

type TextOp = "eq" | "co" | "sw" | "ew" | "gt" | "ge" | "lt" | "le";

function addresses(op: TextOp, value: string): Condition {
  const inner = text("e.email", op, fold(value));
  // IN, not EXISTS: "eq" then uses the index of addresses.
  return { text: `t.seq IN (SELECT e.user_seq FROM user_emails e WHERE ${inner.text})`, params: inner.params };
}

function text(column: string, op: TextOp, value: string): Condition {
  // SQLite ends a pattern at NUL, so that "co" would find all rows. PostgreSQL stores no such text.
  if (value.includes("\u0000")) return never;
  switch (op) {
    case "co":
      return condition(`${column} LIKE ? ESCAPE '\\'`, `%${escapeLike(value)}%`);
    case "sw":
      return condition(`${column} LIKE ? ESCAPE '\\'`, `${escapeLike(value)}%`);
    case "ew":
      return condition(`${column} LIKE ? ESCAPE '\\'`, `%${escapeLike(value)}`);
    default:
      return condition(`${column} ${comparison[op]} ?`, value);
  }
}

const escapeLike = (value: string): string => value.replace(/[\\%_]/g, "\\$&");

const sortColumns: Readonly<Record<NonNullable<ListQuery["sort"]>["field"], string>> = {
  id: "t.id",
  userName: "t.user_name_key",
  externalId: "t.external_id",
  displayName: "t.display_name_key",
  createdAtMs: "t.created_at_ms",
  modifiedAtMs: "t.modified_at_ms",
};

/** The ORDER BY of a list. Ties are in order of creation, so that pages never overlap. Rows without a value come last (RFC 7644 §3.4.2.3). */
export function orderOf(sort: ListQuery["sort"]): string {
  if (sort === null) return "t.seq";
  const column = sortColumns[sort.field];
  return sort.isDescending ? `${column} IS NOT NULL, ${column} DESC, t.seq` : `${column} IS NULL, ${column}, t.seq`;
}
