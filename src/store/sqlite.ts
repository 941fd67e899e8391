import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { StoredCredential } from "../domain/credentials.ts";
import { RollcallError } from "../domain/errors.ts";
import { selectCredentials, toCredential } from "./credentials.ts";
import type { Dialect, Driver, Row, Sql } from "./driver.ts";
import { assertWritableFile, isThere, openToRead, translated, unavailable } from "./file.ts";

const dialect: Dialect = {
  name: "sqlite",
  sequence: "INTEGER PRIMARY KEY AUTOINCREMENT",
  inList: "(SELECT value FROM json_each(?))",
  contains: (column, text) => `instr(${column}, '${text}') > 0`,
  through: (index) => `INDEXED BY ${index}`,
  clustered: "WITHOUT ROWID",
};

/** How long a write waits for another process to finish its own: `approve` beside `serve` takes milliseconds, the other way round a snapshot may take seconds. */
const BUSY_TIMEOUT_MS = 5000;

interface Job {
  readonly isLarge: boolean;
  readonly run: (sql: Sql) => Promise<void>;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * SQLite through `node:sqlite`: WAL, `synchronous=FULL`. Writes that are waiting at the same moment share one commit,
 * each under a savepoint of its own: a durable commit costs a disk flush, a savepoint costs microseconds.
 * @throws `STORE_UNAVAILABLE` when the file can't be opened.
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
 * The database of a file, copied into memory: what is tried on it is written nowhere. An empty one when there is no file.
 * @throws `STORE_UNAVAILABLE` when the file can't be read or is of another schema.
 */
export async function copyToMemory(path: string, migrateTo: (driver: Driver) => Promise<void>): Promise<Driver> {
  const db = connect(":memory:");
  const driver = driverOver(db, db);
  await migrateTo(driver);
  if (!isThere(path)) return driver;
  return translated(() => {
    const file = openToRead(path, (url) => db.prepare("ATTACH DATABASE ? AS file").run(url.href));
    const tables = db
      .prepare("SELECT name FROM file.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
      .all();
    // One transaction, one moment: another process may be writing.
    db.exec("BEGIN");
    for (const { name } of tables)
      db.exec(`DELETE FROM main."${name}"; INSERT INTO main."${name}" SELECT * FROM file."${name}"`);
    file.assertUnchanged();
    db.exec("COMMIT");
    db.exec("DETACH DATABASE file");
    return driver;
  }, path);
}

/**
 * What `connect` stored in a file, read at once and without a trace: a configuration is put together from it before
 * anything is opened for work, perhaps without write access. Nothing when there is no file yet, or one from before.
 * @throws `STORE_UNAVAILABLE` when the file can't be read
 */
export function readSealedCredentials(path: string): readonly StoredCredential[] {
  if (!isThere(path)) return [];
  return translated(() => {
    const { value: db, assertUnchanged } = openToRead(path, connectToRead);
    try {
      const isStored = db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'credentials'").get();
      const rows = isStored === undefined ? [] : (db.prepare(selectCredentials).all() as Row[]);
      assertUnchanged();
      return rows.map(toCredential);
    } finally {
      db.close();
    }
  }, path);
}

function connect(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  db.exec(
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA case_sensitive_like=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32000; PRAGMA wal_autocheckpoint=4000",
  );
  return db;
}

function driverOver(writer: DatabaseSync, reader: DatabaseSync): Driver {
  const waiting: Job[] = [];
  let running: Promise<void> | null = null;
  const writeSql = statementsOf(writer);
  const steps = stepsOf(writer);

  // SQLite counts what other connections commit, not what a connection does itself: in memory there is only one, and what
  // it writes is seen before the end, whichever that is.
  let ended = 0;
  const version = reader.prepare("PRAGMA data_version");

  const drain = async (): Promise<void> => {
    while (waiting.length > 0) await commitTogether(writer, steps, writeSql, nextBatch(waiting));
    running = null;
  };
  const transaction = <T>(work: (sql: Sql) => Promise<T>, { isLarge = false } = {}): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      let result: T;
      waiting.push({
        isLarge,
        run: async (sql) => {
          result = await work(sql);
        },
        done: () => {
          ended += 1;
          resolve(result);
        },
        failed: (error) => {
          ended += 1;
          reject(error);
        },
      });
      // After the events that are ready now, so that their writes join this commit.
      running ??= new Promise((next) => setImmediate(next)).then(drain);
    });

  return {
    dialect,
    read: statementsOf(reader),
    generation: async () => translated(() => `${version.get()?.["data_version"]}/${ended}`),
    transaction,
    close: async () => {
      await running;
      if (reader !== writer) reader.close();
      writer.close();
    },
  };
}

/** A large job goes alone, all before it together. */
function nextBatch(waiting: Job[]): readonly Job[] {
  const large = waiting.findIndex((job) => job.isLarge);
  return waiting.splice(0, large === -1 ? waiting.length : Math.max(1, large));
}

