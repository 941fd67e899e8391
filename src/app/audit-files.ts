import { stringify } from "csv-stringify/sync";
import type { AuditRow, ChainedRow, LossCause, LostAccess } from "../domain/model/audit.ts";
import { withIsoTimes } from "../text/times.ts";

export type FileFormat = "jsonl" | "csv";
export type Cell = string | number | null;

/** One kind of file: each row as a JSON document, and the columns of a table with the place of each value in it. */
export interface FileKind<T> {
  /** Without extension. */
  readonly name: string;
  readonly toJson: (row: T) => object;
  readonly columns: Readonly<Record<string, string>>;
}

/** An audit row as the command line, the API and files show it. */
export const auditRowJson = (row: AuditRow) => withIsoTimes(row);

/** The source that an actor names: `okta` for `scim:okta (token 1a2b3c4d)`; null if it names none. */
export const sourceIn = (actor: string): string | null => /^(?:scim|ldap):(\S+)/.exec(actor)?.[1] ?? null;

const causeJson = (cause: LossCause | null) => cause && { ...withIsoTimes(cause), source: sourceIn(cause.actor) };

/** Lost access as the command line, the API and files show it. */
export const lossJson = ({ cause, approval, ...loss }: LostAccess) => ({
  ...withIsoTimes(loss),
  why: cause === null ? "drift" : "directory",
  cause: causeJson(cause),
  approval: causeJson(approval),
});

const sameNames = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, name]));

/** The audit trail. Each row has its hash in the chain, so that a reader of the file can verify it. */
export const trailFile: FileKind<ChainedRow> = {
  name: "rollcall-audit",
  toJson: withIsoTimes,
  columns: sameNames(
    ...["seq", "at", "actor", "requestId", "action", "kind", "entityId", "name", "target", "rev", "detail", "hash"],
  ),
};

/** Lost access: one row for each person and group, with its cause and its approval. */
export const lossesFile: FileKind<LostAccess> = {
  name: "rollcall-lost-access",
  toJson: lossJson,
  columns: {
    ...sameNames("seq", "at", "target", "what", "kind", "entityId", "name", "group", "outcome", "why"),
    causeSeq: "cause.seq",
    causeAt: "cause.at",
    causeAction: "cause.action",
    causeActor: "cause.actor",
    causeSource: "cause.source",
    causeRequestId: "cause.requestId",
    causeDetail: "cause.detail",
    approvedAt: "approval.at",
    approvedBy: "approval.actor",
  },
};

const valueIn = (document: unknown, key: string): unknown =>
  typeof document === "object" && document !== null ? Reflect.get(document, key) : null;

function cellAt(document: unknown, path: string): Cell {
  const value = path.split(".").reduce(valueIn, document);
  if (typeof value === "string" || typeof value === "number") return value;
  return value === null || value === undefined ? null : JSON.stringify(value);
}

/** The file in pieces, one for each page of rows. */
export async function* fileText<T>(
  { toJson, columns }: FileKind<T>,
  pages: AsyncIterable<readonly T[]>,
  format: FileFormat,
): AsyncIterable<string> {
  const paths = Object.values(columns);
  if (format === "csv") yield csvText([Object.keys(columns)]);
  for await (const page of pages) {
    const documents = page.map(toJson);
    yield format === "csv"
      ? csvText(documents.map((document) => paths.map((path) => cellAt(document, path))))
      : documents.map((document) => `${JSON.stringify(document)}\n`).join("");
  }
}

/**
 * Rows as CSV (RFC 4180). A name can't become a formula in a spreadsheet, and can't begin a new row.
 * `quote_record_delimiter`: without it, csv-stringify 6.9 leaves line breaks in a cell unquoted.
 */
export const csvText = (rows: readonly (readonly Cell[])[]): string =>
  stringify([...rows.map((row) => [...row])], {
    escape_formulas: true,
    record_delimiter: "windows",
    quote_record_delimiter: true,
  });
