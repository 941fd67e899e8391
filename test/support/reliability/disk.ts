import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A place for a database whose room can be taken away and given back. */
export interface SmallDisk {
  readonly kind: "tmpfs" | "file size limit";
  /** Where the database goes. */
  readonly folder: string;
  /** What `node` has to be started with. */
  readonly launcher: readonly string[];
  fill(pid: number): void;
  empty(pid: number): void;
  close(): void;
}

/** A small tmpfs where that may be mounted (root, Linux); elsewhere a limit on the size of files, which fails writes alike (also with `ROLLCALL_DISK=limit`). */
export function smallDisk(folder: string): SmallDisk {
  mkdirSync(folder, { recursive: true });
  return (process.env["ROLLCALL_DISK"] === "limit" ? null : tmpfs(folder)) ?? fileSizeLimit(folder);
}

function tmpfs(folder: string): SmallDisk | null {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], { stdio: "ignore" });
  } catch {
    return null; // not root, or not Linux: there is another way
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
        // The process under test took some of the room meanwhile: full is full.
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
 * Mounts a folder read-only: on itself, or where it is to be seen so while it can still be written where it is.
 * @returns how to undo it; null where that is not allowed
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
