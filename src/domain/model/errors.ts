/** Stable codes; callers decide by code, people read the message. */
export type ErrorCode =
  | "CONFIG_INVALID"
  | "SECRET_UNREADABLE"
  | "STORE_LOCKED"
  | "STORE_UNAVAILABLE"
  | "NOT_FOUND"
  | "UNIQUENESS"
  | "REV_MISMATCH"
  | "UNKNOWN_MEMBER"
  | "TEXT_REFUSED"
  | "SNAPSHOT_REFUSED"
  | "SOURCE_UNAVAILABLE"
  | "SOURCE_INCOMPLETE"
  | "TARGET_UNREACHABLE"
  | "TARGET_REFUSED_CREDENTIALS"
  | "TARGET_RATE_LIMITED"
  | "TARGET_REFUSED"
  | "TARGET_INCOMPLETE"
  | "TARGET_CHANGED"
  | "UNEXPECTED_RESPONSE"
  | "DISMISSED"
  | "ABORTED";

/** What a failed call means for the next attempt. */
export interface ErrorDetails {
  readonly cause?: unknown;
  /** True when only a person can make the same call succeed (a policy, a seat limit): retried rarely. */
  readonly isPermanent?: boolean;
  /** The vendor's own wish for the next attempt, in milliseconds from now. */
  readonly retryAfterMs?: number;
}

/** The one error class of Rollcall. The message says what, on what, with numbers, then what to do. */
export class RollcallError extends Error {
  readonly code: ErrorCode;
  readonly isPermanent: boolean;
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "RollcallError";
    this.code = code;
    this.isPermanent = details.isPermanent ?? false;
    this.retryAfterMs = details.retryAfterMs ?? null;
  }
}

/** True when `error` is a RollcallError with that code. */
export const hasCode = (error: unknown, code: ErrorCode): error is RollcallError =>
  error instanceof RollcallError && error.code === code;

/** A short text of any thrown value, fit for a log line or a status row. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : "";
  return cause === "" || error.message.includes(cause) ? error.message : `${error.message} (${cause})`;
}
