import { digestOf } from "../domain/model/plan.ts";
import type { HeldSummary } from "../domain/ports/alert-store.ts";

/** What an alert can be about; the words of `alerts.channels.*.kinds` in the configuration. */
export const ALERT_KINDS = [
  "removals-held",
  "source-failing",
  "target-failing",
  "credential-rejected",
  "snapshot-refused",
  "people-refused",
  "budget-nearly-spent",
  "token-expiring",
  "database",
  "clock",
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** `critical`: access does not follow the directory until somebody acts. `warning`: somebody should look. */
export type Severity = "warning" | "critical";

/** A source or target as a whole. */
export interface Health {
  readonly name: string;
  readonly failingSinceMs: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

/** One target with what its removals and people wait for. */
export interface TargetFacts extends Health {
  readonly held: HeldSummary;
  readonly budget: { readonly allowed: number; readonly spent: number; readonly windowMs: number };
  /** People and groups whose last call failed, by entity id, with the code. */
  readonly failures: readonly { readonly entityId: string; readonly code: string }[];
}

/** The state of the world that conditions are derived from. Times are milliseconds since the epoch. */
export interface AlertFacts {
  readonly sources: readonly Health[];
  readonly targets: readonly TargetFacts[];
  readonly tokens: readonly { readonly source: string; readonly label: string; readonly expiresAtMs: number | null }[];
  /** Why the database takes no writes, and since when; null while it does. */
  readonly database: { readonly message: string; readonly sinceMs: number } | null;
  /** The last time that the clock was seen to jump; null for never. */
  readonly clockStep: { readonly byMs: number; readonly atMs: number } | null;
  /** The newest time that was stored; null for none. */
  readonly newestStoredMs: number | null;
}

/** From when on something is worth a message. */
export interface AlertLimits {
  /** A source or target that fails for shorter than this is not worth one. */
  readonly failingForMs: number;
  /** The same where waiting can't help: rejected credentials, a refused picture, a database without writes. */
  readonly briefMs: number;
  /** Removals come one by one: the first message should have their number. */
  readonly gatherMs: number;
}

/** Something that asks for a person now. */
export interface Condition {
  /** Stays the same as long as it is the same trouble: `target-failing:acme`. */
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: Severity;
  /** Name of the source or target; null for the whole installation. */
  readonly subject: string | null;
  readonly sinceMs: number;
  /** One line. */
  readonly title: string;
  /** What it means and what to do. Names no person. */
  readonly text: string;
  /** Changes when the trouble is another one under the same key (more held removals), so that it is told again. */
  readonly version: string;
  readonly facts: Readonly<Record<string, string | number>>;
}

const nearlySpent = 0.8;
const tokenNoticeMs = 14 * 86_400_000;
/** Steps of time synchronisation are smaller. */
const clockToleranceMs = 60_000;
const clockMemoryMs = 3_600_000;

/**
 * Everything that asks for a person at this moment: level-triggered, from the facts alone, in a stable order. What is in
 * `open` goes on already, and need not last for long to be still there: a target that comes and goes is one trouble.
 */
export function conditions(
  facts: AlertFacts,
  given: AlertLimits,
  nowMs: number,
  open: ReadonlySet<string> = new Set(),
): readonly Condition[] {
  const limits: Limits = { ...given, open };
  return [
    ...database(facts, limits, nowMs),
    ...clock(facts, nowMs),
    ...facts.sources.flatMap((source) => sourceFailing(source, limits, nowMs)),
    ...facts.targets.flatMap((target) => [
      ...targetFailing(target, limits, nowMs),
      ...removalsHeld(target, limits, nowMs),
      ...peopleRefused(target, nowMs),
      ...budgetNearlySpent(target, nowMs),
    ]),
    ...facts.tokens.flatMap((token) => tokenExpiring(token, nowMs)),
  ];
}

interface Limits extends AlertLimits {
  readonly open: ReadonlySet<string>;
}

/** "40 s", "12 min", "3 h", "2 d". */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const plural = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`;

/** What a vendor or a directory said may quote somebody's address: it goes to chat rooms, so it is cut out. */
const withoutPeople = (text: string | null): string =>
  (text ?? "no reason was given").replace(/[^\s<>"'(),;:]+@[^\s<>"'(),;]+/g, "…").slice(0, 400);

const lasts = (sinceMs: number | null, atLeastMs: number, nowMs: number): sinceMs is number =>
  sinceMs !== null && nowMs - sinceMs >= atLeastMs;

/** The same for trouble under a key. */
const isThere = (
  key: string,
  sinceMs: number | null,
  atLeastMs: number,
  { open }: Limits,
  nowMs: number,
): sinceMs is number => lasts(sinceMs, open.has(key) ? 0 : atLeastMs, nowMs);

function database({ database: trouble }: AlertFacts, limits: Limits, nowMs: number): Condition[] {
  if (trouble === null || !isThere("database", trouble.sinceMs, limits.briefMs, limits, nowMs)) return [];
  return [
    {
      key: "database",
      kind: "database",
      severity: "critical",
      subject: null,
      sinceMs: trouble.sinceMs,
      title: `the database has taken no writes for ${span(nowMs - trouble.sinceMs)}`,
      text: `${withoutPeople(trouble.message)}. Identity providers are answered 503 and try again; nothing is delivered meanwhile. Look at the disk and at the rights of the database file.`,
      version: "",
      facts: {},
    },
  ];
}

function clock({ clockStep, newestStoredMs }: AlertFacts, nowMs: number): Condition[] {
  const behindMs = newestStoredMs === null ? 0 : newestStoredMs - nowMs;
  const isBehind = behindMs > clockToleranceMs;
  const hasStepped =
    clockStep !== null &&
    Math.abs(clockStep.byMs) > clockToleranceMs &&
    Math.abs(nowMs - clockStep.atMs) < clockMemoryMs;
  if (!isBehind && !hasStepped) return [];
  const byMs = hasStepped ? clockStep.byMs : 0;
  return [
    {
      key: "clock",
      kind: "clock",
      severity: "critical",
      subject: null,
      sinceMs: hasStepped ? clockStep.atMs : nowMs,
      title: isBehind
        ? `the clock is ${span(behindMs)} behind what was stored before`
        : `the clock went ${byMs < 0 ? "back" : "forward"} by ${span(Math.abs(byMs))}`,
      text: "The removal budget, retries and expiries go by the clock. Mend the machine's time synchronisation; a machine that was suspended shows the same once.",
      version: "",
      facts: isBehind ? { behindSeconds: Math.round(behindMs / 1000) } : { steppedSeconds: Math.round(byMs / 1000) },
    },
  ];
}

function sourceFailing(source: Health, limits: Limits, nowMs: number): Condition[] {
  const { name, failingSinceMs, errorCode } = source;
  const isRefused = errorCode === "SNAPSHOT_REFUSED";
  const key = `${isRefused ? "snapshot-refused" : "source-failing"}:${name}`;
  const atLeastMs = isRefused ? limits.briefMs : limits.failingForMs;
  if (!isThere(key, failingSinceMs, atLeastMs, limits, nowMs)) return [];
  const common = { key, subject: name, sinceMs: failingSinceMs, severity: "critical" as const, version: "" };
  const reason = withoutPeople(source.errorMessage);
  if (isRefused)
    return [
      {
        ...common,
        kind: "snapshot-refused",
        title: `source ${name} shows far fewer people than before, or far more enabled ones, and is not believed`,
        text: `${reason}. The last good state stays. If it is right: "rollcall plan", then "rollcall sync --source ${name} --accept-shrink".`,
        facts: { code: "SNAPSHOT_REFUSED" },
      },
    ];
  return [
    {
      ...common,
      kind: "source-failing",
      title: `source ${name} has not been read for ${span(nowMs - failingSinceMs)}`,
      text: `${reason}. The last good state stays, so leavers keep their access until it can be read again. "rollcall check" says what is wrong.`,
      facts: { code: errorCode ?? "" },
    },
  ];
}

function targetFailing(target: TargetFacts, limits: Limits, nowMs: number): Condition[] {
  const { name, failingSinceMs, errorCode } = target;
  const isRejected = errorCode === "TARGET_REFUSED_CREDENTIALS";
  const key = `${isRejected ? "credential-rejected" : "target-failing"}:${name}`;
  const atLeastMs = isRejected ? limits.briefMs : limits.failingForMs;
  if (!isThere(key, failingSinceMs, atLeastMs, limits, nowMs)) return [];
  const common = { key, subject: name, sinceMs: failingSinceMs, severity: "critical" as const, version: "" };
  const reason = withoutPeople(target.errorMessage);
  if (isRejected)
    return [
      {
        ...common,
        kind: "credential-rejected",
        title: `target ${name} rejects its credentials`,
        text: `${reason}. Nobody's access follows the directory there until they are replaced. "rollcall check" tries them.`,
        facts: { code: errorCode },
      },
    ];
  return [
    {
      ...common,
      kind: "target-failing",
      title: `target ${name} has been failing for ${span(nowMs - failingSinceMs)}`,
      text: `${reason}. What is pending waits, and is delivered once it works again. "rollcall check" says what is wrong.`,
      facts: { code: errorCode ?? "" },
    },
  ];
}

