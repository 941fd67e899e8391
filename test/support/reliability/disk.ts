import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A folder for a database whose free space can be taken away and given back. */
export interface SmallDisk {
  readonly kind: "tmpfs" | "file size limit";
  /** Folder of the database. */
  readonly folder: string;
  /** Command before `node`. */
  readonly launcher: readonly string[];
  fill(pid: number): void;
  empty(pid: number): void;
  close(): void;
}

/**
 * Mounts a small tmpfs, which needs root and Linux. Otherwise, or with `ROLLCALL_DISK=limit`, limits the size of files:
 * writes fail in the same way.
 */
export function smallDisk(folder: string): SmallDisk {
  mkdirSync(folder, { recursive: true });
  return (process.env["ROLLCALL_DISK"] === "limit" ? null : tmpfs(folder)) ?? fileSizeLimit(folder);
}

function tmpfs(folder: string): SmallDisk | null {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], { stdio: "ignore" });
  } catch {
    return null; // not root, or not Linux: the other way is used
  }
  const ballast = join(folder, "ballast");
  return {
    kind: "tmpfs",
    folder,
    launcher: [],
    fill: () => {
      const { bavail, bsize } = statfsSync(folder);
      try {
        writeFileSync(ballast, Buffer.alloc(bavail * bsize));
      } catch (error) {
        // The process under test has used some of the space: the disk is full as wanted.
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    },
    empty: () => rmSync(ballast),
    close: () => void execFileSync("umount", ["-l", folder]),
  };
}

function fileSizeLimit(folder: string): SmallDisk {
  const limit = (pid: number, bytes: string): void =>
    void execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:`]);
  return {
    kind: "file size limit",
    folder,
    launcher: [],
    fill: (pid) => limit(pid, "65536"),
    empty: (pid) => limit(pid, "unlimited"),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/**
 * Mounts a folder read-only on itself, or at another path while the folder stays writable.
 * Returns a function that undoes it, or null where mounting is not allowed.
 */
export function readOnly(folder: string, at: string = folder): (() => void) | null {
  mkdirSync(at, { recursive: true });
  try {
    execFileSync("mount", ["--bind", folder, at], { stdio: "ignore" });
    execFileSync("mount", ["-o", "remount,bind,ro", at], { stdio: "ignore" });
  } catch {
    return null; // not root, or not Linux
  }
  return () => void execFileSync("umount", ["-l", at]);
}
