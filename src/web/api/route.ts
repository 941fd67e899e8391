import type { Request, Response } from "express";
import { z } from "zod";
import type { Cause } from "../../domain/model/entities.ts";
import type { Role } from "../access/role.ts";
import { name } from "./input-schemas.ts";

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

/** The part of an operation that the router and the OpenAPI description read. */
interface Described {
  readonly method: "get" | "post" | "delete";
  /** Below `/api/v1`, with at most the parameters `{id}` and `{target}`: `/people/{id}`. */
  readonly path: string;
  readonly id: string;
  readonly role: Role;
  readonly tag: string;
  /** One line. */
  readonly summary: string;
  /** The answer with status 200. */
  readonly answer: z.ZodType;
  /** Default `application/json`. */
  readonly media: readonly string[];
  /** Other statuses than 200, 400, 401, 403 and 429, with their reasons. */
  readonly problems: Readonly<Record<number, string>>;
}

/** One operation: its input, its answer and the role that it needs. */
export interface Operation<Q, B>
  extends Pick<Described, "path" | "id" | "summary" | "answer">,
    Partial<Pick<Described, "method" | "role" | "media" | "problems">> {
  /** Default: no query. */
  readonly query?: z.ZodType<Q>;
  /** Default: the body is not read. */
  readonly body?: z.ZodType<B>;
  /** `id` and `target` are the parameters of the path; empty if the path has none. */
  handle(
    input: { readonly id: string; readonly target: string; readonly query: Q; readonly body: B },
    call: Call,
  ): Promise<Reply>;
}

/** An operation with its defaults and without its types: the schemas check the input. */
export interface Route extends Described {
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  readonly body: z.ZodType | null;
  run(input: { readonly params: unknown; readonly query: unknown; readonly body: unknown }, call: Call): Promise<Reply>;
}

const nothing = z.strictObject({});
const paramsShape = z.object({ id: name.default(""), target: name.default("") });

/** Makes a route. Input that does not fit the schemas gets 400, with each place and what is wrong there. */
function route<Q, B>({
  handle,
  query,
  body,
  ...rest
}: Operation<Q, B> & Pick<Described, "method" | "role" | "tag">): Route {
  const inPath = [...rest.path.matchAll(/\{(\w+)\}/g)].map(([, key = ""]) => [key, name] as const);
  return {
    media: ["application/json"],
    problems: {},
    ...rest,
    params: z.strictObject(Object.fromEntries(inPath)),
    query: query ?? nothing,
    body: body ?? null,
    async run(input, call) {
      const given = [
        parse(paramsShape, input.params),
        parse(query, input.query),
        parse(body, body === undefined ? {} : input.body),
      ] as const;
      const [params, asked, sent] = given;
      if (params.success && asked.success && sent.success)
        return await handle({ ...params.data, query: asked.data, body: sent.data }, call);
      const wrong = given.flatMap((each) =>
        each.success ? [] : each.error.issues.map(({ path, message }) => `${path.join(".") || "input"}: ${message}`),
      );
      return problem(400, "INVALID", wrong.slice(0, 10).join("; "));
    },
  };
}

/** Input without a schema must be empty. Its type is `unknown`. */
const parse = <T>(schema: z.ZodType<T> | undefined, input: unknown) =>
  (schema ?? (nothing as z.ZodType<T>)).safeParse(input);

/** Makes the routes of one tag. An operation can name another method or role. */
export const routesOf = (tag: string) => ({
  /** GET, for a viewer. */
  read: <Q, B>(operation: Operation<Q, B>): Route => route({ method: "get", role: "viewer", tag, ...operation }),
  /** POST, for an operator. */
  operate: <Q, B>(operation: Operation<Q, B>): Route => route({ method: "post", role: "operator", tag, ...operation }),
  /** POST, for an admin. */
  administer: <Q, B>(operation: Operation<Q, B>): Route => route({ method: "post", role: "admin", tag, ...operation }),
});
