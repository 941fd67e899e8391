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

/** A refusal with its status, its `scimType` if RFC 7644 §3.12 names one, and a detail for the administrator of the client. */
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

/** A 412: the version that the client named is no longer current. */
export const stale = (): ScimError =>
  new ScimError(412, null, "the resource has changed since that version; read it again");

/** The body of an error (RFC 7644 §3.12). `status` is a string. */
export function errorBody(error: ScimError): JsonObject {
  return {
    schemas: [ERROR_URN],
    status: String(error.status),
    ...(error.scimType === null ? {} : { scimType: error.scimType }),
    detail: error.message,
  };
}

/** Wait that a 503 asks for if the store does not say how long. */
const defaultRetryAfterMs = 5000;

/** The answer to an error of the store. Null for an unexpected error, which is answered with 500. */
export function toScimError(error: unknown): ScimError | null {
  if (error instanceof ScimError) return error;
  if (!(error instanceof RollcallError)) return null;
  switch (error.code) {
    case "NOT_FOUND":
      return new ScimError(404, null, error.message);
    case "UNIQUENESS":
      return new ScimError(409, "uniqueness", error.message);
    case "REV_MISMATCH":
      return stale();
    case "UNKNOWN_MEMBER":
    case "TEXT_REFUSED":
      return badRequest("invalidValue", error.message);
    case "STORE_UNAVAILABLE":
    case "STORE_LOCKED":
      return unavailable("Rollcall cannot take requests at the moment; try again", error.retryAfterMs);
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
  return new ScimError(503, null, detail, retryAfter(retryAfterMs ?? defaultRetryAfterMs));
}
