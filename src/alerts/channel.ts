import type { AlertMessage, ChannelRules } from "./incidents.ts";

/** A channel refused a message or failed. The error message contains no secret and no webhook URL. */
export class SendError extends Error {
  /** The pause that the receiver asked for; null for none. */
  readonly retryAfterMs: number | null;
  constructor(message: string, retryAfterMs: number | null = null) {
    super(message);
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

/** Parts of every message that come from the configuration. */
export interface Letterhead {
  /** Address of the console; null without one. */
  readonly consoleUrl: string | null;
  /** Name of this installation, to tell several apart; null for none. */
  readonly installation: string | null;
}

const labels = {
  alert: { warning: "Warning", critical: "CRITICAL" },
  reminder: { warning: "Still", critical: "STILL" },
  recovery: { warning: "Over", critical: "Over" },
  test: { warning: "Test", critical: "Test" },
} as const;

/** One line: `CRITICAL: target acme has been failing for 20 min`. */
export const headline = ({ event, severity, title }: AlertMessage): string => `${labels[event][severity]}: ${title}`;

/** `Rollcall`, or `Rollcall production` if the installation has a name. */
export const sender = ({ installation }: Letterhead): string =>
  installation === null ? "Rollcall" : `Rollcall ${installation}`;

/** When the trouble began, and the address of the console. */
export function footer({ event, sinceMs }: AlertMessage, { consoleUrl }: Letterhead): string {
  const since = event === "test" ? [] : [`since ${new Date(sinceMs).toISOString()}`];
  return [...since, ...(consoleUrl === null ? [] : [consoleUrl])].join(" · ");
}
