import type { HeldReason } from "../../domain/model/plan.ts";
import type { AlertStore } from "../../domain/ports/alert-store.ts";
import type { Driver } from "../database/driver.ts";
import { all, entityKind, first, integer, text } from "../database/table.ts";
import { heldReason } from "../sync/held.ts";

/** The facts and the memory of alerts: see `AlertStore`. */
export function alertRows({ read, transaction }: Driver): AlertStore {
  return {
    failures: (target, limit) =>
      all(
        read,
        { kind: entityKind, entityId: text, code: text },
        "SELECT kind, entity_id, error_code AS code FROM links WHERE target = ? AND error_code IS NOT NULL ORDER BY kind, entity_id LIMIT ?",
        [target, limit],
      ),

    async heldSummary(target) {
      const items = await all(
        read,
        { key: text, reason: heldReason, sinceMs: integer },
        "SELECT key, reason, since_ms FROM held_changes WHERE target = ? AND reason <> 'seats' AND approved_at_ms IS NULL AND dismissed_at_ms IS NULL ORDER BY since_ms",
        [target],
      );
      const reasons: Partial<Record<HeldReason, number>> = {};
      for (const { reason } of items) reasons[reason] = (reasons[reason] ?? 0) + 1;
      return { keys: items.map(({ key }) => key), reasons, sinceMs: items[0]?.sinceMs ?? null };
    },

    async alertState() {
      const row = await first(read, { state: text }, "SELECT state FROM alert_state WHERE id = 1");
      return row?.state ?? null;
    },

    putAlertState: (state) =>
      transaction(async (sql) => {
        await sql.run(
          "INSERT INTO alert_state (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
          [state],
        );
      }),
  };
}
