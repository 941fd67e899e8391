import { DatabaseSync } from "node:sqlite";
import type { RollcallProcess } from "../rollcall-process.ts";

/** Checks the database: pages of a SQLite file, and the audit chain on PostgreSQL. Returns what is wrong. */
export async function damageIn(rollcall: RollcallProcess): Promise<readonly string[]> {
  if (rollcall.storeUrl === null) return integrityOf(rollcall.storePath);
  const { code, stderr } = await rollcall.command("audit", "verify");
  return code === 0 ? [] : [stderr];
}

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
