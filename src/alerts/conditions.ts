import type { AlertKind, AlertSeverity } from "../domain/model/alert.ts";
import { digestOf } from "../domain/model/plan.ts";
import type { HeldSummary } from "../domain/ports/alert-store.ts";

/** A source or target as a whole. */
export interface Health {
  readonly name: string;
  readonly failingSinceMs: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

/** One target, with its held changes, its removal limit and its failures. */
export interface TargetFacts extends Health {
  readonly held: HeldSummary;
  readonly removalLimit: { readonly allowed: number; readonly spent: number; readonly windowMs: number };
  /** Users and groups whose last call failed, with the code. */
  readonly failures: readonly { readonly entityId: string; readonly code: string }[];
}

/** The present state, as far as alerts depend on it. Times are milliseconds since the epoch. */
export interface AlertFacts {
  readonly sources: readonly Health[];
  readonly targets: readonly TargetFacts[];
  readonly tokens: readonly { readonly source: string; readonly label: string; readonly expiresAtMs: number | null }[];
  /** Why the database accepts no writes, and since when; null while it does. */
  readonly database: { readonly message: string; readonly sinceMs: number } | null;
  /** The last jump of the clock; null for none. */
  readonly clockStep: { readonly byMs: number; readonly atMs: number } | null;
  /** The newest time in the database; null for none. */
  readonly newestStoredMs: number | null;
}

/** How long trouble must last before it causes a message. */
export interface AlertLimits {
  /** For a failing source or target. */
  readonly failingForMs: number;
  /** For trouble that waiting cannot end: rejected credentials, a refused snapshot, a database without writes. */
  readonly briefMs: number;
  /** For held changes. They arrive one by one, and the first message should have their number. */
  readonly gatherMs: number;
}

/** Trouble that somebody should know of now. */
export interface Condition {
  /** Identifies the trouble while it lasts: `target-failing:acme`. */
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: AlertSeverity;
  /** Name of the source or target; null for the whole installation. */
  readonly subject: string | null;
  readonly sinceMs: number;
  /** One line. */
  readonly title: string;
  /** The consequence, and what to do. Names no person. */
  readonly text: string;
  /** How many it concerns. When the number doubles, a channel is told again. 0 where there is no number. */
  readonly size: number;
  readonly facts: Readonly<Record<string, string | number>>;
}

/** Share of the removal limit at which it counts as nearly used up. */
const nearlyUsed = 0.8;
const tokenNoticeMs = 14 * 86_400_000;
/** Time synchronisation corrects the clock by less than this. */
const clockToleranceMs = 60_000;
/** How long a jump of the clock is reported. */
const clockJumpLifeMs = 3_600_000;

/**
 * Returns the present trouble in a stable order. Depends only on the facts, not on earlier calls.
 * Trouble whose key is in `open` was reported already: it need not last for a minimum time to be still there.
 */
export function conditions(
  facts: AlertFacts,
  limits: AlertLimits,
  nowMs: number,
  open: ReadonlySet<string> = new Set(),
): readonly Condition[] {
  const lasts: Lasts = (key, sinceMs, atLeastMs): sinceMs is number =>
    sinceMs !== null && (open.has(key) || nowMs - sinceMs >= atLeastMs);
  return [
    database(facts, limits, lasts, nowMs),
    clock(facts, nowMs),
    ...facts.sources.map((source) => sourceFailing(source, limits, lasts, nowMs)),
    ...facts.targets.flatMap((target) => [
      targetFailing(target, limits, lasts, nowMs),
      removalsHeld(target, limits, nowMs),
      peopleRefused(target, nowMs),
      removalLimitNearlyUsed(target, nowMs),
    ]),
    ...facts.tokens.map((token) => tokenExpiring(token, nowMs)),
  ].filter((condition) => condition !== null);
}

/** True if trouble under this key has lasted for the time, or was reported already. */
type Lasts = (key: string, sinceMs: number | null, atLeastMs: number) => sinceMs is number;

/** "40 s", "12 min", "3 h", "2 d". */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`;

/** Removes e-mail addresses: a vendor or a directory may quote them, and alerts go to chat channels. */
const withoutPeople = (text: string | null): string =>
  (text ?? "no reason was given").replace(/[^\s<>"'(),;:]+@[^\s<>"'(),;]+/g, "…").slice(0, 400);

function database({ database: trouble }: AlertFacts, limits: AlertLimits, lasts: Lasts, nowMs: number) {
  if (trouble === null || !lasts("database", trouble.sinceMs, limits.briefMs)) return null;
  return {
    key: "database",
    kind: "database",
    severity: "critical",
    subject: null,
    sinceMs: trouble.sinceMs,
    title: `the database has accepted no writes for ${span(nowMs - trouble.sinceMs)}`,
    text: `${withoutPeople(trouble.message)}. Rollcall answers identity providers with 503, so they retry. It delivers nothing until the database accepts writes. Check the disk and the permissions of the database file.`,
    size: 0,
    facts: {},
  } satisfies Condition;
}

function clock({ clockStep, newestStoredMs }: AlertFacts, nowMs: number) {
  const behindMs = newestStoredMs === null ? 0 : newestStoredMs - nowMs;
  const isBehind = behindMs > clockToleranceMs;
  const hasJumped =
    clockStep !== null &&
    Math.abs(clockStep.byMs) > clockToleranceMs &&
    Math.abs(nowMs - clockStep.atMs) < clockJumpLifeMs;
  if (!isBehind && !hasJumped) return null;
  const byMs = hasJumped ? clockStep.byMs : 0;
  return {
    key: "clock",
    kind: "clock",
    severity: "critical",
    subject: null,
    sinceMs: hasJumped ? clockStep.atMs : nowMs,
    title: isBehind
      ? `the clock is ${span(behindMs)} behind the newest stored time`
      : `the clock was set ${byMs < 0 ? "back" : "forward"} by ${span(Math.abs(byMs))}`,
    text: "The removal limit, retries and expiry depend on the clock. Check the time synchronisation of this machine. A machine that was suspended causes this message once.",
    size: 0,
    facts: isBehind ? { behindSeconds: Math.round(behindMs / 1000) } : { steppedSeconds: Math.round(byMs / 1000) },
  } satisfies Condition;
}

function sourceFailing(source: Health, limits: AlertLimits, lasts: Lasts, nowMs: number) {
  const { name, failingSinceMs, errorCode } = source;
  const isRefused = errorCode === "SNAPSHOT_REFUSED";
  const kind = isRefused ? "snapshot-refused" : "source-failing";
  const key = `${kind}:${name}`;
  if (!lasts(key, failingSinceMs, isRefused ? limits.briefMs : limits.failingForMs)) return null;
  const reason = withoutPeople(source.errorMessage);
  return {
    key,
    kind,
    severity: "critical",
    subject: name,
    sinceMs: failingSinceMs,
    title: isRefused
      ? `source ${name} shows far fewer people than before, or far more enabled ones, and was refused`
      : `source ${name} could not be read for ${span(nowMs - failingSinceMs)}`,
    text: isRefused
      ? `${reason}. Rollcall keeps the last accepted state. If the new state is right: "rollcall plan", then "rollcall sync --source ${name} --accept-shrink".`
      : `${reason}. Rollcall keeps the last state, so leavers keep their access until the source can be read again. "rollcall check" shows the cause.`,
    size: 0,
    facts: { code: errorCode ?? "" },
  } satisfies Condition;
}

function targetFailing(target: TargetFacts, limits: AlertLimits, lasts: Lasts, nowMs: number) {
  const { name, failingSinceMs, errorCode } = target;
  const isRejected = errorCode === "TARGET_REFUSED_CREDENTIALS";
  const kind = isRejected ? "credential-rejected" : "target-failing";
  const key = `${kind}:${name}`;
  if (!lasts(key, failingSinceMs, isRejected ? limits.briefMs : limits.failingForMs)) return null;
  const reason = withoutPeople(target.errorMessage);
  return {
    key,
    kind,
    severity: "critical",
    subject: name,
    sinceMs: failingSinceMs,
    title: isRejected
      ? `target ${name} rejects its credentials`
      : `target ${name} has been failing for ${span(nowMs - failingSinceMs)}`,
    text: isRejected
      ? `${reason}. No access changes there until you replace the credentials. "rollcall check" tests them.`
      : `${reason}. Pending changes wait, and are delivered when the target works again. "rollcall check" shows the cause.`,
    size: 0,
    facts: { code: errorCode ?? "" },
  } satisfies Condition;
}

/** Why the changes are held, as sentences. Some of them would give access, not take it. */
function whyHeld({ held, removalLimit }: TargetFacts): string {
  const { budget: beyond = 0, scope = 0, restored = 0, returning = 0, "handed-on": reassigned = 0 } = held.reasons;
  const limit = `the limit of ${removalLimit.allowed} in ${span(removalLimit.windowMs)}`;
  const sentences: readonly (readonly [number, string])[] = [
    [beyond, `${count(beyond, "removal exceeds", "removals exceed")} ${limit}.`],
    [
      scope,
      `${count(scope, "person", "people")} would lose access because no group matches users.groups of this target.`,
    ],
    [
      returning,
      `${count(returning, "person", "people")} would get back access that ended some time ago, more than usual.`,
    ],
    [reassigned, `${count(reassigned, "person has", "people have")} an address that belonged to somebody who left.`],
    [restored, `${count(restored, "change comes", "changes come")} only from the restored backup.`],
  ];
  return sentences.flatMap(([number, text]) => (number > 0 ? [text] : [])).join(" ");
}

function removalsHeld(target: TargetFacts, { gatherMs }: AlertLimits, nowMs: number) {
  const { name, held, removalLimit } = target;
  const digest = digestOf(held.keys);
  if (digest === null || held.sinceMs === null || nowMs - held.sinceMs < gatherMs) return null;
  const size = held.keys.length;
  const { budget: beyond = 0, scope = 0, restored = 0 } = held.reasons;
  const what =
    beyond + scope === size ? count(size, "removal is", "removals are") : count(size, "change is", "changes are");
  return {
    key: `removals-held:${name}`,
    kind: "removals-held",
    severity: "warning",
    subject: name,
    sinceMs: held.sinceMs,
    title: `${what} held in ${name}`,
    text: `${whyHeld(target)} ${size === 1 ? "It waits" : "They wait"} for a decision. Review the names: rollcall plan ${name}. Approve: rollcall approve ${name} ${digest}. Keep held: rollcall dismiss ${name} ${digest}`,
    size,
    facts: { count: size, restored, digest, allowed: removalLimit.allowed, spent: removalLimit.spent },
  } satisfies Condition;
}

function peopleRefused({ name, failures }: TargetFacts, nowMs: number) {
  const size = failures.filter(({ code }) => code === "TARGET_REFUSED").length;
  if (size === 0) return null;
  return {
    key: `people-refused:${name}`,
    kind: "people-refused",
    severity: "warning",
    subject: name,
    sinceMs: nowMs,
    title: `${name} refuses ${count(size, "person or group", "people or groups")}`,
    text: `Only a person can remove the cause: a policy, a missing seat, an address. "rollcall status" shows the names and the reasons. Rollcall tries each of them again every hour.`,
    size,
    facts: { count: size },
  } satisfies Condition;
}

function removalLimitNearlyUsed({ name, removalLimit }: TargetFacts, nowMs: number) {
  const { allowed, spent, windowMs } = removalLimit;
  if (spent === 0 || spent < allowed * nearlyUsed) return null;
  return {
    key: `budget-nearly-spent:${name}`,
    kind: "budget-nearly-spent",
    severity: "warning",
    subject: name,
    sinceMs: nowMs,
    title: `${spent} of ${allowed} removals that ${name} allows in ${span(windowMs)} are used`,
    text: "Rollcall holds further removals until somebody approves them. If you expect this many leavers, do nothing. Otherwise check what the source sends.",
    size: 0,
    facts: { allowed, spent },
  } satisfies Condition;
}

function tokenExpiring({ source, label, expiresAtMs }: AlertFacts["tokens"][number], nowMs: number) {
  if (expiresAtMs === null || expiresAtMs - nowMs > tokenNoticeMs) return null;
  const isExpired = expiresAtMs <= nowMs;
  const name = label === "" ? source : `${source} (${label})`;
  return {
    key: `token-expiring:${source}:${label}:${expiresAtMs}`,
    kind: "token-expiring",
    severity: isExpired ? "critical" : "warning",
    subject: source,
    sinceMs: expiresAtMs - tokenNoticeMs,
    title: isExpired
      ? `the SCIM token of ${name} has expired`
      : `the SCIM token of ${name} expires in ${span(expiresAtMs - nowMs)}`,
    text: `Make a new one with "rollcall token create --source ${source}" and give it to the identity provider. Without a valid token Rollcall accepts nothing from this source.`,
    size: 0,
    facts: { expiresAt: new Date(expiresAtMs).toISOString() },
  } satisfies Condition;
}
