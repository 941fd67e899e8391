import { describe, expect, it } from "vitest";
import { type CrashReport, crashMigrations, crashRun, killPoints } from "../support/reliability/crash-run.ts";
import { makeDay } from "../support/reliability/day.ts";
import { isFull } from "./extent.ts";

/** Each kill is a real SIGKILL of `node src/main.ts serve` and a start on the same database: about 0.4 s on a quiet machine. */
const seed = 20261122;
const minutesMs = 60_000;
const kills = isFull ? { day: 120, guard: 50, start: 36, writes: 320 } : { day: 36, guard: 12, start: 8, writes: 320 };

describe.concurrent("kills", { timeout: 8 * minutesMs }, () => {
  it(`change nothing about how a day of ${kills.writes} changes ends`, async () => {
    const day = makeDay({ seed, writes: kills.writes });
    const [killed, quiet] = await Promise.all([
      crashRun({ day, seed, kills: kills.day }),
      crashRun({ day, seed, kills: 0 }),
    ]);
    told("a day", killed);
    expect(killed.violations).toEqual([]);
    expect(quiet.violations).toEqual([]);
    expect(killed.finalState).toEqual(quiet.finalState);
    expect(killed.killed).toBeGreaterThanOrEqual(kills.day);
    expect(killed.readBacks).toBeGreaterThan(kills.day / 2);
    // A full matrix covers every point.
    if (isFull) expect(killPoints.filter((point) => killed.kills[point] === 0)).toEqual([]);
  });

  it("with a low limit never take access from more users than the limit", async () => {
    const day = makeDay({ seed: seed + 1, writes: 110, staff: 25, deletesTeams: false });
    const report = await crashRun({ day, seed, kills: kills.guard, budget: { people: 5, windowMs: 4000 } });
    told("a tight guard", report);
    expect(report.violations).toEqual([]);
    expect(report.killed).toBeGreaterThanOrEqual(kills.guard);
    // Otherwise the guards had nothing to hold.
    expect(report.losses.length).toBeGreaterThan(15);
  });

  it("during the first start leave a database that the next start brings up", async () => {
    const { killed, violations } = await crashMigrations(kills.start, seed);
    expect(violations).toEqual([]);
    expect(killed).toBe(kills.start);
  });
});

function told(name: string, { killed, kills, writes, readBacks, mails, losses, seconds }: CrashReport): void {
  const points = Object.entries(kills).map(([point, count]) => `${point} ${count}`);
  console.log(
    `${name}: ${killed} kills in ${seconds} s (${points.join(", ")}); ${writes} writes, read back ${readBacks} times, ${mails} mails, ${losses.length} losses of access`,
  );
}
