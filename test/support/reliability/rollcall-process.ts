import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { LiveMemory } from "./heap-probe.ts";

const root = process.env["ROLLCALL_UNDER_TEST"] ?? resolve(import.meta.dirname, "../../..");
const main = join(root, "src/main.ts");

export const scimToken = "reliability-scim-token-0123456789abcdef";
export const adminToken = "reliability-admin-token-0123456789";

export interface RollcallOptions {
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
  /** Options of `node` itself, such as `--import …`, and additional environment. */
  readonly nodeOptions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Command before `node`, such as `prlimit --fsize=…`. */
  readonly launcher?: readonly string[];
  /** True if `liveMemory` is used. Default false. */
  readonly isProbed?: boolean;
}

export interface Running {
  readonly pid: number;
  readonly scimUrl: string;
  readonly adminUrl: string;
}

interface TargetStatus {
  readonly name: string;
  readonly pending: number;
  readonly failed: number;
  readonly held: number;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly problems: readonly unknown[];
}

/** `rollcall serve` in a process that can be killed and started again on the same database. */
export class RollcallProcess {
  readonly configPath: string;
  readonly storePath: string;
  readonly storeUrl: string | null;
  /** Standard error since the last start. */
  log = "";
  readonly #options: RollcallOptions;
  #child: ChildProcess | null = null;
  #exited: Promise<number | null> = Promise.resolve(null);

  constructor(options: RollcallOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
    this.configPath = join(options.folder, "rollcall.yaml");
    this.storeUrl = options.storeUrl ?? null;
    this.storePath = options.storePath ?? join(options.folder, "rollcall.db");
    this.configure({});
  }

  /** Writes the configuration. The given parts replace those of the options. */
  configure(more: { readonly targets?: Readonly<Record<string, unknown>> }): void {
    const { targets, guard, reconcile, limits = {}, sources } = this.#options;
    const config = {
      server: { listen: "127.0.0.1:0", limits },
      admin: { listen: "127.0.0.1:0", token: adminToken },
      store: this.storeUrl ?? `sqlite:${this.storePath}`,
      sources: sources ?? { idp: { type: "scim", token: scimToken } },
      targets: more.targets ?? targets,
      guard: { percent: 100, atLeast: 1000, atMost: 1000, window: "24h", ...guard },
      reconcile: { every: "2s", settle: "50ms", ...reconcile },
    };
    writeFileSync(this.configPath, JSON.stringify(config));
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Starts the process without waiting for anything. */
  launch(): void {
    if (this.#child !== null) throw new Error("it runs already");
    const { isProbed = false } = this.#options;
    const [command = process.execPath, ...args] = [
      ...(this.#options.launcher ?? []),
      process.execPath,
      ...(this.#options.nodeOptions ?? []),
      ...(isProbed ? ["--expose-gc", "--import", join(import.meta.dirname, "heap-probe.ts")] : []),
      main,
      "serve",
      "-c",
      this.configPath,
      "--json",
      "--log-level",
      "warn",
    ];
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe", ...(isProbed ? (["ipc"] as const) : [])],
      env: { ...environment, ...this.#options.env },
    });
    this.log = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      this.log = (this.log + chunk.toString()).slice(-200_000);
    });
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once("exit", (code) => {
        if (this.#child === child) this.#child = null;
        resolve(code);
      });
    });
  }

  /** Resolves when it listens; null when it ended (or was killed) before that. */
  listening(): Promise<Running | null> {
    const child = this.#child;
    if (child === null) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      let text = "";
      child.stdout?.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (!text.trimEnd().endsWith("}")) return;
        const { scimUrl, adminUrl } = JSON.parse(text) as { readonly scimUrl?: string; readonly adminUrl?: string };
        // An error is JSON too; the process ends after it.
        if (scimUrl === undefined || adminUrl === undefined) return;
        resolve({ pid: child.pid ?? 0, scimUrl, adminUrl: adminUrl.replace(/\/$/, "") });
      });
      child.once("exit", () => resolve(null));
      child.once("error", reject);
    });
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
    const child = this.#child;
    if (child?.channel == null) throw new Error("it runs without a probe");
    return new Promise((resolve, reject) => {
      child.once("message", (live) => resolve(live as LiveMemory));
      child.once("exit", () => reject(new Error(`rollcall serve ended: ${this.log}`)));
      child.send("live memory");
    });
  }

  /** Sends a signal to the running process, if any. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Its exit code, once it has ended; null when a signal ended it. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#exited;
  }

  /** Sends SIGTERM and returns the exit code. */
  async stop(): Promise<number | null> {
    this.signal("SIGTERM");
    return this.#exited;
  }

  /** Runs another command on the same configuration to its end. */
  command(
    ...args: readonly string[]
  ): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
    const child = spawn(process.execPath, [main, ...args, "-c", this.configPath], {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment,
    });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
  }
}

/** The compile cache saves a third of a second per start. A killed process writes none, so a clean run makes it. */
const environment = {
  ...process.env,
  NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(tmpdir(), "rollcall-compile-cache"),
};

export async function statusOf({ adminUrl }: Running): Promise<readonly TargetStatus[]> {
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
export async function untilDelivered(
  rollcall: RollcallProcess,
  running: () => Promise<Running | null>,
  withinMs: number,
  isDone: () => boolean = () => true,
): Promise<void> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const now = await running();
    const targets = now === null ? null : await statusOf(now).catch(() => null);
    if (targets !== null && isDelivered(targets) && isDone()) return;
    if (performance.now() > untilMs)
      throw new Error(
        `not delivered within ${withinMs / 1000} s: ${JSON.stringify(targets)}\n${rollcall.log.slice(-3000)}`,
      );
    await delay(25);
  }
}

/** Runs `plan` and returns what it would still change or hold, in words. */
export async function leftInPlan(rollcall: RollcallProcess): Promise<readonly string[]> {
  const { code, out, err } = await rollcall.command("plan", "--json");
  if (code !== 0) return [`plan ended with ${code}: ${err}`];
  const { targets } = JSON.parse(out) as {
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
