/**
 * Steady work for ten minutes: `npm run bench:soak [-- --minutes 10 --people 300 --perSecond 40]`. Memory and open files
 * are sampled; ends with 1 if the last quarter needs a fifth more of either than the second did.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Write } from "./support/day.ts";
import { IdentityProvider } from "./support/idp.ts";
import { openFiles, rssMiB } from "./support/load.ts";
import { Random } from "./support/random.ts";
import { RollcallProcess, scimToken } from "./support/rollcall-process.ts";
import { Vendors } from "./support/vendors.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    people: { type: "string", default: "300" },
    perSecond: { type: "string", default: "40" },
  },
});
const folder = mkdtempSync(join(tmpdir(), "rollcall-soak-"));
const random = new Random(1);
const vendors = await Vendors.start();
const rollcall = new RollcallProcess({ folder, targets: vendors.targets() });
const running = await rollcall.start();
const idp = new IdentityProvider({ door: { open: async () => running.scimUrl }, token: scimToken });
const people = Array.from({ length: Number(values.people) }, (_, index) => `p${index}`);
const samples: { readonly rss: number; readonly files: number }[] = [];
try {
  for (const key of people) {
    vendors.onePassword.state.addUser({ email: `${key}@example.com` });
    await idp.send({ op: "hire", person: key, email: `${key}@example.com`, name: key });
  }
  const beganMs = performance.now();
  const untilMs = beganMs + Number(values.minutes) * 60_000;
  let sent = 0;
  while (performance.now() < untilMs) {
    const person = random.pick(people) ?? "p0";
    const write: Write = random.chance(0.5)
      ? { op: "rename", person, name: `Name ${sent}`, email: `${person}@example.com` }
      : { op: random.chance(0.5) ? "deactivate" : "reactivate", person };
    await idp.send(write);
    sent += 1;
    const aheadMs = (sent / Number(values.perSecond)) * 1000 - (performance.now() - beganMs);
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    if (sent % (Number(values.perSecond) * 2) !== 0) continue;
    samples.push({ rss: rssMiB(running.pid), files: openFiles(running.pid) });
    if (samples.length % 15 === 0)
      console.log(
        `${Math.round((performance.now() - beganMs) / 1000)} s: ${sent} writes, ${samples.at(-1)?.rss} MiB, ${samples.at(-1)?.files} open files`,
      );
  }
  const quarter = Math.floor(samples.length / 4);
  const median = (from: number, of: "rss" | "files"): number =>
    samples
      .slice(from, from + quarter)
      .map((sample) => sample[of])
      .sort((one, other) => one - other)[Math.floor(quarter / 2)] ?? 0;
  const isFlat = (of: "rss" | "files"): boolean => median(samples.length - quarter, of) <= median(quarter, of) * 1.2;
  console.log(`
writes              ${sent}
memory              ${median(quarter, "rss")} MiB in the second quarter, ${median(samples.length - quarter, "rss")} MiB in the last
open files          ${median(quarter, "files")} in the second quarter, ${median(samples.length - quarter, "files")} in the last
lost writes         ${(await idp.lostWrites(running.scimUrl))?.length}`);
  process.exitCode = isFlat("rss") && isFlat("files") ? 0 : 1;
} finally {
  await rollcall.stop();
  await idp.close();
  await vendors.close();
  rmSync(folder, { recursive: true, force: true });
}
