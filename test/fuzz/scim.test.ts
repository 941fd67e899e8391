import { describe, expect, it } from "vitest";
import { scimFuzz } from "../support/fuzz/scim-run.ts";

/** `npm run bench:fuzz` sends 100,000, with a seed of its own. */
const requests = 5000;

describe("requests that nobody would send", () => {
  it(`${requests} of them: no crash, no stall, no 5xx, nothing of another source, and a directory that is whole`, async () => {
    const report = await scimFuzz({ requests, seed: 20261122 });
    const statuses = [...report.statuses].map(([status, count]) => `${status} ${count}`).join(", ");
    console.log(
      `${report.requests} requests in ${report.seconds} s (${statuses}); worst stall ${report.worstStallMs} ms`,
    );
    expect(report.violations).toEqual([]);
    // Otherwise everything was refused at the door.
    for (const kind of ["create", "patch", "put", "filter", "search", "get", "delete", "bulk", "recorded"]) {
      expect(report.kinds.get(kind)?.good, kind).toBeGreaterThan(5);
    }
    expect(report.people).toBeGreaterThan(100);
  }, 180_000);
});
