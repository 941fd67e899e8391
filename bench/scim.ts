/**
 * SCIM throughput of Rollcall beside two servers that do less: Express 5 alone, and Express 5 with a durable store.
 * `npm run bench [-- --users 1000,10000 --seconds 10 --rounds 3]`. The servers run one after the other, round by round;
 * the medians of all rounds are printed. Rollcall stores durably (SQLite, synchronous=FULL). Needs Linux (/proc).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../test/support/listen.ts";
import { until } from "../test/support/until.ts";
import { median } from "./support/measure.ts";
import { type ScimLoadReport, scimLoad } from "./support/scim-load.ts";

const { values } = parseArgs({
  options: {
    users: { type: "string", default: "1000,10000" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
  },
});
const token = "bench-token-bench-token";
const folder = mkdtempSync(join(tmpdir(), "rollcall-bench-"));
const here = import.meta.dirname;

/** Starts a server, in an empty folder and on a free port. */
type Start = (directory: string, port: number) => ChildProcess;

const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess =>
  spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, ...env } });

const servers: Readonly<Record<string, Start>> = {
  rollcall: (directory, port) => {
    const config = `${directory}.json`;
    // What one core can do is measured, not the limit of one source.
    const limits = { requestsPerSecond: 1_000_000, burst: 1_000_000 };
    const settings = {
      server: { listen: `127.0.0.1:${port}`, limits },
      store: `sqlite:${directory}.db`,
      sources: { bench: { type: "scim", token } },
    };
    writeFileSync(config, JSON.stringify(settings), { mode: 0o600 });
    return start([join(here, "../src/main.ts"), "serve", "-c", config, "--log-level", "error"]);
  },
  "durable store": (directory, port) =>
    start([join(here, "servers/durable-store.ts")], { PORT: String(port), DATABASE: `${directory}.db` }),
  "bare Express": (_directory, port) => start([join(here, "servers/bare-express.ts")], { PORT: String(port) }),
};

async function measure(name: string, users: number, round: number): Promise<ScimLoadReport> {
  const port = await freePort();
  const server = servers[name]?.(join(folder, `${name.replace(" ", "-")}-${users}-${round}`), port);
  if (server?.pid === undefined) throw new Error(`${name} does not start`);
  try {
    const scimUrl = `http://127.0.0.1:${port}/scim/v2`;
    await until(() => fetch(`${scimUrl}/Users`));
    return await scimLoad({ scimUrl, token, pid: server.pid, users, seconds: Number(values.seconds) });
  } finally {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await ended;
  }
}

try {
  const rows: Record<string, unknown>[] = [];
  for (const users of values.users.split(",").map(Number)) {
    const runs = new Map<string, ScimLoadReport[]>(Object.keys(servers).map((name) => [name, []]));
    for (let round = 0; round < Number(values.rounds); round += 1)
      for (const [name, reports] of runs) reports.push(await measure(name, users, round));
    const ours = runs.get("rollcall") ?? [];
    for (const [name, reports] of runs) {
      const of = (key: Exclude<keyof ScimLoadReport, "errors">, digits: number): number =>
        Number(median(reports.map((report) => report[key])).toFixed(digits));
      const ratios = reports.map(({ requestsPerSecond }, at) => (ours[at]?.requestsPerSecond ?? 0) / requestsPerSecond);
      rows.push({
        users,
        server: name,
        "requests/s": of("requestsPerSecond", 0),
        "p50 ms": of("p50Ms", 1),
        "p99 ms": of("p99Ms", 1),
        "CPU ms/request": of("cpuMsPerRequest", 3),
        "peak RSS MiB": of("peakRssMiB", 0),
        // Of the requests per second of this server, in the same round.
        "rollcall does": `${Math.round(median(ratios) * 100)} %`,
        errors: JSON.stringify(Object.assign({}, ...reports.map(({ errors }) => errors))),
      });
    }
  }
  console.table(rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
