import { once } from "node:events";
import { stringify } from "csv-stringify/sync";
import type { Response } from "express";
import type { AuditFilter, AuditTrail, ChainedRow } from "../../domain/audit.ts";
import { writeThrough } from "../console/write-through.ts";
import { row } from "./documents.ts";
import { loss, lossCells } from "./losses.ts";

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

/** Who lost access, as a file, in the same way; what `rollcall audit export --lost-access` prints. */
export async function sendLosses(
  trail: Pick<AuditTrail, "lostAccess">,
  filter: AuditFilter,
  format: "jsonl" | "csv",
  response: Response,
): Promise<void> {
  response.status(200).set({
    "Content-Type": format === "csv" ? "text/csv; charset=utf-8" : "application/jsonl; charset=utf-8",
    "Content-Disposition": `attachment; filename="rollcall-lost-access.${format}"`,
    "Cache-Control": "no-store",
  });
  const cells = Object.values(lossCells);
  const csv = (rows: readonly (readonly (string | number | null)[])[]): string =>
    stringify(
      rows.map((each) => [...each]),
      { escape_formulas: true },
    );
  if (format === "csv" && !(await writeThrough(response, csv([Object.keys(lossCells)])))) return;
  for await (const page of trail.lostAccess(filter)) {
    const text =
      format === "csv"
        ? csv(page.map((each) => cells.map((cell) => cell(each))))
        : page.map((each) => `${JSON.stringify(loss(each))}\n`).join("");
    if (!(await writeThrough(response, text))) return;
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
