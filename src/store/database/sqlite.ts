import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { RollcallError } from "../../domain/model/errors.ts";
import type { Dialect, Driver, Reading, Row, Sql } from "./driver.ts";
import { assertWritableFile, isThere, openToRead, translated, unavailable } from "./file.ts";
import { groupCommit, type Writer } from "./group-commit.ts";

const dialect: Dialect = {
  name: "sqlite",
  sequence: "INTEGER PRIMARY KEY AUTOINCREMENT",
  isIn: (column) => `${column} IN (SELECT value FROM json_each(?))`,
  isNotIn: (column) => `${column} NOT IN (SELECT value FROM json_each(?))`,
  contains: (column, text) => `instr(${column}, '${text}') > 0`,
  through: (index) => `INDEXED BY ${index}`,
  clustered: "WITHOUT ROWID",
  definition: (statement) => statement,
  appendOnly: (table) =>
    ["UPDATE", "DELETE"].map(
      (event) =>
        `CREATE TRIGGER ${table}_refuses_${event.toLowerCase()} BEFORE ${event} ON ${table} BEGIN SELECT RAISE(ABORT, 'the ${table} trail is append-only'); END`,
    ),
  findTable: "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?",
};

/** Maximum time that a write waits for another process. `approve` beside `serve` takes milliseconds, a snapshot seconds. */
const busyTimeoutMs = 5000;

/** Maximum number of prepared statements. Most texts are constant, but SCIM filters vary. */
const maxPrepared = 500;

/**
 * SQLite through `node:sqlite`: WAL, `synchronous=FULL`, group commit.
 * Throws `STORE_UNAVAILABLE` when the file can't be opened.
 */
export function openSqlite(path: string): Driver {
  return translated(() => {
    if (path !== ":memory:") {
      mkdirSync(dirname(path), { recursive: true });
      assertWritableFile(path);
    }
    const writer = connect(path);
    // A memory database is private to its connection.
    const reader = path === ":memory:" ? writer : connect(path);
    return driverOver(writer, reader);
  }, path);
}

/**
 * Copies a file into memory. The result is an empty database where there is no file.
 * Throws `STORE_UNAVAILABLE` when the file can't be read.
 */
export async function copyToMemory(path: string, prepare: (driver: Driver) => Promise<void>): Promise<Driver> {
  const db = connect(":memory:");
  const driver = driverOver(db, db);
  await prepare(driver);
  if (!isThere(path)) return driver;
  return translated(() => {
    const file = openToRead(path, (url) => db.prepare("ATTACH DATABASE ? AS file").run(url.href));
    const tables = db
      .prepare("SELECT name FROM file.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
      .all();
    // In one transaction, as another process may be writing.
    db.exec("BEGIN");
    for (const { name } of tables)
      db.exec(`DELETE FROM main."${name}"; INSERT INTO main."${name}" SELECT * FROM file."${name}"`);
    file.assertUnchanged();
    db.exec("COMMIT");
    db.exec("DETACH DATABASE file");
    return driver;
  }, path);
}

function connect(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: busyTimeoutMs });
  db.exec(
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA case_sensitive_like=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32000; PRAGMA wal_autocheckpoint=4000",
  );
  return db;
}

function driverOver(writer: DatabaseSync, reader: DatabaseSync): Driver {
  const { transaction, settled } = groupCommit(writerOf(writer));
  return {
    dialect,
    read: readingOver(writer, reader),
    transaction,
    close: async () => {
      await settled();
      if (reader !== writer) reader.close();
      writer.close();
    },
  };
}

/** The statements around a write are prepared once. */
function writerOf(db: DatabaseSync): Writer {
  const step = (text: string) => {
    const statement = db.prepare(text);
    return () => statement.run();
  };
  const release = step("RELEASE job");
  const backToSavepoint = step("ROLLBACK TO job");
  return {
    sql: statementsOf(db),
    maxJobs: Number.POSITIVE_INFINITY,
    begin: step("BEGIN IMMEDIATE"),
    savepoint: step("SAVEPOINT job"),
    release,
    undo: () => {
      backToSavepoint();
      release();
    },
    commit: step("COMMIT"),
    rollback: step("ROLLBACK"),
    isOpen: () => db.isTransaction,
    unavailable: (error) => unavailable(error),
  };
}

