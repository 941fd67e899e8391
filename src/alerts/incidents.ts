import { z } from "zod";
import { type AlertKind, type AlertSeverity, alertKinds, alertSeverities, isAtLeast } from "../domain/model/alert.ts";
import { duration } from "../text/times.ts";
import { type Condition, recoveryTitle } from "./conditions.ts";

const ms = z.number();

/** A message to one channel. docs/alerts.md promises its fields. */
const alertMessage = z.object({
  /** A UUID. It stays the same in every attempt, so a receiver can recognize a repetition. */
  id: z.string(),
  /**
   * `alert`: new, or materially worse. `reminder`: it still lasts. `recovery`: it ended.
   * `test`: from `rollcall alerts test`.
   */
  event: z.enum(["alert", "reminder", "recovery", "test"]),
  /** Null for `test`. */
  kind: z.enum(alertKinds).nullable(),
  severity: z.enum(alertSeverities),
  /** Name of the source or target; null for the whole installation. */
  subject: z.string().nullable(),
  title: z.string(),
  text: z.string(),
  facts: z.record(z.string(), z.union([z.string(), z.number()])),
  /** When the trouble began, and when this message was written; milliseconds since the epoch. */
  sinceMs: ms,
  atMs: ms,
});
export type AlertMessage = Readonly<z.infer<typeof alertMessage>>;

/** The last message to a channel about one trouble. It is kept until the trouble has ended and the channel knows that. */
const told = z.object({
  channel: z.string(),
  /** See `Condition`. */
  key: z.string(),
  message: alertMessage.extend({ kind: z.enum(alertKinds) }),
  /** Size of the trouble in that message, or the smallest size since then. */
  size: z.number(),
  /** When the trouble was last gone; null while it lasts. */
  goneSinceMs: ms.nullable(),
  /** Null if the message was delivered or given up. */
  waiting: z.object({ attempts: z.number(), nextAtMs: ms }).nullable(),
});
export type Told = Readonly<z.infer<typeof told>>;

/** Everything that has to survive a restart. */
const alertState = z.object({
  version: z.literal(3),
  told: z.array(told),
  /** When each channel has sent within the last hour. */
  sentAtMs: z.record(z.string(), z.array(ms)),
});
export type AlertState = Readonly<z.infer<typeof alertState>>;

export const emptyState: AlertState = { version: 3, told: [], sentAtMs: {} };

/** Returns null for a text of another release. Then all trouble that lasts is told once more. */
export function parseState(text: string): AlertState | null {
  try {
    return alertState.parse(JSON.parse(text));
  } catch {
    // The text is not JSON, or has another form.
    return null;
  }
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
  /** Time without trouble until it counts as ended. Trouble that returns earlier is the same incident. */
  readonly recoverAfterMs: number;
  readonly channels: readonly ChannelRules[];
  readonly newId: () => string;
}

/**
 * Compares the present trouble with what each channel was told last, and adds the messages that are due. A message
 * replaces an older one about the same trouble, also one that still waits. Pure.
 *
 * | told             | now               | message to a channel                  |
 * | ---------------- | ----------------- | ------------------------------------- |
 * | –                | there             | alert                                 |
 * | there            | the same          | none; reminder after `everyMs`        |
 * | there            | materially worse  | alert                                 |
 * | there            | gone              | none; recovery after `recoverAfterMs` |
 * | gone, not ended  | there             | none                                  |
 */
export const advance = (
  state: AlertState,
  conditions: readonly Condition[],
  rules: IncidentRules,
  nowMs: number,
): AlertState => ({
  ...state,
  told: rules.channels.flatMap((channel) => {
    const known = state.told.filter((each) => each.channel === channel.name);
    return toldInChannel(known, conditions, channel, rules, nowMs);
  }),
});

function toldInChannel(
  known: readonly Told[],
  conditions: readonly Condition[],
  channel: ChannelRules,
  { recoverAfterMs, newId }: IncidentRules,
  nowMs: number,
): readonly Told[] {
  const tell = (key: string, size: number, content: Omit<Told["message"], "id" | "atMs">): Told => ({
    channel: channel.name,
    key,
    message: { id: newId(), ...content, atMs: nowMs },
    size,
    goneSinceMs: null,
    waiting: { attempts: 0, nextAtMs: nowMs },
  });
  const unseen = new Map(known.map((each) => [each.key, each]));
  const lasting = conditions.flatMap((condition): readonly Told[] => {
    const { key, size, ...content } = condition;
    const last = unseen.get(key);
    unseen.delete(key);
    // Trouble that returns after its end is new.
    const before = last?.message.event === "recovery" ? undefined : last;
    const event = dueEvent(channel, before, condition, nowMs);
    const sinceMs = before?.message.sinceMs ?? Math.min(content.sinceMs, nowMs);
    if (event !== null) return [tell(key, size, { event, ...content, sinceMs })];
    return before === undefined ? [] : [{ ...before, size: Math.min(before.size, size), goneSinceMs: null }];
  });
  const gone = [...unseen.values()].map((last): Told => {
    if (last.message.event === "recovery") return last;
    // A time in the future means that the clock was set back.
    const goneSinceMs = Math.min(last.goneSinceMs ?? nowMs, nowMs);
    return nowMs - goneSinceMs < recoverAfterMs
      ? { ...last, size: 0, goneSinceMs }
      : tell(last.key, 0, recoveryOf(last.message, goneSinceMs));
  });
  return [...lasting, ...gone];
}

