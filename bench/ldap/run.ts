// Measures polls of an OpenLDAP on loopback beside ldapsearch: node bench/ldap/run.ts [scenario …]
// Needs Debian's slapd and ldap-utils (test/install-servers.sh). Directories are kept in the temporary folder.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Scenario {
  readonly users: number;
  readonly more: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const scenarios: Readonly<Record<string, Scenario>> = {
  "1k": { users: 1000, more: [] },
  "10k": { users: 10_000, more: [] },
  "50k": { users: 50_000, more: [] },
  "50k-syncprov": { users: 50_000, more: [], env: { SYNCPROV: "1" } },
  "10k-5000-groups": { users: 10_000, more: ["--group-every", "2", "--nested", "10"] },
  "10k-photos": { users: 10_000, more: ["--photo", "20000"] },
};

/** The young generation grows to 64 MiB and more without this; `NODE_FLAGS=` measures the default. */
const nodeFlags = (process.env["NODE_FLAGS"] ?? "--max-semi-space-size=4").split(" ").filter((flag) => flag !== "");
const here = import.meta.dirname;
const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(scenarios);
const suffix = "dc=bench,dc=example,dc=org";
const folder = join(tmpdir(), "rollcall-bench-ldap");
mkdirSync(folder, { recursive: true });
const rows: Record<string, unknown>[] = [];
// Bundled as the shipped program is: with type stripping at run time the compiler alone takes 100 MiB.
const poll = join(folder, "poll.mjs");
execFileSync(
  join(here, "../../node_modules/.bin/rolldown"),
  [join(here, "poll.ts"), "--file", poll, "--platform", "node", "--format", "esm", "--log-level", "silent"],
  { stdio: ["ignore", "ignore", "inherit"] },
);

for (const [index, name] of chosen.entries()) {
  const scenario = scenarios[name];
  if (scenario === undefined) throw new Error(`no scenario ${name}; there are ${Object.keys(scenarios).join(", ")}`);
  const port = 14_390 + index;
  const url = `ldap://127.0.0.1:${port}`;
  const server = join(folder, name);
  execFileSync(join(here, "slapd.sh"), ["start", server, String(port), String(scenario.users), ...scenario.more], {
    env: { ...process.env, ...scenario.env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    const startedAt = performance.now();
    for (const [base, filter, ...attributes] of [
      ["people", "(objectClass=inetOrgPerson)", "entryUUID", "mail", "uid", "cn"],
      ["groups", "(objectClass=groupOfNames)", "entryUUID", "cn", "member"],
    ]) {
      spawnSync(
        "ldapsearch",
        [
          "-x",
          "-LLL",
          "-H",
          url,
          "-D",
          `cn=admin,${suffix}`,
          "-w",
          "bench-admin",
          "-b",
          `ou=${base},${suffix}`,
          "-E",
          "pr=1000/noprompt",
          String(filter),
          ...attributes,
        ],
        { stdio: "ignore" },
      );
    }
    rows.push({
      scenario: name,
      step: "ldapsearch, the same entries",
      wallMs: Math.round(performance.now() - startedAt),
    });
    const out = execFileSync(process.execPath, [...nodeFlags, poll, url, join(folder, `${name}.db`)], {
      encoding: "utf8",
    });
    for (const line of out.trim().split("\n"))
      rows.push({ scenario: name, ...(JSON.parse(line) as Record<string, unknown>) });
  } finally {
    execFileSync(join(here, "slapd.sh"), ["stop", server]);
  }
}
console.table(rows);
