import type { ObservedAccount } from "./account.ts";

/** What one target is allowed and asked to do: the configuration, in the words of the domain. */
export interface TargetPolicy {
  /** Patterns of directory groups whose members belong here; null: everybody. */
  readonly userGroups: readonly string[] | null;
  /** Patterns of groups that are pushed; null: all. */
  readonly groupInclude: readonly string[] | null;
  readonly groupExclude: readonly string[];
  /** Patterns of groups that may take over a namesake which carries the externalId of another system. */
  readonly groupTakeOver: readonly string[];
  readonly onDeactivate: "suspend" | "remove" | "ignore";
  readonly onDelete: "suspend" | "remove" | "ignore";
  /** How long someone must be gone from the directory before a suspended member is removed; null: never. */
  readonly removeAfterMs: number | null;
  /** Roles (`owner`, `admin`) or e-mail addresses that nothing is ever done to. Owners always are, named or not. */
  readonly protect: readonly string[];
  /** Who may be reactivated when the directory says active: people whom Rollcall suspended, everybody, nobody. */
  readonly reactivate: "own" | "always" | "never";
  /** Seats that may be taken; null: no limit of ours. */
  readonly maxSeats: number | null;
  /** How long a person must have been in the directory before an invitation goes out. */
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

/** Does any pattern match the name? `*` is any text, `?` one character; letter case does not count. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  const characters = [...name.toLowerCase()];
  return patterns.some((pattern) => isMatch([...pattern.toLowerCase()], characters));
}

/** No regular expression: "a*a*a*b" against a long name would have one try for years. Here the last star alone is tried again. */
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

/** Owners always, and the roles and addresses that the configuration names. */
export function isProtected(member: Pick<ObservedAccount, "role" | "email">, policy: TargetPolicy): boolean {
  return (
    member.role === "owner" ||
    policy.protect.some((each) => each.toLowerCase() === member.role) ||
    isProtectedAddress(member.email, policy)
  );
}

/** Is the address one that the configuration names? */
export const isProtectedAddress = (email: string | null, policy: TargetPolicy): boolean =>
  policy.protect.some((each) => each.toLowerCase() === email);
