import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { ChangeOp } from "../domain/model/plan.ts";
import type { Outcome } from "../domain/ports/target.ts";

/** One answered SCIM request. Labels come from fixed sets, never from the client. */
export interface ScimRequestSample {
  /** Name of the source; empty if the token was refused. */
  readonly source: string;
  readonly method: string;
  /** `Users`, `Groups`, `Bulk`, …: never an id. */
  readonly resource: string;
  /** HTTP status. */
  readonly status: number;
  readonly seconds: number;
}

/** Users and groups of a target by sync state, as in `rollcall status`. */
interface EntitiesSample {
  readonly target: string;
  readonly inSync: number;
  readonly pending: number;
  readonly failed: number;
  readonly held: number;
  /** The part of `held` that somebody has dismissed. */
  readonly dismissed: number;
  /** People who have no account in the target, where Rollcall cannot create one. */
  readonly missing: number;
  /** Age of the oldest change that is not delivered; 0 for none. */
  readonly oldestPendingSeconds: number;
}

/** Health of a source or a target as a whole. */
interface HealthSample {
  readonly role: "source" | "target";
  readonly name: string;
  /** Milliseconds since the epoch. Null before the first success; then the metric is absent. */
  readonly lastSuccessAtMs: number | null;
  /** Time since it began to fail; 0 while it works. */
  readonly failingSeconds: number;
}

const scimBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const pollBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const targetBuckets = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The metrics of Rollcall. Their names and labels do not change: dashboards and alert rules use them. */
export type Metrics = ReturnType<typeof createMetrics>;

