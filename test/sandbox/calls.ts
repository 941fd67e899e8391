import type { BitwardenSandbox, OnePasswordSandbox } from "../../src/sandbox/index.ts";

/** A complete answer. `body` is the parsed JSON, or the text of another type. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: assertions read bodies of every shape
  readonly body: any;
}

export type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>;

export async function answer(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : text };
}

/** A clock that moves only when a test moves it. */
export class Clock {
  ms = Date.parse("2026-11-21T12:00:00Z");
  readonly now = (): number => this.ms;
  advance(seconds: number): void {
    this.ms += seconds * 1000;
  }
}

export function bitwardenToken(
  sandbox: BitwardenSandbox,
  form: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    scope: "api.organization",
    client_id: sandbox.clientId,
    client_secret: sandbox.clientSecret,
    ...form,
  });
  return fetch(`${sandbox.identityUrl}/connect/token`, { method: "POST", body, headers }).then(answer);
}

/** Calls the Public API with one token. */
export async function bitwardenCalls(sandbox: BitwardenSandbox): Promise<Call> {
  const { access_token } = (await bitwardenToken(sandbox)).body;
  return (method, path, body, headers = {}) => {
    const json: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
    return fetch(sandbox.apiUrl + path, {
      method,
      body: text,
      headers: { authorization: `Bearer ${access_token}`, ...json, ...headers },
    }).then(answer);
  };
}

export function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;
}

export function onePasswordToken(
  sandbox: OnePasswordSandbox,
  options: { path?: string; form?: Record<string, string>; authorization?: string } = {},
): Promise<Answer> {
  const body = new URLSearchParams(options.form ?? { grant_type: "client_credentials", scope: "openid" });
  const authorization = options.authorization ?? basic(sandbox.clientId, sandbox.clientSecret);
  return fetch(sandbox.apiUrl + (options.path ?? "/v1beta1/users/oauth2/token"), {
    method: "POST",
    body,
    headers: { authorization },
  }).then(answer);
}

/** Calls below `/v1beta1/accounts/{account}` (or another layout), with one token. */
export async function onePasswordCalls(
  sandbox: OnePasswordSandbox,
  layout: "v1beta1" | "v1" = "v1beta1",
): Promise<Call> {
  const path = layout === "v1" ? "/v1/oauth/token" : "/v1beta1/users/oauth2/token";
  const { access_token } = (await onePasswordToken(sandbox, { path })).body;
  return (method, rest, body, headers = {}) =>
    fetch(`${sandbox.apiUrl}/${layout}/accounts/${sandbox.accountId}${rest}`, {
      method,
      body: body === undefined ? null : String(body),
      headers: { authorization: `Bearer ${access_token}`, "user-agent": "RollcallTest/1.0", ...headers },
    }).then(answer);
}
