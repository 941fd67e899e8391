import type { AuditRow } from "../../domain/model/audit.ts";
import type { ActivityPage, ActivityQuery } from "../../domain/ports/console-store.ts";
import { breathe } from "../database/batches.ts";
import type { Condition } from "../database/conditions.ts";
import type { Driver } from "../database/driver.ts";
import { failedOutcome, toAuditRow } from "./audit.ts";

/** Rows looked at in one statement: a few milliseconds. */
const rowsPerLook = 20_000;
/** Rows looked at for one page, where no index leads to them; the page then says where to go on. */
const rowsPerPage = 1_000_000;

/** Filters of which it is remembered where nothing fits. */
const filtersKept = 50;

/**
 * Parts of the trail, `rowsPerLook` places each, where nothing fits a filter. Rows are only ever added at the end, so
 * what was empty stays so: a filter for what is rare reads the trail once.
 */
function emptyParts() {
  const known = new Map<string, Set<number>>();
  return (where: Condition): Set<number> => {
    const key = JSON.stringify(where);
    const found = known.get(key) ?? new Set();
    if (!known.has(key) && known.size >= filtersKept) known.clear();
    known.set(key, found);
    return found;
  };
}

/** The audit trail by filters: see `ConsoleStore`. */
export function activityRows(driver: Driver) {
  const emptyFor = emptyParts();
  const newestSeq = async (): Promise<number> =>
    Number((await driver.read.get("SELECT coalesce(max(seq), 0) AS seq FROM audit"))?.["seq"] ?? 0);

  return {
    newestSeq,

    async activity(query: ActivityQuery): Promise<ActivityPage> {
      const path = await pathOf(driver, query);
      const where = conditions(driver, query);
      const bottom = query.sinceMs === null ? 0 : await firstSeqAt(driver, query.sinceMs);
      const above = (await newestSeq()) + 1;
      const top = Math.min(
        query.beforeSeq ?? above,
        query.untilMs === null ? above : await firstSeqAt(driver, query.untilMs),
      );
      const stopAt = Math.max(bottom, path.isIndexed ? bottom : top - rowsPerPage);
      const isTimed = query.sinceMs !== null || query.untilMs !== null;
      const bounds = { top, stopAt, limit: query.limit + 1 };
      const rows = path.isIndexed
        ? await between(driver, path, where, stopAt, top, bounds.limit)
        : await partByPart(driver, path, where, bounds, isTimed ? null : emptyFor(where));
      const shown = rows.slice(0, query.limit);
      const isMore = rows.length > query.limit;
      if (isMore) return { rows: shown, nextBeforeSeq: shown.at(-1)?.seq ?? null };
      return { rows: shown, nextBeforeSeq: stopAt > Math.max(bottom, 1) ? stopAt : null };
    },

    async activityAfter(
      query: ActivityQuery,
      afterSeq: number,
    ): Promise<{ readonly rows: readonly AuditRow[]; readonly lookedAtSeq: number }> {
      const newest = await newestSeq();
      const until = Math.min(newest, afterSeq + rowsPerLook);
      const where = conditions(driver, query);
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

/** Newest first. */
async function between(
  driver: Driver,
  path: Path,
  where: Condition,
  from: number,
  before: number,
  limit: number,
): Promise<readonly AuditRow[]> {
  const found = await driver.read.all(
    `SELECT * FROM audit ${path.through} WHERE ${path.text} AND seq >= ? AND seq < ? AND ${where.text} ORDER BY seq DESC LIMIT ?`,
    [...path.params, from, before, ...where.params, limit],
  );
  return found.map(toAuditRow);
}

/** Where only looking at each row tells: newest first, with other work let in between. Parts known as `empty` are left out, and more of them noted. */
async function partByPart(
  driver: Driver,
  path: Path,
  where: Condition,
  { top, stopAt, limit }: { readonly top: number; readonly stopAt: number; readonly limit: number },
  empty: Set<number> | null,
): Promise<readonly AuditRow[]> {
  const rows: AuditRow[] = [];
  let before = top;
  while (before > stopAt && rows.length < limit) {
    const start = Math.floor((before - 1) / rowsPerLook) * rowsPerLook;
    const from = Math.max(stopAt, start);
    if (empty?.has(start) !== true) {
      const found = await between(driver, path, where, from, before, limit - rows.length);
      rows.push(...found);
      // Only a part that is full: one at the end still grows.
      if (found.length === 0 && from === start && before === start + rowsPerLook) empty?.add(start);
      await breathe();
    }
    before = from;
  }
  return rows;
}

interface Path extends Condition {
  readonly through: string;
  readonly isIndexed: boolean;
}

/** The narrowest way to the rows. */
async function pathOf(driver: Driver, query: ActivityQuery): Promise<Path> {
  const { through, contains } = driver.dialect;
  const indexed = (index: string, text: string, params: Condition["params"]): Path => ({
    through: through(index),
    text,
    params,
    isIndexed: true,
  });
  if (query.entityId !== null) return indexed("audit_entity", "entity_id = ?", [query.entityId]);
  if (query.isFailureOnly) return indexed("audit_failed", contains("detail", failedOutcome), []);
  if (query.target !== null && query.action === null && query.actor === null)
    return indexed("audit_calls", "target IS NOT NULL AND target = ?", [query.target]);
  return { through: "", text: "1 = 1", params: [], isIndexed: false };
}

function conditions(driver: Driver, query: ActivityQuery): Condition {
  const parts: (readonly [text: string, params: Condition["params"]])[] = [["1 = 1", []]];
  if (query.entityId !== null) parts.push(["entity_id = ?", [query.entityId]]);
  if (query.target !== null) parts.push(["target = ?", [query.target]]);
  if (query.action !== null) parts.push(actionCondition(query.action));
  if (query.actor !== null) parts.push(["substr(actor, 1, ?) = ?", [query.actor.length, query.actor]]);
  // Again, beside the bounds by seq: a clock that was set back leaves rows out of order.
  if (query.sinceMs !== null) parts.push(["at_ms >= ?", [query.sinceMs]]);
  if (query.untilMs !== null) parts.push(["at_ms < ?", [query.untilMs]]);
  if (query.isFailureOnly) parts.push([driver.dialect.contains("detail", failedOutcome), []]);
  return { text: parts.map(([text]) => text).join(" AND "), params: parts.flatMap(([, params]) => params) };
}

/** The action itself, or all that begin with it and a dot; `/` is the character after the dot. */
const actionCondition = (action: string): readonly [text: string, params: Condition["params"]] => [
  "(action = ? OR (action >= ? AND action < ?))",
  [action, `${action}.`, `${action}/`],
];

/**
 * The first row at or after that time, by halving: rows are written in order of time, and an index on it would cost each
 * SCIM write a page. One past the newest when all are older.
 */
async function firstSeqAt(driver: Driver, atMs: number): Promise<number> {
  const ends = await driver.read.get(
    "SELECT (SELECT min(seq) FROM audit) AS low, (SELECT max(seq) FROM audit) AS high",
  );
  if (typeof ends?.["low"] !== "number") return 0;
  let low = ends["low"];
  let high = Number(ends["high"]) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = await driver.read.get("SELECT at_ms FROM audit WHERE seq >= ? ORDER BY seq LIMIT 1", [middle]);
    if (Number(row?.["at_ms"] ?? Number.POSITIVE_INFINITY) >= atMs) high = middle;
    else low = middle + 1;
  }
  return low;
}
