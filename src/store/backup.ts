import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { AuditHead } from "../domain/model/audit.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import { auditTrail } from "./audit/audit-trail.ts";
import { openToRead } from "./database/file.ts";
import { openForReading } from "./database/sqlite.ts";
import { newestStep, presentStep } from "./schema/migrations.ts";

/** A copy that was made and checked. */
export interface Backup {
  readonly bytes: number;
  /** Of the audit trail in it. */
  readonly rows: number;
  readonly head: AuditHead | null;
}

/**
 * A consistent copy of a SQLite file while others write to it, readable by this user alone, checked, and on the disk when
 * the promise resolves. It is marked, so that the first `serve` on it knows that it was put back (see `RestoredState`).
 * @throws `STORE_UNAVAILABLE` when there is something at `file` already, or the copy is not whole; nothing is left then.
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
    const step = await presentStep(source);
    if (step !== newestStep)
      throw failed(`the database has schema ${step}, not ${newestStep}; "rollcall status" brings it up to date`);
    // Made here, for this user alone: SQLite takes an empty file for a new database.
    closeSync(openSync(partial, "wx", 0o600));
    copy(path, partial);
    const backup = await checked(partial, nowMs, failed);
    flush(partial);
    // Unlike a rename this never takes the place of a file that came meanwhile.
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

/** SQLite refuses this under `query_only`, though it writes nothing to the source. One moment of it, whoever writes. */
function copy(path: string, to: string): void {
  const { value: db, assertUnchanged } = openToRead(path, (url) => new DatabaseSync(url, { timeout: 5000 }));
  try {
    db.prepare("VACUUM INTO ?").run(to);
    assertUnchanged();
  } finally {
    db.close();
  }
}

/** Marks the copy, then reads it back: each page by SQLite, each row of the audit by its chain. */
async function checked(path: string, nowMs: number, failed: (what: string) => RollcallError): Promise<Backup> {
  const db = new DatabaseSync(path);
  try {
    db.prepare("INSERT INTO backup_marks (made_ms) VALUES (?)").run(nowMs);
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
