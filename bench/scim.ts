/**
 * SCIM throughput beside bare Express in one run: `npm run bench [-- --users 1000,10000 --seconds 10 --rounds 3]`.
 * Uses the load generator and the bare server of ../shared/bench; both servers run one after the other, round by round,
 * and medians are printed. Rollcall writes durably (SQLite, synchronous=FULL).
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    users: { type: "string", default: "1000,10000" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
    shared: { type: "string", default: "../shared/bench" },
  },
});

const root = resolve(import.meta.dirname, "..");
const shared = resolve(root, values.shared);
if (!existsSync(join(shared, "scim-load.mjs"))) {
  console.error(`the load generator is not at ${values.shared}; say where with --shared`);
  process.exit(2);
}
const token = "bench-token-bench-token";

interface Load {
  readonly reqPerS: number;
  readonly p50: number;
  readonly p99: number;
  readonly serverCpuMsPerReq: number;
  readonly peakRssMiB: number;
  readonly errors: Readonly<Record<string, number>>;
}

const work = mkdtempSync(join(tmpdir(), "rollcall-bench-"));
symlinkSync(join(root, "node_modules"), join(work, "node_modules"));
copyFileSync(join(shared, "bare-express.mjs"), join(work, "bare-express.mjs"));
copyFileSync(join(shared, "scim-load.mjs"), join(work, "scim-load.mjs"));

async function waitFor(url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    try {
      await fetch(url);
      return;
    } catch {
      await new Promise((next) => setTimeout(next, 50));
    }
  }
  throw new Error(`${url} does not answer`);
}

function load(server: ChildProcess, base: string, users: string, more: readonly string[]): Load {
  const args = [
    join(work, "scim-load.mjs"),
    "--base",
    base,
    "--pid",
    String(server.pid),
    "--users",
    users,
    "--duration",
    values.seconds,
    "--compact",
    ...more,
  ];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8", cwd: work, maxBuffer: 1e8 })) as Load;
}

async function stop(server: ChildProcess): Promise<void> {
  const ended = new Promise((next) => server.once("exit", next));
  server.kill("SIGTERM");
  await ended;
}

async function rollcall(users: string, round: number): Promise<Load> {
  const folder = join(work, `rollcall-${users}-${round}`);
  const config = join(work, "rollcall.yaml");
  writeFileSync(
    config,
    JSON.stringify({
      // What one core can do is asked for, not what one source may.
      server: { listen: "127.0.0.1:19091", limits: { requestsPerSecond: 1_000_000, burst: 1_000_000 } },
      store: `sqlite:${folder}/rollcall.db`,
      sources: { bench: { type: "scim", token } },
    }),
  );
  const server = spawn(process.execPath, [join(root, "src/main.ts"), "serve", "-c", config, "--log-level", "error"], {
    stdio: "ignore",
  });
  await waitFor("http://127.0.0.1:19091/healthz");
  const result = load(server, "http://127.0.0.1:19091/scim/v2", users, ["--token", token]);
  await stop(server);
  return result;
}

async function bareExpress(users: string): Promise<Load> {
  const server = spawn(process.execPath, [join(work, "bare-express.mjs")], {
    stdio: "ignore",
    env: { ...process.env, PORT: "19092" },
  });
  await waitFor("http://127.0.0.1:19092/scim/v2/Users");
  const result = load(server, "http://127.0.0.1:19092/scim/v2", users, ["--static"]);
  await stop(server);
  return result;
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

try {
  for (const users of values.users.split(",")) {
    const ours: Load[] = [];
    const bare: Load[] = [];
    for (let round = 0; round < Number(values.rounds); round += 1) {
      ours.push(await rollcall(users, round));
      bare.push(await bareExpress(users));
    }
    for (const [name, runs] of [
      ["rollcall", ours],
      ["bare express", bare],
    ] as const) {
      const of = (key: "reqPerS" | "p50" | "p99" | "serverCpuMsPerReq" | "peakRssMiB") =>
        median(runs.map((run) => run[key]));
      const errors = JSON.stringify(Object.assign({}, ...runs.map((run) => run.errors)));
      console.log(
        `${users.padStart(6)} users  ${name.padEnd(12)}  ${of("reqPerS")} req/s  p50 ${of("p50")} ms  p99 ${of("p99")} ms  cpu ${of("serverCpuMsPerReq")} ms/req  rss ${of("peakRssMiB")} MiB  errors ${errors}`,
      );
    }
    console.log(
      `${users.padStart(6)} users  ratio         ${(median(ours.map((run, index) => run.reqPerS / (bare[index]?.reqPerS ?? Number.NaN)))).toFixed(2)} of bare Express, median of ${values.rounds} pairs`,
    );
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