/** Makes the metrics in their own registry, including those of the process (`rollcall_process_…`, `rollcall_nodejs_…`). */
export function createMetrics({ version }: { readonly version: string }) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "rollcall_" });
  const define = <L extends string>(name: string, help: string, labelNames: L[]) => ({
    name: `rollcall_${name}`,
    help,
    labelNames,
    registers: [registry],
  });
  const counter = <L extends string>(name: string, help: string, ...labels: L[]) =>
    new Counter(define(name, help, labels));
  const gauge = <L extends string>(name: string, help: string, ...labels: L[]) => new Gauge(define(name, help, labels));
  const histogram = <L extends string>(name: string, help: string, buckets: number[], ...labels: L[]) =>
    new Histogram({ ...define(name, help, labels), buckets });

  const scimRequests = counter(
    "scim_requests_total",
    "SCIM requests answered.",
    "source",
    "method",
    "resource",
    "status",
  );
  const scimSeconds = histogram(
    "scim_request_seconds",
    "Time to answer a SCIM request.",
    scimBuckets,
    "method",
    "resource",
  );
  const shedHelp = "SCIM requests and connections refused with Retry-After, by reason.";
  const shed = counter("scim_shed_total", shedHelp, "source", "reason");
  const changes = counter("changes_total", "Changes sent to targets.", "target", "op", "outcome");
  const entities = gauge("entities", "People and groups by their sync state in a target.", "target", "state");
  const leader = gauge("leader", "1 where this process reconciles, 0 on a standby.");
  const targetHelp = "Time of calls to a vendor.";
  const targetSeconds = histogram("target_request_seconds", targetHelp, targetBuckets, "target", "operation", "status");
  const pollSeconds = histogram("ldap_poll_seconds", "Time to poll a directory.", pollBuckets, "source", "mode");
  const build = gauge("build_info", "Always 1. The labels name the versions.", "version", "node");
  build.set({ version, node: process.versions.node }, 1);
  const healthOf = (role: "source" | "target") => ({
    lastSuccess: gauge(`${role}_last_success_timestamp_seconds`, `Last success of the ${role}, in Unix time.`, role),
    failing: gauge(`${role}_failing_seconds`, `How long the ${role} has been failing; 0 if it works.`, role),
  });
  const health = { source: healthOf("source"), target: healthOf("target") };
  const alerts = counter("alerts_total", "Alert messages.", "channel", "kind", "outcome");
  const ofTarget = (name: string, help: string) => gauge(name, help, "target");
  const oldestPending = ofTarget("oldest_pending_seconds", "Age of the oldest undelivered change.");
  const held = ofTarget("removals_held", "People and groups whose removal waits for a decision.");
  const dismissed = ofTarget("removals_dismissed", "The held ones that somebody has dismissed.");
  const allowed = ofTarget("budget_allowed", "People who may lose access within the window of the removal limit.");
  const spent = ofTarget("budget_spent", "People who have lost access within that window.");
  const used = ofTarget("budget_used_ratio", "Used share of the removal limit, 0 to 1; 1 for a limit of 0.");

  return {
    scimRequest({ source, method, resource, status, seconds }: ScimRequestSample): void {
      scimRequests.inc({ source, method, resource, status });
      scimSeconds.observe({ method, resource }, seconds);
    },
    /** One request that was refused with Retry-After. `source` is empty if it is unknown. */
    scimShed: (labels: { readonly source: string; readonly reason: string }): void => shed.inc(labels),
    /** One change that was sent to a target. */
    change(labels: { readonly target: string; readonly op: ChangeOp; readonly outcome: Outcome["status"] }): void {
      changes.inc(labels);
    },
    entities({ target, oldestPendingSeconds, dismissed: dismissedCount, ...counts }: EntitiesSample): void {
      for (const [state, count] of Object.entries(counts)) entities.set({ target, state }, count);
      oldestPending.set({ target }, oldestPendingSeconds);
      held.set({ target }, counts.held);
      dismissed.set({ target }, dismissedCount);
    },
    health({ role, name, lastSuccessAtMs, failingSeconds }: HealthSample): void {
      if (lastSuccessAtMs !== null) health[role].lastSuccess.set({ [role]: name }, lastSuccessAtMs / 1000);
      health[role].failing.set({ [role]: name }, failingSeconds);
    },
    /** The removal limit of a target: people who may lose access within the window, and who have lost it. */
    budget(sample: { readonly target: string; readonly allowed: number; readonly spent: number }): void {
      const { target } = sample;
      allowed.set({ target }, sample.allowed);
      spent.set({ target }, sample.spent);
      used.set({ target }, sample.allowed === 0 ? 1 : sample.spent / sample.allowed);
    },
    leader: (isLeader: boolean): void => leader.set(isLeader ? 1 : 0),
    /** Drops the gauges of a target that was disconnected. Its counters stay. */
    forgetTarget(target: string): void {
      for (const state of ["inSync", "pending", "failed", "held", "missing"]) entities.remove({ target, state });
      for (const each of [oldestPending, held, dismissed, allowed, spent, used, ...Object.values(health.target)])
        each.remove({ target });
    },
    /** One call to a vendor. `operation` never contains an id. `status`: HTTP status, or a word such as `timeout`. */
    targetRequest(call: {
      readonly target: string;
      readonly operation: string;
      readonly status: number | string;
      readonly seconds: number;
    }): void {
      const { seconds, ...labels } = call;
      targetSeconds.observe(labels, seconds);
    },
    /** One poll of a directory, failed ones included. */
    ldapPoll(poll: { readonly source: string; readonly mode: "full" | "delta"; readonly seconds: number }): void {
      const { seconds, ...labels } = poll;
      pollSeconds.observe(labels, seconds);
    },
    /** The outcome of one alert message. */
    alert: (labels: {
      readonly channel: string;
      readonly kind: string;
      /** `failed`: will be retried. `dropped`: given up. */
      readonly outcome: "sent" | "failed" | "dropped";
    }): void => alerts.inc(labels),
    /** Returns all metrics in the Prometheus text format. */
    text: () => registry.metrics(),
    /** Content type of `text()`. */
    contentType: registry.contentType,
  };
}
