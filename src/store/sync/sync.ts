import type { RemovedSource } from "../../domain/model/sync-input.ts";
import type { ConnectionState, RunRecord, SyncStore } from "../../domain/ports/sync-store.ts";
import { writeAudit } from "../audit/audit.ts";
import { countUp } from "../audit/hourly-counts.ts";
import { breathe, chunks } from "../database/batches.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { all, count, first, integer, oneOf, optional, type Shape, table, text } from "../database/table.ts";
import { heldRows, replaceHeld } from "./held.ts";
import { links, upsertLink } from "./links.ts";
import { closeRequests } from "./reinvite-requests.ts";
import { endRestore, restoreRows } from "./restores.ts";
import { readInput, removedSources } from "./sync-input.ts";

/** Maximum number of causes per entity. A caller with more of them has a log of their own calls. */
const maxCauses = 10;

const connectionShape: Shape<ConnectionState> = {
  name: text,
  role: oneOf(["source", "target"]),
  type: text,
  lastSuccessAtMs: optional(integer),
  failingSinceMs: optional(integer),
  retryAtMs: optional(integer),
  errorCode: optional(text),
  errorMessage: optional(text),
};
const connectionStates = table<ConnectionState>("connection_states", connectionShape);
const upsertConnection = connectionStates.upsert(["role", "name"]);

/** Links, removal limit, held changes and the state of connections: see `SyncStore`. */
export function syncRows(driver: Driver): Omit<SyncStore, "targetCounts"> {
  const { read, dialect } = driver;
  /** Ids with a time after `sinceMs`. */
  const idsSince = async (from: string, target: string, sinceMs: number): Promise<ReadonlyMap<string, number>> => {
    const statement = `SELECT ${from} WHERE target = ? AND at_ms > ?`;
    const rows = await all(read, { id: text, atMs: integer }, statement, [target, sinceMs]);
    return new Map(rows.map(({ id, atMs }) => [id, atMs]));
  };

  return {
    ...heldRows(driver),
    ...restoreRows(driver),

    readInput: (target, scope, nowMs, sources = null) => readInput(driver, target, scope, nowMs, sources),

    async linkedTo(target, remoteIds, removed = new Set()) {
      if (remoteIds.length === 0) return new Map();
      const list = JSON.stringify([...removed]);
      const rows = await all(
        read,
        { remoteId: text, entityId: text },
        `SELECT l.remote_id, l.entity_id FROM links l JOIN users u ON u.id = l.entity_id AND u.absent_since_ms IS NULL
         WHERE l.target = ? AND l.kind = 'user' AND ${dialect.isIn("l.remote_id")}
           AND NOT (${dialect.isIn("u.source")} AND EXISTS (
             SELECT 1 FROM users o WHERE o.email = u.email AND o.absent_since_ms IS NULL AND ${dialect.isNotIn("o.source")}))`,
        [target, JSON.stringify(remoteIds), list, list],
      );
      return new Map(rows.map(({ remoteId, entityId }) => [remoteId, entityId]));
    },

    async linkedUsers(target, remoteIds) {
      if (remoteIds.length === 0) return new Map();
      const users = await all(
        read,
        {
          remoteId: text,
          id: text,
          source: text,
          email: optional(text),
          displayName: text,
          absentSinceMs: optional(integer),
        },
        `SELECT l.remote_id, u.id, u.source, u.email, u.display_name, u.absent_since_ms
         FROM links l JOIN users u ON u.id = l.entity_id
         WHERE l.target = ? AND l.kind = 'user' AND ${dialect.isIn("l.remote_id")}`,
        [target, JSON.stringify(remoteIds)],
      );
      return Map.groupBy(users, ({ remoteId }) => remoteId);
    },

    async nextRetryAtMs(target) {
      const row = await first(
        read,
        { atMs: optional(integer) },
        "SELECT min(retry_at_ms) AS at_ms FROM links WHERE target = ? AND retry_at_ms IS NOT NULL",
        [target],
      );
      return row?.atMs ?? null;
    },

    async accountOf(target) {
      const row = await first(read, { account: text }, "SELECT account FROM target_accounts WHERE target = ?", [
        target,
      ]);
      return row?.account ?? null;
    },

    peopleWithAccess: (target) =>
      count(read, "FROM links WHERE target = ? AND kind = 'user' AND has_access = 1", [target]),
    charges: (target, sinceMs) => idsSince("charge_id AS id, at_ms FROM access_losses", target, sinceMs),
    returned: (target, sinceMs) => idsSince("user_id AS id, at_ms FROM access_returns", target, sinceMs),

    async causes(target, entityIds) {
      const found = new Map<string, string[]>();
      for (const some of chunks(entityIds)) {
        const rows = await all(
          read,
          { entityId: text, requestId: text },
          `SELECT a.entity_id, a.request_id FROM audit a LEFT JOIN links l ON l.target = ? AND l.kind = a.kind AND l.entity_id = a.entity_id
           WHERE ${dialect.isIn("a.entity_id")} AND a.target IS NULL AND a.request_id IS NOT NULL
             AND a.rev > coalesce(l.applied_rev, 0) ORDER BY a.seq DESC`,
          [target, JSON.stringify(some)],
        );
        for (const { entityId, requestId } of rows) {
          const ids = found.get(entityId) ?? [];
          if (ids.length < maxCauses && !ids.includes(requestId)) ids.push(requestId);
          found.set(entityId, ids);
        }
        await breathe();
      }
      return found;
    },

    // A process that was frozen during a run, and lost the leader lock meanwhile, must not write what it saw before.
    commit: (target, record, nowMs) =>
      driver.transaction((sql) => writeRun(sql, target, record, nowMs), {
        isReconciling: record.links !== undefined || record.charge !== undefined || record.held !== undefined,
      }),

    putConnection: (state) =>
      driver.transaction(async (sql) => void (await sql.run(upsertConnection, connectionStates.values(state)))),

    connections: () => all(read, connectionShape, "SELECT * FROM connection_states ORDER BY role, name"),

    async sourceCounts() {
      const counts = new Map<string, { users: number; groups: number; lastChangeAtMs: number | null }>();
      for (const name of ["users", "groups"] as const) {
        const rows = await all(
          read,
          { source: text, n: integer, atMs: integer },
          `SELECT source, count(*) AS n, max(modified_at_ms) AS at_ms FROM ${name} WHERE absent_since_ms IS NULL GROUP BY source`,
        );
        for (const { source, n, atMs } of rows) {
          const before = counts.get(source) ?? { users: 0, groups: 0, lastChangeAtMs: null };
          const lastChangeAtMs = Math.max(before.lastChangeAtMs ?? 0, atMs);
          counts.set(source, { ...before, [name]: n, lastChangeAtMs });
        }
      }
      return counts;
    },

    async removedSources(sources) {
      const list = JSON.stringify(sources);
      const left = (name: "users" | "groups", source: string, column: string, more = ""): Promise<number> =>
        count(
          read,
          `FROM ${name} t WHERE t.source = ? AND t.absent_since_ms IS NULL ${more} AND NOT EXISTS (
             SELECT 1 FROM ${name} o WHERE o.${column} = t.${column} AND o.absent_since_ms IS NULL AND ${dialect.isIn("o.source")})`,
          [source, list],
        );
      const found: RemovedSource[] = [];
      for (const name of await removedSources(driver, sources)) {
        const users = await left("users", name, "email", "AND t.is_active = 1");
        const groups = await left("groups", name, "display_name");
        if (users + groups > 0) found.push({ name, users, groups });
      }
      return found;
    },
  };
}

