import type {
  AuditFilter,
  AuditHead,
  AuditRow,
  AuditVerdict,
  ChainedRow,
  LostAccess,
} from "../../domain/model/audit.ts";
import { lossKinds, lossOf } from "../../domain/model/lost-access.ts";
import type { AuditTrail } from "../../domain/ports/audit-store.ts";
import { breathe } from "../database/batches.ts";
import { fold } from "../database/conditions.ts";
import type { Driver, Row, Sql, SqlValue } from "../database/driver.ts";
import { chainStart, expectedHash, toAuditRow } from "./audit.ts";

/** Places of the trail that one statement looks at: some milliseconds, however few of them fit a filter. */
const windowRows = 2000;
/** Rows about one entity that a cause is looked for in. */
const historyAtMost = 300;

/** Losses that one statement looks at, whoever they are about: some milliseconds. */
const lossesPerStatement = 500;
/** Then a page ends, whether or not it is full. */
const lossesLookedAt = 20_000;

/** Rows that tell of access taken away, written out: so the index that has only them is found. */
const isLossText = `target IS NOT NULL AND action IN (${lossKinds.map((kind) => `'${kind}'`).join(", ")})`;

/** Of step 7. Few rows of a trail are losses. */
export const lossIndex = `CREATE INDEX audit_losses ON audit (seq) WHERE ${isLossText}`;

