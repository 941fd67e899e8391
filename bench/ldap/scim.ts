/**
 * Measures SCIM requests while `serve` polls a directory of 50,000 users: `node bench/ldap/scim.ts [--users 50000]`.
 * The real process has a SCIM source, an LDAP source that it reads in full all the time, and no target.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startOpenldap } from "../../test/support/ldap/openldap.ts";
import { adminToken, RollcallProcess, scimToken } from "../../test/support/rollcall-process.ts";
import { directoryLdif } from "./directory.ts";

const { values } = parseArgs({ options: { users: { type: "string", default: "50000" } } });
const folder = mkdtempSync(join(tmpdir(), "rollcall-bench-scim-"));
const server = await startOpenldap({
  ldif: directoryLdif({ users: Number(values.users) }),
  more: ["index modifyTimestamp eq"],
});

/** Starts `serve` on the same database each time. */
async function serve(fullEvery: string) {
  const corp = {
    type: "ldap",
    preset: "openldap",
    url: `ldap://127.0.0.1:${server.port}`,
    bindDn: server.bindDn,
    bindPassword: server.bindPassword,
    every: "1s",
    fullEvery,
    users: { baseDn: `ou=people,${server.suffix}` },
    groups: { baseDn: `ou=groups,${server.suffix}` },
  };
  const sources = { okta: { type: "scim", token: scimToken }, corp };
  const rollcall = new RollcallProcess({ folder, sources, targets: {}, nodeOptions: ["--max-semi-space-size=4"] });
  const { scimUrl, adminUrl } = await rollcall.start();
  const polls = async (mode: "full" | "delta"): Promise<number> => {
    const response = await fetch(`${adminUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
    const line = (await response.text()).split("\n").find((each) => {
      return each.startsWith("rollcall_ldap_poll_seconds_count") && each.includes(`mode="${mode}"`);
    });
    return Number(line?.split(" ").at(-1) ?? 0);
  };
  return { scimUrl, polls, stop: () => rollcall.stop() };
}

/** Sends one request after the other, with a pause; every second one is a write. Returns the latencies in ms. */
async function latencies(scimUrl: string, isOver: () => boolean): Promise<readonly number[]> {
  const took: number[] = [];
  const headers = { authorization: `Bearer ${scimToken}`, "content-type": "application/scim+json" };
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
  const sorted = took.toSorted((one, other) => one - other);
  const at = (share: number): number => Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 10) / 10;
  return { during, polls, requests: took.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), worst: at(0.9999) };
}

const rows: Record<string, unknown>[] = [];
try {
  const full = await serve("1s");
  let isImported = false;
  const watcher = (async () => {
    while ((await full.polls("full")) === 0) await delay(100);
    isImported = true;
  })();
  rows.push(row("the first import", 1, await latencies(full.scimUrl, () => isImported)));
  await watcher;
  const before = await full.polls("full");
  const untilMs = Date.now() + 15_000;
  const again = await latencies(full.scimUrl, () => Date.now() > untilMs);
  rows.push(row("complete polls, one after the other", (await full.polls("full")) - before, again));
  await full.stop();
  const quiet = await serve("24h");
  const untilQuietMs = Date.now() + 8000;
  const took = await latencies(quiet.scimUrl, () => Date.now() > untilQuietMs);
  rows.push(row("quiet polls, each second", await quiet.polls("delta"), took));
  await quiet.stop();
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.table(rows);
