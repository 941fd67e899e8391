// One process of bench/ldap/run.ts: polls a directory step by step and prints one JSON line for each.
import { execFileSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { LdapPoller } from "../../src/sources/ldap/poller.ts";
import { overlapMs } from "../../src/sources/ldap/read/stamp.ts";
import { openSqlite } from "../../src/store/database/sqlite.ts";
import { snapshotRows } from "../../src/store/import/import.ts";
import { prepareSchema } from "../../src/store/schema/version.ts";
import { ldapSettings } from "../../test/support/ldap/settings.ts";

const [, , url = "", file = "", suffix = "", bindDn = "", bindPassword = ""] = process.argv;
const driver = openSqlite(file);
await prepareSchema(driver);
const settings = ldapSettings({
  preset: "openldap",
  url: [url],
  bind: { kind: "simple", dn: bindDn, password: bindPassword },
  users: { baseDn: `ou=people,${suffix}` },
  groups: { baseDn: `ou=groups,${suffix}` },
});
const poller = new LdapPoller(settings, {
  store: snapshotRows(driver, { changed: () => undefined }),
  now: Date.now,
  log: () => undefined,
});

async function step(name: string, mode: "auto" | "full"): Promise<void> {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  let worstMs = 0;
  let lastTick = performance.now();
  // The longest time that other work of the process had to wait, such as a SCIM request.
  const ticker = setInterval(() => {
    worstMs = Math.max(worstMs, performance.now() - lastTick - 5);
    lastTick = performance.now();
  }, 5);
  const { searches, entries, mode: took, result } = await poller.poll({ mode }, AbortSignal.timeout(600_000));
  clearInterval(ticker);
  const used = process.cpuUsage(cpu);
  process.stdout.write(
    `${JSON.stringify({
      step: name,
      took,
      wallMs: Math.round(performance.now() - startedAt),
      cpuMs: Math.round((used.user + used.system) / 1000),
      peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
      worstPauseMs: Math.round(worstMs),
      searches,
      entries,
      changed: result.usersAdded + result.usersChanged + result.usersRemoved,
    })}\n`,
  );
}

await step("first full poll and commit", "auto");
await step("full poll again", "full");
await delay(overlapMs);
await step("poll after the overlap", "auto");
await step("quiet poll", "auto");
execFileSync("ldapmodify", ["-x", "-H", url, "-D", bindDn, "-w", bindPassword], {
  input: `dn: uid=u7,ou=people,${suffix}\nchangetype: modify\nreplace: mail\nmail: changed@example.org\n`,
  stdio: ["pipe", "ignore", "inherit"],
});
await step("one changed person", "auto");
await driver.close();