/** Why they wait, as a sentence; what a restored copy asks for may also give access. */
function whyHeld({ held, budget }: TargetFacts): string {
  const { budget: over = 0, scope = 0, restored = 0, returning = 0, "handed-on": handedOn = 0 } = held.reasons;
  const rule = `the budget of ${budget.allowed} in ${span(budget.windowMs)}`;
  const reasons = [
    ...(over > 0 ? [`${plural(over, "removal goes", "removals go")} beyond ${rule}`] : []),
    ...(scope > 0
      ? [
          `${plural(scope, "person", "people")} would lose access as no group of the directory matches users.groups of this target`,
        ]
      : []),
    ...(returning > 0
      ? [
          `${plural(returning, "person", "people")} would get access back that ${returning === 1 ? "was" : "were"} taken away some time ago, more than is usual`,
        ]
      : []),
    ...(handedOn > 0
      ? [`${plural(handedOn, "person has", "people have")} an address that was that of somebody else, who is gone`]
      : []),
    ...(restored > 0 ? [`${plural(restored, "change is", "changes are")} asked for only by the restored backup`] : []),
  ];
  return `${reasons.join(" and ")}: ${held.keys.length === 1 ? "it waits" : "they wait"} for a decision`;
}

function removalsHeld(target: TargetFacts, { gatherMs }: AlertLimits, nowMs: number): Condition[] {
  const { name, held, budget } = target;
  const digest = digestOf(held.keys);
  if (digest === null || !lasts(held.sinceMs, gatherMs, nowMs)) return [];
  const count = held.keys.length;
  const { budget: over = 0, scope = 0, restored = 0 } = held.reasons;
  const what =
    over + scope === count ? plural(count, "removal is", "removals are") : plural(count, "change is", "changes are");
  return [
    {
      key: `removals-held:${name}`,
      kind: "removals-held",
      severity: "warning",
      subject: name,
      sinceMs: held.sinceMs,
      title: `${what} held in ${name}`,
      text: `${whyHeld(target)}. Look at the names with "rollcall plan ${name}"; if they are right: rollcall approve ${name} ${digest}; if not, so that they stay held: rollcall dismiss ${name} ${digest}`,
      version: digest,
      facts: { count, restored, digest, allowed: budget.allowed, spent: budget.spent },
    },
  ];
}

