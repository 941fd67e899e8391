import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { ChangeOp } from "../domain/model/plan.ts";
import type { Outcome } from "../domain/ports/target.ts";

/** One answered SCIM request. Labels come from fixed sets, never from what a client sends. */
export interface ScimRequestSample {
  /** Name of the source; empty when the token was refused. */
  readonly source: string;
  readonly method: string;
  /** `Users`, `Groups`, `Bulk`, …: never an id. */
  readonly resource: string;
  /** HTTP status. */
  readonly status: number;
  readonly seconds: number;
}

/** One SCIM request that was refused for now, with Retry-After. */
export interface ShedSample {
  /** Name of the source; empty when it is not known. */
  readonly source: string;
  /** `inFlight`, `rate`, …: see `docs/reliability.md`, "Load". */
  readonly reason: string;
}

/** One change that a target was asked for. */
export interface ChangeSample {
  readonly target: string;
  readonly op: ChangeOp;
  readonly outcome: Outcome["status"];
}

/** How a target's people and groups stand; the states of `rollcall status`. */
export interface EntitiesSample {
  readonly target: string;
  readonly inSync: number;
  readonly pending: number;
  readonly failed: number;
  readonly held: number;
  /** Of the held: who waits only for what somebody has dismissed. */
  readonly dismissed: number;
  /** People whom the target does not know and can't be given. */
  readonly missing: number;
  /** Age of the oldest change that is not delivered; 0 when none waits. */
  readonly oldestPendingSeconds: number;
}

const entityStates = [
  "inSync",
  "pending",
  "failed",
  "held",
  "missing",
] as const satisfies readonly (keyof EntitiesSample)[];

/** How a source or a target as a whole is doing. */
export interface HealthSample {
  readonly role: "source" | "target";
  readonly name: string;
  /** Milliseconds since the epoch; null before the first success: then there is no such sample. */
  readonly lastSuccessAtMs: number | null;
  /** How long it has been failing; 0 while it works. */
  readonly failingSeconds: number;
}

/** The removal budget of one target within its window. */
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
  /** HTTP status, or a short word where there was none: `timeout`, `unreachable`. */
  readonly status: number | string;
  readonly seconds: number;
}

/** One poll of a directory, failed ones included. */
export interface LdapPollSample {
  readonly source: string;
  readonly mode: "full" | "delta";
  readonly seconds: number;
}

/** What became of one message to people. */
export interface AlertSample {
  /** Name of the channel in the configuration. */
  readonly channel: string;
  /** `removals-held`, `target-failing`, …: never a name. */
  readonly kind: string;
  /** `failed`: will be retried. `dropped`: given up. */
  readonly outcome: "sent" | "failed" | "dropped";
}

/** What Rollcall counts. Names and labels are a promise (contract, "HTTP"). */
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
  /** Drops the gauges of a target that is no longer connected; what was counted stays. */
  forgetTarget(target: string): void;
  targetRequest(sample: TargetRequestSample): void;
  ldapPoll(sample: LdapPollSample): void;
  alert(sample: AlertSample): void;
  /** All of it in the Prometheus text format. */
  text(): Promise<string>;
  /** Content type of `text()`. */
  readonly contentType: string;
}

const SCIM_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const POLL_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const TARGET_SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What `rollcall_build_info` tells. */
export interface Build {
  /** Of Rollcall. */
  readonly version: string;
}

/** Metrics in a registry of their own, those of the process (`rollcall_process_…`, `rollcall_nodejs_…`) included. */
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
    buckets: SCIM_SECONDS,
  });
  const shed = new Counter(
    define("scim_shed_total", "SCIM requests and connections refused for now, by reason.", ["source", "reason"]),
  );
  const changes = new Counter(define("changes_total", "Changes asked of targets.", ["target", "op", "outcome"]));
  const entities = new Gauge(
    define("entities", "People and groups by how they stand in a target.", ["target", "state"]),
  );
  const oldestPending = new Gauge(
    define("oldest_pending_seconds", "Age of the oldest undelivered change.", ["target"]),
  );
  const leader = new Gauge(define("leader", "1 where this process reconciles, 0 on a standby.", []));
  const held = new Gauge(define("removals_held", "People and groups whose removal waits for an approval.", ["target"]));
  const dismissed = new Gauge(
    define("removals_dismissed", "Of the held: those that somebody has dismissed.", ["target"]),
  );
  const targetSeconds = new Histogram({
    ...define("target_request_seconds", "Time of calls to a vendor.", ["target", "operation", "status"]),
    buckets: TARGET_SECONDS,
  });

  const pollSeconds = new Histogram({
    ...define("ldap_poll_seconds", "Time to poll a directory.", ["source", "mode"]),
    buckets: POLL_SECONDS,
  });

  new Gauge(define("build_info", "Always 1; the labels tell what runs.", ["version", "node"])).set(
    { version, node: process.versions.node },
    1,
  );
  const gaugesOf = (role: "source" | "target") => ({
    lastSuccess: new Gauge(
      define(`${role}_last_success_timestamp_seconds`, `When the ${role} was last heard of, in Unix time.`, [role]),
    ),
    failing: new Gauge(
      define(`${role}_failing_seconds`, `How long the ${role} has been failing; 0: it works.`, [role]),
    ),
  });
  const health = { source: gaugesOf("source"), target: gaugesOf("target") };
  const budgetAllowed = new Gauge(
    define("budget_allowed", "People who may lose access within the budget's window.", ["target"]),
  );
  const budgetSpent = new Gauge(define("budget_spent", "People who have lost access within that window.", ["target"]));
  const budgetRatio = new Gauge(
    define("budget_used_ratio", "Spent share of the removal budget, 0 to 1; 1 for a budget of 0.", ["target"]),
  );

  const alerts = new Counter(define("alerts_total", "Messages to people.", ["channel", "kind", "outcome"]));

  return {
    scimRequest: ({ source, method, resource, status, seconds }) => {
      scimRequests.inc({ source, method, resource, status });
      scimSeconds.observe({ method, resource }, seconds);
    },
    scimShed: ({ source, reason }) => shed.inc({ source, reason }),
    change: ({ target, op, outcome }) => changes.inc({ target, op, outcome }),
    entities: ({ target, oldestPendingSeconds, dismissed: decided, ...counts }) => {
      for (const [state, count] of Object.entries(counts)) entities.set({ target, state }, count);
      oldestPending.set({ target }, oldestPendingSeconds);
      held.set({ target }, counts.held);
      dismissed.set({ target }, decided);
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
