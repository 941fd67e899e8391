import { describe, expect, it } from "vitest";
import { createMetrics } from "../../src/telemetry.ts";

describe("metrics", () => {
  it("have the names and labels of the contract", async () => {
    const metrics = createMetrics();
    metrics.scimRequest({ source: "okta", method: "PATCH", resource: "Users", status: 200, seconds: 0.004 });
    metrics.scimRequest({ source: "okta", method: "PATCH", resource: "Users", status: 200, seconds: 0.3 });
    metrics.change({ target: "acme", op: "suspend", outcome: "applied" });
    metrics.entities({ target: "acme", inSync: 5, pending: 2, failed: 1, held: 3, oldestPendingSeconds: 60 });
    metrics.entities({ target: "acme", inSync: 7, pending: 0, failed: 1, held: 3, oldestPendingSeconds: 0 });
    metrics.targetRequest({ target: "acme", operation: "GET members", status: 429, seconds: 0.2 });
    const lines = (await metrics.text()).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        'rollcall_scim_requests_total{source="okta",method="PATCH",resource="Users",status="200"} 2',
        'rollcall_scim_request_seconds_bucket{le="0.005",method="PATCH",resource="Users"} 1',
        'rollcall_scim_request_seconds_count{method="PATCH",resource="Users"} 2',
        'rollcall_changes_total{target="acme",op="suspend",outcome="applied"} 1',
        'rollcall_entities{target="acme",state="inSync"} 7',
        'rollcall_entities{target="acme",state="held"} 3',
        'rollcall_oldest_pending_seconds{target="acme"} 0',
        'rollcall_removals_held{target="acme"} 3',
        'rollcall_target_request_seconds_count{target="acme",operation="GET members",status="429"} 1',
      ]),
    );
    expect(metrics.contentType).toMatch(/^text\/plain/);
  });

  it("begin with rollcall_, those of the process included", async () => {
    const names = [...(await createMetrics().text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !name?.startsWith("rollcall_"))).toEqual([]);
  });

  it("keep registries apart", async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.change({ target: "acme", op: "invite", outcome: "failed" });
    expect(await other.text()).not.toContain("acme");
  });

  it("cost next to nothing", () => {
    const metrics = createMetrics();
    const started = performance.now();
    for (let index = 0; index < 30_000; index++) {
      metrics.scimRequest({ source: "okta", method: "GET", resource: "Users", status: 200, seconds: 0.001 });
    }
    // 3,000 requests a second: 10 seconds' worth must not take one.
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
