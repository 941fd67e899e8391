import { beforeAll, describe, expect, it } from "vitest";
import { makeDay } from "../support/reliability/day.ts";
import { type FaultReport, type FaultTypeName, faultRun, faultTypes } from "../support/reliability/fault-run.ts";
import { isFull } from "./extent.ts";

const seed = 20261122;
const removalLimit = { people: 8, windowMs: 600_000 };
const day = makeDay({ seed, writes: 100, staff: 25, deletesTeams: false });
const every = Object.keys(faultTypes).filter((name) => name !== "none") as FaultTypeName[];
const sample: readonly FaultTypeName[] = ["all of these, 5 % each", "an hour's outage", "a page of the list missing"];
const names = isFull ? every : sample;
/** Types that inject 429. Their answers cannot be told apart from those of the emulated rate limit. */
const injects429: readonly FaultTypeName[] = ["30 % 429", "all of these, 5 % each"];

/** The clock runs twenty times as fast as real time, and faster during waits. */
describe.concurrent("a vendor with faults", () => {
  let quiet: FaultReport;
  beforeAll(async () => {
    quiet = await faultRun({ day, seed, faultType: "none", removalLimit });
    print(quiet);
  });

  it("is compared with a run without faults", () => {
    expect(quiet.violations).toEqual([]);
    expect(quiet.overLimit).toBeLessThanOrEqual(3);
    // Otherwise the guards have nothing to hold.
    expect(quiet.losses).toBeGreaterThan(removalLimit.people);
  });

  it.each(names)("%s: ends in the same state, within the rate limit and twice the calls", async (faultType) => {
    const report = await faultRun({ day, seed, faultType, removalLimit });
    print(report);
    expect(report.violations).toEqual([]);
    expect(report.writes).toBeLessThanOrEqual(2 * quiet.writes);
    // A refused, cut or incomplete answer is requested again, with all that was read beside it. And
    // held changes are checked every five minutes, for as long as the fault makes the day last.
    const longer = Math.max(1, report.virtualMinutes / quiet.virtualMinutes);
    expect(report.reads).toBeLessThanOrEqual(2 * quiet.reads * longer);
    // A busy machine may send two calls together. A client without its own limit is refused hundreds of times.
    if (!injects429.includes(faultType)) expect(report.overLimit).toBeLessThanOrEqual(3);
  });
});

function print({
  faultType,
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
    `${faultType}: ${struck} answers struck; ${reads} reads, ${writes} writes, ${tokens} tokens, ${overLimit} × 429; ${mails} mails, ${losses} losses of access; ${virtualMinutes} min in ${seconds} s`,
  );
}
