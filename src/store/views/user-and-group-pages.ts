import type { GroupItem, GroupsQuery, Page, PeopleQuery, PersonItem } from "../../domain/ports/console-store.ts";
import { breathe } from "../database/batches.ts";
import type { Condition } from "../database/conditions.ts";
import { fold } from "../database/conditions.ts";
import type { Driver, Row } from "../database/driver.ts";
import type { Named, StandingSets } from "./status-sets.ts";
import { syncStatusesOf, tableOf } from "./sync-status.ts";

const searchAtMost = 200;

interface Position {
  readonly key: string;
  readonly seq: number;
}
const start: Position = { key: "", seq: -1 };

/** People by name: see `ConsoleStore`. */
export async function peoplePage(driver: Driver, sets: StandingSets, query: PeopleQuery): Promise<Page<PersonItem>> {
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
  const { seqs, total, nextCursor } = await collect(driver, sets, "user", parts, query);
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
export async function groupsPage(driver: Driver, sets: StandingSets, query: GroupsQuery): Promise<Page<GroupItem>> {
  const presence = {
    present: "t.absent_since_ms IS NULL",
    inactive: "1 = 0",
    gone: "t.absent_since_ms IS NOT NULL",
  } as const;
  const parts: Condition[] = [
    searched(query.search, ["t.display_name_key"], "t.id"),
    { text: query.presence === null ? "1 = 1" : presence[query.presence], params: [] },
  ];
  const { seqs, total, nextCursor } = await collect(driver, sets, "group", parts, query);
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

/** The rows of one page in order of name, and how many there are: in parts, with other work let in between. */
async function collect(
  driver: Driver,
  sets: StandingSets,
  kind: "user" | "group",
  parts: readonly Condition[],
  query: PeopleQuery | GroupsQuery,
): Promise<{ readonly seqs: readonly number[]; readonly total: number; readonly nextCursor: string | null }> {
  const plain = joined([
    ...parts,
    ...(query.source === null ? [] : [{ text: "t.source = ?", params: [query.source] }]),
  ]);
  let named: Promise<readonly number[] | null> | null = null;
  const isSearched = query.search.trim() !== "" || ("groupId" in query && query.groupId !== null);
  const within: Named = async () => {
    named ??= isSearched ? namedBy(driver, kind, plain) : Promise.resolve(null);
    return named;
  };
  const standing = query.standing === null ? null : await sets.among(kind, query.standing, query.connections, within);
  const { found, total } = await byName(driver, kind, {
    where: standing === null ? plain : joined([plain, standing]),
    isFew: standing?.isFew ?? false,
    after: readCursor(query.cursor),
    limit: query.limit + 1,
  });
  const shown = found.slice(0, query.limit);
  const last = shown.at(-1);
  return {
    seqs: shown.map(({ seq }) => seq),
    total,
    nextCursor: found.length > query.limit && last !== undefined ? writeCursor(last) : null,
  };
}

const joined = (parts: readonly Condition[]): Condition => ({
  text: parts.map(({ text }) => text).join(" AND "),
  params: parts.flatMap(({ params }) => params),
});

/** So many, and to look at how each of them stands takes half as long as to look at everybody of 50,000. */
const namedAtMost = 10_000;

/** Whom a search finds, when they are few enough to be looked at one by one. */
async function namedBy(driver: Driver, kind: "user" | "group", where: Condition): Promise<readonly number[] | null> {
  const rows = await driver.read.all(`SELECT t.seq AS seq FROM ${walked(driver, kind)} WHERE ${where.text} LIMIT ?`, [
    ...where.params,
    namedAtMost + 1,
  ]);
  await breathe();
  return rows.length > namedAtMost ? null : rows.map(({ seq }) => Number(seq));
}

interface Wanted {
  readonly where: Condition;
  readonly isFew: boolean;
  readonly after: Position;
  readonly limit: number;
}
interface Found {
  readonly found: readonly Position[];
  readonly total: number;
}

/** How each kind is walked through by name. */
const walked = (driver: Driver, kind: "user" | "group"): string =>
  kind === "user" ? `users t ${driver.dialect.through("users_shown")}` : "groups t";

async function byName(driver: Driver, kind: "user" | "group", { where, isFew, after, limit }: Wanted): Promise<Found> {
  // A few are looked up, and sorted: to walk past everybody by name would take longer.
  const from = `FROM ${isFew ? `${tableOf[kind]} t` : walked(driver, kind)}`;
  const counted = await driver.read.get(`SELECT count(*) AS n ${from} WHERE ${where.text}`, where.params);
  await breathe();
  const rows = await driver.read.all(
    `SELECT t.display_name_key AS key, t.seq AS seq ${from} WHERE (t.display_name_key, t.seq) > (?, ?) AND ${where.text}
     ORDER BY t.display_name_key, t.seq LIMIT ?`,
    [after.key, after.seq, ...where.params, limit],
  );
  return { found: rows.map(toPosition), total: Number(counted?.["n"] ?? 0) };
}

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
