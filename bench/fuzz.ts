/**
 * Fuzzing at length: `npm run bench:fuzz [-- --requests 100000 --seed 1]`. Ends with 1 if anything is not as promised; a
 * request that fails is printed byte by byte, with the seed of its batch.
 */
import { parseArgs } from "node:util";
import { scimFuzz } from "./support/fuzz/scim-run.ts";

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
for (const violation of scim.violations) console.error(violation);
process.exitCode = scim.violations.length === 0 ? 0 : 1;
