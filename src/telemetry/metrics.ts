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

/** One SCIM request that was refused with Retry-After. */
export interface ShedSample {
  /** Name of the source; empty if it is unknown. */
  readonly source: string;
  /** `inFlight`, `rate`, …: see `docs/reliability.md`, "Load". */
  readonly reason: string;
}

/** One change that was sent to a target. */
export interface ChangeSample {
  readonly target: string;
  readonly op: ChangeOp;
  readonly outcome: Outcome["status"];
}

/** Users and groups of a target by sync state, as in `rollcall status`. */
export interface EntitiesSample {
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

const entityStates = [
  "inSync",
  "pending",
  "failed",
  "held",
  "missing",
] as const satisfies readonly (keyof EntitiesSample)[];

/** Health of a source or a target as a whole. */
export interface HealthSample {
  readonly role: "source" | "target";
  readonly name: string;
  /** Milliseconds since the epoch. Null before the first success; then the metric is absent. */
  readonly lastSuccessAtMs: number | null;
  /** Time since it began to fail; 0 while it works. */
  readonly failingSeconds: number;
}

/** The removal limit of one target within its window. */
export interface BudgetSample {
  readonly target: string;
  /** People who may lose access within the window. */
  readonly allowed: number;
  /** People who have lost access within it. */
  readonly spent: number;
}

/** One call to a vendor. */
export interface TargetRequestSample {
  readonly target: string;
  /** `GET members`, `token`, …: never an id. */
  readonly operation: string;
  /** HTTP status, or a short word without one: `timeout`, `unreachable`. */
  readonly status: number | string;
  readonly seconds: number;
}

/** One poll of a directory, failed ones included. */
export interface LdapPollSample {
  readonly source: string;
  readonly mode: "full" | "delta";
  readonly seconds: number;
}

/** The outcome of one alert message. */
export interface AlertSample {
  /** Name of the channel in the configuration. */
  readonly channel: string;
  /** `removals-held`, `target-failing`, …: never a name. */
  readonly kind: string;
  /** `failed`: will be retried. `dropped`: given up. */
  readonly outcome: "sent" | "failed" | "dropped";
}

/** The metrics of Rollcall. Their names and labels do not change: dashboards and alert rules use them. */
export interface Metrics {
  scimRequest(sample: ScimRequestSample): void;
  scimShed(sample: ShedSample): void;
  change(sample: ChangeSample): void;
  /** Sets `rollcall_entities`, `rollcall_oldest_pending_seconds` and `rollcall_removals_held` of one target. */
  entities(sample: EntitiesSample): void;
  /** Sets `rollcall_<role>_last_success_timestamp_seconds` and `rollcall_<role>_failing_seconds`. */
  health(sample: HealthSample): void;
  /** Sets `rollcall_budget_allowed`, `rollcall_budget_spent` and `rollcall_budget_used_ratio` of one target. */
  budget(sample: BudgetSample): void;
  /** Sets `rollcall_leader`. */
  leader(isLeader: boolean): void;
  /** Drops the gauges of a target that was disconnected. Its counters stay. */
  forgetTarget(target: string): void;
  targetRequest(sample: TargetRequestSample): void;
  ldapPoll(sample: LdapPollSample): void;
  alert(sample: AlertSample): void;
  /** Returns all metrics in the Prometheus text format. */
  text(): Promise<string>;
  /** Content type of `text()`. */
  readonly contentType: string;
}

const scimBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const pollBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const targetBuckets = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Labels of `rollcall_build_info`. */
export interface Build {
  /** Version of Rollcall. */
  readonly version: string;
}

/** Makes the metrics in their own registry, including those of the process (`rollcall_process_…`, `rollcall_nodejs_…`). */
export function createMetrics({ version }: Build): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: "rollcall_" });
  const define = <L extends string>(name: string, help: string, labelNames: readonly L[]) => ({
    name: `rollcall_${name}`,
    help,
    labelNames: [...labelNames],
    registers,
  });

  const scimRequests = new Counter(
    define("scim_requests_total", "SCIM requests answered.", ["source", "method", "resource", "status"]),
  );
  const scimSeconds = new Histogram({
    ...define("scim_request_seconds", "Time to answer a SCIM request.", ["method", "resource"]),
    buckets: scimBuckets,
  });
  const shed = new Counter(
    define("scim_shed_total", "SCIM requests and connections refused with Retry-After, by reason.", [
      "source",
      "reason",
    ]),
  );
  const changes = new Counter(define("changes_total", "Changes sent to targets.", ["target", "op", "outcome"]));
  const entities = new Gauge(
    define("entities", "People and groups by their sync state in a target.", ["target", "state"]),
  );
  const oldestPending = new Gauge(
    define("oldest_pending_seconds", "Age of the oldest undelivered change.", ["target"]),
  );
  const leader = new Gauge(define("leader", "1 where this process reconciles, 0 on a standby.", []));
  const held = new Gauge(define("removals_held", "People and groups whose removal waits for a decision.", ["target"]));
  const dismissed = new Gauge(define("removals_dismissed", "The held ones that somebody has dismissed.", ["target"]));
  const targetSeconds = new Histogram({
    ...define("target_request_seconds", "Time of calls to a vendor.", ["target", "operation", "status"]),
    buckets: targetBuckets,
  });

  const pollSeconds = new Histogram({
    ...define("ldap_poll_seconds", "Time to poll a directory.", ["source", "mode"]),
    buckets: pollBuckets,
  });

  new Gauge(define("build_info", "Always 1. The labels name the versions.", ["version", "node"])).set(
    { version, node: process.versions.node },
    1,
  );
  const gaugesOf = (role: "source" | "target") => ({
    lastSuccess: new Gauge(
      define(`${role}_last_success_timestamp_seconds`, `Last success of the ${role}, in Unix time.`, [role]),
    ),
    failing: new Gauge(
      define(`${role}_failing_seconds`, `How long the ${role} has been failing; 0 if it works.`, [role]),
    ),
  });
  const health = { source: gaugesOf("source"), target: gaugesOf("target") };
  const budgetAllowed = new Gauge(
    define("budget_allowed", "People who may lose access within the window of the removal limit.", ["target"]),
  );
  const budgetSpent = new Gauge(define("budget_spent", "People who have lost access within that window.", ["target"]));
  const budgetRatio = new Gauge(
    define("budget_used_ratio", "Used share of the removal limit, 0 to 1; 1 for a limit of 0.", ["target"]),
  );

  const alerts = new Counter(define("alerts_total", "Alert messages.", ["channel", "kind", "outcome"]));

  return {
    scimRequest: ({ source, method, resource, status, seconds }) => {
      scimRequests.inc({ source, method, resource, status });
      scimSeconds.observe({ method, resource }, seconds);
    },
    scimShed: ({ source, reason }) => shed.inc({ source, reason }),
    change: ({ target, op, outcome }) => changes.inc({ target, op, outcome }),
    entities: ({ target, oldestPendingSeconds, dismissed: dismissedCount, ...counts }) => {
      for (const [state, count] of Object.entries(counts)) entities.set({ target, state }, count);
      oldestPending.set({ target }, oldestPendingSeconds);
      held.set({ target }, counts.held);
      dismissed.set({ target }, dismissedCount);
    },
    health: ({ role, name, lastSuccessAtMs, failingSeconds }) => {
      if (lastSuccessAtMs !== null) health[role].lastSuccess.set({ [role]: name }, lastSuccessAtMs / 1000);
      health[role].failing.set({ [role]: name }, failingSeconds);
    },
    budget: ({ target, allowed, spent }) => {
      budgetAllowed.set({ target }, allowed);
      budgetSpent.set({ target }, spent);
      budgetRatio.set({ target }, allowed === 0 ? 1 : spent / allowed);
    },
    leader: (isLeader) => leader.set(isLeader ? 1 : 0),
    forgetTarget: (target) => {
      for (const state of entityStates) entities.remove({ target, state });
      for (const gauge of [oldestPending, held, dismissed, budgetAllowed, budgetSpent, budgetRatio])
        gauge.remove({ target });
      for (const gauge of [health.target.lastSuccess, health.target.failing]) gauge.remove({ target });
    },
    targetRequest: ({ target, operation, status, seconds }) =>
      targetSeconds.observe({ target, operation, status }, seconds),
    ldapPoll: ({ source, mode, seconds }) => pollSeconds.observe({ source, mode }, seconds),
    alert: ({ channel, kind, outcome }) => alerts.inc({ channel, kind, outcome }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
