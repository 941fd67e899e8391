import type { AuditEntry } from "../../domain/model/audit.ts";
import type { Cause } from "../../domain/model/entities.ts";
import type { RestoredState } from "../../domain/model/restored-database.ts";
import { membershipKey } from "../../domain/model/restored-database.ts";
import type { SyncStore } from "../../domain/ports/sync-store.ts";
import { writeAudit } from "../audit/audit.ts";
import type { Dialect, Driver, Row, Sql } from "../database/driver.ts";

/**
 * `backup_marks` has a row only in a copy that `backup` made; of other copies somebody has to say it. `restores`: connections in which its word counts less; what
 * it said, and when each was last told of, is in the `restored_…` tables meanwhile.
 */
export const restoreTables = ({ clustered }: Dialect): readonly string[] => [
  "CREATE TABLE backup_marks (made_ms BIGINT NOT NULL)",
  "CREATE TABLE restores (target TEXT PRIMARY KEY, at_ms BIGINT NOT NULL, reviewed_ms BIGINT)",
  `CREATE TABLE restored_users (id TEXT PRIMARY KEY, modified_ms BIGINT NOT NULL) ${clustered}`,
  `CREATE TABLE restored_groups (id TEXT PRIMARY KEY, definition_rev BIGINT NOT NULL) ${clustered}`,
  `CREATE TABLE restored_members (user_id TEXT NOT NULL, group_id TEXT NOT NULL, PRIMARY KEY (user_id, group_id)) ${clustered}`,
];

/** See `SyncStore`. */
export function restoreRows(driver: Driver): Pick<SyncStore, "noticeRestore" | "markRestored" | "restored"> {
  const { dialect } = driver;
  return {
    async noticeRestore(connections, nowMs) {
      // Asked at every start: nothing is written where nothing is to be done.
      if ((await markOf(driver.read)) === null) return null;
      return await driver.transaction(async (sql) => {
        const madeAtMs = await markOf(sql);
        if (madeAtMs === null) return null;
        await begin(sql, connections, nowMs);
        await tell(
          sql,
          nowMs,
          { actor: "restore", requestId: null },
          { backupAt: iso(madeAtMs), targets: connections },
        );
        return madeAtMs;
      });
    },

    markRestored: (connections, cause, nowMs) =>
      driver.transaction(async (sql) => {
        const madeAtMs = await markOf(sql);
        const newest = await sql.get("SELECT at_ms, action FROM audit ORDER BY seq DESC LIMIT 1");
        const newestAtMs = (newest?.["at_ms"] ?? null) as number | null;
        const isRepeated =
          madeAtMs === null &&
          newest?.["action"] === "restore" &&
          (await sql.get("SELECT target FROM restores LIMIT 1")) !== undefined;
        await begin(sql, connections, nowMs);
        if (!isRepeated)
          await tell(sql, nowMs, cause, {
            backupAt: iso(madeAtMs),
            newestAt: iso(newestAtMs),
            targets: connections,
          });
        return { madeAtMs, newestAtMs, isRepeated };
      }),

    async restored(target, { userIds, groupIds }) {
      const row = await driver.read.get("SELECT at_ms, reviewed_ms FROM restores WHERE target = ?", [target]);
      if (row === undefined) return null;
      const users = JSON.stringify(userIds);
      const ids = (rows: readonly Row[]): ReadonlySet<string> => new Set(rows.map(({ id }) => String(id)));
      return {
        atMs: Number(row["at_ms"]),
        isReviewed: row["reviewed_ms"] !== null,
        staleUserIds: ids(
          await driver.read.all(
            `SELECT r.id FROM restored_users r JOIN users u ON u.id = r.id AND u.modified_ms = r.modified_ms WHERE ${dialect.isIn("r.id")}`,
            [users],
          ),
        ),
        staleGroupIds: ids(
          await driver.read.all(
            `SELECT r.id FROM restored_groups r JOIN groups g ON g.id = r.id AND g.definition_rev = r.definition_rev WHERE ${dialect.isIn("r.id")}`,
            [JSON.stringify(groupIds)],
          ),
        ),
        memberships: new Set(
          (
            await driver.read.all(`SELECT user_id, group_id FROM restored_members WHERE ${dialect.isIn("user_id")}`, [
              users,
            ])
          ).map((each) => membershipKey(String(each["group_id"]), String(each["user_id"]))),
        ),
      } satisfies RestoredState;
    },
  };
}

/** From now on the word of what is there counts less. */
async function begin(sql: Sql, connections: readonly string[], nowMs: number): Promise<void> {
  await clear(sql);
  await sql.run("DELETE FROM restores");
  // What is linked too: a target may be missing from the configuration of today, and come back.
  const linked = await sql.all("SELECT DISTINCT target FROM links");
  for (const target of new Set([...connections, ...linked.map((row) => String(row["target"]))]))
    await sql.run("INSERT INTO restores (target, at_ms) VALUES (?, ?)", [target, nowMs]);
  await sql.run("INSERT INTO restored_users (id, modified_ms) SELECT id, modified_ms FROM users");
  await sql.run("INSERT INTO restored_groups (id, definition_rev) SELECT id, definition_rev FROM groups");
  await sql.run(
    `INSERT INTO restored_members (user_id, group_id) SELECT u.id, g.id FROM memberships m
     JOIN users u ON u.seq = m.user_seq JOIN groups g ON g.seq = m.group_seq`,
  );
  // Carried out since, or not any more what was approved.
  await sql.run("UPDATE held SET approved_ms = NULL");
  // What the source's server counts may have gone on past what it still remembers.
  await sql.run("UPDATE poll_states SET cursor_text = NULL");
  await sql.run("DELETE FROM backup_marks");
}

const tell = (sql: Sql, nowMs: number, { actor, requestId }: Cause, detail: AuditEntry["detail"]): Promise<void> =>
  writeAudit(sql, nowMs, [
    {
      actor,
      requestId,
      action: "restore",
      kind: null,
      entityId: null,
      name: null,
      target: null,
      rev: null,
      detail,
    },
  ]);

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** A target that is made while another is careful: it knows the people of the old copy, too, and nothing of them. */
export async function joinRestore(sql: Sql, target: string): Promise<void> {
  await sql.run(
    `INSERT INTO restores (target, at_ms) SELECT ?, max(at_ms) FROM restores
     WHERE NOT EXISTS (SELECT 1 FROM restores WHERE target = ?) AND NOT EXISTS (SELECT 1 FROM links WHERE target = ?)
     HAVING count(*) > 0`,
    [target, target, target],
  );
}

async function markOf(sql: Sql): Promise<number | null> {
  const row = await sql.get("SELECT max(made_ms) AS at FROM backup_marks");
  return (row?.["at"] ?? null) as number | null;
}

/** Somebody approved what was held there: the copy's word counts again. The budget stays spent for the rest of the window. */
export async function reviewRestore(sql: Sql, target: string, nowMs: number): Promise<void> {
  await sql.run("UPDATE restores SET reviewed_ms = ? WHERE target = ? AND reviewed_ms IS NULL", [nowMs, target]);
}

/** Nothing is left of it there; what the copy said is forgotten with the last target. */
export async function endRestore(sql: Sql, target: string): Promise<void> {
  await sql.run("DELETE FROM restores WHERE target = ?", [target]);
  if ((await sql.get("SELECT target FROM restores LIMIT 1")) === undefined) await clear(sql);
}

async function clear(sql: Sql): Promise<void> {
  for (const table of ["restored_users", "restored_groups", "restored_members"]) await sql.run(`DELETE FROM ${table}`);
}
