import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { untilTrue } from "./until.ts";

/** Why a server can't run here; null if it can. With CI=true a reason is an error. `probe` runs if all files exist. */
export function whyNot(
  name: string,
  files: readonly string[],
  needsRoot: boolean,
  probe: () => string | null = () => null,
): string | null {
  const missing = files.filter((file) => !existsSync(file));
  const reason =
    missing.length > 0
      ? `${missing.join(", ")} missing; run test/install-servers.sh as root`
      : needsRoot && process.getuid?.() !== 0
        ? "needs root"
        : probe();
  if (reason === null) return null;
  if (process.env["CI"] === "true") throw new Error(`${name}: ${reason}`);
  return `${name}: ${reason}`;
}

/** A new temporary folder. */
export const workFolder = (): string => mkdtempSync(join(tmpdir(), "rollcall-ldap-"));

/** A folder that is prepared once per machine. `prepare` fills a new folder, which is then renamed. */
export async function golden(name: string, prepare: (folder: string) => Promise<void>): Promise<string> {
  const cache = join(tmpdir(), "rollcall-test-cache");
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const lock = `${folder}.lock`;
  try {
    mkdirSync(lock);
  } catch {
    // Another test file prepares it.
    await untilTrue(() => existsSync(folder), `${folder} is made`, 120_000);
    return folder;
  }
  try {
    const made = mkdtempSync(`${folder}-`);
    await prepare(made);
    renameSync(made, folder);
    return folder;
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

export const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true) === undefined && socket.destroy());
    socket.once("error", () => resolve(false));
  });

/** Maximum starts. An outgoing connection of another test can hold the port for a moment. */
const maxStarts = 20;

/** Starts a server as a child in the foreground. Resolves when it listens. */
export async function startServer(
  command: string,
  args: readonly string[],
  port: number,
  log: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ChildProcess> {
  const out = openSync(log, "a");
  let isGone = false;
  const start = (): ChildProcess => {
    isGone = false;
    const started = spawn(command, args, { stdio: ["ignore", out, out], env });
    started.once("exit", () => {
      isGone = true;
    });
    return started;
  };
  let child = start();
  let starts = 1;
  await untilTrue(
    async () => {
      if (!isGone) return isListening(port);
      if (starts >= maxStarts) throw new Error(`${command} ended: ${readFileSync(log, "utf8").slice(-2000)}`);
      starts += 1;
      child = start();
      return false;
    },
    `${command} listens`,
    60_000,
  );
  return child;
}

export const stopChild = (child: ChildProcess, signal: NodeJS.Signals): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill(signal);
  });

export const run = (command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string =>
  execFileSync(command, args, {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
  });
