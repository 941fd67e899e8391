import { describe, expect, it } from "vitest";
import { createMetrics } from "../../src/telemetry/index.ts";

describe("metrics", () => {
  it("have the names and labels that dashboards use", async () => {
    const metrics = createMetrics({ version: "1.2.3" });
    metrics.scimRequest({ source: "okta", method: "PATCH", resource: "Users", status: 200, seconds: 0.004 });
    metrics.scimRequest({ source: "okta", method: "PATCH", resource: "Users", status: 200, seconds: 0.3 });
    metrics.scimShed({ source: "okta", reason: "inFlight" });
    metrics.change({ target: "acme", op: "suspend", outcome: "applied" });
    const counts = { target: "acme", inSync: 5, pending: 2, failed: 1, held: 3, dismissed: 2, missing: 4 };
    metrics.entities({ ...counts, oldestPendingSeconds: 60 });
    metrics.entities({ ...counts, inSync: 7, pending: 0, oldestPendingSeconds: 0 });
    metrics.health({ role: "target", name: "acme", lastSuccessAtMs: 1_800_000_000_500, failingSeconds: 0 });
    metrics.health({ role: "source", name: "corp", lastSuccessAtMs: null, failingSeconds: 90 });
    metrics.budget({ target: "acme", allowed: 20, spent: 16 });
    metrics.budget({ target: "frozen", allowed: 0, spent: 0 });
    metrics.targetRequest({ target: "acme", operation: "GET members", status: 429, seconds: 0.2 });
    const lines = (await metrics.text()).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        'rollcall_scim_requests_total{source="okta",method="PATCH",resource="Users",status="200"} 2',
        'rollcall_scim_request_seconds_bucket{le="0.005",method="PATCH",resource="Users"} 1',
        'rollcall_scim_request_seconds_count{method="PATCH",resource="Users"} 2',
        'rollcall_scim_shed_total{source="okta",reason="inFlight"} 1',
        'rollcall_changes_total{target="acme",op="suspend",outcome="applied"} 1',
        'rollcall_entities{target="acme",state="inSync"} 7',
        'rollcall_entities{target="acme",state="held"} 3',
        'rollcall_oldest_pending_seconds{target="acme"} 0',
        'rollcall_entities{target="acme",state="missing"} 4',
        'rollcall_removals_held{target="acme"} 3',
        'rollcall_removals_dismissed{target="acme"} 2',
        'rollcall_target_last_success_timestamp_seconds{target="acme"} 1800000000.5',
        'rollcall_target_failing_seconds{target="acme"} 0',
        'rollcall_source_failing_seconds{source="corp"} 90',
        'rollcall_budget_allowed{target="acme"} 20',
        'rollcall_budget_spent{target="acme"} 16',
        'rollcall_budget_used_ratio{target="acme"} 0.8',
        'rollcall_budget_used_ratio{target="frozen"} 1',
        `rollcall_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
        'rollcall_target_request_seconds_count{target="acme",operation="GET members",status="429"} 1',
      ]),
    );
    // Without a success there is no time, not the year 1970.
    expect(lines.join("\n")).not.toContain('rollcall_source_last_success_timestamp_seconds{source="corp"}');
    expect(metrics.contentType).toMatch(/^text\/plain/);
  });

  it("all begin with rollcall_, also those of the process", async () => {
    const names = [...(await createMetrics({ version: "1.2.3" }).text()).matchAll(/^# TYPE (\S+)/gm)].map(
      ([, name]) => name,
    );
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !name?.startsWith("rollcall_"))).toEqual([]);
  });

  it("of two registries do not mix", async () => {
    const [one, other] = [createMetrics({ version: "1.2.3" }), createMetrics({ version: "1.2.3" })];
    one.change({ target: "acme", op: "invite", outcome: "failed" });
    expect(await other.text()).not.toContain("acme");
  });
});
