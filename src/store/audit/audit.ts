import { hash } from "node:crypto";
import type { AuditEntry, AuditHead, AuditRow, ChainedRow } from "../../domain/model/audit.ts";
import type { Cause, EntityKind } from "../../domain/model/entities.ts";
import { insertRows } from "../database/batches.ts";
import type { Row, Sql, SqlValue } from "../database/driver.ts";
import { entityKind, first, integer, json, optional, type Shape, table, text } from "../database/table.ts";

/** Part of the stored `detail` of a row about a call that the target refused. */
export const failedOutcome = '"outcome":"failed"';

const shape: Shape<AuditRow> = {
  seq: integer,
  atMs: integer,
  actor: text,
  requestId: optional(text),
  action: text,
  kind: optional(entityKind),
  entityId: optional(text),
  name: optional(text),
  target: optional(text),
  rev: optional(integer),
  detail: json(),
};
/** The columns that the hash of a row covers, in its order. */
const hashed = table<AuditRow>("audit", shape);
const chained = table<ChainedRow>("audit", { ...shape, hash: text });

export const toAuditRow = hashed.read;
export const toChainedRow = chained.read;

/** An entry about a user or a group. */
export const entityEntry = (
  cause: Cause,
  action: string,
  entity: { readonly kind: EntityKind; readonly id: string; readonly name: string | null; readonly rev: number | null },
  detail: AuditEntry["detail"],
  target: string | null = null,
): AuditEntry => ({
  actor: cause.actor,
  requestId: cause.requestId,
  action,
  kind: entity.kind,
  entityId: entity.id,
  name: entity.name,
  target,
  rev: entity.rev,
  detail,
});

/** An entry about no user and no group. */
export const otherEntry = (
  cause: Cause,
  action: string,
  about: { readonly name?: string | null; readonly target?: string },
  detail: AuditEntry["detail"],
): AuditEntry => ({
  actor: cause.actor,
  requestId: cause.requestId,
  action,
  kind: null,
  entityId: null,
  name: about.name ?? null,
  target: about.target ?? null,
  rev: null,
  detail,
});

const endShape: Shape<AuditHead> = { seq: integer, hash: text };

/** The end of an empty trail. */
export const chainStart: AuditHead = { seq: 0, hash: "0".repeat(64) };

/**
 * The hash of a row: SHA-256 over the hash of the row before, a line feed, and the columns as a JSON array. JSON keeps
 * apart what concatenation would merge, and null from an empty text.
 */
const hashOf = (previous: string, values: readonly SqlValue[]): string =>
  hash("sha256", `${previous}\n${JSON.stringify(values)}`, "hex");

/** The hash that a row must have after a row with the hash `previous`. */
export const expectedHash = (previous: string, row: Row): string =>
  hashOf(
    previous,
    hashed.columns.map((column) => row[column] ?? null),
  );

/**
 * Adds rows to the audit trail, inside the transaction of the change that they record. This is the only way to add rows:
 * each has the hash of all rows before it. Other processes write too, so the end is read each time.
 */
export async function writeAudit(sql: Sql, atMs: number, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const end = await first(sql, endShape, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1");
  let { seq, hash: previous } = end ?? chainStart;
  const rows = entries.map((entry): readonly SqlValue[] => {
    seq += 1;
    const { actor, requestId, name } = entry;
    const values = hashed.values({
      ...entry,
      seq,
      atMs,
      actor: storable(actor),
      requestId: requestId === null ? null : storable(requestId),
      name: name === null ? null : storable(name),
    });
    previous = hashOf(previous, values);
    return [...values, previous];
  });
  await insertRows(sql, { ...chained, values: (values: readonly SqlValue[]) => values }, rows);
}

/** Replaces what a database would not return unchanged: half of a surrogate pair, and NUL. The hash is over what is read. */
const storable = (value: string): string => value.toWellFormed().replaceAll("\0", "\ufffd");
