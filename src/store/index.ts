import type { EntityRef } from "../domain/model/entities.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import type { AuditTrail } from "../domain/ports/audit-store.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import { noTracing, type Tracer } from "../telemetry/index.ts";
import { auditTrail } from "./audit/audit-trail.ts";
import type { Driver } from "./database/driver.ts";
import { isThere } from "./database/file.ts";
import { copyToMemory, openForReading, openSqlite, openSqliteToRead, type Reading } from "./database/sqlite.ts";
import { groupRows } from "./directory/groups.ts";
import { userRows } from "./directory/users.ts";
import { snapshotRows } from "./import/import.ts";
import { auditChainStep, migrate, newestStep, presentStep } from "./schema/migrations.ts";
import { alertRows } from "./settings/alerts.ts";
import { credentialRows } from "./settings/credentials.ts";
import { tokenRows } from "./settings/scim-tokens.ts";
import { restoreRows } from "./sync/restores.ts";
import { auditRows, syncRows } from "./sync/sync.ts";
import { consoleRows } from "./views/console.ts";
import { countByState } from "./views/sync-status.ts";

export { backupSqlite } from "./backup.ts";
export { lockForReconciling, readSealedCredentials } from "./database/sqlite.ts";

export interface StoreOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/**
 * Opens (or makes) the directory in a SQLite file; `:memory:` for a passing one.
 * @throws `STORE_UNAVAILABLE` when the file can't be opened or is of a newer release.
 */
export const openSqliteStore = (path: string, options: StoreOptions = { now: Date.now }): Promise<DirectoryStore> =>
  openStore(openSqlite(path), options);

/**
 * The directory of a file for commands that read it: where this user can't write, what would write is refused with the
 * reason. Null when there is no file.
 * @throws `STORE_UNAVAILABLE` when it can't be read, or is of an older release and can't be brought up to date here
 */
export async function openSqliteStoreToRead(path: string, options: StoreOptions): Promise<DirectoryStore | null> {
  if (!isThere(path)) return null;
  const driver = openSqliteToRead(path);
  try {
    return await openStore(driver, options);
  } catch (error) {
    const step = await presentStep(driver);
    await driver.close();
    if (step >= newestStep) throw error;
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      `database ${path}: has schema ${step}, this Rollcall works with ${newestStep}, and it can't be brought up to date: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** A copy of the directory in memory, for `plan`: polled into and compared, and written nowhere. */
export const copySqliteStore = async (path: string, options: StoreOptions): Promise<DirectoryStore> =>
  openStore(await copyToMemory(path, migrate), options);

/**
 * The audit trail of a SQLite file, to be read while another process writes; nothing is written.
 * @throws `STORE_UNAVAILABLE` when there is no file, or an older release wrote it last.
 */
export const openAuditTrail = (path: string): Promise<AuditTrail & Pick<DirectoryStore, "close">> =>
  trailOver(openForReading(path));

/** The audit trail over any driver, which is closed with it. @throws `STORE_UNAVAILABLE` when there is none yet */
export async function trailOver(reading: Reading): Promise<AuditTrail & Pick<DirectoryStore, "close">> {
  const step = await presentStep(reading);
  if (step < auditChainStep) {
    await reading.close();
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      `the database has schema ${step}, without a chain; "rollcall status" brings it up to date`,
    );
  }
  return { ...auditTrail(reading), close: reading.close };
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

/** The directory over any driver. */
export async function openStore(plain: Driver, { now, tracer = noTracing }: StoreOptions): Promise<DirectoryStore> {
  await migrate(plain);
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
    ...restoreRows(driver),
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
    // Takes the write lock and gives it back: finds a file that went read-only or a disk that is full.
    assertWritable: () =>
      driver.transaction(async (sql) => {
        await sql.run("DELETE FROM write_probe");
        await sql.run("INSERT INTO write_probe (at_ms) VALUES (?)", [now()]);
      }),
    close: () => driver.close(),
  };
}
