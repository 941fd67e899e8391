/**
 * Steady work for ten minutes: `npm run bench:soak [-- --minutes 10 --people 300 --perSecond 150]`. Reads the live memory
 * after garbage collection at the end of each quarter, when everything is delivered. From the second quarter to the last,
 * it may grow by 50 bytes per write and 1 MiB, which is the error of two readings. Resident memory may grow by 10 % and
 * the SQLite caches, open files by 20 %. Exit code 1 otherwise, and after too few writes. Resident memory alone does not
 * show a leak: V8 collects late, and it still grows during the first 20,000 writes.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../test/support/random.ts";
import type { Write } from "../test/support/reliability/day.ts";
import { IdentityProvider } from "../test/support/reliability/identity-provider.ts";
import { openFiles, rssMiB } from "../test/support/reliability/load.ts";
import { Vendors } from "../test/support/reliability/vendors.ts";
import { RollcallProcess, scimToken, untilDelivered } from "../test/support/rollcall-process.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    people: { type: "string", default: "300" },
    perSecond: { type: "string", default: "150" },
  },
});
const MiB = 1024 * 1024;
/** Minimum writes after the second quarter. A leak in fewer is below the error of two readings. */
const fewestWrites = 5000;
const allowedLiveBytes = (writes: number): number => MiB + 50 * writes;

/** One quarter of the time. `highestRssMiB` and `mostFiles` are maxima, the rest is read at its end. */
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
// The flag of the image and of `npm start`.
const nodeOptions = ["--max-semi-space-size=4"];
const rollcall = new RollcallProcess({ folder, targets: vendors.targets(), nodeOptions, isProbed: true });
const running = await rollcall.start();
const idp = new IdentityProvider({ door: { open: async () => running.scimUrl }, token: scimToken });
const people = Array.from({ length: Number(values.people) }, (_, index) => `p${index}`);
let sent = 0;

/** Sends writes for this time. */
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
    `${sent} writes: ${inMiB(quarter.liveBytes)} MiB live (${inMiB(externalBytes)} outside the heap), at most ${highestRssMiB} MiB resident and ${mostFiles} open files, database ${inMiB(quarter.databaseBytes)} MiB`,
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
  // Both connections cache the pages that they read, up to 32 MB each.
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
      `Too few writes to detect a leak: ${writes} in the second half, ${fewestWrites} are needed. Use more --minutes.`,
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
