import { messageOf } from "../domain/model/errors.ts";
import { type AlertFacts, type AlertKind, type AlertLimits, conditions } from "./conditions.ts";
import { advance, type ChannelRules, openKeys } from "./incidents.ts";
import { type AlertMessage, delivered, enqueue, onlyChannels, postponed, take, type Waiting } from "./outbox.ts";
import { type AlertState, emptyState, parseState, printState } from "./state.ts";

/** A refusal or failure of a channel; the message holds no secret and no address of a webhook. */
export class SendError extends Error {
  /** How long the receiver wants to be left alone, in milliseconds; null when it does not say. */
  readonly retryAfterMs: number | null;
  constructor(message: string, retryAfterMs: number | null = null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "SendError";
    this.retryAfterMs = retryAfterMs;
  }
}

/** Where messages go: a webhook, a chat room, mailboxes. */
export interface AlertChannel extends ChannelRules {
  readonly type: string;
  /** Messages within one hour; what goes beyond waits, and comes as one. */
  readonly perHour: number;
  /** Resolves with what the receiver said in a few words. @throws SendError */
  send(message: AlertMessage, signal: AbortSignal): Promise<string>;
}

/** What became of a message, for the metric `rollcall_alerts_total`. */
export type AlertOutcome = "sent" | "failed" | "dropped" | "summarised";

/** What the service works with. */
export interface AlertParts {
  readonly channels: readonly AlertChannel[];
  readonly limits: AlertLimits;
  readonly recoverAfterMs: number;
  readonly facts: () => Promise<AlertFacts>;
  readonly store: { alertState(): Promise<string | null>; putAlertState(state: string): Promise<void> };
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Resolves after `ms`, or at once when aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly newId: () => string;
  readonly log: (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
  readonly counted?: (channel: string, kind: AlertKind | "summary" | "test", outcome: AlertOutcome) => void;
}

/** Tells people. Never throws for what goes wrong with it: the sync goes on without alerts. */
export interface Alerts {
  /** Looks at the state of the world every few seconds and sends what is due, until `stopping`; then what is under way has 2 s. */
  run(stopping: AbortSignal): Promise<void>;
  /** Looks once, and sends until nothing is due or the signal says stop. For `sync`. */
  once(signal: AbortSignal): Promise<void>;
}

const everyMs = 3000;
/** After a start what was stored may be old news: connections have this long to say how they are now. */
const graceMs = 20_000;
const sendWithinMs = 15_000;
const lastWordsMs = 2000;

export function createAlerts(parts: AlertParts): Alerts {
  const { channels, now, log } = parts;
  const names = new Set(channels.map(({ name }) => name));
  const sending = new Map<string, Promise<void>>();
  let state: AlertState | null = null;
  let kept = "";
  let canKeep = true;

  /** Read again until it can be: what was told before must not be told twice. */
  const load = async (): Promise<AlertState> => {
    if (state !== null) return state;
    const text = await parts.store.alertState();
    const parsed = text === null ? emptyState : parseState(text);
    if (parsed === null) log("warn", "alerts: what was told before can't be read and is forgotten");
    kept = text ?? "";
    const { incidents, outbox } = parsed ?? emptyState;
    state = { incidents, outbox: onlyChannels(outbox, names) };
    return state;
  };

  /** A store that takes no writes is itself worth an alert: then this process remembers alone. */
  const keep = async (next: AlertState): Promise<void> => {
    state = next;
    const text = printState(next);
    if (text === kept) return;
    try {
      await parts.store.putAlertState(text);
      kept = text;
      canKeep = true;
    } catch (error) {
      if (canKeep) log("warn", "alerts: what was told can't be stored", { error: messageOf(error) });
      canKeep = false;
    }
  };

  const look = async (): Promise<void> => {
    const facts = await parts.facts();
    // A database that can't even be read: nothing is known of what was told, and somebody should hear of it.
    const before = await load().catch((error: unknown) => {
      if (facts.database === null) throw error;
      state = emptyState;
      return emptyState;
    });
    const rules = { recoverAfterMs: parts.recoverAfterMs, channels };
    const { incidents, notices } = advance(
      before.incidents,
      conditions(facts, parts.limits, now(), openKeys(before.incidents)),
      rules,
      now(),
    );
    const { outbox, dropped } = enqueue((state ?? before).outbox, notices, now(), parts.newId);
    for (const { event, channel, kind, subject, title } of notices)
      log(event === "recovery" ? "info" : "warn", `alert: ${title}`, { event, kind, subject, channel });
    for (const { channel, message } of dropped) count(channel, message, "dropped");
    await keep({ incidents, outbox });
  };

  const count = (channel: string, { kind, event }: AlertMessage, outcome: AlertOutcome): void =>
    parts.counted?.(channel, kind ?? (event === "test" ? "test" : "summary"), outcome);

  /** Sends what is due in one channel, one after the other. */
  const deliver = async (channel: AlertChannel, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted && state !== null) {
      const taken = take(state.outbox, channel.name, channel.perHour, now(), parts.newId);
      if (taken === null) return;
      const { sending: waiting, summarised } = taken;
      for (let index = 0; index < summarised; index += 1) count(channel.name, waiting.message, "summarised");
      await keep({ ...state, outbox: taken.outbox });
      await attempt(channel, waiting, signal);
    }
  };

