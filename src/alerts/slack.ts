import { type AlertChannel, footer, headline, type Letterhead, sender } from "./channel.ts";
import type { AlertMessage } from "./incidents.ts";
import type { PostJson } from "./post.ts";

/** A Slack-compatible incoming webhook: Slack, Mattermost, Rocket.Chat, Discord's `/slack`. */
export interface SlackOptions extends Omit<AlertChannel, "type" | "send"> {
  readonly url: string;
}

/**
 * Escapes the three characters of Slack's markup (docs.slack.dev, "Formatting message text"). Mattermost and Discord also
 * read `@channel` and Markdown links: an invisible character of no width breaks these.
 */
const escaped = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("@", "@\u200b")
    .replaceAll("](", "]\u200b(");

/** Slack refuses a section of more than 3,000 characters. Text is cut before it is escaped, so that no entity is cut. */
const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
const maxSectionChars = 2000;

/** Returns the body. Notifications and other products use `text`; Slack shows the blocks. */
export function slackBody(message: AlertMessage, letterhead: Letterhead): string {
  const title = escaped(cut(headline(message), 300));
  const text = escaped(cut(message.text, maxSectionChars));
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

/** Sends messages to a chat channel. */
export const slackChannel = (
  { url, ...rules }: SlackOptions,
  letterhead: Letterhead,
  post: PostJson,
): AlertChannel => ({
  ...rules,
  type: "slack",
  send: (message, signal) => post({ url, body: slackBody(message, letterhead), headers: {} }, signal),
});
