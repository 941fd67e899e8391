import type { EntityKind } from "../../domain/model/entities.ts";
import type { GroupItem, GroupsQuery, Page, PeopleQuery, PersonItem } from "../../domain/ports/console-store.ts";
import { breathe } from "../database/batches.ts";
import { allOf, always, anyOf, type Condition, condition, contains, fold, never } from "../database/conditions.ts";
import type { Driver, Row } from "../database/driver.ts";
import { all, count, flag, integer, optional, reader, text } from "../database/table.ts";
import { seqsByStatus, syncStatusesOf, tableOf } from "./sync-status.ts";

/** Maximum length of a search. */
const maxSearch = 200;

interface Position {
  readonly key: string;
  readonly seq: number;
}
const start: Position = { key: "", seq: -1 };

const entity = { id: text, source: text, displayName: text, absentSinceMs: optional(integer) };
const readUser = reader({ ...entity, userName: text, email: optional(text), isActive: flag });
const readGroup = reader({ ...entity, seq: integer });

/** Users by name: see `ConsoleStore`. */
export async function peoplePage(driver: Driver, query: PeopleQuery): Promise<Page<PersonItem>> {
  const inGroup =
    query.groupId === null
      ? always
      : condition(
          "t.seq IN (SELECT user_seq FROM memberships WHERE group_seq = (SELECT seq FROM groups WHERE id = ?))",
          query.groupId,
        );
  const { seqs, ...page } = await pageOf(driver, "user", query, inGroup);
  const rows = await driver.read.all(
    `SELECT t.seq, t.id, t.source, t.display_name, t.user_name, t.email, t.is_active, t.absent_since_ms FROM users t
     WHERE ${driver.dialect.isIn("t.seq", "number")} ORDER BY t.display_name_key, t.seq`,
    [JSON.stringify(seqs)],
  );
  return { items: await toPeople(driver, rows, query.targets), ...page };
}

/** Users from rows with at least these columns. */
export async function toPeople(
  driver: Driver,
  rows: readonly Row[],
  targets: readonly string[],
): Promise<readonly PersonItem[]> {
  const users = rows.map(readUser);
  const ids = users.map(({ id }) => id);
  const syncStatuses = await syncStatusesOf(driver, "user", ids, targets);
  return users.map((user) => ({ ...user, syncStatuses: syncStatuses.get(user.id) ?? [] }));
}

/** Groups by name: see `ConsoleStore`. */
export async function groupsPage(driver: Driver, query: GroupsQuery): Promise<Page<GroupItem>> {
  const { seqs, ...page } = await pageOf(driver, "group", query, always);
  const rows = await driver.read.all(
    `SELECT t.* FROM groups t WHERE ${driver.dialect.isIn("t.seq", "number")} ORDER BY t.display_name_key, t.seq`,
    [JSON.stringify(seqs)],
  );
  return { items: await toGroups(driver, rows, query.targets), ...page };
}

/** Groups from rows of `groups`. */
export async function toGroups(
  driver: Driver,
  rows: readonly Row[],
  targets: readonly string[],
): Promise<readonly GroupItem[]> {
  const groups = rows.map(readGroup);
  const ids = groups.map(({ id }) => id);
  const syncStatuses = await syncStatusesOf(driver, "group", ids, targets);
  const items: GroupItem[] = [];
  for (const { seq, ...group } of groups) {
    // One by one: a group of all users takes a millisecond to count.
    const memberCount = await count(driver.read, "FROM memberships WHERE group_seq = ?", [seq]);
    items.push({ ...group, memberCount, syncStatuses: syncStatuses.get(group.id) ?? [] });
    if (items.length % 20 === 0) await breathe();
  }
  return items;
}

const presences: Readonly<Record<EntityKind, Readonly<Record<"present" | "inactive" | "gone", Condition>>>> = {
  user: {
    present: condition("t.absent_since_ms IS NULL"),
    inactive: condition("t.absent_since_ms IS NULL AND t.is_active = 0"),
    gone: condition("t.absent_since_ms IS NOT NULL"),
  },
  group: {
    present: condition("t.absent_since_ms IS NULL"),
    inactive: never,
    gone: condition("t.absent_since_ms IS NOT NULL"),
  },
};

const searchedColumns = {
  user: ["t.display_name_key", "t.user_name_key", "t.email"],
  group: ["t.display_name_key"],
} as const;

/** Names that contain the text, or exactly this id. */
function isFound(kind: EntityKind, search: string): Condition {
  const key = fold(search.trim().slice(0, maxSearch));
  if (key === "") return always;
  // PostgreSQL takes no such parameter.
  if (key.includes("\u0000")) return never;
  return anyOf([...searchedColumns[kind].map((column) => contains(column, key)), condition("t.id = ?", key)]);
}

/** One page of the entities that fit, by name, and their total number. */
async function pageOf(
  driver: Driver,
  kind: EntityKind,
  query: GroupsQuery,
  more: Condition,
): Promise<{ readonly seqs: readonly number[]; readonly total: number; readonly nextCursor: string | null }> {
  const { read, dialect } = driver;
  let where = allOf([
    isFound(kind, query.search),
    query.presence === null ? always : presences[kind][query.presence],
    query.source === null ? always : condition("t.source = ?", query.source),
    more,
  ]);
  if (query.syncStatus !== null) {
    const seqs = await seqsByStatus(driver, kind, query.syncStatus, query.targets, where);
    where = condition(dialect.isIn("t.seq", "number"), JSON.stringify(seqs));
  }
  const from = `FROM ${tableOf[kind]} t ${kind === "user" ? dialect.through("users_by_name") : ""}`;
  const total = await count(read, `${from} WHERE ${where.text}`, where.params);
  await breathe();
  const after = readCursor(query.cursor);
  const found = await all(
    read,
    { key: text, seq: integer },
    `SELECT t.display_name_key AS key, t.seq AS seq ${from} WHERE (t.display_name_key, t.seq) > (?, ?) AND ${where.text}
     ORDER BY t.display_name_key, t.seq LIMIT ?`,
    [after.key, after.seq, ...where.params, query.limit + 1],
  );
  const shown = found.slice(0, query.limit);
  const last = found.length > query.limit ? shown.at(-1) : undefined;
  return { seqs: shown.map(({ seq }) => seq), total, nextCursor: last === undefined ? null : writeCursor(last) };
}

const writeCursor = ({ key, seq }: Position): string => Buffer.from(JSON.stringify([key, seq])).toString("base64url");

/** The position of a cursor. A cursor that is none of ours means the start. */
function readCursor(cursor: string | null): Position {
  if (cursor === null) return start;
  try {
    const read: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    if (!Array.isArray(read)) return start;
    const [key, seq]: readonly unknown[] = read;
    return typeof key === "string" && Number.isSafeInteger(seq) ? { key, seq: Number(seq) } : start;
  } catch {
    return start;
  }
}
