import type { AuditFilter, AuditHead, AuditVerdict, LostAccess } from "../../domain/model/audit.ts";
import { lossKinds, lossOf } from "../../domain/model/lost-access.ts";
import type { AuditTrail } from "../../domain/ports/audit-store.ts";
import { breathe } from "../database/batches.ts";
import { allOf, always, type Condition, condition, fold } from "../database/conditions.ts";
import type { Driver, Row, Sql } from "../database/driver.ts";
import { first, integer } from "../database/table.ts";
import { chainStart, expectedHash, toAuditRow, toChainedRow } from "./audit.ts";

/** Rows that one statement reads, however few of them fit a filter: some milliseconds. */
const rowsPerPage = 2000;
/** Maximum rows about one entity that are searched for a cause. */
const maxHistory = 300;
/** Rows about lost access that one statement reads, and the number after which a page ends even if it is not full. */
const lossesPerStatement = 500;
const maxLossesRead = 20_000;

/** Rows about access that was taken away. Without parameters, so that SQLite finds the index with this condition. */
export const lostAccessIndexCondition = `target IS NOT NULL AND action IN (${lossKinds.map((kind) => `'${kind}'`).join(", ")})`;

/** Reads and checks the audit trail: see `AuditTrail`. */
export function auditTrail({ read, dialect }: Pick<Driver, "read" | "dialect">): AuditTrail {
  return {
    async *auditRows(filter) {
      for await (const page of pages(read, auditCondition(filter))) yield page.map(toChainedRow);
    },

    async newestAuditRows(filter, limit) {
      const where = auditCondition(filter);
      const found: Row[] = [];
      for (let before = (await lastSeq(read)) + 1; before > 1 && found.length < limit; before -= rowsPerPage) {
        const page = await read.all(
          `SELECT * FROM audit WHERE seq < ? AND seq >= ? AND ${where.text} ORDER BY seq DESC LIMIT ?`,
          [before, before - rowsPerPage, ...where.params, limit - found.length],
        );
        found.push(...page);
        await breathe();
      }
      return found.reverse().map(toChainedRow);
    },

    async *lostAccess(filter) {
      const kinds = lossKinds.filter((kind) => filter.action === null || filter.action === kind);
      const isLoss = condition(`${lostAccessIndexCondition} AND ${dialect.isIn("action")}`, JSON.stringify(kinds));
      for await (const page of pages(read, allOf([auditCondition({ ...filter, action: null }), isLoss]))) {
        const losses: LostAccess[] = [];
        for (const row of page) losses.push(...(await lossIn(read, row)));
        if (losses.length > 0) yield losses;
      }
    },

    async newestLosses(filter, beforeSeq, limit) {
      const isAction = filter.action === null ? always : condition("action = ?", filter.action);
      const fits = allOf([auditCondition({ ...filter, action: null }), isAction]);
      const losses: LostAccess[] = [];
      let before = beforeSeq ?? (await lastSeq(read)) + 1;
      for (let count = 0; count < maxLossesRead; count += lossesPerStatement) {
        const rows = await read.all(
          `SELECT *, CASE WHEN ${fits.text} THEN 1 ELSE 0 END AS fits FROM audit ${dialect.through("audit_lost_access")}
           WHERE seq < ? AND ${lostAccessIndexCondition} ORDER BY seq DESC LIMIT ?`,
          [...fits.params, before, lossesPerStatement],
        );
        for (const row of rows) {
          before = Number(row["seq"]);
          if (row["fits"] === 1) losses.push(...(await lossIn(read, row)));
          if (losses.length === limit) return { losses, nextBeforeSeq: before };
        }
        if (rows.length < lossesPerStatement) return { losses, nextBeforeSeq: null };
        await breathe();
      }
      return { losses, nextBeforeSeq: before };
    },

    verifyAudit: (keptHead) => verify({ read, dialect }, keptHead),
  };
}

/** The condition of a filter; a part that is null or missing does not narrow it down. */
export function auditCondition({
  sinceMs,
  untilMs,
  person,
  target,
  action,
}: Partial<Pick<AuditFilter, "person">> & Omit<AuditFilter, "person">): Condition {
  const parts: Condition[] = [];
  if (sinceMs !== null) parts.push(condition("at_ms >= ?", sinceMs));
  if (untilMs !== null) parts.push(condition("at_ms < ?", untilMs));
  if (target !== null) parts.push(condition("target = ?", target));
  // The action itself, or all that begin with it and a dot. "/" is the character after the dot.
  if (action !== null)
    parts.push(condition("(action = ? OR (action >= ? AND action < ?))", action, `${action}.`, `${action}/`));
  if (person != null) {
    const key = fold(person.trim());
    // Rows with that address at the time, and all rows about the user who has the address now.
    parts.push(
      condition(
        `(name = ? OR entity_id IN (SELECT u.id FROM users u WHERE u.id = ? OR u.email = ? OR u.user_name_key = ?
           OR u.seq IN (SELECT user_seq FROM user_emails WHERE email = ?)))`,
        ...[key, person.trim(), key, key, key],
      ),
    );
  }
  return allOf(parts);
}

