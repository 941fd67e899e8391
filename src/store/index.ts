import type { EntityRef } from "../domain/model/entities.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import type { AuditTrail } from "../domain/ports/audit-store.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import { noTracing, type Tracer } from "../domain/ports/tracer.ts";
import { auditTrail } from "./audit/audit-trail.ts";
import type { Driver, Reading } from "./database/driver.ts";
import { isThere } from "./database/file.ts";
import { copyToMemory, openForReading, openSqlite, openSqliteToRead } from "./database/sqlite.ts";
import { groupRows } from "./directory/groups.ts";
import { userRows } from "./directory/users.ts";
import { snapshotRows } from "./import/import.ts";
import { assertKnown, checkVersion, prepareSchema, readVersion, schemaVersion } from "./schema/version.ts";
import { alertRows } from "./settings/alerts.ts";
import { credentialRows } from "./settings/credentials.ts";
import { tokenRows } from "./settings/scim-tokens.ts";
import { syncRows } from "./sync/sync.ts";
import { consoleRows } from "./views/console.ts";
import { countByState } from "./views/sync-status.ts";
import { auditRows } from "./views/user-details.ts";

export { backupSqlite } from "./backup.ts";
export { lockForReconciling } from "./database/sqlite.ts";

export interface StoreOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Default: no tracing. */
  readonly tracer?: Tracer;
}

/** Opens or makes a SQLite file; `:memory:` for a temporary database. Throws `STORE_UNAVAILABLE`. */
export const openSqliteStore = (path: string, options: StoreOptions = { now: Date.now }): Promise<DirectoryStore> =>
  openStore(openSqlite(path), options);

/**
 * Opens a SQLite file for a command that reads. Where this user may not write, writes are refused with the reason.
 * Returns null when there is no file. Throws `STORE_UNAVAILABLE` when the file can't be read, or is of an older release
 * and can't be brought up to date here.
 */
export async function openSqliteStoreToRead(path: string, options: StoreOptions): Promise<DirectoryStore | null> {
  if (!isThere(path)) return null;
  const driver = openSqliteToRead(path);
  try {
    return await openStore(driver, options);
  } catch (error) {
    const version = await readVersion(driver);
    await driver.close();
    if (version < 0 || version >= schemaVersion) throw error;
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      `database ${path}: has schema ${version}, this Rollcall works with ${schemaVersion}, and it can't be brought up to date: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** A copy of a SQLite file in memory, for `plan`. */
export async function copySqliteStore(path: string, options: StoreOptions): Promise<DirectoryStore> {
  if (isThere(path)) await checkVersion(openForReading(path));
  return await openStore(await copyToMemory(path, prepareSchema), options);
}

/**
 * The audit trail over any driver, which is closed with it. It can be read while another process writes.
 * Throws `STORE_UNAVAILABLE` when there is none.
 */
export async function openAuditTrail(reading: Reading): Promise<AuditTrail & Pick<DirectoryStore, "close">> {
  try {
    const version = await readVersion(reading);
    assertKnown(version);
    if (version === 0)
      throw new RollcallError(
        "STORE_UNAVAILABLE",
        'the database has no tables of Rollcall yet; "rollcall serve" or "rollcall sync" makes them',
      );
    return { ...auditTrail(reading), close: reading.close };
  } catch (error) {
    await reading.close();
    throw error;
  }
}

/** Each write is a span of its request, run or poll. */
function traced(driver: Driver, tracer: Tracer): Driver {
  const attributes = { "db.system.name": driver.dialect.name === "sqlite" ? "sqlite" : "postgresql" };
  return {
    ...driver,
    transaction: (work, options) =>
      tracer.span("commit", { isDetail: true, attributes }, () => driver.transaction(work, options)),
  };
}

/** The store over any driver. */
export async function openStore(plain: Driver, { now, tracer = noTracing }: StoreOptions): Promise<DirectoryStore> {
  await prepareSchema(plain);
  const driver = tracer.isOn ? traced(plain, tracer) : plain;
  const listeners = new Set<(changed: readonly EntityRef[]) => void>();
  const changedElsewhere = (refs: readonly EntityRef[]): void => {
    for (const listener of listeners) listener(refs);
  };
  const changed = (refs: readonly EntityRef[]): void => {
    changedElsewhere(refs);
    driver.announce?.({ kind: "changed", refs });
  };
  return {
    ...userRows(driver, { now, changed }),
    ...groupRows(driver, { now, changed }),
    ...snapshotRows(driver, { changed }),
    ...syncRows(driver),
    targetCounts: (target, kinds = ["user", "group"]) => countByState(driver, target, kinds),
    ...auditRows(driver),
    ...auditTrail(driver),
    ...tokenRows(driver),
    ...credentialRows(driver, { now }),
    ...consoleRows(driver, { changed }),
    ...alertRows(driver),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    changedElsewhere,
    requestFullRun: (target) => driver.announce?.({ kind: "look", target }),
    // Takes the write lock and writes a row: finds a file that became read-only, or a full disk.
    assertWritable: () =>
      driver.transaction(async (sql) => {
        await sql.run("DELETE FROM write_probe");
        await sql.run("INSERT INTO write_probe (at_ms) VALUES (?)", [now()]);
      }),
    close: () => driver.close(),
  };
}
