import { expect, test } from "vitest";
import { scimFuzz } from "../support/fuzz/scim-run.ts";

/** `npm run bench:fuzz` sends 100,000 with another seed. */
const requests = 5000;

test(`${requests} malformed requests cause no crash, no stall, no 5xx, no leak between sources and no broken data`, async () => {
  const report = await scimFuzz({ requests, seed: 20261122 });
  const statuses = [...report.statuses].map(([status, count]) => `${status} ${count}`).join(", ");
  console.log(
    `${report.requests} requests in ${report.seconds} s (${statuses}); worst stall ${report.worstStallMs} ms`,
  );
  expect(report.violations).toEqual([]);
  // A run in which every request was refused would prove nothing.
  for (const kind of ["create", "patch", "put", "filter", "search", "get", "delete", "bulk", "recorded"]) {
    expect(report.kinds.get(kind)?.good, kind).toBeGreaterThan(5);
  }
  expect(report.people).toBeGreaterThan(100);
}, 180_000);
