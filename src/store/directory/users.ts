import type { Cause, EntityRef, Json, JsonObject } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type {
  Criterion,
  ListPage,
  ListQuery,
  Reference,
  UserRecord,
  UserWrite,
} from "../../domain/ports/scim-store.ts";
import { writeAudit } from "../audit/audit.ts";
import { fold, orderOf, toSql } from "../database/conditions.ts";
import type { Driver, Row, Sql } from "../database/driver.ts";
import { newId } from "../database/ids.ts";

/** What a write needs besides its arguments. */
export interface WriteContext {
  readonly now: () => number;
  /** Told after the commit which entities changed. */
  readonly changed: (refs: readonly EntityRef[]) => void;
}

const recordColumns = "t.seq, t.id, t.rev, t.created_ms, t.modified_ms, t.resource";

const toRecord = (row: Row): UserRecord => ({
  id: String(row["id"]),
  rev: Number(row["rev"]),
  createdAtMs: Number(row["created_ms"]),
  modifiedAtMs: Number(row["modified_ms"]),
  resource: JSON.parse(String(row["resource"])) as JsonObject,
});

/** People of SCIM sources as rows: see `ScimStore`. */
export function userRows(driver: Driver, { now, changed }: WriteContext) {
  const present = (sql: Sql, source: string, id: string): Promise<Row | undefined> =>
    sql.get(
      `SELECT ${recordColumns}, t.email, t.user_name, t.user_name_key, t.external_id, t.display_name, t.is_active FROM users t WHERE t.id = ? AND t.source = ? AND t.absent_since_ms IS NULL`,
      [id, source],
    );

  return {
    async getUser(source: string, id: string): Promise<UserRecord | null> {
      const row = await present(driver.read, source, id);
      return row === undefined ? null : toRecord(row);
    },

    listUsers: (source: string, query: ListQuery): Promise<ListPage<UserRecord>> =>
      listRows(driver, "users", recordColumns, source, query, toRecord),

    scanUsers: (source: string, where: Criterion, pageSize: number): AsyncIterable<readonly UserRecord[]> =>
      scanRows(driver, "users", recordColumns, source, where, pageSize, toRecord),

    async createUser(source: string, write: UserWrite, cause: Cause): Promise<UserRecord> {
      const at = now();
      const id = newId(at);
      const text = JSON.stringify(write.resource);
      const touched = await driver.transaction(async (sql) => {
        await assertNameFree(sql, source, fold(write.userName), id);
        await sql.run(
          `INSERT INTO users (id, source, source_key, user_name, user_name_key, external_id, email, display_name,
             display_name_key, is_active, rev, created_ms, modified_ms, resource)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)`,
          [
            id,
            source,
            id,
            write.userName,
            fold(write.userName),
            write.externalId,
            write.email,
            write.displayName,
            fold(write.displayName),
            write.isActive ? 1 : 0,
            at,
            at,
            text,
          ],
        );
        await addAddresses(sql, id, write.emails);
        await writeAudit(sql, at, [
          {
            ...cause,
            action: "user.create",
            kind: "user",
            entityId: id,
            name: write.email ?? write.userName,
            target: null,
            rev: 1,
            detail: { source, userName: write.userName, email: write.email, active: write.isActive },
          },
        ]);
        return withRivals(id, await touchRivals(sql, id, [write.email]));
      });
      changed(touched);
      return { id, rev: 1, createdAtMs: at, modifiedAtMs: at, resource: write.resource };
    },

    async updateUser(
      source: string,
      id: string,
      expectedRev: number | null,
      edit: (record: UserRecord) => UserWrite | null,
      cause: Cause,
    ): Promise<UserRecord> {
      const result = await driver.transaction(async (sql) => {
        const row = await present(sql, source, id);
        if (row === undefined) throw notFound("user", id);
        const before = toRecord(row);
        assertRev("user", before, expectedRev);
        const write = edit(before);
        if (write === null) return { record: before, changes: [] };
        const key = fold(write.userName);
        if (key !== row["user_name_key"]) await assertNameFree(sql, source, key, id);
        const at = Math.max(now(), before.modifiedAtMs);
        await putPerson(sql, row, write, at);
        const detail = changesBetween(before.resource, write.resource);
        if (detail["emails"] !== undefined || detail["userName"] !== undefined) {
          await sql.run("DELETE FROM user_emails WHERE user_seq = ?", [Number(row["seq"])]);
          await addAddresses(sql, id, write.emails);
        }
        const rivals =
          write.email === row["email"] ? [] : await touchRivals(sql, id, [write.email, row["email"] as string | null]);
        await writeAudit(sql, at, [
          {
            ...cause,
            action: "user.update",
            kind: "user",
            entityId: id,
            name: write.email ?? write.userName,
            target: null,
            rev: before.rev + 1,
            detail,
          },
        ]);
        const record = { ...before, rev: before.rev + 1, modifiedAtMs: at, resource: write.resource };
        return { record, changes: withRivals(id, rivals) };
      });
      if (result.changes.length > 0) changed(result.changes);
      return result.record;
    },

    async deleteUser(source: string, id: string, expectedRev: number | null, cause: Cause): Promise<void> {
      const touched = await driver.transaction(async (sql) => {
        const row = await present(sql, source, id);
        if (row === undefined) throw notFound("user", id);
        const before = toRecord(row);
        assertRev("user", before, expectedRev);
        const at = now();
        const seq = Number(row["seq"]);
        await sql.run(
          "UPDATE groups SET rev = rev + 1, modified_ms = ? WHERE seq IN (SELECT group_seq FROM memberships WHERE user_seq = ?)",
          [at, seq],
        );
        await sql.run("DELETE FROM memberships WHERE user_seq = ?", [seq]);
        await sql.run("DELETE FROM user_emails WHERE user_seq = ?", [seq]);
        await sql.run(
          "UPDATE users SET absent_since_ms = ?, rev = rev + 1, modified_ms = ?, resource = '{}' WHERE seq = ?",
          [at, at, seq],
        );
        await writeAudit(sql, at, [
          {
            ...cause,
            action: "user.delete",
            kind: "user",
            entityId: id,
            name: (row["email"] ?? row["user_name_key"]) as string | null,
            target: null,
            rev: before.rev + 1,
            detail: { source },
          },
        ]);
        return withRivals(id, await touchRivals(sql, id, [row["email"] as string | null]));
      });
      changed(touched);
    },

    async groupsOfUsers(
      source: string,
      userIds: readonly string[],
    ): Promise<ReadonlyMap<string, readonly Reference[]>> {
      const [only] = userIds;
      if (only === undefined) return new Map();
      // Nearly always it is one, and taking a list apart takes longer than looking for one person's groups.
      const isOne = userIds.length === 1;
      const rows = await driver.read.all(
        `SELECT u.id AS owner, g.id AS id, g.display_name AS name FROM users u
         JOIN memberships m ON m.user_seq = u.seq JOIN groups g ON g.seq = m.group_seq
         WHERE ${isOne ? "u.id = ?" : driver.dialect.isIn("u.id")} AND u.source || '' = ? AND g.absent_since_ms IS NULL
         ORDER BY u.seq, g.seq`,
        [isOne ? only : JSON.stringify(userIds), source],
      );
      return byOwner(rows);
    },
  };
}

