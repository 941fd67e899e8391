import type { AlertKind, AlertSeverity } from "../domain/model/alert.ts";
import { digestOf } from "../domain/model/plan.ts";
import type { HeldSummary } from "../domain/ports/alert-store.ts";
import { count } from "../text/numbers.ts";
import { duration } from "../text/times.ts";

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
export const clockToleranceMs = 60_000;
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
  const moment: Moment = {
    limits,
    nowMs,
    lasts: (key, sinceMs, atLeastMs): sinceMs is number =>
      sinceMs !== null && (open.has(key) || nowMs - sinceMs >= atLeastMs),
  };
  return [
    database(facts, moment),
    clock(facts, moment),
    ...facts.sources.map((source) =>
      failing(source, source.errorCode === "SNAPSHOT_REFUSED" ? "snapshot-refused" : "source-failing", moment),
    ),
    ...facts.targets.flatMap((target) => [
      failing(
        target,
        target.errorCode === "TARGET_REFUSED_CREDENTIALS" ? "credential-rejected" : "target-failing",
        moment,
      ),
      removalsHeld(target, moment),
      peopleRefused(target, moment),
      removalLimitNearlyUsed(target, moment),
    ]),
    ...facts.tokens.map((token) => tokenExpiring(token, moment)),
  ].filter((condition) => condition !== null);
}

interface Moment {
  readonly limits: AlertLimits;
  readonly nowMs: number;
  /** True if trouble under this key has lasted for the time, or was reported already. */
  readonly lasts: (key: string, sinceMs: number | null, atLeastMs: number) => sinceMs is number;
}

/** Severity of each kind, and the title of the message when it ended. */
const kinds: Readonly<Record<AlertKind, readonly [AlertSeverity, (subject: string, lasted: string) => string]>> = {
  "removals-held": ["warning", (name) => `no held change in ${name} waits for a decision any more`],
  "source-failing": ["critical", (name, lasted) => `source ${name} works again, after ${lasted}`],
  "target-failing": ["critical", (name, lasted) => `target ${name} works again, after ${lasted}`],
  "credential-rejected": [
    "critical",
    (name, lasted) => `target ${name} accepts its credentials again, after ${lasted}`,
  ],
  "snapshot-refused": ["critical", (name, lasted) => `source ${name} is accepted again, after ${lasted}`],
  "people-refused": ["warning", (name) => `${name} refuses nobody any more`],
  "budget-nearly-spent": ["warning", (name) => `fewer than 80 % of the removal limit of ${name} are used`],
  "token-expiring": ["warning", (name) => `the expiring SCIM token of ${name} was replaced or revoked`],
  database: ["critical", (_, lasted) => `the database accepts writes again, after ${lasted}`],
  clock: ["critical", () => "the clock has been right since it was set"],
};

export const recoveryTitle = (kind: AlertKind, subject: string | null, lasted: string): string =>
  kinds[kind][1](subject ?? "", lasted);

type Found = Pick<Condition, "kind" | "subject" | "sinceMs" | "title" | "text"> & Partial<Condition>;
const keyOf = (kind: AlertKind, subject: string | null): string => (subject === null ? kind : `${kind}:${subject}`);
const condition = (found: Found): Condition => ({
  key: keyOf(found.kind, found.subject),
  severity: kinds[found.kind][0],
  size: 0,
  facts: {},
  ...found,
});

