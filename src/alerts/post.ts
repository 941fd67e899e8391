import { lookup } from "node:dns";
import { BlockList, isIP, isIPv4, type LookupFunction } from "node:net";
import { type Dispatcher, EnvHttpProxyAgent, fetch } from "undici";
import { SendError } from "./service.ts";

/** Addresses that hand out a cloud machine's credentials, and those of the link alone: no receiver of alerts lives there. */
const forbidden = new BlockList();
forbidden.addSubnet("169.254.0.0", 16, "ipv4");
forbidden.addSubnet("fe80::", 10, "ipv6");
forbidden.addAddress("fd00:ec2::254", "ipv6");
forbidden.addAddress("100.100.100.200", "ipv4");

/** Is this IP address link-local, or a cloud's metadata service? Private ones are fine: the operator wrote them down. */
export const isForbiddenAddress = (address: string): boolean =>
  forbidden.check(address, isIPv4(address) ? "ipv4" : "ipv6");

const refusal = "its address is link-local or a cloud's metadata service, where no receiver of alerts lives";

/** Looks a name up and refuses forbidden addresses: what is connected to is what was looked at. */
export const guardedLookup: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, "", 0);
    if (addresses.some(({ address }) => isForbiddenAddress(address))) return callback(new SendError(refusal), "", 0);
    const [first] = addresses;
    if (options.all === true) return callback(null, addresses);
    return callback(null, first?.address ?? "", first?.family ?? 4);
  });
};

/** @throws SendError when the host is written as a forbidden address */
export function refuseForbiddenHost(host: string): void {
  const address = host.replace(/^\[|\]$/g, "");
  if (isIP(address) !== 0 && isForbiddenAddress(address)) throw new SendError(refusal);
}

const connectWithinMs = 10_000;
/** What a receiver says is looked at only when it refuses, and never whole. */
const answerAtMost = 200;

/** One call: the URL is a secret (Slack's is), so no error of this names more of it than the host. */
export interface Post {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Posts JSON. @returns e.g. `200`. @throws SendError for anything but 2xx; a redirect is one of those. */
export type PostJson = (post: Post, signal: AbortSignal) => Promise<string>;

/** An own agent that obeys HTTPS_PROXY and NO_PROXY; connections end by themselves when idle. */
export function createPostJson(version: string): PostJson {
  const exceptions = process.env["no_proxy"] ?? process.env["NO_PROXY"] ?? "";
  const dispatcher = new EnvHttpProxyAgent({
    connect: { timeout: connectWithinMs, lookup: guardedLookup },
    keepAliveTimeout: 1000,
    noProxy: [exceptions, "localhost", "127.0.0.1", "[::1]"].filter((host) => host !== "").join(","),
  });
  return (post, signal) => send(post, version, dispatcher, signal);
}

async function send(post: Post, version: string, dispatcher: Dispatcher, signal: AbortSignal): Promise<string> {
  const { host, hostname } = new URL(post.url);
  refuseForbiddenHost(hostname);
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
      signal.aborted ? `${host} gave no answer in time` : `no connection to ${host} (${codeOf(error)})`,
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

/** The beginning of an answer, on one line; the rest is not read. */
async function firstOf(response: Awaited<ReturnType<typeof fetch>>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length >= answerAtMost) break;
    }
  } catch {
    // The status was there: a body that breaks off changes nothing.
  }
  return text.slice(0, answerAtMost).replace(/\s+/g, " ").trim();
}

/** The code that undici and Node put somewhere down the chain of causes; their messages may quote the URL. */
function codeOf(error: unknown): string {
  for (let each = error, depth = 0; each instanceof Error && depth < 8; depth += 1) {
    if (each instanceof SendError) return each.message;
    if ("code" in each && typeof each.code === "string") return each.code;
    // fetch keeps ports of other services to itself (Fetch Standard, "bad port").
    if (each.message === "bad port") return each.message;
    each = each instanceof AggregateError ? each.errors[0] : each.cause;
  }
  return "failed";
}
