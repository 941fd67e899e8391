/**
 * Measures polls of an OpenLDAP server on loopback, beside ldapsearch: `npm run bench:ldap [-- SCENARIO …]`.
 * Needs Debian's slapd and ldap-utils (test/install-servers.sh).
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type OpenldapOptions, startOpenldap } from "../../test/support/ldap/openldap.ts";
import { type DirectorySize, directoryLdif } from "./directory.ts";

const scenarios: Readonly<Record<string, DirectorySize & OpenldapOptions>> = {
  "1k": { users: 1000 },
  "10k": { users: 10_000 },
  "50k": { users: 50_000 },
  "50k-syncprov": { users: 50_000, syncprov: true },
  "10k-5000-groups": { users: 10_000, usersPerGroup: 2, nestedEvery: 10 },
  "10k-photos": { users: 10_000, photoBytes: 20_000 },
};

/** The flag of the image. Without it the young generation grows to 64 MiB and more; `NODE_FLAGS=` measures that. */
const nodeFlags = (process.env["NODE_FLAGS"] ?? "--max-semi-space-size=4").split(" ").filter((flag) => flag !== "");
const here = import.meta.dirname;
const folder = mkdtempSync(join(tmpdir(), "rollcall-bench-ldap-"));
const poll = join(folder, "poll.mjs");
const rows: Record<string, unknown>[] = [];
const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(scenarios);

try {
  // Bundled like the published program: removing types at run time alone takes 100 MiB.
  execFileSync(
    join(here, "../../node_modules/.bin/rolldown"),
    [join(here, "poll.ts"), "--file", poll, "--platform", "node", "--format", "esm", "--log-level", "silent"],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  for (const scenario of chosen) {
    const options = scenarios[scenario];
    if (options === undefined)
      throw new Error(`unknown scenario ${scenario}; known: ${Object.keys(scenarios).join(", ")}`);
    const more = ["index mail,modifyTimestamp eq"];
    const server = await startOpenldap({ ...options, more, ldif: directoryLdif(options) });
    const { adminDn, adminPassword, suffix } = server;
    const url = `ldap://127.0.0.1:${server.port}`;
    try {
      const startedAt = performance.now();
      const login = ["-x", "-LLL", "-H", url, "-D", adminDn, "-w", adminPassword, "-E", "pr=1000/noprompt"];
      const people = ["-b", `ou=people,${suffix}`, "(objectClass=inetOrgPerson)", "entryUUID", "mail", "uid", "cn"];
      const groups = ["-b", `ou=groups,${suffix}`, "(objectClass=groupOfNames)", "entryUUID", "cn", "member"];
      for (const search of [people, groups]) execFileSync("ldapsearch", [...login, ...search], { stdio: "ignore" });
      const wallMs = Math.round(performance.now() - startedAt);
      rows.push({ scenario, step: "ldapsearch, the same entries", wallMs });
      const out = execFileSync(
        process.execPath,
        [...nodeFlags, poll, url, join(folder, `${scenario}.db`), suffix, adminDn, adminPassword],
        { encoding: "utf8" },
      );
      for (const line of out.trim().split("\n"))
        rows.push({ scenario, ...(JSON.parse(line) as Record<string, unknown>) });
    } finally {
      await server.stop();
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.table(rows);