/** Removes e-mail addresses: a vendor or a directory may quote them, and alerts go to chat channels. */
const withoutPeople = (text: string | null): string =>
  (text ?? "no reason was given").replace(/[^\s<>"'(),;:]+@[^\s<>"'(),;]+/g, "…").slice(0, 400);

function database({ database: trouble }: AlertFacts, { limits, lasts, nowMs }: Moment): Condition | null {
  if (trouble === null || !lasts("database", trouble.sinceMs, limits.briefMs)) return null;
  return condition({
    kind: "database",
    subject: null,
    sinceMs: trouble.sinceMs,
    title: `the database has accepted no writes for ${duration(nowMs - trouble.sinceMs)}`,
    text: `${withoutPeople(trouble.message)}. Rollcall answers identity providers with 503, so they retry. It delivers nothing until the database accepts writes. Check the disk and the permissions of the database file.`,
  });
}

function clock({ clockStep, newestStoredMs }: AlertFacts, { nowMs }: Moment): Condition | null {
  const behindMs = newestStoredMs === null ? 0 : newestStoredMs - nowMs;
  const isBehind = behindMs > clockToleranceMs;
  const hasJumped =
    clockStep !== null &&
    Math.abs(clockStep.byMs) > clockToleranceMs &&
    Math.abs(nowMs - clockStep.atMs) < clockJumpLifeMs;
  if (!isBehind && !hasJumped) return null;
  const byMs = hasJumped ? clockStep.byMs : 0;
  return condition({
    kind: "clock",
    subject: null,
    sinceMs: hasJumped ? clockStep.atMs : nowMs,
    title: isBehind
      ? `the clock is ${duration(behindMs)} behind the newest stored time`
      : `the clock was set ${byMs < 0 ? "back" : "forward"} by ${duration(Math.abs(byMs))}`,
    text: "The removal limit, retries and expiry depend on the clock. Check the time synchronisation of this machine. A machine that was suspended causes this message once.",
    facts: isBehind ? { behindSeconds: Math.round(behindMs / 1000) } : { steppedSeconds: Math.round(byMs / 1000) },
  });
}

/** A failure of a source or target as a whole. */
interface Failure {
  /** True if waiting cannot end it. */
  readonly isBrief?: boolean;
  readonly title: (name: string, lasted: string) => string;
  /** The consequence, after the reason. */
  readonly text: (name: string) => string;
}

const failures = {
  "snapshot-refused": {
    isBrief: true,
    title: (name) => `source ${name} shows far fewer people than before, or far more enabled ones, and was refused`,
    text: (name) =>
      `Rollcall keeps the last accepted state. If the new state is right: "rollcall plan", then "rollcall sync --source ${name} --accept-shrink".`,
  },
  "source-failing": {
    title: (name, lasted) => `source ${name} could not be read for ${lasted}`,
    text: () =>
      'Rollcall keeps the last state, so leavers keep their access until the source can be read again. "rollcall check" shows the cause.',
  },
  "credential-rejected": {
    isBrief: true,
    title: (name) => `target ${name} rejects its credentials`,
    text: () => 'No access changes there until you replace the credentials. "rollcall check" tests them.',
  },
  "target-failing": {
    title: (name, lasted) => `target ${name} has been failing for ${lasted}`,
    text: () =>
      'Pending changes wait, and are delivered when the target works again. "rollcall check" shows the cause.',
  },
} satisfies Partial<Record<AlertKind, Failure>>;

function failing(health: Health, kind: keyof typeof failures, { limits, lasts, nowMs }: Moment): Condition | null {
  const { name, failingSinceMs, errorCode, errorMessage } = health;
  const { isBrief, title, text }: Failure = failures[kind];
  if (!lasts(keyOf(kind, name), failingSinceMs, isBrief === true ? limits.briefMs : limits.failingForMs)) return null;
  return condition({
    kind,
    subject: name,
    sinceMs: failingSinceMs,
    title: title(name, duration(nowMs - failingSinceMs)),
    text: `${withoutPeople(errorMessage)}. ${text(name)}`,
    facts: { code: errorCode ?? "" },
  });
}

/** Why the changes are held, as sentences. Some of them would give access, not take it. */
function whyHeld({ held, removalLimit }: TargetFacts): string {
  const { budget: beyond = 0, scope = 0, restored = 0, returning = 0, "handed-on": reassigned = 0 } = held.reasons;
  const limit = `the limit of ${removalLimit.allowed} in ${duration(removalLimit.windowMs)}`;
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

function removalsHeld(target: TargetFacts, { limits, nowMs }: Moment): Condition | null {
  const { name, held, removalLimit } = target;
  const digest = digestOf(held.keys);
  if (digest === null || held.sinceMs === null || nowMs - held.sinceMs < limits.gatherMs) return null;
  const size = held.keys.length;
  const { budget: beyond = 0, scope = 0, restored = 0 } = held.reasons;
  const what =
    beyond + scope === size ? count(size, "removal is", "removals are") : count(size, "change is", "changes are");
  return condition({
    kind: "removals-held",
    subject: name,
    sinceMs: held.sinceMs,
    title: `${what} held in ${name}`,
    text: `${whyHeld(target)} ${size === 1 ? "It waits" : "They wait"} for a decision. Review the names: rollcall plan ${name}. Approve: rollcall approve ${name} ${digest}. Keep held: rollcall dismiss ${name} ${digest}`,
    size,
    facts: { count: size, restored, digest, allowed: removalLimit.allowed, spent: removalLimit.spent },
  });
}

function peopleRefused({ name, failures }: TargetFacts, { nowMs }: Moment): Condition | null {
  const size = failures.filter(({ code }) => code === "TARGET_REFUSED").length;
  if (size === 0) return null;
  return condition({
    kind: "people-refused",
    subject: name,
    sinceMs: nowMs,
    title: `${name} refuses ${count(size, "person or group", "people or groups")}`,
    text: `Only a person can remove the cause: a policy, a missing seat, an address. "rollcall status" shows the names and the reasons. Rollcall tries each of them again every hour.`,
    size,
    facts: { count: size },
  });
}

function removalLimitNearlyUsed({ name, removalLimit }: TargetFacts, { nowMs }: Moment): Condition | null {
  const { allowed, spent, windowMs } = removalLimit;
  if (spent === 0 || spent < allowed * nearlyUsed) return null;
  return condition({
    kind: "budget-nearly-spent",
    subject: name,
    sinceMs: nowMs,
    title: `${spent} of ${allowed} removals that ${name} allows in ${duration(windowMs)} are used`,
    text: "Rollcall holds removals beyond the limit until somebody approves them or the window has moved on. If you expect more leavers, approve them then. Otherwise check what the source sends.",
    facts: { allowed, spent },
  });
}

function tokenExpiring(
  { source, label, expiresAtMs }: AlertFacts["tokens"][number],
  { nowMs }: Moment,
): Condition | null {
  if (expiresAtMs === null || expiresAtMs - nowMs > tokenNoticeMs) return null;
  const isExpired = expiresAtMs <= nowMs;
  const name = label === "" ? source : `${source} (${label})`;
  return condition({
    key: `token-expiring:${source}:${label}:${expiresAtMs}`,
    kind: "token-expiring",
    severity: isExpired ? "critical" : kinds["token-expiring"][0],
    subject: source,
    sinceMs: expiresAtMs - tokenNoticeMs,
    title: isExpired
      ? `the SCIM token of ${name} has expired`
      : `the SCIM token of ${name} expires in ${duration(expiresAtMs - nowMs)}`,
    text: `Make a new one with "rollcall token create --source ${source}" and give it to the identity provider. Without a valid token Rollcall accepts nothing from this source.`,
    facts: { expiresAt: new Date(expiresAtMs).toISOString() },
  });
}
