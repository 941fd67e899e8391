import { RollcallError } from "../domain/model/errors.ts";
import type { AuditTrail } from "../domain/ports/audit-store.ts";
import type { StoredCredential } from "../domain/ports/credential-store.ts";
import type { DirectoryStore, ReconcileLock } from "../domain/ports/directory-store.ts";
import type { CheckFinding } from "../domain/ports/target.ts";
import { type Backup, backupSqlite } from "./backup.ts";
import type { Reading } from "./database/driver.ts";
import { isThere } from "./database/file.ts";
import { createLeaderLock } from "./database/leader-lock.ts";
import { checkPostgres, copyTables, openPostgres } from "./database/postgres.ts";
import { lockForReconciling, openForReading, openSqlite } from "./database/sqlite.ts";
import {
  copySqliteStore,
  openAuditTrail,
  openSqliteStore,
  openSqliteStoreToRead,
  openStore,
  type StoreOptions,
} from "./index.ts";
import { assertKnown, checkVersion, prepareSchema, readVersion } from "./schema/version.ts";
import { readCredentials } from "./settings/credentials.ts";

/** A database as a whole. All methods throw `STORE_UNAVAILABLE`. */
export interface Database {
  /** Makes the database where there is none. */
  open(): Promise<DirectoryStore>;
  /** For commands that read, also where this user may not write. Returns null where there is no database. */
  openToRead(): Promise<DirectoryStore | null>;
  /** A copy in memory, for `plan`. It may lack the audit trail. */
  openCopy(): Promise<DirectoryStore>;
  /** Reads only, while others write. */
  openAuditTrail(): Promise<AuditTrail & Pick<DirectoryStore, "close">>;
  /** The credentials that `rollcall connect` stored; none where there is no database. */
  storedCredentials(): Promise<readonly StoredCredential[]>;
  /** Makes this process the only one that reconciles. Throws `STORE_LOCKED` when another one does. */
  lock(): Promise<ReconcileLock>;
  /** Writes a checked copy, with a mark, to a file. */
  backup(file: string): Promise<Backup>;
  /** Findings about the database server. */
  check(): Promise<readonly CheckFinding[]>;
}

/** A SQLite file. Its lock can't be lost. */
export const sqliteDatabase = (path: string, options: StoreOptions): Database => ({
  open: () => openSqliteStore(path, options),
  openToRead: () => openSqliteStoreToRead(path, options),
  openCopy: () => copySqliteStore(path, options),
  openAuditTrail: async () => openAuditTrail(openForReading(path)),
  storedCredentials: async () => (isThere(path) ? await credentialsIn(openForReading(path)) : []),
  async lock() {
    const { release } = lockForReconciling(path);
    return { lost: new AbortController().signal, listen: () => undefined, release: async () => release() };
  },
  backup: (file) => backupSqlite(path, file, options.now()),
  check: async () => [],
});

/** A database of a PostgreSQL server, by its URL. Its stores share one leader lock. */
export function postgresDatabase(url: string, options: StoreOptions): Database {
  const leaderLock = createLeaderLock(url);
  const openDriver = () => openPostgres(url, leaderLock);
  const open = async (): Promise<DirectoryStore> => {
    const driver = openDriver();
    try {
      return await openStore(driver, options);
    } catch (error) {
      // Open connections would keep the process alive.
      await driver.close();
      throw error;
    }
  };
  return {
    open,
    openToRead: async () => ((await checkVersion(openDriver())) === 0 ? null : await open()),
    openCopy: () => copyPostgres(url, options),
    openAuditTrail: () => openAuditTrail(openDriver()),
    storedCredentials: () => credentialsIn(openDriver()),
    lock: () => leaderLock.lock(),
    backup: async () => {
      throw new RollcallError(
        "STORE_UNAVAILABLE",
        '"rollcall backup" copies a SQLite file; of PostgreSQL make backups with pg_dump or the server\'s own (docs/reliability.md, "PostgreSQL", says what to do after one was put back)',
      );
    },
    async check() {
      const { version, hasFsync, isEncrypted } = await checkPostgres(url);
      const warn = (message: string): CheckFinding => ({ level: "warning", message });
      const { hostname } = new URL(url);
      const isNear = hostname === "" || /^(localhost|127\.|\[::1\]|%2f)/i.test(hostname);
      return [
        { level: "ok", message: `PostgreSQL ${version}` },
        ...(hasFsync
          ? []
          : [warn("the server runs with fsync off: a crash of its machine can lose acknowledged writes")]),
        ...(isEncrypted || isNear
          ? []
          : [warn(`the connection to ${hostname} is not encrypted: add ?sslmode=verify-full to the URL`)]),
      ];
    },
  };
}

/** Reads the credentials and closes the database: the configuration needs them before anything else is opened. */
async function credentialsIn(reading: Reading): Promise<readonly StoredCredential[]> {
  try {
    const version = await readVersion(reading);
    assertKnown(version);
    return version === 0 ? [] : await readCredentials(reading.read);
  } finally {
    await reading.close();
  }
}

async function copyPostgres(url: string, options: StoreOptions): Promise<DirectoryStore> {
  const version = await checkVersion(openPostgres(url));
  const memory = openSqlite(":memory:");
  await prepareSchema(memory);
  const tables = await memory.read.all(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence'",
  );
  if (version !== 0)
    await copyTables(
      url,
      memory,
      tables.map(({ name }) => String(name)),
    );
  return await openStore(memory, options);
}