/**
 * Reads through the connection that writes while it has no open transaction, so that uncommitted rows are never read. Its
 * page cache survives its own commits, whereas each commit empties the cache of the other connection.
 */
function readingOver(writer: DatabaseSync, reader: DatabaseSync): Sql {
  const beside = statementsOf(reader);
  if (reader === writer) return beside;
  const between = statementsOf(writer);
  return eachStatement((run) => run(writer.isTransaction ? beside : between));
}

/** Statements that all go through `wrap`, which chooses the connection or checks the result. */
const eachStatement = (wrap: <T>(run: (sql: Sql) => Promise<T>) => Promise<T>): Sql => ({
  all: (text, params) => wrap((sql) => sql.all(text, params)),
  get: (text, params) => wrap((sql) => sql.get(text, params)),
  run: (text, params) => wrap((sql) => sql.run(text, params)),
});

/** With a path, errors name it. */
function statementsOf(db: DatabaseSync, path?: string): Sql {
  const prepared = new Map<string, StatementSync>();
  const statement = (text: string): StatementSync => {
    let found = prepared.get(text);
    if (found === undefined) {
      found = db.prepare(text);
      if (prepared.size >= maxPrepared) prepared.clear();
      prepared.set(text, found);
    }
    return found;
  };
  return {
    all: async (text, params = []) => translated(() => statement(text).all(...params) as Row[], path),
    get: async (text, params = []) => translated(() => statement(text).get(...params) as Row | undefined, path),
    run: async (text, params = []) => translated(() => Number(statement(text).run(...params).changes), path),
  };
}

/**
 * Opens an existing file to read it while other processes write. Not even the schema is brought up to date.
 * Throws `STORE_UNAVAILABLE` when there is no file, or it can't be read.
 */
export function openForReading(path: string): Reading {
  if (!isThere(path))
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      `database ${path}: there is none yet; "rollcall serve" or "rollcall sync" makes it`,
    );
  const { value: db, assertUnchanged } = translated(() => openToRead(path, connectToRead), path);
  const read = statementsOf(db, path);
  const checked = eachStatement(async (run) => {
    const found = await run(read);
    assertUnchanged();
    return found;
  });
  return { dialect, read: checked, close: async () => db.close() };
}

/**
 * Opens an existing file for a command that reads. Where this user may not write, transactions are refused with the reason.
 * Throws `STORE_UNAVAILABLE` when the file can't be read.
 */
export function openSqliteToRead(path: string): Driver {
  try {
    assertWritableFile(path);
  } catch (refusal) {
    return { ...openForReading(path), transaction: () => Promise.reject(refusal) };
  }
  return openSqlite(path);
}

function connectToRead(url: URL): DatabaseSync {
  const db = new DatabaseSync(url, { timeout: busyTimeoutMs });
  try {
    db.exec("PRAGMA query_only=ON; PRAGMA case_sensitive_like=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32000");
    // SQLite opens the file with the first statement that reads it.
    db.prepare("SELECT count(*) FROM sqlite_master").get();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Makes this process the only one that reconciles or polls on a SQLite file. The operating system drops the lock when
 * the process ends, however it ends.
 * Throws `STORE_LOCKED` when another process has the lock, `STORE_UNAVAILABLE` when this user may not write there.
 */
export function lockForReconciling(path: string): { release(): void } {
  return translated(() => {
    mkdirSync(dirname(path), { recursive: true });
    const db = new DatabaseSync(`${path}-lock`, { timeout: 0 });
    try {
      db.exec("PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE");
    } catch (error) {
      db.close();
      if (!isBusy(error)) throw error;
      throw alreadyLocked(path, error);
    }
    return { release: () => db.close() };
  }, `${path}-lock`);
}

export const alreadyLocked = (place: string, cause?: unknown): RollcallError =>
  new RollcallError(
    "STORE_LOCKED",
    `another "rollcall serve" or "rollcall sync" already works on ${place}; only one may run. Stop it, or give this one another "store" in its configuration`,
    { cause },
  );

/** SQLITE_BUSY, and its extended codes. */
const isBusy = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === 5;
