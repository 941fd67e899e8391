import {
  type AuthorizationServer,
  allowInsecureRequests,
  type Client,
  type ClientAuth,
  ClientSecretPost,
  type CustomFetchOptions,
  clientCredentialsGrantRequest,
  customFetch,
  processClientCredentialsResponse,
  ResponseBodyError,
  revocationRequest,
  WWWAuthenticateChallengeError,
} from "oauth4webapi";
import type { RollcallError } from "../../domain/model/errors.ts";
import { type Answer, describeBody, type HttpClient, type Reply } from "./http.ts";

/** One OAuth client at one token endpoint. */
export interface TokenOptions {
  readonly http: HttpClient;
  readonly tokenUrl: string;
  /** Null if the vendor can't revoke a token. */
  readonly revokeUrl: string | null;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Client authentication: in the body (`client_secret_post`) or in the header (`client_secret_basic`), RFC 6749 §2.3.1. */
  readonly authentication: "post" | "basic";
  /** Parameters besides the grant type, such as the scope. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Time before its end when a token is renewed, milliseconds. Default: a twelfth of its life, minimum 60 s. */
  readonly renewBeforeMs?: number;
  /** Advice for people when the vendor refuses id and secret. */
  readonly adviceOnRefusal: string;
}

interface Token {
  readonly value: string;
  readonly renewAtMs: number;
  readonly expiresAtMs: number;
}

/** Maximum time to revoke a token, because it delays a shutdown. */
const revokeWithinMs = 3_000;

/** One access token (RFC 6749 §4.4) for all calls of a target. It is renewed before it expires. */
export class TokenKeeper {
  readonly #options: TokenOptions;
  readonly #http: HttpClient;
  #token: Token | null = null;
  #renewal: Promise<Token> | null = null;

  constructor(options: TokenOptions) {
    this.#options = options;
    this.#http = options.http;
  }

