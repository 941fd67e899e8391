import type { Request, Response } from "express";
import type { z } from "zod";
import type { Cause } from "../../domain/model/entities.ts";
import type { Role } from "../access/role.ts";

/** Who asks, and under which id. */
export interface Call {
  readonly request: Request;
  readonly response: Response;
  readonly cause: Cause;
}

/** What a route answers: a document, or nothing more because it has written its answer itself. */
export type Reply = Document | "written";

export interface Document {
  readonly status: number;
  readonly body: unknown;
}

export const ok = (body: unknown): Document => ({ status: 200, body });
/** An error as all of the API's: `{"error":{"code","message"}}`. */
export const problem = (status: number, code: string, message: string): Document => ({
  status,
  body: { error: { code, message } },
});

/** One operation: what it takes, what it gives, who may. The router and the OpenAPI description are made from it. */
export interface Operation<P, Q, B> {
  readonly method: "get" | "post" | "delete";
  /** Below `/api/v1`, parameters in braces: `/people/{id}`. */
  readonly path: string;
  readonly id: string;
  readonly role: Role;
  readonly tag: string;
  /** One line. */
  readonly summary: string;
  readonly params: z.ZodType<P>;
  readonly query: z.ZodType<Q>;
  /** Null: takes none, and reads none. */
  readonly body: z.ZodType<B> | null;
  /** Of status 200. */
  readonly answer: z.ZodType;
  /** Default `application/json`. */
  readonly media?: readonly string[];
  /** Statuses beside 200, 400, 401, 403 and 429 that it may answer, with why. */
  readonly problems: Readonly<Record<number, string>>;
  handle(input: { readonly params: P; readonly query: Q; readonly body: B }, call: Call): Promise<Reply>;
}

/** An operation without its types: input goes through the schemas. */
export interface Route extends Omit<Operation<unknown, unknown, unknown>, "handle"> {
  run(input: { readonly params: unknown; readonly query: unknown; readonly body: unknown }, call: Call): Promise<Reply>;
}

/** Makes a route: what does not fit the schemas is answered 400 with each place and what is wrong there. */
export function route<P, Q, B>(operation: Operation<P, Q, B>): Route {
  const { handle, ...rest } = operation;
  return {
    ...rest,
    async run(input, call) {
      const params = operation.params.safeParse(input.params);
      const query = operation.query.safeParse(input.query);
      const body = operation.body?.safeParse(input.body) ?? ({ success: true, data: undefined } as const);
      if (params.success && query.success && body.success) {
        // Without a schema there is no body, and its type is undefined.
        return await handle({ params: params.data, query: query.data, body: body.data as B }, call);
      }
      const wrong = [params, query, body].flatMap((each) =>
        each.success ? [] : each.error.issues.map(({ path, message }) => `${path.join(".") || "input"}: ${message}`),
      );
      return problem(400, "INVALID", wrong.slice(0, 10).join("; "));
    },
  };
}
