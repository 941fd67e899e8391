import { stringify } from "csv-stringify/sync";
import type { Response } from "express";
import type { ChainedRow, LostAccess } from "../../domain/model/audit.ts";
import { writeThrough } from "../http/write-through.ts";
import { iso, row } from "./documents.ts";
import { loss, lossCells } from "./lost-access.ts";

export type FileFormat = "jsonl" | "csv";

type Cell = string | number | null;

/** One kind of file: its lines as JSON, and as cells under their headings. */
export interface FileKind<T> {
  /** Without the ending. */
  readonly name: string;
  readonly toJson: (each: T) => object;
  readonly cells: Readonly<Record<string, (each: T) => Cell>>;
}

/** The audit trail, each row with its hash in the chain: who keeps the file can check it. */
export const trailFile: FileKind<ChainedRow> = {
  name: "rollcall-audit",
  toJson: (each) => ({ ...row(each), hash: each.hash }),
  cells: {
    seq: ({ seq }) => seq,
    at: ({ atMs }) => iso(atMs),
    actor: ({ actor }) => actor,
    requestId: ({ requestId }) => requestId,
    action: ({ action }) => action,
    kind: ({ kind }) => kind,
    entityId: ({ entityId }) => entityId,
    name: ({ name }) => name,
    target: ({ target }) => target,
    rev: ({ rev }) => rev,
    detail: ({ detail }) => JSON.stringify(detail),
    hash: ({ hash }) => hash,
  },
};

/** Who lost access to what, when, why and on whose word. */
export const lossesFile: FileKind<LostAccess> = { name: "rollcall-lost-access", toJson: loss, cells: lossCells };

/** The file in pieces, a page each: the same bytes from the command line, the API and the console. */
export async function* fileText<T>(
  { toJson, cells }: FileKind<T>,
  pages: AsyncIterable<readonly T[]>,
  format: FileFormat,
): AsyncIterable<string> {
  const columns = Object.values(cells);
  if (format === "csv") yield csv([Object.keys(cells)]);
  for await (const page of pages) {
    yield format === "csv"
      ? csv(page.map((each) => columns.map((cell) => cell(each))))
      : page.map((each) => `${JSON.stringify(toJson(each))}\n`).join("");
  }
}

/**
 * RFC 4180. A name that somebody chose must not be a formula in the spreadsheet of who reads the file, nor begin a row of
 * its own: given a `record_delimiter`, csv-stringify 6.9 quotes no line break but that one unless told to.
 */
const csv = (rows: Cell[][]): string =>
  stringify(rows, { escape_formulas: true, record_delimiter: "windows", quote_record_delimiter: true });

/** Answers with the file; nothing more is read once nobody takes it. */
export async function sendFile<T>(
  response: Response,
  kind: FileKind<T>,
  pages: AsyncIterable<readonly T[]>,
  format: FileFormat,
): Promise<void> {
  response.status(200).set({
    "Content-Type": format === "csv" ? "text/csv; charset=utf-8" : "application/jsonl; charset=utf-8",
    "Content-Disposition": `attachment; filename="${kind.name}.${format}"`,
    "Cache-Control": "no-store",
  });
  for await (const text of fileText(kind, pages, format)) if (!(await writeThrough(response, text))) return;
  response.end();
}
