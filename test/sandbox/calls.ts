import { test } from "vitest";
import {
  type BitwardenSandbox,
  type OnePasswordSandbox,
  startBitwarden,
  startOnePassword,
} from "../../src/sandbox/index.ts";

/** A complete answer. `body` is the parsed JSON, or the text of another type. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: assertions read bodies of every shape
  readonly body: any;
  /** Status with the text of an error, or with the body of another answer. */
  readonly outcome: readonly [number, unknown];
}

/** Sends a request such as `POST /members`. A body that is not text is sent as JSON. */
export type Call = (route: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>;

async function send(base: string, route: string, init: RequestInit): Promise<Answer> {
  const [method = "", path = ""] = route.split(/ (.*)/);
  const response = await fetch(base + path, { method, ...init });
  const text = await response.text();
  const body = response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
  const { status, headers } = response;
  return { status, headers, body, outcome: [status, body.message ?? body.error ?? body] };
}

/** A clock that moves only when a test moves it. */
class Clock {
  ms = Date.parse("2026-11-21T12:00:00Z");
  readonly now = (): number => this.ms;
  advance(seconds: number): void {
    this.ms += seconds * 1000;
  }
}

/** `form` replaces or removes (undefined) fields of a valid request. */
export function bitwardenToken(
  { identityUrl, clientId, clientSecret }: BitwardenSandbox,
  form: Record<string, string | undefined> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const valid = { grant_type: "client_credentials", scope: "api.organization" };
  const fields = { ...valid, client_id: clientId, client_secret: clientSecret, ...form };
  const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
  return send(identityUrl, "POST /connect/token", { body: new URLSearchParams(given), headers });
}

/** Calls the Public API with one token. */
export async function bitwardenCalls(sandbox: BitwardenSandbox): Promise<Call> {
  const { access_token: token } = (await bitwardenToken(sandbox)).body;
  return (route, body, headers) => {
    const type = body === undefined ? {} : { "content-type": "application/json" };
    return send(`${sandbox.apiUrl}/public`, route, {
      body: typeof body === "string" || body === undefined ? (body ?? null) : JSON.stringify(body),
      headers: { authorization: `Bearer ${token}`, ...type, ...headers },
    });
  };
}

export function basic({
  clientId,
  clientSecret,
}: {
  readonly clientId: string;
  readonly clientSecret: string;
}): string {
  return `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`;
}

export function onePasswordToken(
  sandbox: OnePasswordSandbox,
  options: { path?: string; form?: Record<string, string>; authorization?: string } = {},
): Promise<Answer> {
  const { path = "/v1beta1/users/oauth2/token", authorization = basic(sandbox) } = options;
  const body = new URLSearchParams(options.form ?? { grant_type: "client_credentials", scope: "openid" });
  return send(sandbox.apiUrl, `POST ${path}`, { body, headers: { authorization } });
}

/** Calls below `/v1beta1/accounts/{account}` (or another layout), with one token. */
export async function onePasswordCalls(
  sandbox: OnePasswordSandbox,
  { layout = "v1beta1", accountId = sandbox.accountId } = {},
): Promise<Call> {
  const path = layout === "v1" ? "/v1/oauth/token" : "/v1beta1/users/oauth2/token";
  const { access_token: token } = (await onePasswordToken(sandbox, { path })).body;
  return (route, body, headers) =>
    send(`${sandbox.apiUrl}/${layout}/accounts/${accountId}`, route, {
      body: body === undefined ? null : String(body),
      headers: { authorization: `Bearer ${token}`, "user-agent": "RollcallTest/1.0", ...headers },
    });
}

const withClock = test.extend("clock", () => new Clock());

/** A test with an empty emulated Bitwarden organization. */
export const onBitwarden = withClock
  .extend("random", () => Math.random)
  .extend("sandbox", async ({ clock, random }, { onCleanup }) => {
    const sandbox = await startBitwarden({ clock: clock.now, random });
    onCleanup(() => sandbox.close());
    return sandbox;
  })
  .extend("state", ({ sandbox }) => sandbox.state)
  .extend("call", ({ sandbox }) => bitwardenCalls(sandbox));

/** A test with an empty emulated 1Password account. */
export const onOnePassword = withClock
  .extend("sandbox", async ({ clock }, { onCleanup }) => {
    const sandbox = await startOnePassword({ clock: clock.now });
    onCleanup(() => sandbox.close());
    return sandbox;
  })
  .extend("state", ({ sandbox }) => sandbox.state)
  .extend("call", ({ sandbox }) => onePasswordCalls(sandbox));

/** A test with 60 users in 1Password. */
export const onSixtyUsers = onOnePassword.extend("call", ({ sandbox, state }) => {
  for (let count = 0; count < 60; count += 1)
    state.addUser({ email: `u${count}@example.com`, displayName: `U ${count}` });
  return onePasswordCalls(sandbox);
});
