import { type AlertKind, type AlertSeverity, isAtLeast } from "../domain/model/alert.ts";
import type { Condition } from "./conditions.ts";
import { span } from "./conditions.ts";

/** Trouble that lasts, or that ended so recently that it may come back. */
export interface Incident {
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: AlertSeverity;
  readonly subject: string | null;
  readonly title: string;
  readonly sinceMs: number;
  /** When it ended; null while it lasts. */
  readonly goneSinceMs: number | null;
  /** The last message to each channel, by name. */
  readonly told: Readonly<Record<string, Told>>;
}

interface Told {
  readonly atMs: number;
  readonly severity: AlertSeverity;
  /** Size of the trouble in that message, or the smallest size since then. */
  readonly size: number;
}

/** The messages that one channel wants. */
export interface ChannelRules {
  readonly name: string;
  /** Null: all. */
  readonly kinds: readonly AlertKind[] | null;
  readonly minSeverity: AlertSeverity;
  /** Time between two reminders of the same trouble. */
  readonly everyMs: number;
}

export interface IncidentRules {
  /** Time without trouble until an incident ends. Trouble that returns earlier is the same incident. */
  readonly recoverAfterMs: number;
  readonly channels: readonly ChannelRules[];
}

/** `alert`: new, or materially worse. `reminder`: it still lasts. `recovery`: it ended. */
export type NoticeEvent = "alert" | "reminder" | "recovery";

/** A message to one channel. */
export interface Notice {
  readonly channel: string;
  readonly event: NoticeEvent;
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: AlertSeverity;
  readonly subject: string | null;
  readonly title: string;
  readonly text: string;
  readonly sinceMs: number;
  readonly facts: Condition["facts"];
}

/**
 * Compares the present trouble with the incidents, and returns the new incidents and the messages that are due.
 * Pure. While the incidents are stored, the same trouble causes one message, also after a restart.
 *
 * | before           | now               | message to a channel                 |
 * | ---------------- | ----------------- | ------------------------------------ |
 * | –                | there             | alert                                |
 * | told             | the same          | none; reminder after `everyMs`       |
 * | told             | materially worse  | alert                                |
 * | told             | gone              | none; recovery after `recoverAfterMs` |
 * | gone, not ended  | there             | none                                 |
 */
export function advance(
  incidents: readonly Incident[],
  conditions: readonly Condition[],
  rules: IncidentRules,
  nowMs: number,
): { readonly incidents: readonly Incident[]; readonly notices: readonly Notice[] } {
  const notices: Notice[] = [];
  const known = new Map(incidents.map((incident) => [incident.key, incident]));
  const next: Incident[] = conditions.map((condition) => {
    const { key, kind, severity, subject, title, text, size, facts } = condition;
    const before = known.get(key);
    known.delete(key);
    const sinceMs = before?.sinceMs ?? Math.min(condition.sinceMs, nowMs);
    const told = Object.fromEntries(
      Object.entries(before?.told ?? {}).map(([name, last]) => [name, { ...last, size: Math.min(last.size, size) }]),
    );
    for (const channel of rules.channels) {
      if (!isWanted(channel, condition)) continue;
      const event = dueEvent(told[channel.name], condition, channel.everyMs, nowMs);
      if (event === null) continue;
      told[channel.name] = { atMs: nowMs, severity, size };
      notices.push({ channel: channel.name, event, key, kind, severity, subject, title, text, sinceMs, facts });
    }
    return { key, kind, severity, subject, title, sinceMs, goneSinceMs: null, told };
  });
  for (const incident of known.values()) {
    // A time in the future means that the clock was set back.
    const goneSinceMs = Math.min(incident.goneSinceMs ?? nowMs, nowMs);
    if (nowMs - goneSinceMs >= rules.recoverAfterMs) notices.push(...recoveries(incident, goneSinceMs, rules.channels));
    else next.push({ ...incident, goneSinceMs, told: withSizeZero(incident.told) });
  }
  return { incidents: next, notices };
}

/** Nothing is left of the trouble, so whatever comes next is new. */
const withSizeZero = (told: Incident["told"]): Incident["told"] =>
  Object.fromEntries(Object.entries(told).map(([name, last]) => [name, { ...last, size: 0 }]));

const isWanted = ({ kinds, minSeverity }: ChannelRules, { kind, severity }: Condition): boolean =>
  (kinds === null || kinds.includes(kind)) && isAtLeast(severity, minSeverity);

/** Materially worse: the severity rose, or the trouble has at least doubled since the last message. */
const isWorse = (told: Told, { severity, size }: Condition): boolean =>
  (severity !== told.severity && isAtLeast(severity, told.severity)) || (size > 0 && size >= 2 * told.size);

function dueEvent(told: Told | undefined, condition: Condition, everyMs: number, nowMs: number): NoticeEvent | null {
  if (told === undefined || isWorse(told, condition)) return "alert";
  // A time in the future says nothing about the time that passed. One more reminder sets it right.
  return told.atMs > nowMs || nowMs - told.atMs >= everyMs ? "reminder" : null;
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
      title: recoveryTitle(kind, subject, span(goneSinceMs - sinceMs)),
      text: `Before: ${title}.`,
      sinceMs,
      facts: { lastedSeconds: Math.max(0, Math.round((goneSinceMs - sinceMs) / 1000)) },
    }));

function recoveryTitle(kind: AlertKind, subject: string | null, lasted: string): string {
  switch (kind) {
    case "removals-held":
      return `no held change in ${subject} waits for a decision any more`;
    case "source-failing":
      return `source ${subject} works again, after ${lasted}`;
    case "target-failing":
      return `target ${subject} works again, after ${lasted}`;
    case "credential-rejected":
      return `target ${subject} accepts its credentials again, after ${lasted}`;
    case "snapshot-refused":
      return `source ${subject} is accepted again, after ${lasted}`;
    case "people-refused":
      return `${subject} refuses nobody any more`;
    case "budget-nearly-spent":
      return `fewer than 80 % of the removal limit of ${subject} are used`;
    case "token-expiring":
      return `the expiring SCIM token of ${subject} was replaced or revoked`;
    case "database":
      return `the database accepts writes again, after ${lasted}`;
    case "clock":
      return "the clock has been right since it was set";
    default:
      return kind satisfies never;
  }
}