const withRivals = (id: string, rivals: readonly EntityRef[]): readonly EntityRef[] => [
  { kind: "user", id },
  ...rivals,
];

/** Rows of (owner, id, name) as references by owner. */
export function byOwner(rows: readonly Row[]): ReadonlyMap<string, readonly Reference[]> {
  const found = new Map<string, Reference[]>();
  for (const row of rows) {
    const owner = String(row["owner"]);
    const reference = { id: String(row["id"]), displayName: String(row["name"]) };
    const list = found.get(owner);
    if (list === undefined) found.set(owner, [reference]);
    else list.push(reference);
  }
  return found;
}

/** Indexed columns only when they change: most updates touch none, and each index is one more page to flush. */
async function putPerson(sql: Sql, row: Row, write: UserWrite, atMs: number): Promise<void> {
  const key = fold(write.userName);
  const isRenamed =
    key !== row["user_name_key"] ||
    write.externalId !== row["external_id"] ||
    write.email !== row["email"] ||
    write.userName !== row["user_name"];
  const isShownOtherwise = write.displayName !== row["display_name"] || write.isActive !== (row["is_active"] === 1);
  const names = isRenamed ? "user_name = ?, user_name_key = ?, external_id = ?, email = ?, " : "";
  const shown = isShownOtherwise ? "display_name = ?, display_name_key = ?, is_active = ?, " : "";
  await sql.run(`UPDATE users SET ${names}${shown}rev = rev + 1, modified_ms = ?, resource = ? WHERE seq = ?`, [
    ...(isRenamed ? [write.userName, key, write.externalId, write.email] : []),
    ...(isShownOtherwise ? [write.displayName, fold(write.displayName), write.isActive ? 1 : 0] : []),
    atMs,
    JSON.stringify(write.resource),
    Number(row["seq"]),
  ]);
}

