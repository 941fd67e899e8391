import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";

/** A file that is open for reading. */
export interface Opened<T> {
  readonly value: T;
  /**
   * Call it after each read: only if it returns, the result is valid. Throws `STORE_UNAVAILABLE` when another process has
   * written to a file that is read without SQLite's locks.
   */
  readonly assertUnchanged: () => void;
}

/** True if the file exists. Throws `STORE_UNAVAILABLE` when this user may not read its folder. */
export function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    const obstacle = obstacleTo("read", path);
    throw obstacle === null ? unavailable(error, path) : refused(path, "can't be opened", obstacle, error);
  }
}

/** Throws `STORE_UNAVAILABLE` when the file exists and this user may not write to it. Writes nothing itself. */
export function assertWritableFile(path: string): void {
  const obstacle = isThere(path) ? obstacleTo("write", path) : null;
  if (obstacle !== null) throw refused(path, "can't be written", obstacle);
}

/**
 * Opens an existing file so that reading leaves no file behind. A user who may not write can't make SQLite's log. If there
 * is no log either, SQLite gets the promise that the file does not change (`immutable`). A log with content is always read.
 * `open` throws the errors of SQLite, and leaves nothing open then. Throws `STORE_UNAVAILABLE` when the file can't be read.
 */
export function openToRead<T>(path: string, open: (url: URL) => T): Opened<T> {
  const urlWith = (parameters: string): URL => new URL(`${pathToFileURL(path)}?${parameters}`);
  return translated(() => {
    const logBytes = sizeOf(`${path}-wal`);
    if (obstacleTo("write", path) === null)
      // The last connection to close deletes the log. With mode=ro it would leave a log that it made itself.
      return { value: open(urlWith(logBytes === null ? "mode=rw" : "mode=ro")), assertUnchanged: () => undefined };
    const hidden = obstacleTo("read", path);
    if (hidden !== null) throw refused(path, "can't be read", hidden);
    // SQLite handles the journal of an interrupted write.
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
        `database ${path}: its newest changes are in ${path}-wal. SQLite needs ${path}-shm to read them, and can't create it: ${obstacleTo("write", path)}. Copy the database and its -wal file together to a folder that you can write to, and read the copy`,
      );
    return { value: open(urlWith("mode=ro")), assertUnchanged: () => undefined };
  }, path);
}

/** A text that changes with each write to the file or its log. */
function stateOf(path: string): string {
  const { mtimeNs, size, ino } = statSync(path, { bigint: true });
  return `${ino}/${size}/${mtimeNs}/${sizeOf(`${path}-wal`) ?? 0}`;
}

const sizeOf = (path: string): number | null => statSync(path, { throwIfNoEntry: false })?.size ?? null;

/** The reason why this user may not read or write a database, with advice. Null if the system names none. */
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

/** The files and folders whose rights matter: the file with its log, or the folder in which one of them is made. */
function filesFor(what: "read" | "write", path: string): ReadonlySet<string> {
  if (!existsSync(path)) return new Set([nearest(path)]);
  const beside = ["-wal", "-shm"].map((end) => (existsSync(path + end) ? path + end : null));
  const folder = what === "write" ? dirname(resolve(path)) : null;
  return new Set([path, ...beside.map((file) => file ?? folder)].filter((file) => file !== null));
}

/** Null for an error about something else. */
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
    return null; // This user may not read the folder.
  }
}

const refused = (path: string, what: string, obstacle: string, cause?: unknown): RollcallError =>
  new RollcallError("STORE_UNAVAILABLE", `database ${path}: ${what}: ${obstacle}`, { cause });

/** Converts errors of SQLite to `STORE_UNAVAILABLE`. With a path, they name it and give advice. */
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
  // SQLite calls this "disk I/O error".
  if (path !== undefined && isDirectory(path))
    return new RollcallError(
      "STORE_UNAVAILABLE",
      `database${where}: is a directory; name a file in it, as in sqlite:${path}/rollcall.db`,
    );
  const obstacle = path === undefined || !isAboutRights(error) ? null : obstacleTo("write", path);
  if (path !== undefined && obstacle !== null) return refused(path, "can't be opened", obstacle, error);
  return new RollcallError("STORE_UNAVAILABLE", `database${where}: ${messageOf(error)}`, { cause: error });
}

/** True for SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN and SQLITE_AUTH, and for the same errors of the system. */
function isAboutRights(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("errcode" in error) return [3, 8, 14, 23].includes(Number(error.errcode) & 0xff);
  return "code" in error && ["EROFS", "EACCES", "EPERM"].includes(String(error.code));
}

/** The path itself, or the nearest folder above it that exists. */
function nearest(path: string): string {
  const absolute = resolve(path);
  return existsSync(absolute) || dirname(absolute) === absolute ? absolute : nearest(dirname(absolute));
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false; // The error comes back with the next step.
  }
}
