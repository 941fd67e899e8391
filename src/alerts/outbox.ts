import type { AlertKind, AlertSeverity } from "../domain/model/alert.ts";
import type { Notice, NoticeEvent } from "./incidents.ts";

/** A message to one channel. docs/alerts.md promises its fields. */
export interface AlertMessage {
  /** A UUID. It stays the same in every attempt, so a receiver can recognize a repetition. */
  readonly id: string;
  /** `test`: from `rollcall alerts test`. */
  readonly event: NoticeEvent | "test";
  /** Null for `test`. */
  readonly kind: AlertKind | null;
  readonly severity: AlertSeverity;
  /** Name of the source or target; null for the whole installation. */
  readonly subject: string | null;
  readonly title: string;
  readonly text: string;
  readonly facts: Readonly<Record<string, string | number>>;
  /** When the trouble began, and when this message was written; milliseconds since the epoch. */
  readonly sinceMs: number;
  readonly atMs: number;
}

/** A message that is not delivered yet. */
export interface Waiting {
  readonly channel: string;
  /** Key of the incident. */
  readonly key: string;
  readonly message: AlertMessage;
  readonly attempts: number;
  readonly nextAtMs: number;
}

/** The messages to send, and when each channel has sent within the last hour. */
export interface Outbox {
  readonly waiting: readonly Waiting[];
  readonly sentAtMs: Readonly<Record<string, readonly number[]>>;
}

export const emptyOutbox: Outbox = { waiting: [], sentAtMs: {} };

/** Maximum waiting messages of one channel. The oldest is dropped first. */
const maxWaiting = 100;
const hourMs = 3_600_000;
const firstRetryMs = 10_000;
const maxRetryMs = 15 * 60_000;
/** A message is given up after a day: it no longer describes the present state. */
const giveUpAfterMs = 24 * hourMs;

/** Adds messages. A message replaces an older one about the same incident that has not been sent yet. */
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
  const dropped = new Set<Waiting>();
  for (const list of Map.groupBy(waiting, ({ channel }) => channel).values())
    for (const each of list.slice(0, Math.max(0, list.length - maxWaiting))) dropped.add(each);
  return { outbox: { ...outbox, waiting: waiting.filter((each) => !dropped.has(each)) }, dropped: [...dropped] };
}

/** Returns the next message of a channel; null when none is due, or when the channel has sent `perHour` within the last hour. */
export function take(
  outbox: Outbox,
  channel: string,
  perHour: number,
  nowMs: number,
): { readonly outbox: Outbox; readonly sending: Waiting } | null {
  // A time that is further ahead than any pause means that the clock was set back.
  const first = outbox.waiting.find(
    (each) => each.channel === channel && (each.nextAtMs <= nowMs || each.nextAtMs - nowMs > hourMs),
  );
  if (first === undefined || sentWithinAnHour(outbox, channel, nowMs).length >= perHour) return null;
  // The attempt counts before it is made, so that a process that dies while sending does not send forever.
  const attempts = first.attempts + 1;
  const sending = { ...first, attempts, nextAtMs: nowMs + pauseMs(attempts) };
  return { outbox: { ...outbox, waiting: outbox.waiting.map((each) => (each === first ? sending : each)) }, sending };
}

/** 10 s, doubling up to 15 min. */
const pauseMs = (attempts: number): number => Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(attempts - 1, 20));

const sentWithinAnHour = ({ sentAtMs }: Outbox, channel: string, nowMs: number): readonly number[] =>
  (sentAtMs[channel] ?? []).filter((atMs) => Math.abs(nowMs - atMs) < hourMs);

const isSame = (a: Waiting, b: Waiting): boolean => a.channel === b.channel && a.message.id === b.message.id;

/** Returns the outbox after a delivery. */
export const delivered = (outbox: Outbox, sent: Waiting, nowMs: number): Outbox => ({
  waiting: outbox.waiting.filter((each) => !isSame(each, sent)),
  sentAtMs: { ...outbox.sentAtMs, [sent.channel]: [...sentWithinAnHour(outbox, sent.channel, nowMs), nowMs] },
});

/** Returns the outbox after a failed attempt. `retryAfterMs`: the pause that the receiver asked for; at most one hour counts. */
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

/** Returns the outbox without channels that are no longer configured. */
export const onlyChannels = (outbox: Outbox, names: ReadonlySet<string>): Outbox => ({
  waiting: outbox.waiting.filter(({ channel }) => names.has(channel)),
  sentAtMs: Object.fromEntries(Object.entries(outbox.sentAtMs).filter(([name]) => names.has(name))),
});
