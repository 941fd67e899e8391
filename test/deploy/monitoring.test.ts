import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { createMetrics } from "../../src/telemetry/index.ts";
import { adminToken } from "../support/rollcall-process.ts";
import { makeStage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const folder = new URL("../../docs/monitoring/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), "utf8");
const rulesSchema = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Rollcall[A-Z]\w+$/),
          expr: z.string(),
          for: z.string().regex(/^\d+[mh]$/),
          labels: z.strictObject({ severity: z.enum(["warning", "critical"]) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
});
const dashboardSchema = z.object({
  title: z.literal("Rollcall"),
  templating: z.object({ list: z.array(z.object({ name: z.string(), type: z.string(), query: z.unknown() })) }),
  panels: z.array(
    z.object({
      id: z.int(),
      type: z.enum(["row", "stat", "timeseries"]),
      title: z.string(),
      gridPos: z.strictObject({ h: z.int(), w: z.int(), x: z.int(), y: z.int() }),
      datasource: z.object({ uid: z.literal("${datasource}") }).optional(),
      targets: z.array(z.object({ expr: z.string(), legendFormat: z.string() })).optional(),
    }),
  ),
});
const rules = rulesSchema.parse(parse(read("alerts.yaml"))).groups.flatMap((group) => group.rules);
const dashboard = dashboardSchema.parse(JSON.parse(read("grafana-dashboard.json")));
const expressions: readonly string[] = [
  ...rules.map(({ expr }) => expr),
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
];

/** Labels that each metric shows; histograms by the names of their parts. */
function labelsIn(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, name = "", type] of text.matchAll(/^# TYPE (\S+) (\w+)$/gm)) {
    const parts = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const part of parts) found.set(name + part, new Set());
  }
  for (const [, name = "", labels = ""] of text.matchAll(/^(\w+)\{([^}]*)\}/gm))
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) found.get(name)?.add(label);
  return found;
}

/** One of each sample: what labels a metric has, also those that the run below has no reason to show. */
async function everyLabel(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const metrics = createMetrics({ version: "1.0.0" });
  metrics.scimRequest({ source: "s", method: "GET", resource: "Users", status: 200, seconds: 1 });
  metrics.change({ target: "t", op: "invite", outcome: "applied" });
  metrics.targetRequest({ target: "t", operation: "o", status: 200, seconds: 1 });
  metrics.ldapPoll({ source: "s", mode: "full", seconds: 1 });
  metrics.entities({
    target: "t",
    inSync: 0,
    pending: 0,
    failed: 0,
    held: 0,
    dismissed: 0,
    missing: 0,
    oldestPendingSeconds: 0,
  });
  metrics.budget({ target: "t", allowed: 1, spent: 0 });
  for (const role of ["source", "target"] as const)
    metrics.health({ role, name: "n", lastSuccessAtMs: 1, failingSeconds: 0 });
  return labelsIn(await metrics.text());
}

let exposed: ReadonlyMap<string, ReadonlySet<string>>;
let known: ReadonlyMap<string, ReadonlySet<string>>;
beforeAll(async () => {
  known = await everyLabel();
  await using stage = await makeStage();
  const serving = await stage.serve();
  await serving.idp.hire("ada@example.com");
  exposed = await until(async () => {
    const response = await fetch(`${serving.adminUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
    const text = await response.text();
    expect(text).toMatch(/^rollcall_changes_total\{.*op="invite",outcome="applied"\} 1$/m);
    return labelsIn(text);
  });
  await serving.stop();
});

const words = (list: string): readonly string[] => list.split(",").map((word) => word.trim());

describe("alert rules and dashboard", () => {
  it.each([...new Set(expressions)])("name metrics and labels that a real run shows: %s", (expr) => {
    const own = [...expr.matchAll(/\b(rollcall_\w+)(?:\{([^}]*)\})?/g)];
    expect(own.length + Number(expr.startsWith("up{"))).toBeGreaterThan(0);
    for (const [, name = "", selector = ""] of own) {
      expect([...exposed.keys()]).toContain(name);
      const labels = [...(known.get(name) ?? []), ...(exposed.get(name) ?? [])];
      for (const [, label] of selector.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)) expect(labels).toContain(label);
      for (const [, list = ""] of expr.matchAll(/\bby \(([^)]*)\)/g))
        for (const label of words(list)) expect(labels).toContain(label);
    }
    // Brackets that close: the cheapest mistake to make by hand.
    for (const [open, close] of ["()", "{}", "[]"].map((pair) => [...pair]))
      expect(expr.split(open ?? "").length).toBe(expr.split(close ?? "").length);
  });

  it("describe the problem in words, with labels that the expression keeps", () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, expr, annotations } of rules) {
      const kept = [...`${annotations.summary} ${annotations.description}`.matchAll(/\$labels\.(\w+)/g)].map(
        ([, name]) => name,
      );
      const grouped = /\bby \(([^)]*)\)/.exec(expr)?.[1];
      const [, metric = ""] = /\b(rollcall_\w+)/.exec(expr) ?? [];
      const left = grouped !== undefined ? words(grouped) : /^sum\(/.test(expr) ? [] : [...(known.get(metric) ?? [])];
      for (const name of kept) expect({ alert, left }).toEqual({ alert, left: expect.arrayContaining([name]) });
    }
  });

  it("the dashboard has one data source, panels that do not overlap, and legends with existing labels", () => {
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ["datasource", "datasource"],
      ["target", "query"],
      ["source", "query"],
    ]);
    expect(dashboard.panels.filter(({ type }) => type === "row").map(({ title }) => title)).toEqual(
      expect.arrayContaining(["SCIM", "Targets", "LDAP", "Held, and the budget"]),
    );
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)}:${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { targets = [], type, datasource } of dashboard.panels) {
      if (type !== "row") expect(datasource).toBeDefined();
      for (const { expr, legendFormat } of targets) {
        const grouped = words(/\bby \(([^)]*)\)/.exec(expr)?.[1] ?? "");
        const [, metric = ""] = /\b(rollcall_\w+)/.exec(expr) ?? [];
        for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          expect(expr.includes("by (") ? grouped : [...(known.get(metric) ?? [])]).toContain(label);
      }
    }
  });

  const promtool = (process.env["PATH"] ?? "")
    .split(":")
    .map((path) => join(path, "promtool"))
    .find(existsSync);
  it.skipIf(promtool === undefined)("promtool accepts the rules", async () => {
    await promisify(execFile)(promtool ?? "", ["check", "rules", fileURLToPath(new URL("alerts.yaml", folder))]);
  });
});
