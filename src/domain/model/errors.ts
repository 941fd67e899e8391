/** Stable codes. Callers decide by code; people read the message. */
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

/** Facts about a failure that decide the next attempt. */
export interface ErrorDetails {
  readonly cause?: unknown;
  /** True if only a person can make the call succeed, for example by more seats. Such a call is retried rarely. */
  readonly isPermanent?: boolean;
  /** When the target wants the next attempt, in milliseconds from now. */
  readonly retryAfterMs?: number;
}

/** The only error class of Rollcall. The message says what happened, with numbers, then what to do. */
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

/** True if `error` is a RollcallError with that code. */
export const hasCode = (error: unknown, code: ErrorCode): error is RollcallError =>
  error instanceof RollcallError && error.code === code;

/** Returns a short text of any thrown value, for log lines and status rows. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : "";
  return cause === "" || error.message.includes(cause) ? error.message : `${error.message} (${cause})`;
}
