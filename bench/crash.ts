/**
 * The long crash matrix: `npm run bench:crash [-- --kills 2000 --seed 1 --store postgres]`. Replays days of 320 changes with
 * up to 180 kills each, two at a time. Every fifth day has a low removal limit. Exit code 1 if a promise is broken.
 */
import { parseArgs } from "node:util";
import { noOpenldap } from "../test/support/ldap/openldap.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { type CrashReport, crashMigrations, crashRun, killPoints } from "../test/support/reliability/crash-run.ts";
import { makeDay } from "../test/support/reliability/day.ts";
import { ldapCrashRun, pollPoints } from "../test/support/reliability/ldap-crash-run.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "2000" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
    atOnce: { type: "string", default: "2" },
    store: { type: "string", default: "sqlite" },
  },
});
const wanted = Number(values.kills);
const startedAt = performance.now();
const reports: CrashReport[] = [];
const violations: string[] = [];
let seed = Number(values.seed);
let planned = 0;
console.log(`seed ${seed}`);

// Only Rollcall is killed, never this server.
const server = values.store === "postgres" ? await startPostgres() : null;
const onPostgres = server !== null && { makeDatabase: server.makeDatabase };

const migrations = await crashMigrations(Math.min(100, Math.ceil(wanted / 20)), seed, server?.makeDatabase);
violations.push(...migrations.violations);
planned += migrations.killed;

async function oneDay(): Promise<void> {
  seed += 1;
  const own = seed;
  const isTight = own % 5 === 0;
  const kills = Math.min(isTight ? 60 : 180, wanted - planned);
  planned += kills;
  const day = isTight
    ? makeDay({ seed: own, writes: 120, staff: 25, deletesTeams: false })
    : makeDay({ seed: own, writes: 320 });
  const report = await crashRun({
    day,
    seed: own,
    kills,
    ...(isTight && { removalLimit: { people: 5, windowMs: 4000 } }),
    ...onPostgres,
    log: (text) => text.startsWith("the database") && console.log(text),
  });
  reports.push(report);
  violations.push(...report.violations.map((violation) => `seed ${own}: ${violation}`));
  console.log(
    `seed ${own}${isTight ? " (tight)" : ""}: ${report.killed} kills, ${report.writes} writes, ${report.violations.length} violations, ${report.seconds} s`,
  );
}

async function days(): Promise<void> {
  while (planned < wanted) await oneDay();
}

await Promise.all(Array.from({ length: Number(values.atOnce) }, days));
// Also with an LDAP directory, if slapd is installed (test/install-servers.sh).
const directory =
  noOpenldap === null && server === null
    ? await ldapCrashRun({
        seed: Number(values.seed),
        sizes: [1, 40, 200, 600],
        killsEach: Math.min(6, wanted),
        writes: 120,
      })
    : null;
violations.push(...(directory?.violations.map((violation) => `directory: ${violation}`) ?? []));
const sum = (of: (report: CrashReport) => number): number => reports.reduce((total, report) => total + of(report), 0);
console.log(`
kills survived      ${sum(({ killed }) => killed) + migrations.killed + (directory?.killed ?? 0)}
${killPoints.map((point) => `  ${point.padEnd(22)}${sum(({ kills }) => kills[point])}`).join("\n")}
  ${"first start".padEnd(22)}${migrations.killed}
${pollPoints.map((point) => `  ${`directory, ${point}`.padEnd(22)}${directory?.kills[point] ?? noOpenldap}`).join("\n")}
SCIM writes         ${sum(({ writes }) => writes)}
read back           ${sum(({ readBacks }) => readBacks)} times
invitations         ${sum(({ mails }) => mails)}
lost writes         ${violations.filter((each) => each.includes("lost write")).length}
double invitations  ${violations.filter((each) => each.includes("invited twice")).length}
over the limit      ${violations.filter((each) => each.includes("the limit is")).length}
other violations    ${violations.filter((each) => !/lost write|invited twice|the limit is/.test(each)).length}
minutes             ${((performance.now() - startedAt) / 60_000).toFixed(1)}`);
await server?.close();
for (const violation of violations) console.error(violation);
process.exitCode = violations.length === 0 ? 0 : 1;