function peopleRefused({ name, failures }: TargetFacts, nowMs: number): Condition[] {
  const refused = failures.filter(({ code }) => code === "TARGET_REFUSED");
  if (refused.length === 0) return [];
  return [
    {
      key: `people-refused:${name}`,
      kind: "people-refused",
      severity: "warning",
      subject: name,
      sinceMs: nowMs,
      title: `${name} refuses ${plural(refused.length, "person or group", "people or groups")}`,
      text: `The vendor refuses them for a reason that only a person can mend (a policy, a seat, an address). "rollcall status" names them with the reason; each is tried again every hour.`,
      version: digestOf(refused.map(({ entityId }) => entityId)) ?? "",
      facts: { count: refused.length },
    },
  ];
}

function budgetNearlySpent({ name, budget }: TargetFacts, nowMs: number): Condition[] {
  const { allowed, spent, windowMs } = budget;
  if (spent === 0 || spent < allowed * nearlySpent) return [];
  return [
    {
      key: `budget-nearly-spent:${name}`,
      kind: "budget-nearly-spent",
      severity: "warning",
      subject: name,
      sinceMs: nowMs,
      title: `${spent} of ${allowed} removals that ${name} allows in ${span(windowMs)} are spent`,
      text: "What goes beyond is held for an approval. If so many leavers are expected there is nothing to do; if not, look at what the source sends.",
      version: "",
      facts: { allowed, spent },
    },
  ];
}

function tokenExpiring(
  { source, label, expiresAtMs }: AlertFacts["tokens"][number],
  nowMs: number,
): readonly Condition[] {
  if (expiresAtMs === null || expiresAtMs - nowMs > tokenNoticeMs) return [];
  const isOver = expiresAtMs <= nowMs;
  const name = label === "" ? source : `${source} (${label})`;
  return [
    {
      key: `token-expiring:${source}:${label}:${expiresAtMs}`,
      kind: "token-expiring",
      severity: isOver ? "critical" : "warning",
      subject: source,
      sinceMs: expiresAtMs - tokenNoticeMs,
      title: isOver
        ? `the SCIM token of ${name} has expired`
        : `the SCIM token of ${name} expires in ${span(expiresAtMs - nowMs)}`,
      text: `Make another one with "rollcall token create --source ${source}" and give it to the identity provider. Without a good token nothing of that source arrives.`,
      version: isOver ? "expired" : "",
      facts: { expiresAt: new Date(expiresAtMs).toISOString() },
    },
  ];
}