async function assertNameFree(sql: Sql, source: string, key: string, id: string): Promise<void> {
  const taken = await sql.get(
    "SELECT id FROM users WHERE source = ? AND user_name_key = ? AND absent_since_ms IS NULL AND id <> ?",
    [source, key, id],
  );
  if (taken !== undefined)
    throw new RollcallError("UNIQUENESS", `userName "${key}" is already used by user ${String(taken["id"])}`);
}

/** All addresses of a person who has none yet, for filters on `emails`. */
async function addAddresses(sql: Sql, id: string, emails: readonly string[]): Promise<void> {
  for (const email of new Set(emails)) {
    await sql.run("INSERT INTO user_emails (email, user_seq) SELECT ?, seq FROM users WHERE id = ?", [fold(email), id]);
  }
}

/** Others who claim the same address may gain or lose it now: they are to be looked at again. */
async function touchRivals(sql: Sql, id: string, emails: readonly (string | null)[]): Promise<readonly EntityRef[]> {
  const touched: EntityRef[] = [];
  for (const email of new Set(emails)) {
    if (email === null) continue;
    // Hardly anybody has one, and looking is cheaper than an update that finds nobody.
    const rows = await sql.all("SELECT id FROM users WHERE email = ? AND id <> ?", [email, id]);
    if (rows.length === 0) continue;
    await sql.run("UPDATE users SET rev = rev + 1 WHERE email = ? AND id <> ?", [email, id]);
    touched.push(...rows.map((row) => ({ kind: "user" as const, id: String(row["id"]) })));
  }
  return touched;
}

/** `REV_MISMATCH` when the caller saw another state than the present one. */
export function assertRev(
  kind: string,
  record: { readonly id: string; readonly rev: number },
  expectedRev: number | null,
): void {
  if (expectedRev !== null && expectedRev !== record.rev) {
    throw new RollcallError("REV_MISMATCH", `${kind} ${record.id} is at version ${record.rev}, not ${expectedRev}`);
  }
}

/** `NOT_FOUND` for an id that the source does not have. */
export const notFound = (kind: string, id: string): RollcallError => new RollcallError("NOT_FOUND", `no ${kind} ${id}`);

/** Which attributes an update changed; single values with what they were and are. */
export function changesBetween(before: JsonObject, after: JsonObject): Record<string, Json> {
  const changes: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const old = before[key] ?? null;
    const present = after[key] ?? null;
    if (old === present || JSON.stringify(old) === JSON.stringify(present)) continue;
    changes[key] = { from: short(old), to: short(present) };
  }
  return changes;
}

/** Long or structured values are told in a few words: the audit trail says what changed, it is no second copy of the directory. */
function short(value: Json): Json {
  if (typeof value === "string") return value.length > 200 ? `${value.slice(0, 200)}…` : value;
  if (value === null || typeof value !== "object") return value;
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : value;
}

/** One page of the rows of a source, with the exact number that match. */
export async function listRows<T>(
  driver: Driver,
  table: "users" | "groups",
  names: string,
  source: string,
  query: ListQuery,
  convert: (row: Row) => T,
): Promise<ListPage<T>> {
  const where = toSql(query.where, table);
  const from = `FROM ${table} t WHERE t.source = ? AND t.absent_since_ms IS NULL AND ${where.text}`;
  const params = [source, ...where.params];
  const rows =
    query.limit === 0
      ? []
      : await driver.read.all(`SELECT ${names} ${from} ORDER BY ${orderOf(query.sort)} LIMIT ? OFFSET ?`, [
          ...params,
          query.limit,
          query.offset,
        ]);
  // A first page that is not full is the whole: no second look.
  const isWhole = query.offset === 0 && rows.length < query.limit;
  const total = isWhole
    ? rows.length
    : Number((await driver.read.get(`SELECT count(*) AS n ${from}`, params))?.["n"] ?? 0);
  return { total, records: rows.map(convert) };
}

/** Pages in order of creation; other work of the process runs between them. */
export async function* scanRows<T>(
  driver: Driver,
  table: "users" | "groups",
  names: string,
  source: string,
  criterion: Criterion,
  pageSize: number,
  convert: (row: Row) => T,
): AsyncGenerator<readonly T[]> {
  const where = toSql(criterion, table);
  let after = 0;
  for (;;) {
    const rows = await driver.read.all(
      `SELECT ${names} FROM ${table} t WHERE t.source = ? AND t.absent_since_ms IS NULL AND t.seq > ? AND ${where.text} ORDER BY t.seq LIMIT ?`,
      [source, after, ...where.params, pageSize],
    );
    if (rows.length > 0) yield rows.map(convert);
    if (rows.length < pageSize) return;
    after = Number(rows.at(-1)?.["seq"] ?? after);
    await new Promise((next) => setImmediate(next));
  }
}
