import type { AlertMessage } from "./outbox.ts";
import type { PostJson } from "./post.ts";
import type { AlertChannel } from "./service.ts";
import { footer, headline, type Letterhead, sender } from "./text.ts";

/** A Slack-compatible incoming webhook: Slack, Mattermost, Rocket.Chat, Discord's `/slack`. */
export interface SlackOptions extends Omit<AlertChannel, "type" | "send"> {
  readonly url: string;
}

/**
 * The three characters that Slack takes for markup of its own (docs.slack.dev, "Formatting message text"); and what the
 * others read, Mattermost and Discord above all: `@channel` as it stands, and Markdown's links. A character of no width
 * between is not seen.
 */
const escaped = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("@", "@\u200b")
    .replaceAll("](", "]\u200b(");

/** Slack refuses a section of more than 3,000 characters. Cut before escaping, so that no entity is cut through. */
const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
const sectionAtMost = 2000;

/** `text` is what notifications show, and all that other products read; the blocks are Slack's own. */
export function slackBody(message: AlertMessage, letterhead: Letterhead): string {
  const title = escaped(cut(headline(message), 300));
  const text = escaped(cut(message.text, sectionAtMost));
  const { consoleUrl } = letterhead;
  const below = [sender(letterhead), footer(message, { ...letterhead, consoleUrl: null })].filter(Boolean).join(" · ");
  const link = consoleUrl === null ? "" : ` · <${encodeURI(consoleUrl)}|open the console>`;
  return JSON.stringify({
    text: `${title}\n${text}`,
    blocks: [
      { type: "section", text: { type: "mrkdwn", text: `*${title.replaceAll("*", "∗")}*\n${text}` } },
      { type: "context", elements: [{ type: "mrkdwn", text: `${escaped(below)}${link}` }] },
    ],
  });
}

/** A message in a chat room. */
export const slackChannel = (
  { url, ...rules }: SlackOptions,
  letterhead: Letterhead,
  post: PostJson,
): AlertChannel => ({
  ...rules,
  type: "slack",
  send: (message, signal) => post({ url, body: slackBody(message, letterhead), headers: {} }, signal),
});
