export const accountStates = ["invited", "accepted", "active", "suspended", "staged", "unknown"] as const;
/** `invited`, `accepted` and `active` accounts have access, or get it soon. `staged` ones are created but not invited. */
export type AccountState = (typeof accountStates)[number];

/** An account as the target shows it. */
export interface ObservedAccount {
  readonly remoteId: string;
  /** Trimmed, lower case. */
  readonly email: string;
  readonly externalId: string | null;
  readonly state: AccountState;
  /** The target's role in lower case (`owner`, `admin`, `user`, `custom`). Null if the API shows none. */
  readonly role: string | null;
  /** False until the person accepts the invitation: after a restore they need a new mail. Null: not known. */
  readonly hasAccount: boolean | null;
}

export interface ObservedGroup {
  readonly remoteId: string;
  readonly name: string;
  readonly externalId: string | null;
}

/** The accounts and groups that the target shows now. */
export interface Observed {
  /** True if `accounts` and `groups` are complete: an account that is not listed does not exist. */
  readonly isComplete: boolean;
  readonly accounts: readonly ObservedAccount[];
  readonly groups: readonly ObservedGroup[];
  /** The remote ids that were asked for by name and do not exist. */
  readonly missingRemoteIds: readonly string[];
}

/** By the remote id that was asked for: the remote ids on the other side. An id that no longer exists is left out. */
export type Memberships = ReadonlyMap<string, readonly string[]>;

export interface TargetSupports {
  readonly invite: boolean;
  readonly remove: boolean;
  readonly groups: boolean;
  /** True if an account can carry Rollcall's key. If not, only the link and the e-mail address identify it. */
  readonly externalIds: boolean;
}
