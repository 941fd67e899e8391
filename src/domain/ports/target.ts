import type { Memberships, Observed, TargetSupports } from "../model/account.ts";
import type { RollcallError } from "../model/errors.ts";
import type { Change } from "../model/plan.ts";
import type { Tracer } from "./tracer.ts";

/** Everything, or these entities by their remote ids. The adapter may answer with everything. */
export type ObserveScope =
  | { readonly kind: "all" }
  | { readonly kind: "named"; readonly accountIds: readonly string[]; readonly groupIds: readonly string[] };

/** The groups or accounts whose memberships to read. All ids are remote ids. */
export type MembershipQuery =
  | { readonly by: "group"; readonly groupIds: readonly string[] }
  | { readonly by: "account"; readonly accountIds: readonly string[] };

/** Result of one change. Only an observation proves that an `unconfirmed` change was made. */
export type Outcome =
  | { readonly status: "applied"; readonly change: Change; readonly remoteId?: string }
  /** `observeAfterMs`: how long the target may still work on it, for example after a timeout. Default: observe soon. */
  | { readonly status: "unconfirmed"; readonly change: Change; readonly observeAfterMs?: number }
  | { readonly status: "failed"; readonly change: Change; readonly error: RollcallError };

/** One finding of `rollcall check`. */
export interface CheckFinding {
  readonly level: "ok" | "warning" | "error";
  readonly message: string;
}

/** One HTTP exchange, for metrics. `status` is `error` when no answer came. */
export interface TargetRequest {
  readonly operation: string;
  readonly status: number | "error";
  readonly seconds: number;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** The process around a target. */
export interface TargetEnvironment {
  /** The target's name in the configuration. Messages begin with it. */
  readonly name: string;
  /** Version of Rollcall, for `User-Agent: rollcall/<version>`. */
  readonly version: string;
  /** True if plain http may leave this machine. Default false. */
  readonly allowInsecureHttp?: boolean;
  /** PEM of the authorities that sign the server's certificate. Default: those that Node.js trusts. */
  readonly ca?: string | undefined;
  readonly onRequest?: (request: TargetRequest) => void;
  /** `fields` may have an `error`, never a secret. */
  readonly log?: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/**
 * A Bitwarden organization or a 1Password account. It knows only its API. Every method throws `RollcallError` (`TARGET_*`,
 * `UNEXPECTED_RESPONSE`, `ABORTED`) if the target as a whole can't be used. A refusal of one change is that change's outcome.
 */
export interface Target {
  readonly name: string;
  readonly type: string;
  /** The vendor's id of the organization or account. */
  readonly account: string;
  readonly supports: TargetSupports;
  /** Throws `TARGET_INCOMPLETE` if it can't read a complete list. */
  observe(scope: ObserveScope, signal: AbortSignal): Promise<Observed>;
  /** Throws `UNEXPECTED_RESPONSE` on a target without groups. */
  observeMemberships(query: MembershipQuery, signal: AbortSignal): Promise<Memberships>;
  /** Yields one outcome per change, as soon as it is known, in any order. `observed`: what the plan was made from. */
  apply(changes: readonly Change[], observed: Observed, signal: AbortSignal): AsyncIterable<Outcome>;
  /** Gets a token and reads once. Reports what is wrong with the target instead of throwing. */
  check(signal: AbortSignal): Promise<readonly CheckFinding[]>;
  /** Returns permissions that the credentials seem to lack, in the vendor's words. Changes nothing. */
  missingPermissions?(signal: AbortSignal): Promise<readonly string[]>;
  /** Revokes access tokens. Never throws. */
  close(signal: AbortSignal): Promise<void>;
}
