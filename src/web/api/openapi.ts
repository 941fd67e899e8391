import { z } from "zod";
import { problemAnswer } from "./answer-schemas.ts";
import type { Route } from "./route.ts";

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Describes the routes as OpenAPI 3.1. Its schemas are JSON Schema 2020-12, written by zod. */
export function describeApi(routes: readonly Route[], version: string) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const each of routes) paths[each.path] = { ...paths[each.path], [each.method]: operation(each) };
  return {
    openapi: "3.1.0",
    info: {
      title: "Rollcall",
      version,
      description:
        "Everything that the console shows and does. Send an admin, operator or viewer token as bearer token. Each answer has an X-Request-Id; the audit trail has the same id on every row that the request caused.",
    },
    servers: [{ url: "/api/v1" }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Problem: schemaOf(problemAnswer, "output") },
    },
  };
}

const always = {
  400: "the input is not valid",
  401: "no token, or a wrong one",
  403: "your role does not allow this",
  429: "too many wrong tokens",
} as const;
const tooLarge = { 413: "the body is larger than 64 kB" } as const;

function operation({ id, tag, role, summary, params, query, body, answer, media, problems }: Route) {
  const good = {
    description: summary,
    content: Object.fromEntries(media.map((each) => [each, { schema: schemaOf(answer, "output") }])),
  };
  const bad = Object.entries({ ...always, ...(body !== null && tooLarge), ...problems }).map(
    ([status, description]) => [
      status,
      {
        description,
        content: {
          "application/json": {
            schema: status === "422" ? schemaOf(answer, "output") : { $ref: "#/components/schemas/Problem" },
          },
        },
      },
    ],
  );
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: `Needs the role ${role}.`,
    parameters: [...parametersOf(params, "path"), ...parametersOf(query, "query")],
    ...(body !== null && {
      requestBody: { required: true, content: { "application/json": { schema: schemaOf(body, "input") } } },
    }),
    responses: { 200: good, ...Object.fromEntries(bad) },
  };
}

/** A time arrives as text and is a number inside: `io` "input" describes it as text. */
function schemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}

function parametersOf(schema: z.ZodType, place: "path" | "query") {
  const { properties = {}, required = [] } = schemaOf(schema, "input");
  return Object.entries(properties).map(([name, each]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    schema: each,
  }));
}
