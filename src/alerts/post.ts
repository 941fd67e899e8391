import { type Dispatcher, fetch } from "undici";
import { connectionReason, refuseHost } from "../net/addresses.ts";
import { createDispatcher } from "../net/dispatcher.ts";
import { SendError } from "./channel.ts";

const connectTimeoutMs = 10_000;
/** Maximum characters of a refusal that are read. */
const maxAnswerChars = 200;

/** One call. The URL may be a secret (Slack's is), so errors name only its host. */
export interface Post {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Posts JSON and returns the status, e.g. `200`. @throws SendError for everything but 2xx, redirects included */
export type PostJson = (post: Post, signal: AbortSignal) => Promise<string>;

/** Uses its own agent. Idle connections close after a second. */
export function createPostJson(version: string): PostJson {
  const dispatcher = createDispatcher({ connectMs: connectTimeoutMs, keepAliveMs: 1000 });
  return (post, signal) => send(post, version, dispatcher, signal);
}

async function send(post: Post, version: string, dispatcher: Dispatcher, signal: AbortSignal): Promise<string> {
  const { host, hostname } = new URL(post.url);
  const refused = refuseHost(hostname);
  if (refused !== null) throw new SendError(refused.message);
  let response: Awaited<ReturnType<typeof fetch>>;
  try {
    response = await fetch(post.url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": `rollcall/${version}`, ...post.headers },
      body: post.body,
      redirect: "manual",
      dispatcher,
      signal,
    });
  } catch (error) {
    throw new SendError(
      signal.aborted
        ? `${host} gave no answer in time`
        : `no connection to ${host} (${connectionReason(error, "failed")})`,
    );
  }
  const { status } = response;
  const text = await firstOf(response);
  if (response.ok) return String(status);
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
  const said = status >= 300 && status < 400 ? "a redirect, which is not followed" : text;
  throw new SendError(
    `${host} answered ${status}${said === "" ? "" : `: ${said}`}`,
    Number.isFinite(retryAfter) ? retryAfter * 1000 : null,
  );
}

/** Returns the beginning of an answer on one line, without reading the rest. */
async function firstOf(response: Awaited<ReturnType<typeof fetch>>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length >= maxAnswerChars) break;
    }
  } catch {
    // The status is known already. An incomplete body changes nothing.
  }
  return text.slice(0, maxAnswerChars).replace(/\s+/g, " ").trim();
}
