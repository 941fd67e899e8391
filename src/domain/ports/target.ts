import type { Memberships, Observed, TargetSupports } from "../model/account.ts";
import type { RollcallError } from "../model/errors.ts";
import type { Change } from "../model/plan.ts";
import type { Tracer } from "./tracer.ts";

/** Everything, or these entities. A person without a remote id can only be found in everything: the adapter decides. */
export type ObserveScope =
  | { readonly kind: "all" }
  | { readonly kind: "named"; readonly accountIds: readonly string[]; readonly groupIds: readonly string[] };

/** Whose memberships to read; all ids are remote ids. */
export type MembershipQuery =
  | { readonly by: "group"; readonly groupIds: readonly string[] }
  | { readonly by: "account"; readonly accountIds: readonly string[] };

/** What became of one change (architecture, idea 10). */
export type Outcome =
  | { readonly status: "applied"; readonly change: Change; readonly remoteId?: string }
  /** `observeAfterMs`: how long the target may still be busy with it (a call that timed out); default: look soon. */
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

/** What the process gives to a target that it opens. */
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
 * A password manager's account or organization. Knows its API; knows no source, no store, no guard.
 * Every method throws `RollcallError` (`TARGET_*`, `UNEXPECTED_RESPONSE`, `ABORTED`) when the target as a whole can't be used;
 * a refusal of one change is that change's outcome.
 */
export interface Target {
  readonly name: string;
  readonly type: string;
  /** The vendor's id of the organization or account whose people it shows. */
  readonly account: string;
  readonly supports: TargetSupports;
  /** @throws `TARGET_INCOMPLETE` rather than give a part of a list for the whole. */
  observe(scope: ObserveScope, signal: AbortSignal): Promise<Observed>;
  /** @throws `UNEXPECTED_RESPONSE` on a target without groups. */
  observeMemberships(query: MembershipQuery, signal: AbortSignal): Promise<Memberships>;
  /** Gives one outcome for each change, in an order of its own, as soon as it is known. `observed` is what the plan was made from. */
  apply(changes: readonly Change[], observed: Observed, signal: AbortSignal): AsyncIterable<Outcome>;
  /** Token and one read; never throws for what is wrong with the target, but says it. */
  check(signal: AbortSignal): Promise<readonly CheckFinding[]>;
  /**
   * Permissions that the credentials seem to lack, in the vendor's words, as far as that shows without changing anything;
   * only where the vendor has several. @throws as the others
   */
  missingPermissions?(signal: AbortSignal): Promise<readonly string[]>;
  /** Gives back what the vendor lent (access tokens); never throws. */
  close(signal: AbortSignal): Promise<void>;
}
