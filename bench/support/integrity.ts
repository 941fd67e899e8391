import { DatabaseSync } from "node:sqlite";

/** What `PRAGMA integrity_check` finds; empty when all is well. */
export function integrityOf(storePath: string): readonly string[] {
  const db = new DatabaseSync(storePath, { readOnly: true });
  try {
    const rows = db.prepare("PRAGMA integrity_check").all() as { readonly integrity_check: string }[];
    return rows.flatMap((row) => (row.integrity_check === "ok" ? [] : [`integrity_check: ${row.integrity_check}`]));
  } finally {
    db.close();
  }
}
