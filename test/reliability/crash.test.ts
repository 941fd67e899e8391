import { describe, expect, it } from "vitest";
import { type CrashReport, crashMigrations, crashRun, killPoints } from "../support/reliability/crash-run.ts";
import { makeDay } from "../support/reliability/day.ts";
import { isFull } from "./extent.ts";

/** Each kill is a real SIGKILL of `node src/main.ts serve` and a start on the same database: about 0.4 s on a quiet machine. */
const seed = 20261122;
const extent = isFull
  ? { writes: 320, kills: 120, guardedWrites: 110, guardedKills: 50, minLosses: 15, startKills: 36 }
  : { writes: 110, kills: 12, guardedWrites: 60, guardedKills: 4, minLosses: 5, startKills: 4 };

const removalLimit = { people: 5, windowMs: 4000 };

describe.concurrent("kills", { timeout: 8 * 60_000 }, () => {
  it(`change nothing about how a day of ${extent.writes} changes ends`, async () => {
    const day = makeDay({ seed, writes: extent.writes });
    const [killed, quiet] = await Promise.all([
      crashRun({ day, seed, kills: extent.kills }),
      crashRun({ day, seed, kills: 0 }),
    ]);
    print("a day", killed);
    expect(killed.violations).toEqual([]);
    expect(quiet.violations).toEqual([]);
    expect(killed.finalState).toEqual(quiet.finalState);
    expect(killed.killed).toBeGreaterThanOrEqual(extent.kills);
    expect(killed.readBacks).toBeGreaterThan(extent.kills / 2);
    // A full matrix covers every point.
    if (isFull) expect(killPoints.filter((point) => killed.kills[point] === 0)).toEqual([]);
  });

  it("with a low limit never take access from more users than the limit", async () => {
    const day = makeDay({ seed: seed + 1, writes: extent.guardedWrites, staff: 25, deletesTeams: false });
    const report = await crashRun({ day, seed, kills: extent.guardedKills, removalLimit });
    print("a low removal limit", report);
    expect(report.violations).toEqual([]);
    expect(report.killed).toBeGreaterThanOrEqual(extent.guardedKills);
    // Otherwise the limit had nothing to hold.
    expect(report.losses.length).toBeGreaterThan(extent.minLosses);
  });

  it("during the first start leave a database that the next start brings up", async () => {
    const { killed, violations } = await crashMigrations(extent.startKills, seed);
    expect(violations).toEqual([]);
    expect(killed).toBe(extent.startKills);
  });
});

function print(name: string, { killed, kills, writes, readBacks, mails, losses, seconds }: CrashReport): void {
  const points = Object.entries(kills).map(([point, count]) => `${point} ${count}`);
  console.log(
    `${name}: ${killed} kills in ${seconds} s (${points.join(", ")}); ${writes} writes, read back ${readBacks} times, ${mails} mails, ${losses.length} losses of access`,
  );
}
