import { aborted } from "node:util";
import { z } from "zod";
import type { RollcallError } from "../../domain/model/errors.ts";
import { type Answer, describeBody, type HttpClient, jsonOf, type Reply } from "./http.ts";

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

/** A good answer of a token endpoint (RFC 6749 §5.1). Some servers send `expires_in` as text. */
const tokenAnswer = z.looseObject({
  access_token: z.string().min(1),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.coerce.number().nonnegative().default(300),
});

/** An error of a token endpoint (RFC 6749 §5.2). */
const errorAnswer = z.looseObject({ error: z.string().min(1) });

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
    const renewal = this.#renewal;
    const stop = aborted(signal, renewal).then(() => {
      throw this.#http.error("ABORTED", "stopped while waiting for an access token", { cause: signal.reason });
    });
    this.#token = await Promise.race([renewal, stop]);
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
    if (second.kind === "answer" && second.status === 401) throw this.#refused("a fresh access token was answered 401");
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
      const reply = await this.#post("token.revoke", revokeUrl, { token: token.value }, within);
      if (reply.kind === "lost") throw reply.error;
    } catch (error) {
      this.#http.log("warn", "the access token could not be revoked; it expires by itself", { error });
    }
  }

  async #request(): Promise<Token> {
    const { tokenUrl, parameters } = this.#options;
    const form = { ...parameters, grant_type: "client_credentials" };
    const answer = await this.#post("token.get", tokenUrl, form, new AbortController().signal);
    if (answer.kind === "lost") throw answer.error;
    const granted = tokenAnswer.safeParse(jsonOf(answer));
    if (answer.status !== 200 || !granted.success) throw this.#errorOf(answer);
    return this.#tokenOf(granted.data.access_token, granted.data.expires_in);
  }

  #tokenOf(value: string, expiresInS: number): Token {
    const lifeMs = expiresInS * 1000;
    const renewBeforeMs = Math.min(this.#options.renewBeforeMs ?? Math.max(60_000, lifeMs / 12), lifeMs / 2);
    const nowMs = this.#http.clock();
    return { value, renewAtMs: nowMs + lifeMs - renewBeforeMs, expiresAtMs: nowMs + lifeMs };
  }

  /** Quotes nothing but the OAuth error code. */
  #errorOf(answer: Answer): RollcallError {
    const { status } = answer;
    const said = `the token endpoint answered ${status} with ${describeBody(answer)}`;
    if (status === 404) return this.#http.error("NOT_FOUND", `${said}; check the URLs`);
    const retryAfterMs = this.#http.retryAfterMs(answer) ?? 60_000;
    if (status === 429) return this.#http.error("TARGET_RATE_LIMITED", said, { retryAfterMs });
    if (status >= 500) return this.#http.error("TARGET_UNREACHABLE", said);
    const code = status >= 400 ? errorAnswer.safeParse(jsonOf(answer)).data?.error : undefined;
    if (code !== undefined) return this.#refused(`the token endpoint answered "${code}"`);
    if (status === 401 || status === 403) return this.#refused(`the token endpoint answered ${status}`);
    return this.#http.error("UNEXPECTED_RESPONSE", `${said}, not a token; check the URLs`);
  }

  #refused(what: string): RollcallError {
    const message = `${what}; ${this.#options.adviceOnRefusal}`;
    return this.#http.error("TARGET_REFUSED_CREDENTIALS", message, { isPermanent: true });
  }

  /**
   * Sends a form with the client's id and secret. Basic authentication works whether the server decodes id and secret
   * (RFC 6749 §2.3.1) or not, as some do not: `encodeURIComponent` does not change `[A-Za-z0-9._~-]`, which ids and secrets
   * consist of.
   */
  #post(operation: string, url: string, form: Record<string, string>, signal: AbortSignal): Promise<Reply> {
    const { authentication, clientId, clientSecret } = this.#options;
    const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
    const isBasic = authentication === "basic";
    const body = new URLSearchParams({
      ...form,
      ...(!isBasic && { client_id: clientId, client_secret: clientSecret }),
    });
    const headers = {
      "content-type": "application/x-www-form-urlencoded;charset=UTF-8",
      ...(isBasic && { authorization: `Basic ${Buffer.from(pair).toString("base64")}` }),
    };
    const call = { operation, kind: "token", method: "POST", url, headers, isRepeatable: true } as const;
    return this.#http.send({ ...call, body: body.toString() }, signal);
  }
}
