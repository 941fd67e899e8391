import type { Request, Response } from "express";
import { z } from "zod";
import type { Cause } from "../../domain/model/entities.ts";
import type { Role } from "../access/role.ts";

/** The request behind an operation, and who sent it. */
export interface Call {
  readonly request: Request;
  readonly response: Response;
  readonly cause: Cause;
}

/** The result of an operation: a document, or "written" if the operation has sent its answer itself. */
export type Reply = Document | "written";

export interface Document {
  readonly status: number;
  readonly body: unknown;
}

export const ok = (body: unknown): Document => ({ status: 200, body });
/** An error of the API: `{"error":{"code","message"}}`. */
export const problem = (status: number, code: string, message: string): Document => ({
  status,
  body: { error: { code, message } },
});

/** One operation: its input, its answer and the role that it needs. The router and the OpenAPI description read it. */
export interface Operation<P, Q, B> {
  readonly method: "get" | "post" | "delete";
  /** Below `/api/v1`, parameters in braces: `/people/{id}`. */
  readonly path: string;
  readonly id: string;
  readonly role: Role;
  readonly tag: string;
  /** One line. */
  readonly summary: string;
  /** Default: no parameters. */
  readonly params?: z.ZodType<P>;
  /** Default: no query. */
  readonly query?: z.ZodType<Q>;
  /** Default: the body is not read. */
  readonly body?: z.ZodType<B>;
  /** The answer with status 200. */
  readonly answer: z.ZodType;
  /** Default `application/json`. */
  readonly media?: readonly string[];
  /** Other statuses than 200, 400, 401, 403 and 429, with their reasons. */
  readonly problems?: Readonly<Record<number, string>>;
  handle(input: { readonly params: P; readonly query: Q; readonly body: B }, call: Call): Promise<Reply>;
}

/** An operation with its defaults and without its types: the schemas check the input. */
export interface Route
  extends Required<Pick<Operation<unknown, unknown, unknown>, "params" | "query" | "problems" | "media">>,
    Pick<Operation<unknown, unknown, unknown>, "method" | "path" | "id" | "role" | "tag" | "summary" | "answer"> {
  readonly body: z.ZodType | null;
  run(input: { readonly params: unknown; readonly query: unknown; readonly body: unknown }, call: Call): Promise<Reply>;
}

const nothing = z.strictObject({});

/** Makes a route. Input that does not fit the schemas gets 400, with each place and what is wrong there. */
export function route<P, Q, B>({ handle, ...operation }: Operation<P, Q, B>): Route {
  return {
    params: nothing,
    query: nothing,
    media: ["application/json"],
    problems: {},
    ...operation,
    body: operation.body ?? null,
    async run(input, call) {
      const params = parse(operation.params, input.params);
      const query = parse(operation.query, input.query);
      const body = parse(operation.body, operation.body === undefined ? {} : input.body);
      if (params.success && query.success && body.success)
        return await handle({ params: params.data, query: query.data, body: body.data }, call);
      const wrong = [params, query, body].flatMap((each) =>
        each.success ? [] : each.error.issues.map(({ path, message }) => `${path.join(".") || "input"}: ${message}`),
      );
      return problem(400, "INVALID", wrong.slice(0, 10).join("; "));
    },
  };
}

/** Input without a schema must be empty. Its type is `unknown`. */
const parse = <T>(schema: z.ZodType<T> | undefined, input: unknown) =>
  (schema ?? (nothing as z.ZodType<T>)).safeParse(input);
