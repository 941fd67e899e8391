import type { AuditEntry } from "../../domain/model/audit.ts";
import type { Cause } from "../../domain/model/entities.ts";
import { membershipKey } from "../../domain/model/restored-database.ts";
import type { SyncStore } from "../../domain/ports/sync-store.ts";
import { otherEntry, writeAudit } from "../audit/audit.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { all, first, integer, optional, text } from "../database/table.ts";

/** A database that was restored from a backup: see `SyncStore`. */
export function restoreRows({
  read,
  transaction,
  dialect,
}: Driver): Pick<SyncStore, "noticeRestore" | "markRestored" | "restored"> {
  const idsOf = async (statement: string, ids: readonly string[]): Promise<ReadonlySet<string>> => {
    const rows = await all(read, { id: text }, `${statement} WHERE ${dialect.isIn("r.id")}`, [JSON.stringify(ids)]);
    return new Set(rows.map(({ id }) => id));
  };
  return {
    async noticeRestore(targets, nowMs) {
      // Every start calls this. It writes only if there is a mark.
      if ((await readMark(read)) === null) return null;
      return await transaction(async (sql) => {
        const madeAtMs = await readMark(sql);
        if (madeAtMs === null) return null;
        await begin(sql, targets, nowMs);
        const detail = { backupAt: iso(madeAtMs), targets };
        await audit(sql, nowMs, { actor: "restore", requestId: null }, detail);
        return madeAtMs;
      });
    },

    markRestored: (targets, cause, nowMs) =>
      transaction(async (sql) => {
        const madeAtMs = await readMark(sql);
        const newest = await first(
          sql,
          { atMs: integer, action: text },
          "SELECT at_ms, action FROM audit ORDER BY seq DESC LIMIT 1",
        );
        const newestAtMs = newest?.atMs ?? null;
        const isRepeated = madeAtMs === null && newest?.action === "restore" && (await isDistrusted(sql));
        await begin(sql, targets, nowMs);
        const detail = { backupAt: iso(madeAtMs), newestAt: iso(newestAtMs), targets };
        if (!isRepeated) await audit(sql, nowMs, cause, detail);
        return { madeAtMs, newestAtMs, isRepeated };
      }),

    async restored(target, { userIds, groupIds }) {
      const row = await first(
        read,
        { atMs: integer, reviewedAtMs: optional(integer) },
        "SELECT at_ms, reviewed_at_ms FROM restores WHERE target = ?",
        [target],
      );
      if (row === undefined) return null;
      const memberships = await all(
        read,
        { userId: text, groupId: text },
        `SELECT user_id, group_id FROM restored_memberships WHERE ${dialect.isIn("user_id")}`,
        [JSON.stringify(userIds)],
      );
      return {
        atMs: row.atMs,
        isReviewed: row.reviewedAtMs !== null,
        staleUserIds: await idsOf(
          "SELECT r.id FROM restored_users r JOIN users u ON u.id = r.id AND u.modified_at_ms = r.modified_at_ms",
          userIds,
        ),
        staleGroupIds: await idsOf(
          "SELECT r.id FROM restored_groups r JOIN groups g ON g.id = r.id AND g.definition_rev = r.definition_rev",
          groupIds,
        ),
        memberships: new Set(memberships.map(({ userId, groupId }) => membershipKey(groupId, userId))),
      };
    },
  };
}

/** From now on targets distrust what the database has at this moment. */
async function begin(sql: Sql, targets: readonly string[], nowMs: number): Promise<void> {
  await forgetCopy(sql);
  await sql.run("DELETE FROM restores");
  // Linked targets too: a target may be missing from today's configuration, and come back.
  const linked = await all(sql, { target: text }, "SELECT DISTINCT target FROM links");
  for (const target of new Set([...targets, ...linked.map((link) => link.target)]))
    await sql.run("INSERT INTO restores (target, at_ms) VALUES (?, ?)", [target, nowMs]);
  await sql.run("INSERT INTO restored_users (id, modified_at_ms) SELECT id, modified_at_ms FROM users");
  await sql.run("INSERT INTO restored_groups (id, definition_rev) SELECT id, definition_rev FROM groups");
  await sql.run(
    `INSERT INTO restored_memberships (user_id, group_id) SELECT u.id, g.id FROM memberships m
     JOIN users u ON u.seq = m.user_seq JOIN groups g ON g.seq = m.group_seq`,
  );
  // The changes may have been carried out since, or the approvals withdrawn.
  await sql.run("UPDATE held_changes SET approved_at_ms = NULL");
  // The cursors may be older than what the servers of the sources remember.
  await sql.run("UPDATE poll_states SET cursor = NULL");
  await sql.run("DELETE FROM backup_marks");
}

const audit = (sql: Sql, nowMs: number, cause: Cause, detail: AuditEntry["detail"]): Promise<void> =>
  writeAudit(sql, nowMs, [otherEntry(cause, "restore", {}, detail)]);

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const isDistrusted = async (sql: Sql): Promise<boolean> =>
  (await sql.get("SELECT target FROM restores LIMIT 1")) !== undefined;

/** Lets a new target distrust the copy as the others do: it gets the users of the copy too, and has no links. */
export async function joinRestore(sql: Sql, target: string): Promise<void> {
  await sql.run(
    `INSERT INTO restores (target, at_ms) SELECT ?, max(at_ms) FROM restores
     WHERE NOT EXISTS (SELECT 1 FROM restores WHERE target = ?) AND NOT EXISTS (SELECT 1 FROM links WHERE target = ?)
     HAVING count(*) > 0`,
    [target, target, target],
  );
}

/** When the backup was made; null without a mark. */
const readMark = async (sql: Sql): Promise<number | null> =>
  (await first(sql, { atMs: optional(integer) }, "SELECT max(made_at_ms) AS at_ms FROM backup_marks"))?.atMs ?? null;

/** The target trusts the copy again. Its removal limit stays used up for the rest of the window. */
export async function reviewRestore(sql: Sql, target: string, nowMs: number): Promise<void> {
  await sql.run("UPDATE restores SET reviewed_at_ms = ? WHERE target = ? AND reviewed_at_ms IS NULL", [nowMs, target]);
}

/** The restore has no consequences left in this target. With the last target, the copy is forgotten. */
export async function endRestore(sql: Sql, target: string): Promise<void> {
  await sql.run("DELETE FROM restores WHERE target = ?", [target]);
  if (!(await isDistrusted(sql))) await forgetCopy(sql);
}

async function forgetCopy(sql: Sql): Promise<void> {
  for (const name of ["users", "groups", "memberships"]) await sql.run(`DELETE FROM restored_${name}`);
}
