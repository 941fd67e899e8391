import type { JsonObject } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";

/** RFC 7644 §3.12, table 9. */
export type ScimType =
  | "invalidFilter"
  | "tooMany"
  | "uniqueness"
  | "mutability"
  | "invalidSyntax"
  | "invalidPath"
  | "noTarget"
  | "invalidValue";

const ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error";

/** A refusal that the client is told about: status, `scimType` where RFC 7644 §3.12 names one, and a detail fit for an administrator's eyes. */
export class ScimError extends Error {
  readonly status: number;
  readonly scimType: ScimType | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    scimType: ScimType | null,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.name = "ScimError";
    this.status = status;
    this.scimType = scimType;
    this.headers = headers;
  }
}

/** A 400 with its `scimType`. */
export const badRequest = (scimType: ScimType, detail: string): ScimError => new ScimError(400, scimType, detail);

export const notFound = (what: string): ScimError => new ScimError(404, null, `${what} not found`);

/** The body of RFC 7644 §3.12; `status` is a string. */
export function errorBody(error: ScimError): JsonObject {
  return {
    schemas: [ERROR_URN],
    status: String(error.status),
    ...(error.scimType === null ? {} : { scimType: error.scimType }),
    detail: error.message,
  };
}

/** Seconds a client should wait after a 503 that says nothing better. */
const RETRY_AFTER_SECONDS = 5;

/** Turns what the store throws into what the client is told; null for an error that nobody foresaw (a 500). */
export function toScimError(error: unknown): ScimError | null {
  if (error instanceof ScimError) return error;
  if (!(error instanceof RollcallError)) return null;
  switch (error.code) {
    case "NOT_FOUND":
      return new ScimError(404, null, error.message);
    case "UNIQUENESS":
      return new ScimError(409, "uniqueness", error.message);
    case "REV_MISMATCH":
      return new ScimError(412, null, "the resource has changed since that version; read it again");
    case "UNKNOWN_MEMBER":
    case "TEXT_REFUSED":
      return badRequest("invalidValue", error.message);
    case "STORE_UNAVAILABLE":
    case "STORE_LOCKED":
      return unavailable("the directory cannot take requests right now; try again", error.retryAfterMs);
    default:
      return null;
  }
}

/** `Retry-After` in whole seconds, at least one (RFC 9110 §10.2.3). */
export const retryAfter = (ms: number): Readonly<Record<string, string>> => ({
  "Retry-After": String(Math.max(1, Math.ceil(ms / 1000))),
});

/** A 503 with `Retry-After`. */
export function unavailable(detail: string, retryAfterMs: number | null = null): ScimError {
  return new ScimError(503, null, detail, retryAfter(retryAfterMs ?? RETRY_AFTER_SECONDS * 1000));
}
