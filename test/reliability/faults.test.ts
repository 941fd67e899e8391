import { beforeAll, describe, expect, it } from "vitest";
import { makeDay } from "../support/reliability/day.ts";
import { type FaultReport, faultRun, type TroubleName, troubles } from "../support/reliability/fault-run.ts";
import { isFull } from "./extent.ts";

const seed = 20261122;
const budget = { people: 8, windowMs: 600_000 };
const day = makeDay({ seed, writes: 100, staff: 25, deletesTeams: false });
const every = Object.keys(troubles).filter((name) => name !== "none") as TroubleName[];
/** In part: each second kind of trouble. */
const names = isFull ? every : every.filter((_, index) => index % 2 === 0);
/** What is refused by the emulator's own rate limit is told apart from what is injected only where no 429 is injected. */
const injects429: readonly TroubleName[] = ["30 % 429", "all of these, 5 % each"];

/** A vendor's clock runs twenty times as fast as ours, and faster where there is nothing but waiting. */
describe.concurrent("a vendor in trouble", { timeout: 240_000 }, () => {
  let quiet: FaultReport;
  beforeAll(async () => {
    quiet = await faultRun({ day, seed, trouble: "none", budget });
    told(quiet);
  }, 120_000);

  it("is compared with a run without faults", () => {
    expect(quiet.violations).toEqual([]);
    expect(quiet.overLimit).toBeLessThanOrEqual(3);
    // Otherwise the guards have nothing to hold.
    expect(quiet.losses).toBeGreaterThan(budget.people);
  });

  it.each(names)("%s: ends in the same state, within the rate limit and twice the calls", async (trouble) => {
    const report = await faultRun({ day, seed, trouble, budget });
    told(report);
    expect(report.violations).toEqual([]);
    expect(report.writes).toBeLessThanOrEqual(2 * quiet.writes);
    // A refused, cut or incomplete answer is requested again, with all that was read beside it. And
    // held changes are checked every five minutes, for as long as the fault makes the day last.
    const longer = Math.max(1, report.virtualMinutes / quiet.virtualMinutes);
    expect(report.reads).toBeLessThanOrEqual(2 * quiet.reads * longer);
    // A busy machine may send two calls together. A client without its own limit is refused hundreds of times.
    if (!injects429.includes(trouble)) expect(report.overLimit).toBeLessThanOrEqual(3);
  });
});

function told({
  trouble,
  struck,
  reads,
  writes,
  tokens,
  overLimit,
  mails,
  losses,
  virtualMinutes,
  seconds,
}: FaultReport): void {
  console.log(
    `${trouble}: ${struck} answers struck; ${reads} reads, ${writes} writes, ${tokens} tokens, ${overLimit} × 429; ${mails} mails, ${losses} losses of access; ${virtualMinutes} min in ${seconds} s`,
  );
}
