/**
 * The long fault matrix: `npm run bench:faults [-- --days 3 --writes 300 --seed 1]`. Runs every fault type on each day.
 * Exit code 1 if a promise is broken.
 */
import { parseArgs } from "node:util";
import { makeDay } from "../test/support/reliability/day.ts";
import { type FaultReport, type FaultTypeName, faultRun, faultTypes } from "../test/support/reliability/fault-run.ts";

const { values } = parseArgs({
  options: {
    days: { type: "string", default: "3" },
    writes: { type: "string", default: "300" },
    seed: { type: "string", default: "1" },
    atOnce: { type: "string", default: "4" },
  },
});
const removalLimit = { people: 8, windowMs: 600_000 };
const names = Object.keys(faultTypes) as FaultTypeName[];
const jobs = Array.from({ length: Number(values.days) }, (_, index) => Number(values.seed) + index).flatMap((seed) =>
  names.map((faultType) => ({ seed, faultType })),
);
const reports: FaultReport[] = [];

async function work(): Promise<void> {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
    const { seed, faultType } = job;
    const day = makeDay({ seed, writes: Number(values.writes), staff: 30, deletesTeams: false });
    const report = await faultRun({ day, seed, faultType, removalLimit });
    reports.push(report);
    const { struck, reads, writes, tokens, overLimit, virtualMinutes, seconds, violations } = report;
    console.log(
      `${faultType.padEnd(28)} seed ${seed}: ${struck} struck, ${reads} reads, ${writes} writes, ${tokens} tokens, ${overLimit} × 429, ${virtualMinutes} min in ${seconds} s, ${violations.length} violations`,
    );
    for (const violation of violations) console.error(`  ${violation}`);
  }
}

await Promise.all(Array.from({ length: Number(values.atOnce) }, work));
const violations = reports.flatMap((report) => report.violations);
console.log(`
faults injected     ${reports.reduce((sum, { struck }) => sum + struck, 0)}
invitations         ${reports.reduce((sum, { mails }) => sum + mails, 0)}
lost writes         ${violations.filter((each) => each.includes("lost write")).length}
double invitations  ${violations.filter((each) => each.includes("invited twice")).length}
over the limit      ${violations.filter((each) => each.includes("the limit is")).length}
other violations    ${violations.filter((each) => !/lost write|invited twice|the limit is/.test(each)).length}`);
process.exitCode = violations.length === 0 ? 0 : 1;