function dueEvent(
  { kinds, minSeverity, everyMs }: ChannelRules,
  last: Told | undefined,
  { kind, severity, size }: Condition,
  nowMs: number,
): "alert" | "reminder" | null {
  if (!isAtLeast(severity, minSeverity) || kinds?.includes(kind) === false) return null;
  if (last === undefined) return "alert";
  const { atMs, severity: before } = last.message;
  const isWorse = (severity !== before && isAtLeast(severity, before)) || (size > 0 && size >= 2 * last.size);
  if (isWorse) return "alert";
  // A time in the future says nothing about the time that passed. One more reminder sets it right.
  return atMs > nowMs || nowMs - atMs >= everyMs ? "reminder" : null;
}

const recoveryOf = ({ id: _, atMs: _at, ...before }: Told["message"], goneSinceMs: number) => ({
  ...before,
  event: "recovery" as const,
  title: recoveryTitle(before.kind, before.subject, duration(goneSinceMs - before.sinceMs)),
  text: `Before: ${before.title}.`,
  facts: { lastedSeconds: Math.max(0, Math.round((goneSinceMs - before.sinceMs) / 1000)) },
});

const hourMs = 3_600_000;
const firstRetryMs = 10_000;
const maxRetryMs = 15 * 60_000;
/** A message is given up after a day: it no longer describes the present state. */
const giveUpAfterMs = 24 * hourMs;

/**
 * Returns the oldest message of a channel that is due, with its attempts so far. Null: none is due, or the channel has
 * sent `perHour` messages within the last hour.
 */
export function dueMessage(
  state: AlertState,
  { name, perHour }: { readonly name: string; readonly perHour: number },
  nowMs: number,
): { readonly message: Told["message"]; readonly attempts: number } | null {
  if (withinAnHour(state.sentAtMs[name], nowMs).length >= perHour) return null;
  const [oldest] = state.told
    .flatMap(({ channel, message, waiting }) =>
      // A time that is further ahead than any pause means that the clock was set back.
      channel === name && waiting !== null && (waiting.nextAtMs <= nowMs || waiting.nextAtMs - nowMs > hourMs)
        ? [{ message, attempts: waiting.attempts }]
        : [],
    )
    .sort((a, b) => a.message.atMs - b.message.atMs);
  return oldest ?? null;
}

const withinAnHour = (sentAtMs: readonly number[] | undefined, nowMs: number): number[] =>
  (sentAtMs ?? []).filter((atMs) => Math.abs(nowMs - atMs) < hourMs);

/** Changes the delivery of a message, unless a newer message has replaced it. A recovery that is done is forgotten. */
const changed = (
  state: AlertState,
  id: string,
  change: (waiting: NonNullable<Told["waiting"]>) => Told["waiting"],
): AlertState => ({
  ...state,
  told: state.told.flatMap((each) => {
    if (each.message.id !== id || each.waiting === null) return [each];
    const waiting = change(each.waiting);
    return waiting === null && each.message.event === "recovery" ? [] : [{ ...each, waiting }];
  }),
});

/**
 * Returns the state before an attempt. The attempt counts before it is made, so that a process that dies while sending
 * does not send forever. Pauses: 10 s, doubling up to 15 min.
 */
export const attempted = (state: AlertState, id: string, nowMs: number): AlertState =>
  changed(state, id, ({ attempts }) => ({
    attempts: attempts + 1,
    nextAtMs: nowMs + Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(attempts, 20)),
  }));

/** Returns the state after a delivery. */
export const delivered = (state: AlertState, channel: string, id: string, nowMs: number): AlertState => ({
  ...changed(state, id, () => null),
  sentAtMs: { ...state.sentAtMs, [channel]: [...withinAnHour(state.sentAtMs[channel], nowMs), nowMs] },
});

/** True if a message that has failed is given up. */
export const isGivenUp = ({ atMs }: AlertMessage, nowMs: number): boolean => Math.abs(nowMs - atMs) >= giveUpAfterMs;

/** Returns the state after a failed attempt. `retryAfterMs`: the pause that the receiver asked for; at most one hour counts. */
export const failed = (
  state: AlertState,
  message: AlertMessage,
  retryAfterMs: number | null,
  nowMs: number,
): AlertState =>
  changed(state, message.id, (waiting) =>
    isGivenUp(message, nowMs)
      ? null
      : { ...waiting, nextAtMs: Math.max(waiting.nextAtMs, nowMs + Math.min(retryAfterMs ?? 0, hourMs)) },
  );
