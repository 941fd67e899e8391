import { createHmac } from "node:crypto";
import type { AlertChannel, Letterhead } from "./channel.ts";
import type { AlertMessage } from "./incidents.ts";
import type { PostJson } from "./post.ts";

/** Your own receiver. */
export interface WebhookOptions extends Omit<AlertChannel, "type" | "send"> {
  readonly url: string;
  /** Signs each body. */
  readonly secret: string;
}

/**
 * Returns `t=<Unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`. The signed time lets a receiver refuse old messages.
 * `v1=` leaves space for a second signature during a rotation.
 */
export const signatureOf = (secret: string, seconds: number, body: string): string =>
  `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;

/** Returns the body. docs/alerts.md promises its fields. */
export const webhookBody = (message: AlertMessage, { consoleUrl, installation }: Letterhead): string => {
  const { sinceMs, atMs, ...rest } = message;
  return JSON.stringify({
    version: 1,
    ...rest,
    since: new Date(sinceMs).toISOString(),
    at: new Date(atMs).toISOString(),
    installation,
    console: consoleUrl,
  });
};

/** Sends signed JSON to a URL. */
export const webhookChannel = (
  { url, secret, ...rules }: WebhookOptions,
  letterhead: Letterhead,
  post: PostJson,
  now: () => number,
): AlertChannel => ({
  ...rules,
  type: "webhook",
  send: (message, signal) => {
    const body = webhookBody(message, letterhead);
    const signature = signatureOf(secret, Math.floor(now() / 1000), body);
    return post(
      { url, body, headers: { "x-rollcall-signature": signature, "x-rollcall-delivery": message.id } },
      signal,
    );
  },
});
