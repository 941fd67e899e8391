import type { EntityKind } from "../../domain/model/entities.ts";
import type { HeldReason } from "../../domain/model/plan.ts";
import type { AlertStore } from "../../domain/ports/alert-store.ts";
import type { Driver } from "../database/driver.ts";

/** The table of step 6. */
export const alertTables = (): readonly string[] => [
  // One row, replaced as a whole: what has been told and what is still to be sent belong together.
  "CREATE TABLE alert_state (id INTEGER PRIMARY KEY, state TEXT NOT NULL)",
];

/** What alerts are derived from and what they remember: see `AlertStore`. */
export function alertRows(driver: Driver): AlertStore {
  return {
    async failures(target, limit) {
      const rows = await driver.read.all(
        "SELECT kind, entity_id, error_code FROM links WHERE target = ? AND error_code IS NOT NULL ORDER BY kind, entity_id LIMIT ?",
        [target, limit],
      );
      return rows.map((row) => ({
        kind: row["kind"] as EntityKind,
        entityId: String(row["entity_id"]),
        code: String(row["error_code"]),
      }));
    },

    async heldSummary(target) {
      const rows = await driver.read.all(
        "SELECT key, reason, since_ms FROM held WHERE target = ? AND reason <> 'seats' AND approved_ms IS NULL AND dismissed_ms IS NULL ORDER BY since_ms",
        [target],
      );
      const reasons: Partial<Record<HeldReason, number>> = {};
      for (const { reason } of rows) reasons[reason as HeldReason] = (reasons[reason as HeldReason] ?? 0) + 1;
      return {
        keys: rows.map((row) => String(row["key"])),
        reasons,
        sinceMs: (rows[0]?.["since_ms"] ?? null) as number | null,
      };
    },

    async alertState() {
      const row = await driver.read.get("SELECT state FROM alert_state WHERE id = 1", []);
      return row === undefined ? null : String(row["state"]);
    },

    putAlertState: (state) =>
      driver.transaction(async (sql) => {
        await sql.run(
          "INSERT INTO alert_state (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
          [state],
        );
      }),
  };
}
