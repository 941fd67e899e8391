import type { AlertKind } from "../domain/model/alert.ts";
import { messageOf } from "../domain/model/errors.ts";
import { type AlertChannel, SendError } from "./channel.ts";
import { type AlertFacts, type AlertLimits, conditions } from "./conditions.ts";
import {
  type AlertState,
  advance,
  attempted,
  delivered,
  dueMessage,
  emptyState,
  failed,
  isGivenUp,
  parseState,
  type Told,
} from "./incidents.ts";

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
  readonly counted?: (channel: string, kind: AlertKind, outcome: AlertOutcome) => void;
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
  const { channels, now, log, newId, recoverAfterMs } = parts;
  const sending = new Map<string, Promise<void>>();
  let state = emptyState;
  let isLoaded = false;
  let stored = "";
  let canStore = true;

  /** Retried until it succeeds, so that no message is sent twice after a restart. */
  const load = async (): Promise<void> => {
    if (isLoaded) return;
    stored = (await parts.store.alertState()) ?? "";
    isLoaded = true;
    const parsed = stored === "" ? emptyState : parseState(stored);
    if (parsed === null) log("warn", "alerts: the stored state is from another release and is ignored");
    state = parsed ?? emptyState;
  };

  /** A store that accepts no writes causes an alert itself. Until then the state lives in memory only. */
  const keep = async (next: AlertState): Promise<void> => {
    state = next;
    const text = JSON.stringify(next);
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
    await load().catch((error: unknown) => {
      // If the database cannot be read, the alert about that must go out all the same.
      if (facts.database === null) throw error;
      isLoaded = true;
    });
    const open = new Set(state.told.flatMap(({ key, message }) => (message.event === "recovery" ? [] : [key])));
    const present = conditions(facts, parts.limits, now(), open);
    const before = new Set(state.told.map(({ message }) => message.id));
    const next = advance(state, present, { recoverAfterMs, channels, newId }, now());
    for (const { channel, message } of next.told) {
      if (before.has(message.id)) continue;
      const { event, kind, subject, title } = message;
      log(event === "recovery" ? "info" : "warn", `alert: ${title}`, { event, kind, subject, channel });
    }
    await keep(next);
  };

  /** Sends everything that is due in one channel, one message at a time. */
  const deliver = async (channel: AlertChannel, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const due = dueMessage(state, channel, now());
      if (due === null) return;
      await keep(attempted(state, due.message.id, now()));
      await attempt(channel, due.message, due.attempts + 1, signal);
    }
  };

  const attempt = async (
    channel: AlertChannel,
    message: Told["message"],
    attempts: number,
    signal: AbortSignal,
  ): Promise<void> => {
    const { name } = channel;
    try {
      await channel.send(message, AbortSignal.any([signal, AbortSignal.timeout(sendTimeoutMs)]));
    } catch (error) {
      // The process stops. The attempt counts, and the message is sent again after the next start.
      if (signal.aborted) return;
      const isOver = isGivenUp(message, now());
      parts.counted?.(name, message.kind, isOver ? "dropped" : "failed");
      log(isOver ? "error" : "warn", `alerts: could not send to ${name}: ${reasonOf(error)}`, {
        channel: name,
        attempts,
        title: message.title,
        isGivenUp: isOver,
      });
      return keep(failed(state, message, error instanceof SendError ? error.retryAfterMs : null, now()));
    }
    parts.counted?.(name, message.kind, "sent");
    await keep(delivered(state, name, message.id, now()));
  };

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
