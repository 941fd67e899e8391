import type { RollcallError } from "../model/errors.ts";
import type { Change } from "../model/plan.ts";

/** `invited`, `accepted` and `active` people have (or are about to have) access; `staged` ones are provisioned but not invited. */
export type AccountState = "invited" | "accepted" | "active" | "suspended" | "staged" | "unknown";

/** A person as the target shows them. */
export interface ObservedAccount {
  readonly remoteId: string;
  /** Trimmed, lower case. */
  readonly email: string;
  readonly externalId: string | null;
  readonly state: AccountState;
  /** The vendor's role in lower case (`owner`, `admin`, `user`, `custom`); null where the API shows none. */
  readonly role: string | null;
  /** False while nobody has taken up the invitation: restoring such a person should mail them again. Null where unknown. */
  readonly hasAccount: boolean | null;
}

export interface ObservedGroup {
  readonly remoteId: string;
  readonly name: string;
  readonly externalId: string | null;
}

/** What the target says right now (architecture, idea 5). */
export interface Observed {
  /** True when `members` and `groups` are everything there is; then what is missing does not exist. */
  readonly isComplete: boolean;
  readonly members: readonly ObservedAccount[];
  readonly groups: readonly ObservedGroup[];
  /** Of a scope with named entities: the remote ids that the target says do not exist. */
  readonly missingRemoteIds: readonly string[];
}

/** Everything, or these entities. A person without a remote id can only be found in everything: the adapter decides. */
export type ObserveScope =
  | { readonly kind: "all" }
  | { readonly kind: "named"; readonly memberIds: readonly string[]; readonly groupIds: readonly string[] };

/** Whose memberships to read; all ids are remote ids. */
export type MembershipQuery =
  | { readonly by: "group"; readonly groupIds: readonly string[] }
  | { readonly by: "member"; readonly memberIds: readonly string[] };

/** Per queried id the remote ids on the other side. An id that no longer exists is left out. */
export type Memberships = ReadonlyMap<string, readonly string[]>;

/** What became of one change (architecture, idea 10). */
export type Outcome =
  | { readonly status: "applied"; readonly change: Change; readonly remoteId?: string }
  /** `observeAfterMs`: how long the target may still be busy with it (a call that timed out); default: look soon. */
  | { readonly status: "unconfirmed"; readonly change: Change; readonly observeAfterMs?: number }
  | { readonly status: "failed"; readonly change: Change; readonly error: RollcallError };

export interface TargetSupports {
  readonly invite: boolean;
  readonly remove: boolean;
  readonly groups: boolean;
  /** Can a member carry our key? Where not, people are matched by e-mail address and the link alone. */
  readonly externalIds: boolean;
}

/** One finding of `rollcall check`. */
export interface CheckFinding {
  readonly level: "ok" | "warning" | "error";
  readonly message: string;
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