  const attempt = async (channel: AlertChannel, waiting: Waiting, signal: AbortSignal): Promise<void> => {
    const { message } = waiting;
    try {
      await channel.send(message, AbortSignal.any([signal, AbortSignal.timeout(sendWithinMs)]));
      count(channel.name, message, "sent");
      await keep({ ...present(), outbox: delivered(present().outbox, waiting, now()) });
    } catch (error) {
      // Stopped half way: it counts as tried, and goes out again after the next start.
      if (signal.aborted) return;
      const wishedMs = error instanceof SendError ? error.retryAfterMs : null;
      const { outbox, isGivenUp } = postponed(present().outbox, waiting, wishedMs, now());
      count(channel.name, message, isGivenUp ? "dropped" : "failed");
      log(isGivenUp ? "error" : "warn", `alerts: ${channel.name} could not be told: ${reasonOf(error)}`, {
        channel: channel.name,
        attempts: waiting.attempts,
        title: message.title,
        isGivenUp,
      });
      await keep({ ...present(), outbox });
    }
  };
  const present = (): AlertState => state ?? emptyState;

  const step = async (signal: AbortSignal): Promise<void> => {
    try {
      await look();
    } catch (error) {
      log("error", "alerts: could not look at the state of things", { error });
    }
    for (const channel of channels) {
      if (sending.has(channel.name)) continue;
      const done = deliver(channel, signal)
        .catch((error: unknown) => log("error", `alerts: ${channel.name} failed unexpectedly`, { error }))
        .finally(() => sending.delete(channel.name));
      sending.set(channel.name, done);
    }
  };

  return {
    async run(stopping) {
      if (channels.length === 0) return;
      const cut = new AbortController();
      await parts.sleep(Math.min(graceMs, parts.limits.failingForMs), stopping);
      while (!stopping.aborted) {
        await step(cut.signal);
        await parts.sleep(everyMs, stopping);
      }
      const timer = setTimeout(() => cut.abort(), lastWordsMs);
      await Promise.all(sending.values());
      clearTimeout(timer);
    },
    async once(signal) {
      if (channels.length === 0) return;
      await step(signal);
      await Promise.all(sending.values());
    },
  };
}

/** What a channel says of itself is fit for a log; anything else only by its kind. */
const reasonOf = (error: unknown): string => {
  if (error instanceof SendError) return error.message;
  return error instanceof Error && error.name === "TimeoutError"
    ? `no answer within ${sendWithinMs / 1000} s`
    : "unexpected error";
};
