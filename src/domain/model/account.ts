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
  readonly accounts: readonly ObservedAccount[];
  readonly groups: readonly ObservedGroup[];
  /** Of a scope with named entities: the remote ids that the target says do not exist. */
  readonly missingRemoteIds: readonly string[];
}

/** Per queried id the remote ids on the other side. An id that no longer exists is left out. */
export type Memberships = ReadonlyMap<string, readonly string[]>;

export interface TargetSupports {
  readonly invite: boolean;
  readonly remove: boolean;
  readonly groups: boolean;
  /** Can a member carry our key? Where not, people are matched by e-mail address and the link alone. */
  readonly externalIds: boolean;
}
