import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { LiveMemory } from "./reliability/heap-probe.ts";
import { until } from "./until.ts";

const root = process.env["ROLLCALL_UNDER_TEST"] ?? resolve(import.meta.dirname, "../..");
/** The command that starts the program from this checkout. */
const checkout = [process.execPath, join(root, "src/main.ts")] as const;
/** Saves a third of a second per start. A killed process writes no cache, a clean run does. */
const compileCache = resolve(import.meta.dirname, "../../node_modules/.cache/rollcall-e2e");

export const scimToken = "e2e-scim-token-0123456789";
export const adminToken = "e2e-admin-token-0123456789";

export interface ProgramOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Content of standard input. Default nothing. */
  readonly input?: string;
  /** Runs the program as this user. Needs root, and a `program` that this user can read. */
  readonly uid?: number;
  /** Default: the program of this checkout. */
  readonly program?: readonly [node: string, main: string];
  /** Options of `node` itself, such as `--import …`. */
  readonly nodeOptions?: readonly string[];
  /** Command before `node`, such as `prlimit --fsize=…`. */
  readonly launcher?: readonly string[];
  /** True if the test sends messages to the process. Default false. */
  readonly hasChannel?: boolean;
}

/** The end of a program. */
export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output, parsed as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read it without a schema
  readonly json: any;
}

