import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { AuditHead } from "../domain/model/audit.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import { auditTrail } from "./audit/audit-trail.ts";
import { openToRead } from "./database/file.ts";
import { openForReading } from "./database/sqlite.ts";
import { readVersion, schemaVersion } from "./schema/version.ts";

/** A checked copy. */
export interface Backup {
  readonly bytes: number;
  /** Rows of its audit trail. */
  readonly rows: number;
  readonly head: AuditHead | null;
}

/**
 * Copies a SQLite file while others write to it. The copy is readable by this user alone, checked, and durable when the
 * promise resolves. It has a mark: the first `serve` on it knows that it was restored (see `RestoredState`).
 * Throws `STORE_UNAVAILABLE` when `file` exists or the copy is damaged; then nothing is left behind.
 */
export async function backupSqlite(path: string, file: string, nowMs: number): Promise<Backup> {
  const failed = (what: string, cause?: unknown): RollcallError =>
    new RollcallError("STORE_UNAVAILABLE", `backup ${file}: ${what}`, { cause });
  if (existsSync(file)) throw failed("there is a file already; give another name");
  const folder = dirname(resolve(file));
  if (!existsSync(folder)) throw failed(`there is no folder ${folder}; make it first`);
  const source = openForReading(path);
  const partial = `${resolve(file)}.partial-${process.pid}`;
  try {
    const version = await readVersion(source);
    if (version !== schemaVersion)
      throw failed(`the database has schema ${version}, not ${schemaVersion}; "rollcall status" brings it up to date`);
    // Made here, for this user alone. For SQLite an empty file is a new database.
    closeSync(openSync(partial, "wx", 0o600));
    copy(path, partial);
    const backup = await checked(partial, nowMs, failed);
    flush(partial);
    // Unlike a rename, this never replaces a file that somebody made meanwhile.
    linkSync(partial, file);
    rmSync(partial);
    flush(folder);
    return backup;
  } catch (error) {
    throw error instanceof RollcallError ? error : failed(messageOf(error), error);
  } finally {
    rmSync(partial, { force: true });
    await source.close();
  }
}

/** Copies one moment of the source, whoever writes. Not on a `query_only` connection, where SQLite refuses VACUUM. */
function copy(path: string, to: string): void {
  const { value: db, assertUnchanged } = openToRead(path, (url) => new DatabaseSync(url, { timeout: 5000 }));
  try {
    db.prepare("VACUUM INTO ?").run(to);
    assertUnchanged();
  } finally {
    db.close();
  }
}

/** Marks the copy, then checks it: each page by SQLite, each audit row by its hash. */
async function checked(path: string, nowMs: number, failed: (what: string) => RollcallError): Promise<Backup> {
  const db = new DatabaseSync(path);
  try {
    db.prepare("INSERT INTO backup_marks (made_at_ms) VALUES (?)").run(nowMs);
    const found = db
      .prepare("PRAGMA integrity_check")
      .all()
      .map((row) => String(row["integrity_check"]));
    if (found.join() !== "ok") throw failed(`the copy is not whole: ${found.slice(0, 3).join("; ")}`);
  } finally {
    db.close();
  }
  const reading = openForReading(path);
  try {
    const { rows, head, broken } = await auditTrail(reading).verifyAudit(null);
    if (broken !== null) throw failed(`the audit trail is not intact at row ${broken.seq}: ${broken.reason}`);
    return { bytes: statSync(path).size, rows, head };
  } finally {
    await reading.close();
  }
}

function flush(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
