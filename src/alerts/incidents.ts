import type { AlertKind, Condition, Severity } from "./conditions.ts";
import { span } from "./conditions.ts";

/** Trouble that goes on, or has been gone for so short that it may come back. */
export interface Incident {
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: Severity;
  readonly subject: string | null;
  readonly title: string;
  readonly sinceMs: number;
  /** Since when it is gone; null while it goes on. */
  readonly goneSinceMs: number | null;
  /** Since when it is over, and remembered only in case it comes again; null before. */
  readonly overSinceMs: number | null;
  /** How often it came again soon after it was over. */
  readonly returns: number;
  /** When and what each channel was told last. */
  readonly told: Readonly<Record<string, { readonly atMs: number; readonly version: string }>>;
}

/** What one channel wants to hear. */
export interface ChannelRules {
  readonly name: string;
  /** Null: all. */
  readonly kinds: readonly AlertKind[] | null;
  readonly minSeverity: Severity;
  /** The same trouble is told again after this. */
  readonly everyMs: number;
}

export interface IncidentRules {
  /** How long trouble must be gone to be over: what comes and goes is one incident. */
  readonly recoverAfterMs: number;
  readonly channels: readonly ChannelRules[];
}

/** `alert`: new, or another one under the same key. `reminder`: still there. `recovery`: over. */
export type NoticeEvent = "alert" | "reminder" | "recovery";

/** What one channel is to be told now. */
export interface Notice {
  readonly channel: string;
  readonly event: NoticeEvent;
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: Severity;
  readonly subject: string | null;
  readonly title: string;
  readonly text: string;
  readonly sinceMs: number;
  readonly facts: Condition["facts"];
}

/** Trouble that changes all the time (removals that come one by one) is told again after this at the earliest. */
const changeAfterMs = 15 * 60_000;

/** What is over is remembered for this long. */
const memoryMs = 6 * 3_600_000;
/** Each time that it comes again soon, it must be gone for twice as long to be over; not for longer than this. */
const patienceMs = 4 * 3_600_000;

/** Keys of what goes on, or has been gone for so short that it is not over. */
export const openKeys = (incidents: readonly Incident[]): ReadonlySet<string> =>
  new Set(incidents.filter(({ overSinceMs }) => overSinceMs === null).map(({ key }) => key));

/**
 * What goes on now, compared with what was told: who is to be told what. Pure: the same facts twice tell nothing the
 * second time, also after a restart, as long as the incidents are kept.
 *
 * | before            | now      | a channel hears                                        |
 * | ----------------- | -------- | ------------------------------------------------------ |
 * | –                 | there    | alert                                                  |
 * | told              | the same | nothing; reminder after `everyMs`                      |
 * | told              | changed  | alert, at most every 15 min                            |
 * | told              | gone     | nothing for `recoverAfterMs`, then recovery            |
 * | gone, not for long | there   | nothing                                                |
 * | over, not for long | there   | alert; recovery takes twice as long as the last time   |
 */
