import type { EntityKind } from "../../domain/model/entities.ts";
import type { SyncState, SyncStatus } from "../../domain/ports/console-store.ts";
import type { Driver, Row } from "../database/driver.ts";
import { linkSelection, toLink } from "../sync/sync-input.ts";

/** Where entities of each kind lie. */
export const tableOf = { user: "users", group: "groups" } as const;

/** What makes an entity of each kind dirty. */
export const revOf = { user: "t.rev", group: "t.definition_rev" } as const;

/** The state of entity `t` under link `l`; takes the target once. The same order as in `SyncState`. */
export const stateSql = (kind: EntityKind, l = "l"): string => `CASE
  WHEN t.absent_since_ms IS NOT NULL AND ${l}.entity_id IS NOT NULL AND ${l}.remote_id IS NULL AND ${revOf[kind]} <= ${l}.applied_rev THEN NULL
  WHEN t.id IN (SELECT entity_id FROM held WHERE target = ? AND approved_ms IS NULL) THEN 'held'
  WHEN ${l}.error_code IS NOT NULL THEN 'failed'
  WHEN ${l}.entity_id IS NULL OR ${revOf[kind]} > ${l}.applied_rev THEN 'pending'
  WHEN ${l}.note = 'not-in-target' AND ${l}.attempts = 0 THEN 'missing'
  ELSE 'inSync' END`;

/** How these entities stand with each target, by id; in the order of `connections`. */
export async function syncStatusesOf(
  driver: Driver,
  kind: EntityKind,
  ids: readonly string[],
  connections: readonly string[],
): Promise<ReadonlyMap<string, readonly SyncStatus[]>> {
  const found = new Map<string, SyncStatus[]>(ids.map((id) => [id, []]));
  for (const target of connections) {
    const rows = await driver.read.all(
      `SELECT t.id, ${stateSql(kind)} AS state, ${linkSelection}, a.at_ms AS asked_ms FROM ${tableOf[kind]} t
       LEFT JOIN links l ON l.target = ? AND l.kind = ? AND l.entity_id = t.id
       LEFT JOIN asks a ON a.target = ? AND a.user_id = t.id WHERE ${driver.dialect.isIn("t.id")}`,
      [target, target, kind, target, JSON.stringify(ids)],
    );
    for (const row of rows) found.get(String(row["id"]))?.push(toStanding(row, target));
  }
  return found;
}

function toStanding(row: Row, target: string): SyncStatus {
  const link = toLink(row);
  return {
    target,
    state: row["state"] as SyncState | null,
    note: link?.note ?? null,
    remoteId: link?.remoteId ?? null,
    ownership: link?.ownership ?? null,
    hasAccess: link?.hasAccess ?? false,
    seenState: link?.observedState ?? null,
    seenSinceMs: link?.observedSinceMs ?? null,
    reinviteAskedAtMs: row["asked_ms"] as number | null,
    attempts: link?.attempts ?? 0,
    retryAtMs: link?.retryAtMs ?? null,
    errorCode: link?.errorCode ?? null,
    errorMessage: link?.errorMessage ?? null,
    lastSuccessAtMs: link?.lastSuccessAtMs ?? null,
  };
}
