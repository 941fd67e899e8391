import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";

/** A file that was opened for reading. */
export interface Opened<T> {
  readonly value: T;
  /**
   * To be asked after each read: what was read is only good if this does not throw.
   * @throws `STORE_UNAVAILABLE` when somebody else began to write a file that is read without SQLite's locks
   */
  readonly assertUnchanged: () => void;
}

/**
 * Is there a database? What this user may not look at is not taken for missing: an empty directory would be told of.
 * @throws `STORE_UNAVAILABLE` when this user may not look there.
 */
export function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    const obstacle = obstacleTo("read", path);
    throw obstacle === null ? unavailable(error, path) : refused(path, "can't be opened", obstacle, error);
  }
}

/** @throws `STORE_UNAVAILABLE` when this user could not write to a database that is there; nothing is touched */
export function assertWritableFile(path: string): void {
  const obstacle = isThere(path) ? obstacleTo("write", path) : null;
  if (obstacle !== null) throw refused(path, "can't be written", obstacle);
}

/**
 * Opens a file that is there so that reading leaves no trace: neither a log of this user's beside somebody else's
 * database, nor an empty one. Where this user can't write and nobody else has, SQLite is told that the file does not
 * change (`immutable`), as it could not make its log there; a log that holds something is never passed over.
 * @param open throws what SQLite throws, with nothing left open
 * @throws `STORE_UNAVAILABLE` when it can't be read
 */
export function openToRead<T>(path: string, open: (url: URL) => T): Opened<T> {
  const urlWith = (parameters: string): URL => new URL(`${pathToFileURL(path)}?${parameters}`);
  return translated(() => {
    const logBytes = sizeOf(`${path}-wal`);
    if (obstacleTo("write", path) === null)
      // Who closes a file last clears up its log, and a reader that may not write leaves the one that it made behind.
      return { value: open(urlWith(logBytes === null ? "mode=rw" : "mode=ro")), assertUnchanged: () => undefined };
    const hidden = obstacleTo("read", path);
    if (hidden !== null) throw refused(path, "can't be read", hidden);
    // What a write that was cut off left behind is for SQLite to judge.
    if (sizeOf(`${path}-journal`) !== null)
      return { value: open(urlWith("mode=ro")), assertUnchanged: () => undefined };
    if (logBytes === null || logBytes === 0) {
      const before = stateOf(path);
      const assertUnchanged = (): void => {
        if (stateOf(path) === before) return;
        throw new RollcallError(
          "STORE_UNAVAILABLE",
          `database ${path}: was written by another process while it was read; try again`,
        );
      };
      return { value: open(urlWith("mode=ro&immutable=1")), assertUnchanged };
    }
    if (!existsSync(`${path}-shm`))
      throw new RollcallError(
        "STORE_UNAVAILABLE",
        `database ${path}: its newest changes are in ${path}-wal, which can't be read without ${path}-shm, and that can't be made here: ${obstacleTo("write", path)}. Copy the database and its -wal file together to where they can be written, and read that copy`,
      );
    return { value: open(urlWith("mode=ro")), assertUnchanged: () => undefined };
  }, path);
}

/** Another text after each write, a log that has come to hold something included. */
function stateOf(path: string): string {
  const { mtimeNs, size, ino } = statSync(path, { bigint: true });
  return `${ino}/${size}/${mtimeNs}/${sizeOf(`${path}-wal`) ?? 0}`;
}

const sizeOf = (path: string): number | null => statSync(path, { throwIfNoEntry: false })?.size ?? null;

/** What keeps this user from reading or writing a database, and what to do; null: nothing that the system tells beforehand. */
function obstacleTo(what: "read" | "write", path: string): string | null {
  for (const file of filesFor(what, path)) {
    try {
      accessSync(
        file,
        constants.R_OK | (what === "write" ? constants.W_OK : 0) | (isDirectory(file) ? constants.X_OK : 0),
      );
    } catch (error) {
      const obstacle = describe(error, what, file, file === path ? "it" : file);
      if (obstacle !== null) return obstacle;
    }
  }
  return null;
}

/** Without a database it is the folder that counts; to write one the log is needed, which is made where there is none. */
function filesFor(what: "read" | "write", path: string): ReadonlySet<string> {
  if (!existsSync(path)) return new Set([nearest(path)]);
  const beside = ["-wal", "-shm"].map((end) => (existsSync(path + end) ? path + end : null));
  const folder = what === "write" ? dirname(resolve(path)) : null;
  return new Set([path, ...beside.map((file) => file ?? folder)].filter((file) => file !== null));
}

/** Null for an error that is about something else. */
function describe(error: unknown, what: "read" | "write", file: string, name: string): string | null {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "EROFS")
    return `${name} is on a read-only file system; mount it writable, or give "store" another place`;
  if (code !== "EACCES" && code !== "EPERM") return null;
  const owner = ownerOf(file);
  return `user ${process.getuid?.()} may not ${what} ${name}${owner === null ? "" : `, which belongs to user ${owner}`}; run this as the user that "rollcall serve" runs as, or give this one the right`;
}

function ownerOf(file: string): number | null {
  try {
    return statSync(file).uid;
  } catch {
    return null; // in a folder that this user may not look into
  }
}

const refused = (path: string, what: string, obstacle: string, cause?: unknown): RollcallError =>
  new RollcallError("STORE_UNAVAILABLE", `database ${path}: ${what}: ${obstacle}`, { cause });

/** SQLite's own errors become `STORE_UNAVAILABLE`: none of them is the caller's doing. With a path, they name it and what to do. */
export function translated<T>(work: () => T, path?: string): T {
  try {
    return work();
  } catch (error) {
    throw unavailable(error, path);
  }
}

/** See {@link translated}. */
export function unavailable(error: unknown, path?: string): RollcallError {
  if (error instanceof RollcallError) return error;
  const where = path === undefined ? "" : ` ${path}`;
  // SQLite says of a folder "disk I/O error", which frightens, and helps nobody.
  if (path !== undefined && isDirectory(path))
    return new RollcallError(
      "STORE_UNAVAILABLE",
      `database${where}: is a directory; name a file in it, as in sqlite:${path}/rollcall.db`,
    );
  const obstacle = path === undefined || !isAboutRights(error) ? null : obstacleTo("write", path);
  if (path !== undefined && obstacle !== null) return refused(path, "can't be opened", obstacle, error);
  return new RollcallError("STORE_UNAVAILABLE", `database${where}: ${messageOf(error)}`, { cause: error });
}

/** SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN and SQLITE_AUTH with their extended codes; and what the system calls so. */
function isAboutRights(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("errcode" in error) return [3, 8, 14, 23].includes(Number(error.errcode) & 0xff);
  return "code" in error && ["EROFS", "EACCES", "EPERM"].includes(String(error.code));
}

/** The path itself, or the folder nearest to it that there is. */
function nearest(path: string): string {
  const absolute = resolve(path);
  return existsSync(absolute) || dirname(absolute) === absolute ? absolute : nearest(dirname(absolute));
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false; // told of by what follows
  }
}