  /**
   * A token that is good for a while; concurrent callers share one request.
   * @throws `TARGET_REFUSED_CREDENTIALS`, `NOT_FOUND` when the token endpoint answers 404, `TARGET_UNREACHABLE`,
   * `TARGET_RATE_LIMITED`, `UNEXPECTED_RESPONSE`, `ABORTED`
   */
  async get(signal: AbortSignal): Promise<string> {
    if (this.#token !== null && this.#http.clock() < this.#token.renewAtMs) return this.#token.value;
    // The renewal is for every caller, so no caller's signal may end it. The timeouts of the client do.
    this.#renewal ??= this.#request().finally(() => {
      this.#renewal = null;
    });
    this.#token = await orAborted(this.#renewal, signal, this.#http);
    return this.#token.value;
  }

  /**
   * Calls with a token; a 401 renews it once and calls once more.
   * @throws as `get`, and `TARGET_REFUSED_CREDENTIALS` when a fresh token is answered 401 as well
   */
  async withToken(call: (token: string) => Promise<Reply>, signal: AbortSignal): Promise<Reply> {
    const token = await this.get(signal);
    const reply = await call(token);
    if (reply.kind === "lost" || reply.status !== 401) return reply;
    if (this.#token?.value === token) this.#token = null; // else another call has renewed it meanwhile
    const second = await call(await this.get(signal));
    if (second.kind === "answer" && second.status === 401)
      throw this.#refused("a fresh access token was answered 401", undefined);
    return second;
  }

  /** Revokes the token, within 3 s. A failure is logged, never thrown. */
  async revoke(signal: AbortSignal): Promise<void> {
    const { revokeUrl } = this.#options;
    const token = this.#token;
    this.#token = null;
    if (revokeUrl === null || token === null || token.expiresAtMs <= this.#http.clock()) return;
    const within = AbortSignal.any([signal, AbortSignal.timeout(revokeWithinMs)]);
    try {
      const send = this.#fetchThrough("token.revoke", within);
      await revocationRequest(
        { ...this.#server, revocation_endpoint: revokeUrl },
        this.#client,
        this.#clientAuth,
        token.value,
        send,
      );
    } catch (error) {
      this.#http.log("warn", "the access token could not be revoked; it expires by itself", { error });
    }
  }

  async #request(): Promise<Token> {
    let answer: Answer | undefined;
    const send = this.#fetchThrough("token.get", new AbortController().signal, (seen) => {
      answer = seen;
    });
    const parameters = { ...this.#options.parameters };
    const response = await clientCredentialsGrantRequest(
      this.#server,
      this.#client,
      this.#clientAuth,
      parameters,
      send,
    );
    if (answer !== undefined) this.#refuseUnusable(answer);
    try {
      const granted = await processClientCredentialsResponse(this.#server, this.#client, response);
      return this.#tokenOf(granted.access_token, granted.expires_in ?? 300);
    } catch (error) {
      throw this.#explain(error, answer);
    }
  }

  #tokenOf(value: string, expiresInS: number): Token {
    const lifeMs = expiresInS * 1000;
    const renewBeforeMs = Math.min(this.#options.renewBeforeMs ?? Math.max(60_000, lifeMs / 12), lifeMs / 2);
    const nowMs = this.#http.clock();
    return { value, renewAtMs: nowMs + lifeMs - renewBeforeMs, expiresAtMs: nowMs + lifeMs };
  }

  /** Throws for statuses that are not about id and secret. */
  #refuseUnusable(answer: Answer): void {
    const { status } = answer;
    const said = `the token endpoint answered ${status} with ${describeBody(answer)}`;
    if (status === 404) throw this.#http.error("NOT_FOUND", `${said}; check the URLs`);
    const retryAfterMs = this.#http.retryAfterMs(answer) ?? 60_000;
    if (status === 429) throw this.#http.error("TARGET_RATE_LIMITED", said, { retryAfterMs });
    if (status >= 500) throw this.#http.error("TARGET_UNREACHABLE", said);
  }

  /** Keeps only the OAuth error code. The causes of the library's errors have whole bodies. */
  #explain(error: unknown, answer: Answer | undefined): RollcallError {
    if (error instanceof ResponseBodyError)
      return this.#refused(`the token endpoint answered "${error.error}"`, error.error);
    if (error instanceof WWWAuthenticateChallengeError)
      return this.#refused("the token endpoint answered 401", undefined);
    if (answer?.status === 401 || answer?.status === 403)
      return this.#refused(`the token endpoint answered ${answer.status}`, undefined);
    const got = answer === undefined ? "nothing" : `${answer.status} with ${describeBody(answer)}`;
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    return this.#http.error(
      "UNEXPECTED_RESPONSE",
      `the token endpoint answered ${got} (${code}), not a token; check the URLs`,
    );
  }

  #refused(what: string, oauthError: string | undefined): RollcallError {
    const details = { isPermanent: true, cause: new Error(oauthError ?? what) };
    return this.#http.error("TARGET_REFUSED_CREDENTIALS", `${what}; ${this.#options.adviceOnRefusal}`, details);
  }

  get #server(): AuthorizationServer {
    return { issuer: new URL(this.#options.tokenUrl).origin, token_endpoint: this.#options.tokenUrl };
  }

  get #client(): Client {
    return { client_id: this.#options.clientId };
  }

  get #clientAuth(): ClientAuth {
    const { authentication, clientSecret } = this.#options;
    return authentication === "post" ? ClientSecretPost(clientSecret) : plainBasic(clientSecret);
  }

  /** Lets the library call through the HTTP client, with its dispatcher, timeouts and limits. The client refuses plain http. */
  #fetchThrough(operation: string, signal: AbortSignal, onAnswer?: (answer: Answer) => void) {
    const send = async (url: string, request: CustomFetchOptions<"POST", URLSearchParams>): Promise<Response> => {
      const call = {
        operation,
        kind: "token",
        method: "POST",
        url,
        headers: request.headers,
        isRepeatable: true,
      } as const;
      const reply = await this.#http.send({ ...call, body: request.body.toString() }, signal);
      if (reply.kind === "lost") throw reply.error;
      onAnswer?.(reply);
      return new Response(reply.text === "" ? null : reply.text, { status: reply.status, headers: reply.headers });
    };
    return { [customFetch]: send, [allowInsecureRequests]: true };
  }
}

/**
 * Basic authentication that works whether the server decodes id and secret (RFC 6749 §2.3.1) or not, as some do not.
 * `encodeURIComponent` does not change `[A-Za-z0-9._~-]`, which ids and secrets consist of. The library's
 * ClientSecretBasic also encodes `-`, `_`, `.` and `~`, so a server that does not decode would refuse it.
 */
function plainBasic(clientSecret: string): ClientAuth {
  return (_server, client, _body, headers) => {
    const pair = `${encodeURIComponent(client.client_id)}:${encodeURIComponent(clientSecret)}`;
    headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
  };
}

/** Waits until the signal is aborted. The work itself goes on for other callers. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal, http: HttpClient): Promise<T> {
  const stop = Promise.withResolvers<never>();
  const onAbort = (): void =>
    stop.reject(http.error("ABORTED", "stopped while waiting for an access token", { cause: signal.reason }));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, stop.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
