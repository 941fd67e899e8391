import type { GroupItem, GroupsQuery, Page, PeopleQuery, PersonItem } from "../../domain/ports/console-store.ts";
import { breathe } from "../database/batches.ts";
import type { Condition } from "../database/conditions.ts";
import { fold } from "../database/conditions.ts";
import type { Driver, Row } from "../database/driver.ts";
import { seqsByStatus, syncStatusesOf } from "./sync-status.ts";

const searchAtMost = 200;

interface Position {
  readonly key: string;
  readonly seq: number;
}
const start: Position = { key: "", seq: -1 };

/** People by name: see `ConsoleStore`. */
export async function peoplePage(driver: Driver, query: PeopleQuery): Promise<Page<PersonItem>> {
  const where = searched(query.search, ["t.display_name_key", "t.user_name_key", "t.email"], "t.id");
  const presence = {
    present: "t.absent_since_ms IS NULL",
    inactive: "t.absent_since_ms IS NULL AND t.is_active = 0",
    gone: "t.absent_since_ms IS NOT NULL",
  } as const;
  const parts: Condition[] = [
    where,
    { text: query.presence === null ? "1 = 1" : presence[query.presence], params: [] },
  ];
  if (query.groupId !== null)
    parts.push({
      text: "t.seq IN (SELECT user_seq FROM memberships WHERE group_seq = (SELECT seq FROM groups WHERE id = ?))",
      params: [query.groupId],
    });
  const { seqs, total, nextCursor } = await collect(driver, "user", parts, query);
  const rows = await driver.read.all(
    `SELECT t.seq, t.id, t.source, t.display_name, t.user_name, t.email, t.is_active, t.absent_since_ms FROM users t
     WHERE ${driver.dialect.isIn("t.seq", "number")} ORDER BY t.display_name_key, t.seq`,
    [JSON.stringify(seqs)],
  );
  const syncStatuses = await syncStatusesOf(
    driver,
    "user",
    rows.map((row) => String(row["id"])),
    query.connections,
  );
  return { items: rows.map((row) => toPerson(row, syncStatuses)), nextCursor, total };
}

/** A person from a row with at least these columns. */
export const toPerson = (row: Row, syncStatuses: ReadonlyMap<string, PersonItem["syncStatuses"]>): PersonItem => ({
  id: String(row["id"]),
  source: String(row["source"]),
  displayName: String(row["display_name"]),
  userName: String(row["user_name"]),
  email: row["email"] as string | null,
  isActive: row["is_active"] === 1,
  absentSinceMs: row["absent_since_ms"] as number | null,
  syncStatuses: syncStatuses.get(String(row["id"])) ?? [],
});

/** Groups by name: see `ConsoleStore`. */
export async function groupsPage(driver: Driver, query: GroupsQuery): Promise<Page<GroupItem>> {
  const presence = {
    present: "t.absent_since_ms IS NULL",
    inactive: "1 = 0",
    gone: "t.absent_since_ms IS NOT NULL",
  } as const;
  const parts: Condition[] = [
    searched(query.search, ["t.display_name_key"], "t.id"),
    { text: query.presence === null ? "1 = 1" : presence[query.presence], params: [] },
  ];
  const { seqs, total, nextCursor } = await collect(driver, "group", parts, query);
  const rows = await driver.read.all(
    `SELECT t.* FROM groups t WHERE ${driver.dialect.isIn("t.seq", "number")} ORDER BY t.display_name_key, t.seq`,
    [JSON.stringify(seqs)],
  );
  return { items: await toGroups(driver, rows, query.connections), nextCursor, total };
}

/** Groups from rows of `t.*`. */
export async function toGroups(
  driver: Driver,
  rows: readonly Row[],
  connections: readonly string[],
): Promise<readonly GroupItem[]> {
  const ids = rows.map((row) => String(row["id"]));
  const syncStatuses = await syncStatusesOf(driver, "group", ids, connections);
  const items: GroupItem[] = [];
  for (const row of rows) {
    // One by one: a group of everybody takes a millisecond to count.
    const counted = await driver.read.get("SELECT count(*) AS n FROM memberships WHERE group_seq = ?", [
      Number(row["seq"]),
    ]);
    items.push({
      id: String(row["id"]),
      source: String(row["source"]),
      displayName: String(row["display_name"]),
      memberCount: Number(counted?.["n"] ?? 0),
      absentSinceMs: row["absent_since_ms"] as number | null,
      syncStatuses: syncStatuses.get(String(row["id"])) ?? [],
    });
    if (items.length % 20 === 0) await breathe();
  }
  return items;
}

function searched(search: string, columns: readonly string[], id: string): Condition {
  const text = fold(search.trim().slice(0, searchAtMost));
  // A pattern ends at a NUL, so that it would find everybody.
  if (text.includes("\u0000")) return { text: "1 = 0", params: [] };
  if (text === "") return { text: "1 = 1", params: [] };
  const pattern = `%${text.replace(/[\\%_]/g, "\\$&")}%`;
  return {
    text: `(${columns.map((column) => `${column} LIKE ? ESCAPE '\\'`).join(" OR ")} OR ${id} = ?)`,
    params: [...columns.map(() => pattern), text],
  };
}

/** One page of the entities that fit, by name, and their number. */
async function collect(
  driver: Driver,
  kind: "user" | "group",
  parts: readonly Condition[],
  query: PeopleQuery | GroupsQuery,
): Promise<{ readonly seqs: readonly number[]; readonly total: number; readonly nextCursor: string | null }> {
  const bySource = query.source === null ? [] : [{ text: "t.source = ?", params: [query.source] }];
  let where = joined([...parts, ...bySource]);
  if (query.standing !== null) {
    const seqs = await seqsByStatus(driver, kind, query.standing, query.connections, where);
    where = { text: driver.dialect.isIn("t.seq", "number"), params: [JSON.stringify(seqs)] };
  }
  const from = kind === "user" ? `FROM users t ${driver.dialect.through("users_shown")}` : "FROM groups t";
  const counted = await driver.read.get(`SELECT count(*) AS n ${from} WHERE ${where.text}`, where.params);
  await breathe();
  const after = readCursor(query.cursor);
  const rows = await driver.read.all(
    `SELECT t.display_name_key AS key, t.seq AS seq ${from} WHERE (t.display_name_key, t.seq) > (?, ?) AND ${where.text}
     ORDER BY t.display_name_key, t.seq LIMIT ?`,
    [after.key, after.seq, ...where.params, query.limit + 1],
  );
  const shown = rows.slice(0, query.limit).map(toPosition);
  const last = shown.at(-1);
  return {
    seqs: shown.map(({ seq }) => seq),
    total: Number(counted?.["n"] ?? 0),
    nextCursor: rows.length > query.limit && last !== undefined ? writeCursor(last) : null,
  };
}

const joined = (parts: readonly Condition[]): Condition => ({
  text: parts.map(({ text }) => text).join(" AND "),
  params: parts.flatMap(({ params }) => params),
});

const toPosition = (row: Row): Position => ({ key: String(row["key"]), seq: Number(row["seq"]) });

const writeCursor = ({ key, seq }: Position): string => Buffer.from(JSON.stringify([key, seq])).toString("base64url");

function readCursor(cursor: string | null): Position {
  if (cursor === null) return start;
  try {
    const read: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    if (!Array.isArray(read)) return start;
    const [key, seq]: readonly unknown[] = read;
    return typeof key === "string" && Number.isSafeInteger(seq) ? { key, seq: Number(seq) } : start;
  } catch {
    // Not one of ours: from the start.
    return start;
  }
}