async function writeRun(sql: Sql, target: string, record: RunRecord, nowMs: number): Promise<void> {
  if (record.account !== undefined)
    await sql.run("INSERT INTO target_accounts (target, account) VALUES (?, ?) ON CONFLICT (target) DO NOTHING", [
      target,
      record.account,
    ]);
  for (const link of record.links ?? []) await sql.run(upsertLink, links.values(link));
  for (const chargeId of record.charge ?? []) {
    // Never earlier than before: a clock that jumps back must not end the window too early.
    await sql.run(
      `INSERT INTO access_losses (target, charge_id, at_ms) VALUES (?, ?, ?) ON CONFLICT (target, charge_id)
       DO UPDATE SET at_ms = CASE WHEN excluded.at_ms > access_losses.at_ms THEN excluded.at_ms ELSE access_losses.at_ms END`,
      [target, chargeId, nowMs],
    );
  }
  for (const userId of record.returning ?? [])
    await sql.run(
      "INSERT INTO access_returns (target, user_id, at_ms) VALUES (?, ?, ?) ON CONFLICT (target, user_id) DO UPDATE SET at_ms = excluded.at_ms",
      [target, userId, nowMs],
    );
  for (const chargeId of record.refund ?? [])
    await sql.run("DELETE FROM access_losses WHERE target = ? AND charge_id = ?", [target, chargeId]);
  if (record.held !== undefined) await replaceHeld(sql, target, record.held, nowMs);
  for (const key of record.done ?? [])
    await sql.run("DELETE FROM held_changes WHERE target = ? AND key = ?", [target, key]);
  await closeRequests(sql, target, record.answered ?? [], nowMs);
  await countUp(sql, target, record, nowMs);
  if (record.endsRestore === true) await endRestore(sql, target);
  await writeAudit(sql, nowMs, record.audit ?? []);
}
