import type { AlertKind, Severity } from "./conditions.ts";
import type { Notice, NoticeEvent } from "./incidents.ts";

/** One message for one channel, as it is sent. */
export interface AlertMessage {
  /** A UUID, the same in every attempt: a receiver can tell a repetition by it. */
  readonly id: string;
  /** `summary`: several in one, because of the limit per hour. `test`: from `rollcall alerts test`. */
  readonly event: NoticeEvent | "summary" | "test";
  /** Null for `summary` and `test`. */
  readonly kind: AlertKind | null;
  readonly severity: Severity;
  /** Name of the source or target; null for the whole installation. */
  readonly subject: string | null;
  readonly title: string;
  readonly text: string;
  readonly facts: Readonly<Record<string, string | number>>;
  /** Since when it goes on, and when this was written; milliseconds since the epoch. */
  readonly sinceMs: number;
  readonly atMs: number;
}

/** A message that is not delivered yet. */
export interface Waiting {
  readonly channel: string;
  /** Of the incident; null for a summary. */
  readonly key: string | null;
  readonly message: AlertMessage;
  readonly attempts: number;
  readonly nextAtMs: number;
}

/** What is to be sent, and when each channel has sent within the last hour. */
export interface Outbox {
  readonly waiting: readonly Waiting[];
  readonly sentAtMs: Readonly<Record<string, readonly number[]>>;
}

export const emptyOutbox: Outbox = { waiting: [], sentAtMs: {} };

/** Waiting messages of one channel; beyond, the oldest is dropped. */
const waitingAtMost = 100;
const hourMs = 3_600_000;
const firstRetryMs = 10_000;
const lastRetryMs = 15 * 60_000;
/** A message of yesterday tells nothing of today. */
const giveUpAfterMs = 24 * hourMs;
const linesAtMost = 30;

/** Adds what is to be told. A recovery takes the place of an alert that has not gone out yet. */
export function enqueue(
  outbox: Outbox,
  notices: readonly Notice[],
  nowMs: number,
  newId: () => string,
): { readonly outbox: Outbox; readonly dropped: readonly Waiting[] } {
  let waiting = [...outbox.waiting];
  for (const { channel, key, ...notice } of notices) {
    waiting = waiting.filter((each) => each.channel !== channel || each.key !== key);
    waiting.push({ channel, key, message: { id: newId(), ...notice, atMs: nowMs }, attempts: 0, nextAtMs: nowMs });
  }
  const dropped: Waiting[] = [];
  for (const [, list] of Map.groupBy(waiting, ({ channel }) => channel))
    dropped.push(...list.slice(0, Math.max(0, list.length - waitingAtMost)));
  return { outbox: { ...outbox, waiting: waiting.filter((each) => !dropped.includes(each)) }, dropped };
}

/** What a channel sends now, and the outbox in which that counts as tried; null when nothing is due or the hour is full. */
export function take(
  outbox: Outbox,
  channel: string,
  perHour: number,
  nowMs: number,
  newId: () => string,
): { readonly outbox: Outbox; readonly sending: Waiting; readonly summarised: number } | null {
  const mine = outbox.waiting.filter((each) => each.channel === channel);
  // A time ahead of the clock by more than any pause: the clock has jumped back.
  const due = mine.filter(({ nextAtMs }) => nextAtMs <= nowMs || nextAtMs - nowMs > hourMs);
  const [first] = due;
  const room = perHour - sentWithin(outbox, channel, nowMs).length;
  if (first === undefined || room <= 0) return null;
  const isTooMany = mine.length > room && mine.length > 1;
  const chosen: Waiting = isTooMany
    ? { channel, key: null, message: summary(mine, nowMs, newId()), attempts: 0, nextAtMs: nowMs }
    : first;
  // Counted before it is sent: a process that dies of sending does not send without end.
  const sending: Waiting = { ...chosen, attempts: chosen.attempts + 1, nextAtMs: nowMs + pause(chosen.attempts + 1) };
  const rest = outbox.waiting.filter((each) => (isTooMany ? !mine.includes(each) : each !== first));
  return { outbox: { ...outbox, waiting: [...rest, sending] }, sending, summarised: isTooMany ? mine.length : 0 };
}

/** 10 s, doubling to 15 min. */
const pause = (attempts: number): number => Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(attempts - 1, 20));

const sentWithin = ({ sentAtMs }: Outbox, channel: string, nowMs: number): readonly number[] =>
  (sentAtMs[channel] ?? []).filter((atMs) => Math.abs(nowMs - atMs) < hourMs);

const isSame = (a: Waiting, b: Waiting): boolean => a.channel === b.channel && a.message.id === b.message.id;

/** After a delivery. */
export const delivered = (outbox: Outbox, sent: Waiting, nowMs: number): Outbox => ({
  waiting: outbox.waiting.filter((each) => !isSame(each, sent)),
  sentAtMs: { ...outbox.sentAtMs, [sent.channel]: [...sentWithin(outbox, sent.channel, nowMs), nowMs] },
});

/** After a failure: tried again later, for a day. */
export function postponed(
  outbox: Outbox,
  failed: Waiting,
  retryAfterMs: number | null,
  nowMs: number,
): { readonly outbox: Outbox; readonly isGivenUp: boolean } {
  const isGivenUp = Math.abs(nowMs - failed.message.atMs) >= giveUpAfterMs;
  const nextAtMs = Math.max(failed.nextAtMs, nowMs + Math.min(retryAfterMs ?? 0, hourMs));
  const waiting = outbox.waiting.flatMap((each) => {
    if (!isSame(each, failed)) return [each];
    return isGivenUp ? [] : [{ ...each, nextAtMs }];
  });
  return { outbox: { ...outbox, waiting }, isGivenUp };
}

/** Of channels that are no longer configured nothing is kept. */
export const onlyChannels = (outbox: Outbox, names: ReadonlySet<string>): Outbox => ({
  waiting: outbox.waiting.filter(({ channel }) => names.has(channel)),
  sentAtMs: Object.fromEntries(Object.entries(outbox.sentAtMs).filter(([name]) => names.has(name))),
});

function summary(waiting: readonly Waiting[], nowMs: number, id: string): AlertMessage {
  // A summary that could not be sent is part of the next one.
  const lines = waiting.flatMap(({ message }) =>
    message.event === "summary" ? message.text.split("\n") : `${label[message.event]}: ${message.title}`,
  );
  const shown = lines.slice(-linesAtMost);
  const more = lines.length - shown.length;
  return {
    id,
    event: "summary",
    kind: null,
    severity: waiting.some(({ message }) => message.severity === "critical") ? "critical" : "warning",
    subject: null,
    title: `${lines.length} alerts in one, because this channel has reached its limit for the hour`,
    text: [...(more > 0 ? [`… ${more} earlier ones`] : []), ...shown].join("\n"),
    facts: { count: lines.length },
    sinceMs: Math.min(...waiting.map(({ message }) => message.sinceMs)),
    atMs: nowMs,
  };
}

const label = { alert: "ALERT", reminder: "STILL", recovery: "OVER", test: "TEST" } as const;
