import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";

// Each test starts several processes: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

/** The command that starts the program from this checkout. */
const checkout = [process.execPath, fileURLToPath(new URL("../../src/main.ts", import.meta.url))] as const;
/** Halves the time that each of some hundred starts takes. */
const compileCache = fileURLToPath(new URL("../../node_modules/.cache/rollcall-e2e", import.meta.url));

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What standard input holds. Default nothing. */
  readonly input?: string;
  /** Runs the program as this user. Needs root, and a `program` that this user can read. */
  readonly uid?: number;
  /** Default: the program of this checkout. */
  readonly program?: readonly [node: string, main: string];
}

/** What a command left behind. */
export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as the one JSON document that it must be. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
  readonly json: any;
}

/** A started program; `exit` resolves with what it left behind. */
export interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly exit: Promise<Run>;
  readonly isOver: () => boolean;
  /** Sends a signal to this process, and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<Run>;
}

const started = new Set<ChildProcess>();

/** Starts `rollcall …` with nothing of this process's environment but what a program needs to run. */
export function start(
  args: readonly string[],
  { cwd, env = {}, input = "", uid, program = checkout }: RunOptions,
): Running {
  const [node, main] = program;
  const inherited = Object.fromEntries(
    ["PATH", "HOME", "TMPDIR"].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  const child = spawn(node, [main, ...args], {
    cwd,
    env: { ...inherited, NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ["pipe", "pipe", "pipe"],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  started.add(child);
  // Who does not read it leaves it.
  child.stdin.on("error", () => undefined).end(input);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  let isOver = false;
  const exit = once(child, "close").then(([code, signal]): Run => {
    isOver = true;
    started.delete(child);
    return {
      code,
      signal,
      stdout,
      stderr,
      get json() {
        return JSON.parse(stdout);
      },
    };
  });
  return {
    child,
    exit,
    stdout: () => stdout,
    stderr: () => stderr,
    isOver: () => isOver,
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return exit;
    },
  };
}

/** Runs a command to its end. */
export const rollcall = (args: readonly string[], options: RunOptions): Promise<Run> => start(args, options).exit;

/** Ends what this test file has started and not stopped. */
export async function killStarted(): Promise<void> {
  await Promise.all(
    [...started].map(async (child) => {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }),
  );
}

/** Asks again and again until the answer is no failure, and gives it. The last failure is what a timeout tells. */
export async function until<T>(ask: () => T | Promise<T>, withinMs = 10_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
