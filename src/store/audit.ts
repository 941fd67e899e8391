import type { EntityKind } from "../domain/directory.ts";
import type { AuditEntry, AuditRow } from "../domain/sync.ts";
import type { Row, Sql } from "./driver.ts";

/** Adds rows to the audit trail, inside the transaction of what they tell about. */
export async function writeAudit(sql: Sql, atMs: number, entries: readonly AuditEntry[]): Promise<void> {
  for (const entry of entries) {
    await sql.run(
      "INSERT INTO audit (at_ms, actor, request_id, action, kind, entity_id, name, connection, rev, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      [
        atMs,
        entry.actor,
        entry.requestId,
        entry.action,
        entry.kind,
        entry.entityId,
        entry.name,
        entry.connection,
        entry.rev,
        JSON.stringify(entry.detail),
      ],
    );
  }
}

/** An audit row as read. */
export const toAuditRow = (row: Row): AuditRow => ({
  seq: Number(row["seq"]),
  atMs: Number(row["at_ms"]),
  actor: String(row["actor"]),
  requestId: row["request_id"] as string | null,
  action: String(row["action"]),
  kind: row["kind"] as EntityKind | null,
  entityId: row["entity_id"] as string | null,
  name: row["name"] as string | null,
  connection: row["connection"] as string | null,
  rev: row["rev"] as number | null,
  detail: JSON.parse(String(row["detail"])) as AuditRow["detail"],
});
