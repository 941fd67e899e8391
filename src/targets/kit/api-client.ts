import type { ZodType } from "zod";
import { hasCode, type RollcallError } from "../../domain/model/errors.ts";
import {
  type Answer,
  describeBody,
  HttpClient,
  type HttpOptions,
  type HttpRequest,
  parseAnswer,
  type Reply,
} from "./http.ts";
import type { TokenKeeper } from "./oauth.ts";

/** Advice for people after an unexpected answer. */
export interface Advice {
  /** After a refusal of the credentials. */
  readonly credentials: string;
  /** After an answer that no such API gives: the keys of the configuration that say where requests go. */
  readonly address: string;
}

/** One page of a list; `next` is the token of the next one, empty on the last. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string;
}

/** More pages than any list has. */
const maxPages = 10_000;

/** Sends calls with an access token, reads lists to their end, and turns answers that nobody expects into errors. */
export class ApiClient {
  readonly http: HttpClient;
  readonly #advice: Advice;

  constructor(options: HttpOptions, advice: Advice) {
    this.http = new HttpClient(options);
    this.#advice = advice;
  }

  /**
   * @throws `TARGET_RATE_LIMITED` when every attempt was answered 429, `NOT_FOUND` when there is no token endpoint, and
   * what `HttpClient.send` and `TokenKeeper.get` throw
   */
  async send(tokens: TokenKeeper, request: HttpRequest, signal: AbortSignal): Promise<Reply> {
    const reply = await tokens.withToken(
      (token) =>
        this.http.send({ ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } }, signal),
      signal,
    );
    if (reply.kind === "lost" || reply.status !== 429) return reply;
    throw this.http.error("TARGET_RATE_LIMITED", `${request.operation} was answered 429 each time; lower rateLimit`, {
      retryAfterMs: this.http.retryAfterMs(reply) ?? 60_000,
    });
  }

  /** @throws `UNEXPECTED_RESPONSE` when the body is no JSON, or is not what the schema says */
  parse<T>(operation: string, answer: Answer, schema: ZodType<T>): T {
    return parseAnswer(this.http, operation, answer, schema);
  }

  /** The error for an answer that has no meaning for this operation. */
  errorOf(operation: string, answer: Answer): RollcallError {
    const what = `${operation} answered ${answer.status} with ${describeBody(answer)}`;
    if (answer.status === 403) {
      const message = `${what}; ${this.#advice.credentials}`;
      return this.http.error("TARGET_REFUSED_CREDENTIALS", message, { isPermanent: true });
    }
    // 500 is about this call; 502 to 504 are about the target as a whole.
    if (answer.status >= 500)
      return this.http.error(answer.status > 500 ? "TARGET_UNREACHABLE" : "UNEXPECTED_RESPONSE", what);
    return this.http.error("UNEXPECTED_RESPONSE", `${what}; check ${this.#advice.address}`);
  }

  /** The error for a token endpoint that answers 404. @throws every other error again */
  noTokenEndpoint(error: unknown, keys: string): RollcallError {
    if (!hasCode(error, "NOT_FOUND")) throw error;
    return this.http.error("UNEXPECTED_RESPONSE", `there is no token endpoint at ${keys} (404); check it`, {
      cause: error,
    });
  }

  /**
   * Reads every page. The first one has the token "".
   * @throws `TARGET_INCOMPLETE` when a token comes twice, or the list has no end
   */
  async readPages<T>(operation: string, read: (token: string) => Promise<Page<T>>): Promise<readonly T[]> {
    const items: T[] = [];
    const seen = new Set<string>();
    let token = "";
    do {
      seen.add(token);
      const page = await read(token);
      for (const item of page.items) items.push(item);
      token = page.next;
      const problem = seen.has(token) ? "gave the same page token twice" : `had not ended after ${maxPages} pages`;
      if (token !== "" && (seen.has(token) || seen.size >= maxPages))
        throw this.http.error("TARGET_INCOMPLETE", `${operation} ${problem}, after ${items.length} entries`);
    } while (token !== "");
    return items;
  }
}
