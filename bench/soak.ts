/**
 * Steady work for ten minutes: `npm run bench:soak [-- --minutes 10 --people 300 --perSecond 150]`. At the end of each
 * quarter, with everything delivered, what is live in memory after garbage collection is read. From the second quarter
 * to the last it may grow by 50 bytes a write and 1 MiB (readings differ by as much), resident memory by a tenth and what
 * SQLite caches, open files by a fifth; ends with 1 otherwise. Resident memory alone tells no leak: V8 collects as late
 * as there is room, and in less than some 20,000 writes it is still on its way up. Too few writes to tell end with 1, too.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../test/support/random.ts";
import type { Write } from "../test/support/reliability/day.ts";
import { IdentityProvider } from "../test/support/reliability/identity-provider.ts";
import { openFiles, rssMiB } from "../test/support/reliability/load.ts";
import { RollcallProcess, scimToken, untilDelivered } from "../test/support/reliability/rollcall-process.ts";
import { Vendors } from "../test/support/reliability/vendors.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    people: { type: "string", default: "300" },
    perSecond: { type: "string", default: "150" },
  },
});
const MiB = 1024 * 1024;
/** From the second quarter's end on. What less would leak drowns in what two readings differ by. */
const fewestWrites = 5000;
const allowedLiveBytes = (writes: number): number => MiB + 50 * writes;

/** One fourth of the time. `highestRssMiB` and `mostFiles` are of any moment in it, the rest of its end. */
interface Quarter {
  readonly writes: number;
  readonly highestRssMiB: number;
  readonly mostFiles: number;
  readonly liveBytes: number;
  readonly databaseBytes: number;
}

const folder = mkdtempSync(join(tmpdir(), "rollcall-soak-"));
const random = new Random(1);
const vendors = await Vendors.start();
// The flag is the image's and that of `npm start`.
const nodeOptions = ["--max-semi-space-size=4"];
const rollcall = new RollcallProcess({ folder, targets: vendors.targets(), nodeOptions, isProbed: true });
const running = await rollcall.start();
const idp = new IdentityProvider({ door: { open: async () => running.scimUrl }, token: scimToken });
const people = Array.from({ length: Number(values.people) }, (_, index) => `p${index}`);
let sent = 0;

/** Sends until that much time has passed. */
async function workFor(durationMs: number): Promise<Quarter> {
  const [beganMs, sentBefore] = [performance.now(), sent];
  let [highestRssMiB, mostFiles, measuredMs] = [0, 0, 0];
  for (let passedMs = 0; passedMs < durationMs; passedMs = performance.now() - beganMs) {
    const person = random.pick(people) ?? "p0";
    const write: Write = random.chance(0.5)
      ? { op: "rename", person, name: `Name ${sent}`, email: `${person}@example.com` }
      : { op: random.chance(0.5) ? "deactivate" : "reactivate", person };
    await idp.send(write);
    sent += 1;
    const aheadMs = ((sent - sentBefore) / Number(values.perSecond)) * 1000 - passedMs;
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    if (passedMs - measuredMs < 1000) continue;
    measuredMs = passedMs;
    highestRssMiB = Math.max(highestRssMiB, rssMiB(running.pid));
    mostFiles = Math.max(mostFiles, openFiles(running.pid));
  }
  await untilDelivered(rollcall, async () => running, 60_000);
  const { heapBytes, externalBytes } = await rollcall.liveMemory();
  const quarter = {
    writes: sent,
    highestRssMiB,
    mostFiles,
    liveBytes: heapBytes + externalBytes,
    databaseBytes: statSync(rollcall.storePath).size,
  };
  console.log(
    `${sent} writes: ${inMiB(quarter.liveBytes)} MiB live (${inMiB(externalBytes)} of them outside the heap), at most ${highestRssMiB} MiB resident and ${mostFiles} open files, database ${inMiB(quarter.databaseBytes)} MiB`,
  );
  return quarter;
}

const inMiB = (bytes: number): string => (bytes / MiB).toFixed(1);

try {
  for (const key of people) {
    vendors.onePassword.state.addUser({ email: `${key}@example.com` });
    await idp.send({ op: "hire", person: key, email: `${key}@example.com`, name: key });
  }
  const quarterMs = (Number(values.minutes) * 60_000) / 4;
  await workFor(quarterMs);
  const second = await workFor(quarterMs);
  await workFor(quarterMs);
  const last = await workFor(quarterMs);
  const writes = last.writes - second.writes;
  const moreLiveBytes = last.liveBytes - second.liveBytes;
  // Both connections cache the pages that they meet, each up to 32 MB.
  const cachedMiB = (2 * (last.databaseBytes - second.databaseBytes)) / MiB;
  const allowedRssMiB = Math.round(second.highestRssMiB * 1.1 + cachedMiB);
  const lost = (await idp.lostWrites(running.scimUrl))?.length;
  console.log(`
live memory     ${inMiB(moreLiveBytes)} MiB more after ${writes} further writes, ${inMiB(allowedLiveBytes(writes))} allowed
resident        ${second.highestRssMiB} MiB in the second quarter, ${last.highestRssMiB} in the last, ${allowedRssMiB} allowed
open files      ${second.mostFiles} in the second quarter, ${last.mostFiles} in the last
lost writes     ${lost}`);
  if (writes < fewestWrites)
    console.log(
      `Says nothing about leaks: ${writes} writes in the second half, it takes ${fewestWrites}; give it more --minutes`,
    );
  const isFlat =
    writes >= fewestWrites &&
    moreLiveBytes <= allowedLiveBytes(writes) &&
    last.highestRssMiB <= allowedRssMiB &&
    last.mostFiles <= second.mostFiles * 1.2;
  process.exitCode = isFlat && lost === 0 ? 0 : 1;
} finally {
  await rollcall.stop();
  await idp.close();
  await vendors.close();
  rmSync(folder, { recursive: true, force: true });
}
