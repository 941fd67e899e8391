import type { Response } from "express";
import { type FileFormat, type FileKind, fileText } from "../../app/audit-files.ts";
import { writeThrough } from "./write-through.ts";

const contentTypes = {
  csv: "text/csv; charset=utf-8",
  json: "application/json",
  jsonl: "application/jsonl; charset=utf-8",
} as const;

function setHeaders(response: Response, name: string, format: keyof typeof contentTypes): void {
  response.status(200).set({
    "Content-Type": contentTypes[format],
    "Content-Disposition": `attachment; filename="${name}.${format}"`,
    "Cache-Control": "no-store",
  });
}

/** Sends a text as a download. `name` has only letters, digits, dots and dashes. */
export function sendText(response: Response, name: string, format: "csv" | "json", text: string): void {
  setHeaders(response, name, format);
  response.send(text);
}

/** Sends the audit trail, or a part of it, as a download. Reads no further page after the client has gone. */
export async function sendFile<T>(
  response: Response,
  kind: FileKind<T>,
  pages: AsyncIterable<readonly T[]>,
  format: FileFormat,
): Promise<void> {
  setHeaders(response, kind.name, format);
  for await (const text of fileText(kind, pages, format)) if (!(await writeThrough(response, text))) return;
  response.end();
}
