/**
 * The long fuzz run: `npm run bench:fuzz [-- --requests 100000 --seed 1]`. Exit code 1 if a promise is broken.
 * Prints the bytes of a request that fails, and the seed of its batch.
 */
import { parseArgs } from "node:util";
import { ldapFuzz } from "../test/support/fuzz/ldap-run.ts";
import { scimFuzz } from "../test/support/fuzz/scim-run.ts";
import { noOpenldap } from "../test/support/ldap/openldap.ts";
import { makeDay } from "../test/support/reliability/day.ts";
import { faultRun } from "../test/support/reliability/fault-run.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
  },
});
const seed = Number(values.seed);
console.log(`seed ${seed}`);
const scim = await scimFuzz({ requests: Number(values.requests), seed, log: console.log });
const statuses = [...scim.statuses].sort(([one], [other]) => (one < other ? -1 : 1));
const kinds = [...scim.kinds].sort(([one], [other]) => (one < other ? -1 : 1));
console.log(`
SCIM requests       ${scim.requests} in ${scim.seconds} s
${statuses.map(([status, count]) => `  ${status.padEnd(18)}${count}`).join("\n")}
good / all
${kinds.map(([kind, { good, all }]) => `  ${kind.padEnd(18)}${good} / ${all}`).join("\n")}
longest turn        ${scim.worstStallMs} ms of CPU time
people, groups made ${scim.people}, ${scim.groups}
violations          ${scim.violations.length}`);

const ldap = noOpenldap === null ? await ldapFuzz({ polls: Math.ceil(Number(values.requests) / 100), seed }) : null;
if (ldap === null) console.log(noOpenldap);
else
  console.log(`
LDAP polls          ${ldap.polls} in ${ldap.seconds} s
  invalid answers   ${ldap.meddled}
  committed         ${ldap.committed}
violations          ${ldap.violations.length}`);

const vendors = [];
for (let day = 0; day < Math.ceil(Number(values.requests) / 10_000); day += 1) {
  const own = { seed: seed + day, writes: 100, staff: 25, deletesTeams: false };
  const removalLimit = { people: 8, windowMs: 600_000 };
  vendors.push(
    await faultRun({ day: makeDay(own), seed: seed + day, faultType: "15 % invalid answers", removalLimit }),
  );
}
console.log(`
vendors' answers    ${vendors.reduce((sum, { reads, writes, tokens }) => sum + reads + writes + tokens, 0)} in ${vendors.length} days
  invalid           ${vendors.reduce((sum, { struck }) => sum + struck, 0)}
  invitations       ${vendors.reduce((sum, { mails }) => sum + mails, 0)}
violations          ${vendors.reduce((sum, { violations }) => sum + violations.length, 0)}`);
const violations = [...scim.violations, ...(ldap?.violations ?? []), ...vendors.flatMap((report) => report.violations)];
for (const violation of violations) console.error(violation);
// Ends at once: after thousands of reset sockets, Node was seen to wait for one without end.
process.exit(violations.length === 0 ? 0 : 1);
