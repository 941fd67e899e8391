// How long SCIM requests take while `serve` polls a directory of 50,000 people: node bench/ldap/scim.ts
// The real process with a SCIM source beside an LDAP source that is read in full all the time; no targets.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const here = import.meta.dirname;
const suffix = "dc=bench,dc=example,dc=org";
const port = 14_399;
const slapd = join(tmpdir(), "rollcall-bench-ldap", "50k");
const token = "bench-token-0123456789";
const folder = mkdtempSync(join(tmpdir(), "rollcall-bench-scim-"));
const config = join(folder, "rollcall.yaml");
const corp = (fullEvery: string) => ({
  type: "ldap",
  preset: "openldap",
  url: `ldap://127.0.0.1:${port}`,
  bindDn: `cn=admin,${suffix}`,
  bindPassword: "bench-admin",
  every: "1s",
  fullEvery,
  users: { baseDn: `ou=people,${suffix}` },
  groups: { baseDn: `ou=groups,${suffix}` },
});

/** Starts `serve`, and gives its SCIM URL and how to stop it. */
async function serve(fullEvery: string) {
  writeFileSync(
    config,
    JSON.stringify({
      server: { listen: "127.0.0.1:0" },
      sources: { okta: { type: "scim", token }, corp: corp(fullEvery) },
      targets: {},
    }),
  );
  const child = spawn(
    process.execPath,
    ["--max-semi-space-size=4", join(here, "../../src/main.ts"), "serve", "-c", config, "--json"],
    { cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
  );
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  const [first] = (await new Promise<unknown[]>((resolve) => child.stdout.once("data", (data) => resolve([data])))) as [
    Buffer,
  ];
  const { scimUrl } = JSON.parse(first.toString("utf8")) as { readonly scimUrl: string };
  const stop = () =>
    new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.kill("SIGTERM");
    });
  return { scimUrl, stop, fullPolls: () => log.split("source corp: full").length - 1 };
}

/** One request after the other with a pause, half of them writes; latencies in milliseconds. */
async function load(scimUrl: string, isOver: () => boolean): Promise<readonly number[]> {
  const took: number[] = [];
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/scim+json" };
  for (let n = 0; !isOver(); n += 1) {
    const userName = `load.${n}.${Date.now()}@example.com`;
    const body = JSON.stringify({ schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName, active: true });
    const startedAt = performance.now();
    const response =
      n % 2 === 0
        ? await fetch(`${scimUrl}/Users`, { method: "POST", headers, body })
        : await fetch(`${scimUrl}/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`, { headers });
    await response.arrayBuffer();
    took.push(performance.now() - startedAt);
    if (!response.ok) throw new Error(`SCIM answered ${response.status}`);
    await delay(5);
  }
  return took;
}

function row(during: string, polls: number, took: readonly number[]): Record<string, unknown> {
  const sorted = [...took].sort((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 10) / 10;
  return { during, polls, requests: took.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), worst: at(0.9999) };
}

const rows: Record<string, unknown>[] = [];
execFileSync(join(here, "slapd.sh"), ["start", slapd, String(port), "50000"], {
  stdio: ["ignore", "ignore", "inherit"],
});
try {
  const full = await serve("1s");
  let polls = 0;
  rows.push(row("the first import", 1, await load(full.scimUrl, () => full.fullPolls() > 0)));
  polls = full.fullPolls();
  const untilMs = Date.now() + 15_000;
  const again = await load(full.scimUrl, () => Date.now() > untilMs);
  rows.push(row("complete polls, one after the other", full.fullPolls() - polls, again));
  await full.stop();
  const quiet = await serve("24h");
  const untilQuietMs = Date.now() + 8000;
  rows.push(row("quiet polls, each second", 8, await load(quiet.scimUrl, () => Date.now() > untilQuietMs)));
  await quiet.stop();
} finally {
  execFileSync(join(here, "slapd.sh"), ["stop", slapd]);
  rmSync(folder, { recursive: true, force: true });
}
console.table(rows);