/** A started program. */
export interface Program {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly exit: Promise<Run>;
  readonly isOver: () => boolean;
  /** Sends a signal to this process, and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<Run>;
}

const started = new Set<ChildProcess>();

/** Starts `rollcall …`. It inherits only the variables of the environment that a program needs. */
export function start(args: readonly string[], options: ProgramOptions): Program {
  const { cwd, env = {}, input = "", uid, program = checkout, nodeOptions = [], launcher = [] } = options;
  const [node, main] = program;
  const [command = node, ...rest] = [...launcher, node, ...nodeOptions, main, ...args];
  const inherited = Object.fromEntries(
    ["PATH", "HOME", "TMPDIR"].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  const child = spawn(command, rest, {
    cwd,
    env: { ...inherited, NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ["pipe", "pipe", "pipe", ...(options.hasChannel === true ? (["ipc"] as const) : [])],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  started.add(child);
  // A program that does not read its input may end first.
  child.stdin?.on("error", () => undefined).end(input);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
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
export const rollcall = (args: readonly string[], options: ProgramOptions): Promise<Run> => start(args, options).exit;

/** Kills all programs that this test file has started and not stopped. */
export async function killStarted(): Promise<void> {
  await Promise.all(
    [...started].map(async (child) => {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }),
  );
}

/** Addresses of `serve`. */
export interface Addresses {
  /** With /scim/v2. */
  readonly scimUrl: string;
  readonly adminUrl: string;
}

/** Waits until `serve --json` has printed its addresses. Null if it ended before. */
export async function addressesOf({ child, stdout, exit, isOver }: Program): Promise<Addresses | null> {
  for (;;) {
    if (stdout().trimEnd().endsWith("}")) {
      // An error is JSON too; the process ends after it.
      const { scimUrl, adminUrl } = JSON.parse(stdout()) as Partial<Addresses>;
      if (scimUrl !== undefined && adminUrl !== undefined) return { scimUrl, adminUrl: adminUrl.replace(/\/$/, "") };
    }
    if (isOver()) return null;
    await Promise.race([child.stdout === null ? exit : once(child.stdout, "data"), exit]);
  }
}

export interface RollcallOptions extends Pick<ProgramOptions, "nodeOptions" | "launcher" | "env"> {
  /** Folder of the configuration, the log and, without `storePath`, the database. */
  readonly folder: string;
  readonly targets: Readonly<Record<string, unknown>>;
  readonly guard?: Readonly<Record<string, unknown>>;
  readonly reconcile?: Readonly<Record<string, unknown>>;
  /** `server.limits`. */
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly storePath?: string;
  /** URL of a PostgreSQL database, instead of a file. */
  readonly storeUrl?: string;
  /** Default: one SCIM source, `idp`. */
  readonly sources?: Readonly<Record<string, unknown>>;
  /** True if `liveMemory` is used. Default false. */
  readonly isProbed?: boolean;
}

export interface Running extends Addresses {
  readonly pid: number;
}

interface TargetStatus {
  readonly name: string;
  readonly pending: number;
  readonly failed: number;
  readonly held: number;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly problems: readonly unknown[];
}

/** `rollcall serve` that can be killed and started again on the same database. */
export class RollcallProcess {
  readonly configPath: string;
  readonly storePath: string;
  readonly storeUrl: string | null;
  readonly #options: RollcallOptions;
  #program: Program | null = null;

  constructor(options: RollcallOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
    this.configPath = join(options.folder, "rollcall.yaml");
    this.storeUrl = options.storeUrl ?? null;
    this.storePath = options.storePath ?? join(options.folder, "rollcall.db");
    const { targets, guard, reconcile, limits = {}, sources } = options;
    const config = {
      server: { listen: "127.0.0.1:0", limits },
      admin: { listen: "127.0.0.1:0", token: adminToken },
      store: this.storeUrl ?? `sqlite:${this.storePath}`,
      sources: sources ?? { idp: { type: "scim", token: scimToken } },
      targets,
      guard: { percent: 100, atLeast: 1000, atMost: 1000, window: "24h", ...guard },
      reconcile: { every: "2s", settle: "50ms", ...reconcile },
    };
    writeFileSync(this.configPath, JSON.stringify(config));
  }

  /** The process, if one runs. */
  get #live(): Program | null {
    const child = this.#program?.child;
    return child === undefined || child.exitCode !== null || child.signalCode !== null ? null : this.#program;
  }

  get pid(): number | null {
    return this.#live?.child.pid ?? null;
  }

  /** Standard error since the last start. */
  get log(): string {
    return this.#program?.stderr() ?? "";
  }

  /** Starts the process without waiting for anything. */
  launch(): void {
    if (this.#live !== null) throw new Error("it runs already");
    const { folder, isProbed = false, nodeOptions = [], ...options } = this.#options;
    const probe = join(import.meta.dirname, "reliability/heap-probe.ts");
    this.#program = start(["serve", "-c", this.configPath, "--json", "--log-level", "warn"], {
      ...options,
      cwd: folder,
      nodeOptions: [...nodeOptions, ...(isProbed ? ["--expose-gc", "--import", probe] : [])],
      hasChannel: isProbed,
    });
  }

  /** Resolves when it listens; null when it ended (or was killed) before that. */
  async listening(): Promise<Running | null> {
    const program = this.#program;
    const addresses = program === null ? null : await addressesOf(program);
    return addresses === null ? null : { pid: program?.child.pid ?? 0, ...addresses };
  }

  /** Starts it and waits until it listens. Throws with its log when it ends instead. */
  async start(): Promise<Running> {
    this.launch();
    const running = await this.listening();
    if (running === null) throw new Error(`rollcall serve ended: ${this.log}`);
    return running;
  }

  /** Collects garbage and returns the memory that is left. Throws without a probe, or when the process ends. */
  liveMemory(): Promise<LiveMemory> {
    const child = this.#live?.child;
    if (child?.channel == null) throw new Error("it runs without a probe");
    return new Promise((resolve, reject) => {
      child.once("message", (live) => resolve(live as LiveMemory));
      child.once("exit", () => reject(new Error(`rollcall serve ended: ${this.log}`)));
      child.send("live memory");
    });
  }

  /** Sends a signal to the running process, if any. */
  signal(name: NodeJS.Signals): void {
    this.#program?.child.kill(name);
  }

  /** Its exit code, once it has ended; null when a signal ended it. */
  get exited(): Promise<number | null> {
    return Promise.resolve(this.#program?.exit).then((run) => run?.code ?? null);
  }

  async kill(): Promise<void> {
    await this.#program?.stop("SIGKILL");
  }

  /** Sends SIGTERM and returns the exit code. */
  async stop(): Promise<number | null> {
    return (await this.#program?.stop())?.code ?? null;
  }

  /** Runs another command on the same configuration to its end. */
  command(...args: readonly string[]): Promise<Run> {
    return rollcall([...args, "-c", this.configPath], { cwd: this.#options.folder });
  }
}

export async function targetStatuses({ adminUrl }: Addresses): Promise<readonly TargetStatus[]> {
  const response = await fetch(`${adminUrl}/api/v1/status`, {
    headers: { authorization: `Bearer ${adminToken}` },
    signal: AbortSignal.timeout(5000),
  });
  return ((await response.json()) as { readonly targets: readonly TargetStatus[] }).targets;
}

/** True if nothing is left to deliver. */
export const isDelivered = (targets: readonly TargetStatus[]): boolean =>
  targets.every(({ pending, failed, held }) => pending + failed + held === 0);

/**
 * Waits until everything is delivered and `isDone` is true. `running` returns null while the process restarts.
 * Throws with the status and the log when that takes longer than `withinMs`.
 */
export const untilDelivered = (
  process: RollcallProcess,
  running: () => Promise<Running | null>,
  withinMs: number,
  isDone: () => boolean = () => true,
): Promise<void> =>
  until(async () => {
    const now = await running();
    const targets = now === null ? null : await targetStatuses(now).catch(() => null);
    if (targets === null || !isDelivered(targets) || !isDone())
      throw new Error(
        `not delivered within ${withinMs / 1000} s: ${JSON.stringify(targets)}\n${process.log.slice(-3000)}`,
      );
  }, withinMs);

/** Runs `plan` and returns what it would still change or hold, in words. */
export async function leftInPlan(process: RollcallProcess): Promise<readonly string[]> {
  const { code, stderr, json } = await process.command("plan", "--json");
  if (code !== 0) return [`plan ended with ${code}: ${stderr}`];
  const { targets } = json as {
    readonly targets: readonly {
      readonly name: string;
      readonly changes: readonly unknown[];
      readonly held: readonly unknown[];
    }[];
  };
  return targets.flatMap(({ name, changes, held }) =>
    [...changes, ...held].map((change) => `plan of ${name} is not empty: ${JSON.stringify(change)}`),
  );
}
