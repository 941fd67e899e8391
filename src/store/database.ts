import { RollcallError } from "../domain/model/errors.ts";
import type { AuditTrail } from "../domain/ports/audit-store.ts";
import type { StoredCredential } from "../domain/ports/credential-store.ts";
import type { DirectoryStore, ReconcileLock } from "../domain/ports/directory-store.ts";
import type { CheckFinding } from "../domain/ports/target.ts";
import { type Backup, backupSqlite } from "./backup.ts";
import { createLeaderLock, type Seat } from "./database/leader-lock.ts";
import {
  checkPostgres,
  copyTables,
  hasSchema,
  openPostgres,
  readStoredCredentials,
  withSession,
} from "./database/postgres.ts";
import { lockForReconciling, openSqlite, readSealedCredentials } from "./database/sqlite.ts";
import {
  copySqliteStore,
  openAuditTrail,
  openSqliteStore,
  openSqliteStoreToRead,
  openStore,
  type StoreOptions,
  trailOver,
} from "./index.ts";
import { assertKnown, migrate } from "./schema/migrations.ts";

/** Where a directory lies, and what is done with it as a whole. Each of these throws `STORE_UNAVAILABLE`. */
export interface Database {
  /** Makes it where there is none. */
  open(): Promise<DirectoryStore>;
  /** For commands that read, also where this user can't write. Null where there is none yet. */
  openToRead(): Promise<DirectoryStore | null>;
  /** In memory, for `plan`: polled into and compared, and written nowhere. The audit trail need not be in it. */
  openCopy(): Promise<DirectoryStore>;
  /** Reads only, while others write. */
  openAuditTrail(): Promise<AuditTrail & Pick<DirectoryStore, "close">>;
  /** What `connect` stored; nothing where there is no database yet. */
  storedCredentials(): Promise<readonly StoredCredential[]>;
  /** Makes this process the only one that reconciles. @throws `STORE_LOCKED` when another one does */
  lock(): Promise<ReconcileLock>;
  /** A checked, marked copy in a file. */
  backup(file: string): Promise<Backup>;
  /** What is worth saying of the place, beside that it can be opened. */
  check(): Promise<readonly CheckFinding[]>;
}

/** A SQLite file; its lock can't be lost. */
export const sqliteDatabase = (path: string, options: StoreOptions): Database => ({
  open: () => openSqliteStore(path, options),
  openToRead: () => openSqliteStoreToRead(path, options),
  openCopy: () => copySqliteStore(path, options),
  openAuditTrail: () => openAuditTrail(path),
  storedCredentials: async () => readSealedCredentials(path),
  async lock() {
    const { release } = lockForReconciling(path);
    return { lost: new AbortController().signal, listen: () => undefined, release: async () => release() };
  },
  backup: (file) => backupSqlite(path, file, options.now()),
  check: async () => [],
});

/** A database of a PostgreSQL server, by its URL. What is opened here knows of the lock that is taken here. */
export const postgresDatabase = (url: string, options: StoreOptions, seat: Seat = createLeaderLock(url)): Database => ({
  open: () => openOn(url, seat, options),
  openToRead: async () => ((await withSession(url, hasSchema)) ? await openOn(url, seat, options) : null),
  openCopy: () => copyPostgres(url, options),
  async openAuditTrail() {
    if (await withSession(url, hasSchema)) return await trailOver(openPostgres(url));
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      'the database has no tables of Rollcall yet; "rollcall serve" or "rollcall sync" makes them',
    );
  },
  storedCredentials: () => readStoredCredentials(url),
  lock: () => seat.lock(),
  backup: async () => {
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      '"rollcall backup" copies a SQLite file; of PostgreSQL make backups with pg_dump or the server\'s own (docs/reliability.md, "PostgreSQL", says what to do after one was put back)',
    );
  },
  check: async () => {
    const { version, hasFsync, isEncrypted } = await checkPostgres(url);
    const warn = (message: string): CheckFinding => ({ level: "warning", message });
    const { hostname } = new URL(url);
    const isNear = hostname === "" || /^(localhost|127\.|\[::1\]|%2f)/i.test(hostname);
    return [
      { level: "ok", message: `PostgreSQL ${version}` },
      ...(hasFsync ? [] : [warn("the server runs with fsync off: what was acknowledged can be lost with its machine")]),
      ...(isEncrypted || isNear
        ? []
        : [warn(`the target to ${hostname} is not encrypted: add ?sslmode=verify-full to the URL`)]),
    ];
  },
});

async function openOn(url: string, seat: Seat, options: StoreOptions): Promise<DirectoryStore> {
  const driver = openPostgres(url, seat);
  try {
    return await openStore(driver, options);
  } catch (error) {
    // Open connections would keep the process from its end.
    await driver.close();
    throw error;
  }
}

async function copyPostgres(url: string, options: StoreOptions): Promise<DirectoryStore> {
  const memory = openSqlite(":memory:");
  await migrate(memory);
  const tables = await memory.read.all(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence'",
  );
  await copyTables(
    url,
    memory,
    tables.map(({ name }) => String(name)),
    assertKnown,
  );
  return await openStore(memory, options);
}
