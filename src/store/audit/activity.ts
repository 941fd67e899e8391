import type { AuditRow } from "../../domain/model/audit.ts";
import type { ActivityPage, ActivityQuery } from "../../domain/ports/console-store.ts";
import { breathe } from "../database/batches.ts";
import { allOf, always, type Condition, condition } from "../database/conditions.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { first, integer, optional } from "../database/table.ts";
import { failedOutcome, toAuditRow } from "./audit.ts";
import { auditCondition, lastSeq } from "./audit-trail.ts";

/** Rows that one statement reads: a few milliseconds. */
const rowsPerStatement = 20_000;
/** Maximum rows that are read for a page without an index. The page then says where the next one starts. */
const maxRowsPerPage = 1_000_000;

/** The audit trail by filters: see `ConsoleStore`. */
export function activityRows(driver: Driver) {
  return {
    newestSeq: () => lastSeq(driver.read),

    async activity(query: ActivityQuery): Promise<ActivityPage> {
      const { read } = driver;
      const path = pathOf(driver, query);
      const where = allOf([path.where, activityCondition(driver, query)]);
      const bottom = query.sinceMs === null ? 0 : await firstSeqAt(read, query.sinceMs);
      const above = (await lastSeq(read)) + 1;
      const end = query.untilMs === null ? above : await firstSeqAt(read, query.untilMs);
      const top = Math.min(query.beforeSeq ?? above, end);
      const stopAt = Math.max(bottom, path.index === null ? top - maxRowsPerPage : bottom);
      const rows: AuditRow[] = [];
      for (let before = top; before > stopAt && rows.length <= query.limit; ) {
        const from = path.index === null ? Math.max(stopAt, before - rowsPerStatement) : stopAt;
        const found = await read.all(
          `SELECT * FROM audit ${path.index === null ? "" : driver.dialect.through(path.index)}
           WHERE seq >= ? AND seq < ? AND ${where.text} ORDER BY seq DESC LIMIT ?`,
          [from, before, ...where.params, query.limit + 1 - rows.length],
        );
        rows.push(...found.map(toAuditRow));
        before = from;
        await breathe();
      }
      const shown = rows.slice(0, query.limit);
      if (rows.length > query.limit) return { rows: shown, nextBeforeSeq: shown.at(-1)?.seq ?? null };
      return { rows: shown, nextBeforeSeq: stopAt > Math.max(bottom, 1) ? stopAt : null };
    },

    async activityAfter(
      query: ActivityQuery,
      afterSeq: number,
    ): Promise<{ readonly rows: readonly AuditRow[]; readonly lookedAtSeq: number }> {
      const until = Math.min(await lastSeq(driver.read), afterSeq + rowsPerStatement);
      const where = activityCondition(driver, query);
      const found = await driver.read.all(
        `SELECT * FROM audit WHERE seq > ? AND seq <= ? AND ${where.text} ORDER BY seq LIMIT ?`,
        [afterSeq, until, ...where.params, query.limit],
      );
      const rows = found.map(toAuditRow);
      const lookedAtSeq = rows.length < query.limit ? Math.max(afterSeq, until) : (rows.at(-1)?.seq ?? until);
      return { rows, lookedAtSeq };
    },
  };
}

/** The index that leads to the fewest rows, with the condition that it needs. */
function pathOf(
  { dialect }: Driver,
  query: ActivityQuery,
): { readonly index: string | null; readonly where: Condition } {
  if (query.entityId !== null) return { index: "audit_entity", where: always };
  if (query.isFailureOnly)
    return { index: "audit_failed", where: condition(dialect.contains("detail", failedOutcome)) };
  if (query.target !== null && query.action === null && query.actor === null)
    return { index: "audit_calls", where: condition("target IS NOT NULL") };
  return { index: null, where: always };
}

function activityCondition({ dialect }: Driver, query: ActivityQuery): Condition {
  // The times again, beside the bounds by `seq`: after a clock was set back, rows are not in order of time.
  const parts: Condition[] = [auditCondition(query)];
  if (query.entityId !== null) parts.push(condition("entity_id = ?", query.entityId));
  if (query.actor !== null) parts.push(condition("substr(actor, 1, ?) = ?", query.actor.length, query.actor));
  if (query.isFailureOnly) parts.push(condition(dialect.contains("detail", failedOutcome)));
  return allOf(parts);
}

/**
 * The first row at or after that time, or one past the newest if all are older. A binary search: rows are in order of
 * time, and an index on the time would cost each SCIM write a page.
 */
async function firstSeqAt(sql: Sql, atMs: number): Promise<number> {
  const ends = await first(
    sql,
    { low: optional(integer), high: optional(integer) },
    "SELECT (SELECT min(seq) FROM audit) AS low, (SELECT max(seq) FROM audit) AS high",
  );
  let low = ends?.low ?? 0;
  let high = (ends?.high ?? -1) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = await first(sql, { atMs: integer }, "SELECT at_ms FROM audit WHERE seq >= ? ORDER BY seq LIMIT 1", [
      middle,
    ]);
    if ((row?.atMs ?? Number.POSITIVE_INFINITY) >= atMs) high = middle;
    else low = middle + 1;
  }
  return low;
}