export function advance(
  incidents: readonly Incident[],
  conditions: readonly Condition[],
  rules: IncidentRules,
  nowMs: number,
): { readonly incidents: readonly Incident[]; readonly notices: readonly Notice[] } {
  const notices: Notice[] = [];
  const known = new Map(incidents.map((incident) => [incident.key, incident]));
  const present = new Set(conditions.map(({ key }) => key));
  const next: Incident[] = conditions.map((condition) => {
    const remembered = known.get(condition.key);
    const before = remembered?.overSinceMs === null ? remembered : undefined;
    const returns = (remembered?.returns ?? 0) + (remembered !== undefined && before === undefined ? 1 : 0);
    const told = { ...before?.told };
    const sinceMs = before?.sinceMs ?? Math.min(condition.sinceMs, nowMs);
    for (const channel of rules.channels) {
      if (!isWanted(channel, condition)) continue;
      const event = dueEvent(told[channel.name], condition.version, channel.everyMs, nowMs);
      if (event === null) continue;
      told[channel.name] = { atMs: nowMs, version: condition.version };
      const { kind, severity, subject, title, text, facts, key } = condition;
      notices.push({ channel: channel.name, event, key, kind, severity, subject, title, text, sinceMs, facts });
    }
    const { key, kind, severity, subject, title } = condition;
    return { key, kind, severity, subject, title, sinceMs, goneSinceMs: null, overSinceMs: null, returns, told };
  });
  for (const incident of incidents) {
    if (present.has(incident.key)) continue;
    if (incident.overSinceMs !== null) {
      if (Math.abs(nowMs - incident.overSinceMs) < memoryMs) next.push(incident);
      continue;
    }
    // A time ahead of the clock: it has jumped back.
    const goneSinceMs = Math.min(incident.goneSinceMs ?? nowMs, nowMs);
    const quietMs = Math.max(rules.recoverAfterMs, Math.min(patienceMs, rules.recoverAfterMs * 2 ** incident.returns));
    const isOver = nowMs - goneSinceMs >= quietMs;
    next.push({ ...incident, goneSinceMs, overSinceMs: isOver ? nowMs : null });
    if (isOver) notices.push(...recoveries(incident, goneSinceMs, rules.channels));
  }
  return { incidents: next, notices };
}

/** From the least to the worst. */
const severities: readonly Severity[] = ["warning", "critical"];

const isWanted = (
  { kinds, minSeverity }: ChannelRules,
  { kind, severity }: { readonly kind: AlertKind; readonly severity: Severity },
): boolean =>
  (kinds === null || kinds.includes(kind)) && severities.indexOf(severity) >= severities.indexOf(minSeverity);

function dueEvent(
  told: Incident["told"][string] | undefined,
  version: string,
  everyMs: number,
  nowMs: number,
): NoticeEvent | null {
  if (told === undefined) return "alert";
  // A time ahead of the clock says nothing about how long ago it was: told once more, and right from then on.
  const agoMs = told.atMs > nowMs ? Number.POSITIVE_INFINITY : nowMs - told.atMs;
  if (told.version !== version && agoMs >= Math.min(changeAfterMs, everyMs)) return "alert";
  return agoMs >= everyMs ? "reminder" : null;
}

const recoveries = (
  { key, kind, severity, subject, title, sinceMs, told }: Incident,
  goneSinceMs: number,
  channels: readonly ChannelRules[],
): readonly Notice[] =>
  channels
    .filter(({ name }) => told[name] !== undefined)
    .map(({ name }) => ({
      channel: name,
      event: "recovery",
      key,
      kind,
      severity,
      subject,
      title: recoveryTitle(kind, subject, goneSinceMs - sinceMs),
      text: `Before: ${title}.`,
      sinceMs,
      facts: { lastedSeconds: Math.max(0, Math.round((goneSinceMs - sinceMs) / 1000)) },
    }));

function recoveryTitle(kind: AlertKind, subject: string | null, lastedMs: number): string {
  const after = `after ${span(lastedMs)}`;
  switch (kind) {
    case "removals-held":
      return `nothing that is held in ${subject} waits for a decision any more`;
    case "source-failing":
      return `source ${subject} works again, was failing for ${span(lastedMs)}`;
    case "target-failing":
      return `target ${subject} works again, was failing for ${span(lastedMs)}`;
    case "credential-rejected":
      return `target ${subject} takes its credentials again, ${after}`;
    case "snapshot-refused":
      return `source ${subject} is believed again, ${after}`;
    case "people-refused":
      return `${subject} refuses nobody any more`;
    case "budget-nearly-spent":
      return `the removal budget of ${subject} has room again`;
    case "token-expiring":
      return `the SCIM token of ${subject} that was to expire is gone`;
    case "database":
      return `the database takes writes again, ${after}`;
    case "clock":
      return "the clock has been steady since it jumped";
    default:
      return kind satisfies never;
  }
}
