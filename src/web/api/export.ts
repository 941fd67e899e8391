import { once } from "node:events";
import { stringify } from "csv-stringify/sync";
import type { Response } from "express";
import type { AuditFilter, AuditTrail, ChainedRow } from "../../domain/audit.ts";
import { row } from "./documents.ts";

const columns = [
  "seq",
  "at",
  "actor",
  "requestId",
  "action",
  "kind",
  "entityId",
  "name",
  "target",
  "rev",
  "detail",
  "hash",
] as const;
/** Who reads nothing for that long is gone. */
const stuckMs = 60_000;

/** The trail as a file, page by page: neither is it held in memory, nor does it hold other work up. */
export async function sendAudit(
  trail: AuditTrail,
  filter: AuditFilter,
  format: "jsonl" | "csv",
  response: Response,
): Promise<void> {
  response.status(200).set({
    "Content-Type": format === "csv" ? "text/csv; charset=utf-8" : "application/jsonl; charset=utf-8",
    "Content-Disposition": `attachment; filename="rollcall-audit.${format}"`,
    "Cache-Control": "no-store",
  });
  if (format === "csv") response.write(stringify([[...columns]]));
  for await (const page of trail.auditRows(filter)) {
    if (response.destroyed) return;
    const text = page
      .map((each) => (format === "csv" ? csvLine(each) : `${JSON.stringify(document(each))}\n`))
      .join("");
    if (response.write(text)) continue;
    try {
      await once(response, "drain", { signal: AbortSignal.timeout(stuckMs) });
    } catch {
      return void response.destroy();
    }
  }
  response.end();
}

const document = (each: ChainedRow) => ({ ...row(each), hash: each.hash });

/** No cell begins a formula in a spreadsheet: names come from outside. */
const csvLine = (each: ChainedRow): string => {
  const told = document(each);
  const cells = columns.map((column) => (column === "detail" ? JSON.stringify(told.detail) : told[column]));
  return stringify([cells], { escape_formulas: true });
};
