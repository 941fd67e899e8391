import { hash } from "node:crypto";
import type { AuditEntry, AuditRow } from "../../domain/model/audit.ts";
import type { EntityKind } from "../../domain/model/entities.ts";
import { insertRows, rowsPerStatement } from "../database/batches.ts";
import type { Dialect, Row, Sql, SqlValue } from "../database/driver.ts";

/** In the `detail` of a row, as it is stored, where a target did not do what was asked. */
export const failedOutcome = '"outcome":"failed"';

/** What the first row follows: the hash of no row. */
export const chainStart = "0".repeat(64);

const columns = [
  "seq",
  "at_ms",
  "actor",
  "request_id",
  "action",
  "kind",
  "entity_id",
  "name",
  "target",
  "rev",
  "detail",
] as const;
const insertedColumns = [...columns, "hash"];
const insertOne = `INSERT INTO audit (${insertedColumns.join(", ")}) VALUES (${insertedColumns.map(() => "?").join(", ")})`;

/** The last row's place and hash. */
export interface ChainEnd {
  readonly seq: number;
  /** SHA-256, hex. */
  readonly hash: string;
}

/**
 * The hash of a row: SHA-256, hex, over the hash of the row before, a line feed, and the row's columns in their order as
 * a JSON array. JSON keeps apart what concatenation would run together, and null from an empty text.
 */
const hashOf = (previous: string, values: readonly SqlValue[]): string =>
  hash("sha256", `${previous}\n${JSON.stringify(values)}`, "hex");

/** The hash that a row as read must have after one with the hash `previous`. */
export const expectedHash = (previous: string, row: Row): string =>
  hashOf(
    previous,
    columns.map((column) => row[column] ?? null),
  );

/** The end of the chain; an empty trail ends at 0. */
export async function chainEnd(sql: Sql): Promise<ChainEnd> {
  const last = await sql.get("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1");
  return last === undefined ? { seq: 0, hash: chainStart } : { seq: Number(last["seq"]), hash: String(last["hash"]) };
}

/**
 * Adds rows to the audit trail, inside the transaction of what they tell about. The only way in: each row carries the
 * hash of all before it. The end is read anew each time, as other processes write too (`approve` and `token` beside `serve`).
 */
export async function writeAudit(sql: Sql, atMs: number, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  let { seq, hash: previous } = await chainEnd(sql);
  const rows = entries.map((entry): readonly SqlValue[] => {
    seq += 1;
    const values = [
      seq,
      atMs,
      stored(entry.actor),
      stored(entry.requestId),
      entry.action,
      entry.kind,
      entry.entityId,
      stored(entry.name),
      entry.target,
      entry.rev,
      JSON.stringify(entry.detail),
    ];
    previous = hashOf(previous, values);
    return [...values, previous];
  });
  if (rows.length >= rowsPerStatement) await insertRows(sql, "audit", insertedColumns, rows);
  // Most writes have one row or two, and the text of that statement is made once.
  else for (const row of rows) await sql.run(insertOne, row);
}

/** As every database keeps it (half of a surrogate pair, and NUL, are no text): the row must have the hash of what is read. */
function stored<T extends string | null>(text: T): T | string {
  return text === null ? text : text.toWellFormed().replaceAll("\0", "\ufffd");
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
  target: row["target"] as string | null,
  rev: row["rev"] as number | null,
  detail: JSON.parse(String(row["detail"])) as AuditRow["detail"],
});

const rowsPerStep = 1000;

/**
 * Chains the rows that were written before there was a chain, then lets nothing be changed or deleted any more. The
 * triggers stop mistakes; who can drop a trigger is found by the chain.
 */
export async function chainExisting(sql: Sql, dialect: Dialect): Promise<void> {
  let previous = chainStart;
  for (let after = 0; ; ) {
    const rows = await sql.all("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", [after, rowsPerStep]);
    for (const row of rows) {
      previous = expectedHash(previous, row);
      await sql.run("UPDATE audit SET hash = ? WHERE seq = ?", [previous, Number(row["seq"])]);
    }
    if (rows.length < rowsPerStep) break;
    after = Number(rows.at(-1)?.["seq"] ?? after);
  }
  for (const statement of dialect.appendOnly("audit")) await sql.run(statement);
}
