import type { ObservedAccount } from "./account.ts";

/** The configuration of one target, in the words of the domain. */
export interface TargetPolicy {
  /** Patterns of groups whose members belong in the target. Null: everybody belongs. */
  readonly userGroups: readonly string[] | null;
  /** Patterns of groups that the target gets. Null: all. */
  readonly groupInclude: readonly string[] | null;
  readonly groupExclude: readonly string[];
  /** Patterns of groups that may adopt a group of the same name with another system's externalId. */
  readonly groupTakeOver: readonly string[];
  readonly onDeactivate: "suspend" | "remove" | "ignore";
  readonly onDelete: "suspend" | "remove" | "ignore";
  /** Time after the deletion in the source until a suspended account is removed. Null: never. */
  readonly removeAfterMs: number | null;
  /** Roles (`owner`, `admin`) and e-mail addresses that Rollcall never changes. Owners always belong to them. */
  readonly protect: readonly string[];
  /** Which suspended accounts of active users are restored. `own`: those that Rollcall suspended. */
  readonly reactivate: "own" | "always" | "never";
  /** Maximum seats taken. Null: no limit. */
  readonly maxSeats: number | null;
  /** Time between a user's creation and the invitation. */
  readonly settleMs: number;
  readonly driftPolicy: "enforce" | "report";
  readonly removalLimit: RemovalLimitPolicy;
}

/** See `removalLimitOf`. */
export interface RemovalLimitPolicy {
  readonly percent: number;
  readonly atLeast: number;
  readonly atMost: number;
  readonly windowMs: number;
}

/** True if any pattern matches the name. `*` is any text, `?` one character. Letter case does not count. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  const characters = [...name.toLowerCase()];
  return patterns.some((pattern) => isMatch([...pattern.toLowerCase()], characters));
}

/** A regular expression could take years for "a*a*a*b" and a long name. This tries only the last star again. */
function isMatch(pattern: readonly string[], name: readonly string[]): boolean {
  let at = 0;
  let star = -1;
  let resumeAt = 0;
  for (let index = 0; index < name.length; ) {
    if (pattern[at] === "*") {
      star = at;
      resumeAt = index;
      at += 1;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === name[index])) {
      at += 1;
      index += 1;
    } else if (star === -1) {
      return false;
    } else {
      resumeAt += 1;
      index = resumeAt;
      at = star + 1;
    }
  }
  return pattern.slice(at).every((character) => character === "*");
}

/** True for owners, and for the roles and addresses that the configuration names. */
export function isProtected(account: Pick<ObservedAccount, "role" | "email">, policy: TargetPolicy): boolean {
  return (
    account.role === "owner" ||
    policy.protect.some((each) => each.toLowerCase() === account.role) ||
    isProtectedAddress(account.email, policy)
  );
}

/** True if the configuration protects this address. */
export const isProtectedAddress = (email: string | null, policy: TargetPolicy): boolean =>
  policy.protect.some((each) => each.toLowerCase() === email);
