import { unreachable } from "../../domain/model/plan.ts";
import type { Criterion, ListQuery, TextField } from "../../domain/ports/scim-store.ts";
import type { SqlValue } from "./driver.ts";

/** A condition in SQL with its parameters, in order. */
export interface Condition {
  readonly text: string;
  readonly params: readonly SqlValue[];
}

type Table = "users" | "groups";

/** How each field reads in SQL; `key` is what is stored folded to lower case. */
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

/** How text is folded before it is stored and compared: simple lower case, the same on every database. */
export const fold = (text: string): string => text.toLowerCase();

/** `criterion` over table `t` as SQL. Text of callers becomes parameters only. */
export function toSql(criterion: Criterion, table: Table): Condition {
  switch (criterion.op) {
    case "all":
      return { text: "1 = 1", params: [] };
    case "none":
      return { text: "1 = 0", params: [] };
    case "and":
    case "or":
      return joined(criterion.of, criterion.op, table);
    case "not": {
      const inner = toSql(criterion.of, table);
      // NULL (an attribute without a value) makes a comparison unknown; "not" of that holds in SCIM.
      return { text: `NOT coalesce(${inner.text}, 1 = 0)`, params: inner.params };
    }
    case "pr":
      return presence(criterion.field, table);
    default:
      return compare(criterion, table);
  }
}

function joined(of: readonly Criterion[], op: "and" | "or", table: Table): Condition {
  if (of.length === 0) return { text: op === "and" ? "1 = 1" : "1 = 0", params: [] };
  const parts = of.map((part) => toSql(part, table));
  return {
    text: `(${parts.map((part) => part.text).join(op === "and" ? " AND " : " OR ")})`,
    params: parts.flatMap((part) => part.params),
  };
}

function presence(field: "externalId" | "emails" | "members" | "groups", table: Table): Condition {
  switch (field) {
    case "externalId":
      return { text: "t.external_id IS NOT NULL", params: [] };
    case "emails":
      return table === "users"
        ? { text: "EXISTS (SELECT 1 FROM user_emails e WHERE e.user_seq = t.seq)", params: [] }
        : { text: "1 = 0", params: [] };
    case "members":
      return { text: "EXISTS (SELECT 1 FROM memberships m WHERE m.group_seq = t.seq)", params: [] };
    case "groups":
      return { text: "EXISTS (SELECT 1 FROM memberships m WHERE m.user_seq = t.seq)", params: [] };
    default:
      return unreachable(field);
  }
}

type Comparison = Exclude<Criterion, { readonly op: "and" | "or" | "not" | "all" | "none" | "pr" }>;

function compare(criterion: Comparison, table: Table): Condition {
  switch (criterion.field) {
    case "createdAtMs":
      return { text: `t.created_ms ${comparison[criterion.op]} ?`, params: [criterion.value] };
    case "modifiedAtMs":
      return { text: `t.modified_ms ${comparison[criterion.op]} ?`, params: [criterion.value] };
    case "isActive":
      return { text: "t.is_active = ?", params: [criterion.value ? 1 : 0] };
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
  // IN, not EXISTS: for "eq" the address index then leads to the person.
  return { text: `t.seq IN (SELECT e.user_seq FROM user_emails e WHERE ${inner.text})`, params: inner.params };
}

function text(column: string, op: TextOp, value: string): Condition {
  // A pattern ends at a NUL, so that "co" would find everybody. PostgreSQL has no such text at all.
  if (value.includes("\u0000")) return { text: "1 = 0", params: [] };
  switch (op) {
    case "co":
      return { text: `${column} LIKE ? ESCAPE '\\'`, params: [`%${escapeLike(value)}%`] };
    case "sw":
      return { text: `${column} LIKE ? ESCAPE '\\'`, params: [`${escapeLike(value)}%`] };
    case "ew":
      return { text: `${column} LIKE ? ESCAPE '\\'`, params: [`%${escapeLike(value)}`] };
    default:
      return { text: `${column} ${comparison[op]} ?`, params: [value] };
  }
}

const escapeLike = (value: string): string => value.replace(/[\\%_]/g, "\\$&");

const sortColumns: Readonly<Record<NonNullable<ListQuery["sort"]>["field"], string>> = {
  id: "t.id",
  userName: "t.user_name_key",
  externalId: "t.external_id",
  displayName: "t.display_name_key",
  createdAtMs: "t.created_ms",
  modifiedAtMs: "t.modified_ms",
};

/** The ORDER BY of a list; creation order breaks ties, so that pages never overlap. People without a value come last (RFC 7644 §3.4.2.3). */
export function orderOf(sort: ListQuery["sort"]): string {
  if (sort === null) return "t.seq";
  const column = sortColumns[sort.field];
  return sort.isDescending ? `${column} IS NOT NULL, ${column} DESC, t.seq` : `${column} IS NULL, ${column}, t.seq`;
}
