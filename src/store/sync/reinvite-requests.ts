import type { AuditEntry } from "../../domain/model/audit.ts";
import type { Cause, EntityKind, EntityRef } from "../../domain/model/entities.ts";
import { writeAudit } from "../audit/audit.ts";
import type { Driver, Row, Sql } from "../database/driver.ts";

/** Whose invitation is to be sent again, with when that was asked; by user id. */
export async function askedReinvites(driver: Driver, target: string): Promise<ReadonlyMap<string, number>> {
  const rows = await driver.read.all("SELECT user_id, at_ms FROM asks WHERE target = ?", [target]);
  return new Map(rows.map((row) => [String(row["user_id"]), Number(row["at_ms"])]));
}

/** Forgets what is answered. Who was asked for while the run was looking is due at once, as the run took them for settled. */
export async function closeAsks(
  sql: Sql,
  target: string,
  answered: readonly { readonly userId: string; readonly askedAtMs: number }[],
  nowMs: number,
): Promise<void> {
  for (const { userId, askedAtMs } of answered)
    await sql.run("DELETE FROM asks WHERE target = ? AND user_id = ? AND at_ms <= ?", [target, userId, askedAtMs]);
  await sql.run(
    `UPDATE links SET retry_at_ms = ? WHERE target = ? AND kind = 'user' AND retry_at_ms IS NULL
       AND entity_id IN (SELECT user_id FROM asks WHERE target = ?)`,
    [nowMs, target, target],
  );
}

/** What people ask of the reconciler, beside approvals: see `ConsoleStore`. */
export function askRows(driver: Driver, { changed }: { readonly changed: (refs: readonly EntityRef[]) => void }) {
  const dueNow = (sql: Sql, target: string, id: string, nowMs: number): Promise<number> =>
    sql.run("UPDATE links SET retry_at_ms = ? WHERE target = ? AND entity_id = ?", [nowMs, target, id]);

  return {
    async askSync(target: string, entityId: string, cause: Cause, nowMs: number): Promise<boolean> {
      const kind = await driver.transaction(async (sql) => {
        const found = await named(sql, entityId);
        if (found === undefined) return null;
        await dueNow(sql, target, entityId, nowMs);
        await writeAudit(sql, nowMs, [asked("sync.ask", target, entityId, found, cause)]);
        return found["kind"] as EntityKind;
      });
      if (kind !== null) changed([{ kind, id: entityId }]);
      return kind !== null;
    },

    async askReinvite(target: string, userId: string, cause: Cause, nowMs: number): Promise<boolean> {
      const isAsked = await driver.transaction(async (sql) => {
        const link = await sql.get(
          "SELECT seen_state FROM links WHERE target = ? AND kind = 'user' AND entity_id = ?",
          [target, userId],
        );
        const found = await named(sql, userId);
        if (found === undefined || link?.["seen_state"] !== "invited") return false;
        await sql.run(
          "INSERT INTO asks (target, user_id, at_ms) VALUES (?, ?, ?) ON CONFLICT (target, user_id) DO UPDATE SET at_ms = excluded.at_ms",
          [target, userId, nowMs],
        );
        await dueNow(sql, target, userId, nowMs);
        await writeAudit(sql, nowMs, [asked("reinvite.ask", target, userId, found, cause)]);
        return true;
      });
      if (isAsked) changed([{ kind: "user", id: userId }]);
      return isAsked;
    },
  };
}

const named = (sql: Sql, id: string): Promise<Row | undefined> =>
  sql.get(
    `SELECT 'user' AS kind, coalesce(email, user_name) AS name FROM users WHERE id = ?
     UNION ALL SELECT 'group' AS kind, display_name AS name FROM groups WHERE id = ?`,
    [id, id],
  );

const asked = (action: string, target: string, entityId: string, row: Row, cause: Cause): AuditEntry => ({
  ...cause,
  action,
  kind: row["kind"] as EntityKind,
  entityId,
  name: row["name"] as string | null,
  target,
  rev: null,
  detail: {},
});
