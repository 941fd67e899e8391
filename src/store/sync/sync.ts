import type { Link } from "../../domain/model/link.ts";
import type { RemovedSource } from "../../domain/model/sync-input.ts";
import type { AuditStore, UserDetails } from "../../domain/ports/audit-store.ts";
import type { ConnectionState, RunRecord, SyncStore } from "../../domain/ports/sync-store.ts";
import { toAuditRow, writeAudit } from "../audit/audit.ts";
import { countUp } from "../audit/hourly-counts.ts";
import { breathe, chunks } from "../database/batches.ts";
import { fold } from "../database/conditions.ts";
import type { Driver, Row, Sql } from "../database/driver.ts";
import { heldRows, replaceHeld, toHeld } from "./held.ts";
import { closeAsks } from "./reinvite-requests.ts";
import { endRestore, type restoreRows } from "./restores.ts";
import { linkSelection, readSlice, removedSources, toDirectoryUser, toLink } from "./sync-input.ts";

/** Of one entity: whoever changes somebody more often before the target follows has the log of their own calls. */
const causesAtMost = 10;

/** Links, budget, held removals and the state of connections: see `SyncStore`. */
export function syncRows(driver: Driver): Omit<SyncStore, "targetCounts" | keyof ReturnType<typeof restoreRows>> {
  return {
    ...heldRows(driver),

    readInput: (target, scope, nowMs, sources = null) => readSlice(driver, target, scope, nowMs, sources),

    async linkedTo(target, remoteIds, gone = new Set()) {
      if (remoteIds.length === 0) return new Map();
      const list = JSON.stringify([...gone]);
      const rows = await driver.read.all(
        `SELECT l.remote_id, l.entity_id FROM links l JOIN users u ON u.id = l.entity_id AND u.absent_since_ms IS NULL
         WHERE l.target = ? AND l.kind = 'user' AND ${driver.dialect.isIn("l.remote_id")}
           AND NOT (${driver.dialect.isIn("u.source")} AND EXISTS (
             SELECT 1 FROM users o WHERE o.email = u.email AND o.absent_since_ms IS NULL AND ${driver.dialect.isNotIn("o.source")}))`,
        [target, JSON.stringify(remoteIds), list, list],
      );
      return new Map(rows.map((row) => [String(row["remote_id"]), String(row["entity_id"])]));
    },

    async linkedUsers(target, remoteIds) {
      if (remoteIds.length === 0) return new Map();
      const rows = await driver.read.all(
        `SELECT l.remote_id, u.id, u.source, u.email, u.display_name, u.absent_since_ms
         FROM links l JOIN users u ON u.id = l.entity_id
         WHERE l.target = ? AND l.kind = 'user' AND ${driver.dialect.isIn("l.remote_id")}`,
        [target, JSON.stringify(remoteIds)],
      );
      const holders = rows.map((row) => ({
        remoteId: String(row["remote_id"]),
        id: String(row["id"]),
        source: String(row["source"]),
        email: (row["email"] ?? null) as string | null,
        displayName: String(row["display_name"]),
        absentSinceMs: row["absent_since_ms"] === null ? null : Number(row["absent_since_ms"]),
      }));
      return Map.groupBy(holders, ({ remoteId }) => remoteId);
    },

    async nextRetryAtMs(target) {
      const row = await driver.read.get(
        "SELECT min(retry_at_ms) AS at FROM links WHERE target = ? AND retry_at_ms IS NOT NULL",
        [target],
      );
      return (row?.["at"] as number | null | undefined) ?? null;
    },

    async accountOf(target) {
      const row = await driver.read.get("SELECT account FROM accounts WHERE target = ?", [target]);
      return row === undefined ? null : String(row["account"]);
    },

    async peopleWithAccess(target) {
      const row = await driver.read.get(
        "SELECT count(*) AS n FROM links WHERE target = ? AND kind = 'user' AND has_access = 1",
        [target],
      );
      return Number(row?.["n"] ?? 0);
    },

    async charges(target, sinceMs) {
      const rows = await driver.read.all("SELECT user_id, at_ms FROM charges WHERE target = ? AND at_ms > ?", [
        target,
        sinceMs,
      ]);
      return new Map(rows.map((row) => [String(row["user_id"]), Number(row["at_ms"])]));
    },

    async returned(target, sinceMs) {
      const rows = await driver.read.all("SELECT user_id, at_ms FROM returns WHERE target = ? AND at_ms > ?", [
        target,
        sinceMs,
      ]);
      return new Map(rows.map((row) => [String(row["user_id"]), Number(row["at_ms"])]));
    },

    async causes(target, entityIds) {
      const found = new Map<string, string[]>();
      for (const some of chunks(entityIds)) {
        const rows = await driver.read.all(
          `SELECT a.entity_id, a.request_id FROM audit a LEFT JOIN links l ON l.target = ? AND l.kind = a.kind AND l.entity_id = a.entity_id
           WHERE ${driver.dialect.isIn("a.entity_id")} AND a.target IS NULL AND a.request_id IS NOT NULL
             AND a.rev > coalesce(l.applied_rev, 0) ORDER BY a.seq DESC`,
          [target, JSON.stringify(some)],
        );
        for (const row of rows) {
          const ids = found.get(String(row["entity_id"])) ?? [];
          const id = String(row["request_id"]);
          if (ids.length < causesAtMost && !ids.includes(id)) ids.push(id);
          found.set(String(row["entity_id"]), ids);
        }
        await breathe();
      }
      return found;
    },

    // Whoever was frozen in the middle of a run, and has lost the right meanwhile, must not write down what it saw then.
    commit: (target, record, nowMs) =>
      driver.transaction((sql) => writeRun(sql, target, record, nowMs), {
        isReconciling: record.links !== undefined || record.charge !== undefined || record.held !== undefined,
      }),

    putConnection: (state) =>
      driver.transaction(async (sql) => {
        await sql.run(
          `INSERT INTO connections (name, role, type, last_success_ms, failing_since_ms, retry_ms, error_code, error_message) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (role, name) DO UPDATE SET type = excluded.type, last_success_ms = excluded.last_success_ms,
             failing_since_ms = excluded.failing_since_ms, retry_ms = excluded.retry_ms, error_code = excluded.error_code, error_message = excluded.error_message`,
          [
            state.name,
            state.role,
            state.type,
            state.lastSuccessAtMs,
            state.failingSinceMs,
            state.retryAtMs,
            state.errorCode,
            state.errorMessage,
          ],
        );
      }),

    connections: async () => (await driver.read.all("SELECT * FROM connections ORDER BY role, name")).map(toConnection),

    async sourceCounts() {
      const users = await driver.read.all(
        "SELECT source, count(*) AS n, max(modified_ms) AS at FROM users WHERE absent_since_ms IS NULL GROUP BY source",
      );
      const groups = await driver.read.all(
        "SELECT source, count(*) AS n, max(modified_ms) AS at FROM groups WHERE absent_since_ms IS NULL GROUP BY source",
      );
      const counts = new Map<string, { users: number; groups: number; lastChangeAtMs: number | null }>();
      for (const [key, rows] of [
        ["users", users],
        ["groups", groups],
      ] as const) {
        for (const row of rows) {
          const source = String(row["source"]);
          const before = counts.get(source) ?? { users: 0, groups: 0, lastChangeAtMs: null };
          counts.set(source, {
            ...before,
            [key]: Number(row["n"]),
            lastChangeAtMs: Math.max(before.lastChangeAtMs ?? 0, Number(row["at"])),
          });
        }
      }
      return counts;
    },

    async removedSources(sources) {
      const list = JSON.stringify(sources);
      const left = async (table: "users" | "groups", name: string, column: string, more = ""): Promise<number> => {
        const row = await driver.read.get(
          `SELECT count(*) AS n FROM ${table} t WHERE t.source = ? AND t.absent_since_ms IS NULL ${more} AND NOT EXISTS (
             SELECT 1 FROM ${table} o WHERE o.${column} = t.${column} AND o.absent_since_ms IS NULL AND ${driver.dialect.isIn("o.source")})`,
          [name, list],
        );
        return Number(row?.["n"] ?? 0);
      };
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

const toConnection = (row: Row): ConnectionState => ({
  name: String(row["name"]),
  role: row["role"] as ConnectionState["role"],
  type: String(row["type"]),
  lastSuccessAtMs: row["last_success_ms"] as number | null,
  failingSinceMs: row["failing_since_ms"] as number | null,
  retryAtMs: row["retry_ms"] as number | null,
  errorCode: row["error_code"] as string | null,
  errorMessage: row["error_message"] as string | null,
});

async function writeRun(sql: Sql, target: string, record: RunRecord, nowMs: number): Promise<void> {
  if (record.account !== undefined)
    await sql.run("INSERT INTO accounts (target, account) VALUES (?, ?) ON CONFLICT (target) DO NOTHING", [
      target,
      record.account,
    ]);
  for (const link of record.links ?? []) await putLink(sql, link);
  for (const userId of record.charge ?? []) {
    // Never earlier than it was: a clock that jumps back must not end a charge before its time.
    await sql.run(
      `INSERT INTO charges (target, user_id, at_ms) VALUES (?, ?, ?) ON CONFLICT (target, user_id)
       DO UPDATE SET at_ms = CASE WHEN excluded.at_ms > charges.at_ms THEN excluded.at_ms ELSE charges.at_ms END`,
      [target, userId, nowMs],
    );
  }
  for (const userId of record.returning ?? [])
    await sql.run(
      "INSERT INTO returns (target, user_id, at_ms) VALUES (?, ?, ?) ON CONFLICT (target, user_id) DO UPDATE SET at_ms = excluded.at_ms",
      [target, userId, nowMs],
    );
  for (const userId of record.refund ?? [])
    await sql.run("DELETE FROM charges WHERE target = ? AND user_id = ?", [target, userId]);
  if (record.held !== undefined) await replaceHeld(sql, target, record.held, nowMs);
  for (const key of record.done ?? []) await sql.run("DELETE FROM held WHERE target = ? AND key = ?", [target, key]);
  await closeAsks(sql, target, record.answered ?? [], nowMs);
  await countUp(sql, target, record, nowMs);
  if (record.endsRestore === true) await endRestore(sql, target);
  await writeAudit(sql, nowMs, record.audit ?? []);
}

async function putLink(sql: Sql, link: Link): Promise<void> {
  await sql.run(
    `INSERT INTO links (target, kind, entity_id, remote_id, ownership, applied_rev, has_access, is_suspended_by_us, note,
       attempts, attempted_rev, retry_at_ms, error_code, error_message, last_success_ms, seen_state, seen_since_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (target, kind, entity_id) DO UPDATE SET remote_id = excluded.remote_id, ownership = excluded.ownership,
       applied_rev = excluded.applied_rev, has_access = excluded.has_access, is_suspended_by_us = excluded.is_suspended_by_us,
       note = excluded.note, attempts = excluded.attempts, attempted_rev = excluded.attempted_rev, retry_at_ms = excluded.retry_at_ms,
       error_code = excluded.error_code, error_message = excluded.error_message, last_success_ms = excluded.last_success_ms,
       seen_state = excluded.seen_state, seen_since_ms = excluded.seen_since_ms`,
    [
      link.target,
      link.kind,
      link.entityId,
      link.remoteId,
      link.ownership,
      link.appliedRev,
      link.hasAccess ? 1 : 0,
      link.isSuspendedByUs ? 1 : 0,
      link.note,
      link.attempts,
      link.attemptedRev,
      link.retryAtMs,
      link.errorCode,
      link.errorMessage,
      link.lastSuccessAtMs,
      link.observedState,
      link.observedSinceMs,
    ],
  );
}

/** The history and the present state of people: see `AuditStore`. */
export function auditRows(driver: Driver): AuditStore {
  return {
    async userDetails(query) {
      const rows = await driver.read.all(
        `SELECT t.* FROM users t WHERE t.id = ? OR t.email = ? OR t.user_name_key = ? OR t.seq IN (SELECT user_seq FROM user_emails WHERE email = ?)
         ORDER BY (t.absent_since_ms IS NOT NULL), t.seq DESC LIMIT 20`,
        [query, fold(query.trim()), fold(query.trim()), fold(query.trim())],
      );
      return Promise.all(rows.map((row) => userDetails(driver, row)));
    },

    audit: async (afterSeq, limit) =>
      (await driver.read.all("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", [afterSeq, limit])).map(
        toAuditRow,
      ),

    async problems(target, limit) {
      const rows = await driver.read.all(
        `SELECT coalesce(u.email, u.user_name, g.display_name) AS name, ${linkSelection} FROM links l
         LEFT JOIN users u ON l.kind = 'user' AND u.id = l.entity_id LEFT JOIN groups g ON l.kind = 'group' AND g.id = l.entity_id
         WHERE l.target = ? AND (l.error_code IS NOT NULL OR l.note IS NOT NULL)
           -- Who is to lose access and is looked for asks for nobody's attention.
           AND (l.error_code IS NOT NULL OR l.note <> 'not-in-target' OR l.attempts = 0)
           AND coalesce(u.absent_since_ms, g.absent_since_ms) IS NULL
         ORDER BY l.error_code IS NULL, l.note IS NOT NULL, l.note, name LIMIT ?`,
        [target, limit],
      );
      return rows.flatMap((row) => {
        const link = toLink(row);
        return link === null ? [] : [{ name: String(row["name"]), kind: link.kind, link }];
      });
    },
  };
}

async function userDetails(driver: Driver, row: Row): Promise<UserDetails> {
  const user = toDirectoryUser(row);
  const groups = await driver.read.all(
    "SELECT g.display_name AS name FROM memberships m JOIN groups g ON g.seq = m.group_seq WHERE m.user_seq = ? ORDER BY name",
    [Number(row["seq"])],
  );
  const links = await driver.read.all(
    `SELECT ${linkSelection} FROM links l WHERE l.kind = 'user' AND l.entity_id = ? ORDER BY l.target`,
    [user.id],
  );
  const held = await driver.read.all("SELECT * FROM held WHERE entity_id = ? ORDER BY target, key", [user.id]);
  const history = await driver.read.all(
    "SELECT * FROM (SELECT * FROM audit WHERE entity_id = ? ORDER BY seq DESC LIMIT 1000) AS newest ORDER BY seq",
    [user.id],
  );
  return {
    user,
    userName: String(row["user_name"]),
    groups: groups.map((group) => String(group["name"])),
    links: links.flatMap((link) => toLink(link) ?? []),
    held: held.map((item) => ({ ...toHeld(item), target: String(item["target"]) })),
    history: history.map(toAuditRow),
  };
}
