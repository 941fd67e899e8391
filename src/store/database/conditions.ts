import { unreachable } from "../../domain/model/plan.ts";
import type { Criterion, ListQuery } from "../../domain/ports/scim-store.ts";
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

const joined = (parts: readonly Condition[], by: string): Condition => ({
  text: `(${parts.map(({ text }) => text).join(by)})`,
  params: parts.flatMap(({ params }) => params),
});

/** All of these conditions. */
export const allOf = (parts: readonly Condition[]): Condition => (parts.length === 0 ? always : joined(parts, " AND "));

/** At least one of these conditions. */
export const anyOf = (parts: readonly Condition[]): Condition => (parts.length === 0 ? never : joined(parts, " OR "));

/** The column contains this text, in any place. */
export const contains = (column: string, value: string): Condition => matches(column, "co", value);

/** The column of each field of table `t`. A `…_key` is stored in lower case. */
const columns = {
  id: "t.id",
  userName: "t.user_name_key",
  externalId: "t.external_id",
  displayName: "t.display_name_key",
  createdAtMs: "t.created_at_ms",
  modifiedAtMs: "t.modified_at_ms",
} as const;

const comparison = { eq: "=", gt: ">", ge: ">=", lt: "<", le: "<=" } as const;

/** Folds a text for comparison: plain lower case, the same on every database. */
export const fold = (text: string): string => text.toLowerCase();

/** Converts a criterion to SQL over table `t`. Values become parameters. */
export function toSql(criterion: Criterion): Condition {
  switch (criterion.op) {
    case "all":
      return always;
    case "none":
      return never;
    case "and":
      return allOf(criterion.of.map(toSql));
    case "or":
      return anyOf(criterion.of.map(toSql));
    case "not": {
      const { text, params } = toSql(criterion.of);
      // A comparison with NULL (no value) is unknown in SQL. In SCIM its negation is true.
      return { text: `NOT coalesce(${text}, 1 = 0)`, params };
    }
    case "pr":
      return condition(presence[criterion.field]);
    default:
      return compare(criterion);
  }
}

const presence = {
  externalId: "t.external_id IS NOT NULL",
  // By the id too: a group has none, even if its number is that of a user.
  emails:
    "EXISTS (SELECT 1 FROM user_emails e JOIN users u ON u.seq = e.user_seq WHERE e.user_seq = t.seq AND u.id = t.id)",
  members: "EXISTS (SELECT 1 FROM memberships m WHERE m.group_seq = t.seq)",
  groups: "EXISTS (SELECT 1 FROM memberships m WHERE m.user_seq = t.seq)",
} as const;

type Comparison = Exclude<Criterion, { readonly op: "and" | "or" | "not" | "all" | "none" | "pr" }>;

function compare(criterion: Comparison): Condition {
  switch (criterion.field) {
    case "createdAtMs":
    case "modifiedAtMs":
      return condition(`${columns[criterion.field]} ${comparison[criterion.op]} ?`, criterion.value);
    case "isActive":
      return condition("t.is_active = ?", criterion.value ? 1 : 0);
    case "members":
      return condition(
        "EXISTS (SELECT 1 FROM memberships m JOIN users u ON u.seq = m.user_seq WHERE m.group_seq = t.seq AND u.id = ?)",
        criterion.value,
      );
    case "groups":
      return condition(
        "EXISTS (SELECT 1 FROM memberships m JOIN groups g ON g.seq = m.group_seq WHERE m.user_seq = t.seq AND g.id = ?)",
        criterion.value,
      );
    case "emails": {
      const { text, params } = matches("e.email", criterion.op, fold(criterion.value));
      // IN, not EXISTS: "eq" then uses the index of addresses.
      return { text: `t.seq IN (SELECT e.user_seq FROM user_emails e WHERE ${text})`, params };
    }
    case "id":
    case "externalId":
      return matches(columns[criterion.field], criterion.op, criterion.value);
    case "userName":
    case "displayName":
      return matches(columns[criterion.field], criterion.op, fold(criterion.value));
    default:
      return unreachable(criterion);
  }
}

function matches(column: string, op: "co" | "sw" | "ew" | keyof typeof comparison, value: string): Condition {
  // SQLite ends a pattern at NUL, so that "co" would find all rows. PostgreSQL stores no such text.
  if (value.includes("\u0000")) return never;
  const like = (before: string, after: string): Condition =>
    condition(`${column} LIKE ? ESCAPE '\\'`, before + value.replace(/[\\%_]/g, "\\$&") + after);
  switch (op) {
    case "co":
      return like("%", "%");
    case "sw":
      return like("", "%");
    case "ew":
      return like("%", "");
    default:
      return condition(`${column} ${comparison[op]} ?`, value);
  }
}

/** The ORDER BY of a list. Ties are in order of creation, so that pages never overlap. Rows without a value come last (RFC 7644 §3.4.2.3). */
export function orderOf(sort: ListQuery["sort"]): string {
  if (sort === null) return "t.seq";
  const column = columns[sort.field];
  return sort.isDescending ? `${column} IS NOT NULL, ${column} DESC, t.seq` : `${column} IS NULL, ${column}, t.seq`;
}