/** The statements around a write, prepared once. */
const stepsOf = (db: DatabaseSync) => ({
  begin: db.prepare("BEGIN IMMEDIATE"),
  savepoint: db.prepare("SAVEPOINT job"),
  release: db.prepare("RELEASE job"),
  undo: db.prepare("ROLLBACK TO job"),
  commit: db.prepare("COMMIT"),
  rollback: db.prepare("ROLLBACK"),
});

/**
 * One commit for all jobs. A job that throws is rolled back alone; a commit that fails fails them all. A single job needs
 * no savepoint, and a large one (a snapshot) must not have one: its journal is kept in memory.
 */
async function commitTogether(
  db: DatabaseSync,
  steps: ReturnType<typeof stepsOf>,
  sql: Sql,
  jobs: readonly Job[],
): Promise<void> {
  const failAll = (error: unknown): void => {
    if (db.isTransaction) steps.rollback.run();
    for (const job of jobs) job.failed(unavailable(error));
  };
  const settled: (() => void)[] = [];
  const isAlone = jobs.length === 1;
  try {
    steps.begin.run();
  } catch (error) {
    return failAll(error);
  }
  for (const job of jobs) {
    try {
      if (!isAlone) steps.savepoint.run();
      await job.run(sql);
      if (!isAlone) steps.release.run();
      settled.push(job.done);
    } catch (error) {
      // A full disk or an I/O error ends the whole transaction, the work of the jobs before this one included.
      if (!db.isTransaction) return failAll(error);
      if (isAlone) {
        steps.rollback.run();
        return job.failed(error);
      }
      steps.undo.run();
      steps.release.run();
      settled.push(() => job.failed(error));
    }
  }
  try {
    steps.commit.run();
  } catch (error) {
    return failAll(error);
  }
  for (const settle of settled) settle();
}

/** With a path, errors name it. */
function statementsOf(db: DatabaseSync, path?: string): Sql {
  const prepared = new Map<string, StatementSync>();
  const statement = (text: string): StatementSync => {
    let found = prepared.get(text);
    if (found === undefined) {
      found = db.prepare(text);
      // Texts are ours and few; conditions of filters vary, so the cache is bounded.
      if (prepared.size >= 500) prepared.clear();
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

/** What is needed to read. */
export type Reading = Pick<Driver, "dialect" | "read" | "close">;

/**
 * An existing file, for reading alone, whoever writes to it meanwhile: not even its schema is brought up to date.
 * @throws `STORE_UNAVAILABLE` when there is none, or it can't be read.
 */
export function openForReading(path: string): Reading {
  if (!isThere(path))
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      `database ${path}: there is none yet; "rollcall serve" or "rollcall sync" makes it`,
    );
  return readingDriver(path);
}

/**
 * A file that is there as a driver: one that writes where this user may, otherwise one whose transactions are refused with
 * the reason. For commands that read, and bring an older schema up to date where they can.
 * @throws `STORE_UNAVAILABLE` when it can't be read
 */
export function openSqliteToRead(path: string): Driver {
  try {
    assertWritableFile(path);
  } catch (refusal) {
    return { ...readingDriver(path), transaction: () => Promise.reject(refusal) };
  }
  return openSqlite(path);
}

function readingDriver(path: string): Omit<Driver, "transaction"> {
  const { value: db, assertUnchanged } = translated(() => openToRead(path, connectToRead), path);
  const read = statementsOf(db, path);
  const checked = async <T>(rows: Promise<T>): Promise<T> => {
    const found = await rows;
    assertUnchanged();
    return found;
  };
  return {
    dialect,
    read: {
      all: (text, params) => checked(read.all(text, params)),
      get: (text, params) => checked(read.get(text, params)),
      run: (text, params) => checked(read.run(text, params)),
    },
    generation: async () => translated(() => String(db.prepare("PRAGMA data_version").get()?.["data_version"]), path),
    close: async () => db.close(),
  };
}

function connectToRead(url: URL): DatabaseSync {
  const db = new DatabaseSync(url, { timeout: BUSY_TIMEOUT_MS });
  try {
    db.exec("PRAGMA query_only=ON; PRAGMA case_sensitive_like=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32000");
    // Opened in earnest only now.
    db.prepare("SELECT count(*) FROM sqlite_master").get();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Makes this process the only one that reconciles or polls on a SQLite file. The operating system drops the lock when
 * the process ends, however it ends, so a kill leaves nothing to clean up.
 * @throws `STORE_LOCKED` when another process has it, `STORE_UNAVAILABLE` when this user can't write there.
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
      throw new RollcallError(
        "STORE_LOCKED",
        `another "rollcall serve" or "rollcall sync" already works on ${path}; only one may. Stop it, or give this one another "store" in its configuration`,
        { cause: error },
      );
    }
    return { release: () => db.close() };
  }, `${path}-lock`);
}

/** SQLITE_BUSY, and its extended codes. */
const isBusy = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === 5;