/** Reads and checks the audit trail: see `AuditTrail`. */
export function auditTrail({ read, dialect }: Pick<Driver, "read" | "dialect">): AuditTrail {
  const rows = (filter: AuditFilter, more: Condition = anything) => forward(read, both(condition(filter), more));
  return {
    async *auditRows(filter) {
      for await (const page of rows(filter)) yield page.map(toChainedRow);
    },

    async newestAuditRows(filter, limit) {
      const where = condition(filter);
      const found: ChainedRow[] = [];
      for (let before = (await lastSeq(read)) + 1; before > 1 && found.length < limit; before -= windowRows) {
        const page = await read.all(
          `SELECT * FROM audit WHERE seq < ? AND seq >= ? AND ${where.text} ORDER BY seq DESC LIMIT ?`,
          [before, before - windowRows, ...where.params, limit - found.length],
        );
        found.push(...page.map(toChainedRow));
        await breathe();
      }
      return found.reverse();
    },

    async *lostAccess(filter) {
      const kinds = lossKinds.filter((kind) => filter.action === null || filter.action === kind);
      const isLoss = { text: `${isLossText} AND ${dialect.isIn("action")}`, params: [JSON.stringify(kinds)] };
      for await (const page of rows({ ...filter, action: null }, isLoss)) {
        const losses: LostAccess[] = [];
        for (const row of page) {
          const loss = await lossIn(read, row);
          if (loss !== null) losses.push(loss);
        }
        if (losses.length > 0) yield losses;
      }
    },

    async newestLosses(filter, beforeSeq, limit) {
      const kinds = filter.action === null ? anything : { text: "action = ?", params: [filter.action] };
      const fits = both(condition({ ...filter, action: null }), kinds);
      const losses: LostAccess[] = [];
      let before = beforeSeq ?? (await lastSeq(read)) + 1;
      for (let looked = 0; looked < lossesLookedAt; looked += lossesPerStatement) {
        const rows = await read.all(
          `SELECT *, CASE WHEN ${fits.text} THEN 1 ELSE 0 END AS fits FROM audit ${dialect.through("audit_losses")}
           WHERE seq < ? AND ${isLossText} ORDER BY seq DESC LIMIT ?`,
          [...fits.params, before, lossesPerStatement],
        );
        for (const row of rows) {
          before = Number(row["seq"]);
          const loss = row["fits"] === 1 ? await lossIn(read, row) : null;
          if (loss !== null) losses.push(loss);
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

const toChainedRow = (row: Row): ChainedRow => ({ ...toAuditRow(row), hash: String(row["hash"]) });

interface Condition {
  readonly text: string;
  readonly params: readonly SqlValue[];
}

const anything: Condition = { text: "1 = 1", params: [] };
const both = (one: Condition, other: Condition): Condition => ({
  text: `${one.text} AND ${other.text}`,
  params: [...one.params, ...other.params],
});

function condition({ sinceMs, untilMs, person, target, action }: AuditFilter): Condition {
  const parts: Condition[] = [];
  const add = (text: string, ...params: readonly SqlValue[]): void => void parts.push({ text, params });
  if (sinceMs !== null) add("at_ms >= ?", sinceMs);
  if (untilMs !== null) add("at_ms < ?", untilMs);
  if (target !== null) add("target = ?", target);
  if (action !== null) add("(action = ? OR substr(action, 1, ?) = ?)", action, action.length + 1, `${action}.`);
  if (person !== null) {
    const key = fold(person.trim());
    // Who has the address now, whatever it was then; and who had it then, whoever has it now.
    add(
      `(name = ? OR entity_id IN (SELECT u.id FROM users u WHERE u.id = ? OR u.email = ? OR u.user_name_key = ?
         OR u.seq IN (SELECT user_seq FROM user_emails WHERE email = ?)))`,
      key,
      person.trim(),
      key,
      key,
      key,
    );
  }
  return parts.reduce(both, anything);
}

const lastSeq = async (sql: Sql): Promise<number> =>
  Number((await sql.get("SELECT max(seq) AS seq FROM audit"))?.["seq"] ?? 0);

/** Rows that fit, in order, up to the end as it was at the start: what is written meanwhile would never end. */
async function* forward(sql: Sql, where: Condition): AsyncGenerator<readonly Row[]> {
  const end = await lastSeq(sql);
  for (let after = 0; after < end; after += windowRows) {
    const page = await sql.all(`SELECT * FROM audit WHERE seq > ? AND seq <= ? AND ${where.text} ORDER BY seq`, [
      after,
      Math.min(end, after + windowRows),
      ...where.params,
    ]);
    if (page.length > 0) yield page;
    await breathe();
  }
}

/** A loss with its cause. Other work gets its turn: a page may be a thousand losses, each with a history. */
async function lossIn(sql: Sql, row: Row): Promise<LostAccess | null> {
  await breathe();
  const told = toAuditRow(row);
  return lossOf(told, await historyBefore(sql, told));
}

/** What is on record about the same entity before that row, newest first. */
async function historyBefore(sql: Sql, { entityId, seq }: AuditRow): Promise<readonly AuditRow[]> {
  const rows = await sql.all("SELECT * FROM audit WHERE entity_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?", [
    entityId,
    seq,
    historyAtMost,
  ]);
  return rows.map(toAuditRow);
}

/** Each row must have the hash that follows from its content and from the row before. */
async function verify(
  { read, dialect }: Pick<Driver, "read" | "dialect">,
  keptHead: AuditHead | null,
): Promise<AuditVerdict> {
  let rows = 0;
  let firstAtMs: number | null = null;
  let lastAtMs: number | null = null;
  let head: AuditHead | null = null;
  let keptHash: string | null = null;
  const verdict = (broken: AuditVerdict["broken"]): AuditVerdict => ({ rows, firstAtMs, lastAtMs, head, broken });
  for (;;) {
    const page = await read.all("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", [head?.seq ?? 0, windowRows]);
    for (const row of page) {
      rows += 1;
      const seq = Number(row["seq"]);
      const hash = String(row["hash"]);
      if (expectedHash(head?.hash ?? chainStart, row) !== hash) return verdict(brokenAt(seq, head?.seq ?? 0));
      if (seq === keptHead?.seq) keptHash = hash;
      firstAtMs ??= Number(row["at_ms"]);
      lastAtMs = Number(row["at_ms"]);
      head = { seq, hash };
    }
    if (page.length < windowRows) break;
    await breathe();
  }
  if (keptHead !== null && keptHash === null && (head?.seq ?? 0) < keptHead.seq)
    return verdict(cutOff(head?.seq ?? 0, keptHead.seq));
  if (keptHead !== null && keptHash !== keptHead.hash)
    return verdict({
      seq: keptHead.seq,
      reason: `row ${keptHead.seq} has not the hash that was kept: it, or rows before it, were written anew`,
    });
  const counted = dialect.name === "sqlite" ? await countedUpTo(read) : 0;
  return verdict(counted > (head?.seq ?? 0) ? cutOff(head?.seq ?? 0, counted) : null);
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

/** SQLite counts rows of the table by itself: who deletes the last ones and forgets this is found without a kept head. */
const countedUpTo = async (sql: Sql): Promise<number> =>
  Number((await sql.get("SELECT seq FROM sqlite_sequence WHERE name = 'audit'"))?.["seq"] ?? 0);