/** The number of the newest row; 0 without any. */
export const lastSeq = async (sql: Sql): Promise<number> =>
  (await first(sql, { seq: integer }, "SELECT coalesce(max(seq), 0) AS seq FROM audit"))?.seq ?? 0;

/** Rows that fit, oldest first. Stops at the row that was the last one at the start: new rows would never end. */
async function* pages(sql: Sql, where: Condition): AsyncGenerator<readonly Row[]> {
  const end = await lastSeq(sql);
  for (let after = 0; after < end; after += rowsPerPage) {
    const page = await sql.all(`SELECT * FROM audit WHERE seq > ? AND seq <= ? AND ${where.text} ORDER BY seq`, [
      after,
      Math.min(end, after + rowsPerPage),
      ...where.params,
    ]);
    if (page.length > 0) yield page;
    await breathe();
  }
}

/** The loss that a row records, with its cause from the history of the entity; empty if nothing was lost. */
async function lossIn(sql: Sql, row: Row): Promise<readonly LostAccess[]> {
  await breathe();
  const loss = toAuditRow(row);
  const { entityId, seq } = loss;
  const history = await sql.all("SELECT * FROM audit WHERE entity_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?", [
    entityId,
    seq,
    maxHistory,
  ]);
  const found = lossOf(loss, history.map(toAuditRow));
  return found === null ? [] : [found];
}

/** Checks that each row has the hash that follows from its content and from the row before. */
async function verify(
  { read, dialect }: Pick<Driver, "read" | "dialect">,
  keptHead: AuditHead | null,
): Promise<AuditVerdict> {
  let rows = 0;
  let firstAtMs: number | null = null;
  let lastAtMs: number | null = null;
  let head: AuditHead = chainStart;
  let keptHash: string | null = null;
  const verdict = (broken: AuditVerdict["broken"]): AuditVerdict => ({
    rows,
    firstAtMs,
    lastAtMs,
    head: head === chainStart ? null : head,
    broken,
  });
  for (;;) {
    const page = await read.all("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", [head.seq, rowsPerPage]);
    for (const row of page) {
      rows += 1;
      // Somebody may have written other types into a row: only its hash says whether it is ours.
      const seq = Number(row["seq"]);
      const hash = String(row["hash"]);
      if (expectedHash(head.hash, row) !== hash) return verdict(brokenAt(seq, head.seq));
      if (seq === keptHead?.seq) keptHash = hash;
      firstAtMs ??= Number(row["at_ms"]);
      lastAtMs = Number(row["at_ms"]);
      head = { seq, hash };
    }
    if (page.length < rowsPerPage) break;
    await breathe();
  }
  if (keptHead !== null && keptHash === null && head.seq < keptHead.seq) return verdict(cutOff(head.seq, keptHead.seq));
  if (keptHead !== null && keptHash !== keptHead.hash)
    return verdict({
      seq: keptHead.seq,
      reason: `row ${keptHead.seq} does not have the hash that was kept: somebody rewrote this row or rows before it`,
    });
  const inserted = dialect.name === "sqlite" ? await insertedRows(read) : 0;
  return verdict(inserted > head.seq ? cutOff(head.seq, inserted) : null);
}

const brokenAt = (seq: number, before: number) => ({
  seq: before + 1,
  reason:
    seq === before + 1
      ? `row ${seq} does not follow from row ${before}: one of the two was changed, inserted, or put in another's place`
      : `${missing(before + 1, seq - 1)}, between row ${before} and row ${seq}`,
});

const cutOff = (last: number, known: number) => ({
  seq: last + 1,
  reason: `${missing(last + 1, known)}: the trail ends at row ${last}`,
});

const missing = (from: number, to: number): string =>
  from === to ? `row ${from} is missing` : `rows ${from} to ${to} are missing`;

/** SQLite's own count of rows that were ever inserted: shows deleted rows at the end even without a kept head. */
const insertedRows = async (sql: Sql): Promise<number> =>
  (await first(sql, { seq: integer }, "SELECT seq FROM sqlite_sequence WHERE name = 'audit'"))?.seq ?? 0;
