import type { Cause, EntityRef } from "../../domain/model/entities.ts";
import type { ConsoleStore } from "../../domain/ports/console-store.ts";
import { entityEntry, writeAudit } from "../audit/audit.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { all, entityKind, first, integer, optional, text } from "../database/table.ts";

/** Users whose invitation is to be sent again, with the time of the request, by user id. */
export async function reinviteRequests({ read }: Driver, target: string): Promise<ReadonlyMap<string, number>> {
  const shape = { userId: text, atMs: integer };
  const rows = await all(read, shape, "SELECT user_id, at_ms FROM reinvite_requests WHERE target = ?", [target]);
  return new Map(rows.map(({ userId, atMs }) => [userId, atMs]));
}

/** Deletes answered requests. Users with a newer request are due at once: the run has just set them to wait. */
export async function closeRequests(
  sql: Sql,
  target: string,
  answered: readonly { readonly userId: string; readonly askedAtMs: number }[],
  nowMs: number,
): Promise<void> {
  for (const { userId, askedAtMs } of answered)
    await sql.run("DELETE FROM reinvite_requests WHERE target = ? AND user_id = ? AND at_ms <= ?", [
      target,
      userId,
      askedAtMs,
    ]);
  await sql.run(
    `UPDATE links SET retry_at_ms = ? WHERE target = ? AND kind = 'user' AND retry_at_ms IS NULL
       AND entity_id IN (SELECT user_id FROM reinvite_requests WHERE target = ?)`,
    [nowMs, target, target],
  );
}

/** The requests of people to the reconciler, beside decisions: see `ConsoleStore`. */
export function requestRows(
  driver: Driver,
  { changed }: { readonly changed: (refs: readonly EntityRef[]) => void },
): Pick<ConsoleStore, "askSync" | "askReinvite"> {
  /** Makes an entity due, and records who asked for it. Returns false for an unknown entity, or when `prepare` does. */
  const ask = async (
    action: string,
    { target, id, cause, nowMs }: { target: string; id: string; cause: Cause; nowMs: number },
    prepare: (sql: Sql) => Promise<boolean>,
  ): Promise<boolean> => {
    const kind = await driver.transaction(async (sql) => {
      const entity = await first(
        sql,
        { kind: entityKind, name: optional(text) },
        `SELECT 'user' AS kind, coalesce(email, user_name) AS name FROM users WHERE id = ?
         UNION ALL SELECT 'group' AS kind, display_name AS name FROM groups WHERE id = ?`,
        [id, id],
      );
      if (entity === undefined || !(await prepare(sql))) return null;
      await sql.run("UPDATE links SET retry_at_ms = ? WHERE target = ? AND entity_id = ?", [nowMs, target, id]);
      await writeAudit(sql, nowMs, [entityEntry(cause, action, { ...entity, id, rev: null }, {}, target)]);
      return entity.kind;
    });
    if (kind !== null) changed([{ kind, id }]);
    return kind !== null;
  };

  return {
    askSync: (target, id, cause, nowMs) => ask("sync.ask", { target, id, cause, nowMs }, async () => true),

    askReinvite: (target, id, cause, nowMs) =>
      ask("reinvite.ask", { target, id, cause, nowMs }, async (sql) => {
        const link = await first(
          sql,
          { observedState: optional(text) },
          "SELECT observed_state FROM links WHERE target = ? AND kind = 'user' AND entity_id = ?",
          [target, id],
        );
        if (link?.observedState !== "invited") return false;
        await sql.run(
          "INSERT INTO reinvite_requests (target, user_id, at_ms) VALUES (?, ?, ?) ON CONFLICT (target, user_id) DO UPDATE SET at_ms = excluded.at_ms",
          [target, id, nowMs],
        );
        return true;
      }),
  };
}
