import type { AlertKind } from "../domain/model/alert.ts";
import { messageOf } from "../domain/model/errors.ts";
import { type AlertFacts, type AlertLimits, conditions } from "./conditions.ts";
import { advance, type ChannelRules } from "./incidents.ts";
import { type AlertMessage, delivered, enqueue, onlyChannels, postponed, take, type Waiting } from "./outbox.ts";
import { type AlertState, emptyState, parseState, printState } from "./state.ts";

/** A channel refused a message or failed. The error message contains no secret and no webhook URL. */
export class SendError extends Error {
  /** The pause that the receiver asked for; null for none. */
  readonly retryAfterMs: number | null;
  constructor(message: string, retryAfterMs: number | null = null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "SendError";
    this.retryAfterMs = retryAfterMs;
  }
}

/** A receiver of messages: a webhook, a chat channel, mailboxes. */
export interface AlertChannel extends ChannelRules {
  readonly type: string;
  /** Maximum messages per hour. Further messages wait; a newer one about the same incident replaces an older one. */
  readonly perHour: number;
  /** Returns the receiver's answer in a few words. @throws SendError */
  send(message: AlertMessage, signal: AbortSignal): Promise<string>;
}

/** Label of the metric `rollcall_alerts_total`. `failed`: will be retried. `dropped`: given up. */
export type AlertOutcome = "sent" | "failed" | "dropped";

export interface AlertParts {
  readonly channels: readonly AlertChannel[];
  readonly limits: AlertLimits;
  readonly recoverAfterMs: number;
  readonly facts: () => Promise<AlertFacts>;
  readonly store: { alertState(): Promise<string | null>; putAlertState(state: string): Promise<void> };
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Resolves after `ms`, or immediately when aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly newId: () => string;
  readonly log: (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
  readonly counted?: (channel: string, kind: AlertKind | "test", outcome: AlertOutcome) => void;
}

/** Sends alerts. Never throws: a failure of alerts must not stop the sync. */
export interface Alerts {
  /** Reads the facts every 3 s and sends what is due, until `stopping`. Then sends in progress get 2 s to finish. */
  run(stopping: AbortSignal): Promise<void>;
  /** Reads the facts once, and sends until nothing is due or the signal aborts. For `sync`. */
  once(signal: AbortSignal): Promise<void>;
}

const everyMs = 3000;
/** Time after a start until the first message. The stored state may be old, and connections need time to report. */
const graceMs = 20_000;
const sendTimeoutMs = 15_000;
const stopTimeoutMs = 2000;

export function createAlerts(parts: AlertParts): Alerts {
  const { channels, now, log } = parts;
  const names = new Set(channels.map(({ name }) => name));
  const sending = new Map<string, Promise<void>>();
  let state: AlertState | null = null;
  let stored = "";
  let canStore = true;

  /** Retried until it succeeds, so that no message is sent twice after a restart. */
  const load = async (): Promise<AlertState> => {
    if (state !== null) return state;
    const text = await parts.store.alertState();
    const parsed = text === null ? emptyState : parseState(text);
    if (parsed === null) log("warn", "alerts: the stored state is from another release and is ignored");
    stored = text ?? "";
    const { incidents, outbox } = parsed ?? emptyState;
    state = { incidents, outbox: onlyChannels(outbox, names) };
    return state;
  };

  /** A store that accepts no writes causes an alert itself. Until then the state lives in memory only. */
  const keep = async (next: AlertState): Promise<void> => {
    state = next;
    const text = printState(next);
    if (text === stored) return;
    try {
      await parts.store.putAlertState(text);
      stored = text;
      canStore = true;
    } catch (error) {
      if (canStore) log("warn", "alerts: the state cannot be stored", { error: messageOf(error) });
      canStore = false;
    }
  };

  const readFacts = async (): Promise<void> => {
    const facts = await parts.facts();
    // If the database cannot be read, the alert about that must go out all the same.
    const before = await load().catch((error: unknown) => {
      if (facts.database === null) throw error;
      state = emptyState;
      return emptyState;
    });
    const open = new Set(before.incidents.map(({ key }) => key));
    const { incidents, notices } = advance(
      before.incidents,
      conditions(facts, parts.limits, now(), open),
      { recoverAfterMs: parts.recoverAfterMs, channels },
      now(),
    );
    const { outbox, dropped } = enqueue((state ?? before).outbox, notices, now(), parts.newId);
    for (const { event, channel, kind, subject, title } of notices)
      log(event === "recovery" ? "info" : "warn", `alert: ${title}`, { event, kind, subject, channel });
    for (const { channel, message } of dropped) count(channel, message, "dropped");
    await keep({ incidents, outbox });
  };

  const count = (channel: string, { kind }: AlertMessage, outcome: AlertOutcome): void =>
    parts.counted?.(channel, kind ?? "test", outcome);

  /** Sends everything that is due in one channel, one message at a time. */
  const deliver = async (channel: AlertChannel, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted && state !== null) {
      const taken = take(state.outbox, channel.name, channel.perHour, now());
      if (taken === null) return;
      await keep({ ...state, outbox: taken.outbox });
      await attempt(channel, taken.sending, signal);
    }
  };

  const attempt = async (channel: AlertChannel, waiting: Waiting, signal: AbortSignal): Promise<void> => {
    const { message } = waiting;
    try {
      await channel.send(message, AbortSignal.any([signal, AbortSignal.timeout(sendTimeoutMs)]));
      count(channel.name, message, "sent");
      await keep({ ...present(), outbox: delivered(present().outbox, waiting, now()) });
    } catch (error) {
      // The process stops. The attempt counts, and the message is sent again after the next start.
      if (signal.aborted) return;
      const retryAfterMs = error instanceof SendError ? error.retryAfterMs : null;
      const { outbox, isGivenUp } = postponed(present().outbox, waiting, retryAfterMs, now());
      count(channel.name, message, isGivenUp ? "dropped" : "failed");
      log(isGivenUp ? "error" : "warn", `alerts: could not send to ${channel.name}: ${reasonOf(error)}`, {
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
      await readFacts();
    } catch (error) {
      log("error", "alerts: could not read the present state", { error });
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
      const timer = setTimeout(() => cut.abort(), stopTimeoutMs);
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

/** Only the message of a SendError is safe to log. Other errors may contain the webhook URL. */
const reasonOf = (error: unknown): string => {
  if (error instanceof SendError) return error.message;
  return error instanceof Error && error.name === "TimeoutError"
    ? `no answer within ${sendTimeoutMs / 1000} s`
    : "unexpected error";
};
