/** What one target is allowed and asked to do: the configuration, in the words of the domain. */
export interface TargetPolicy {
  /** Patterns of directory groups whose members belong here; null: everybody. */
  readonly userGroups: readonly string[] | null;
  /** Patterns of groups that are pushed; null: all. */
  readonly groupInclude: readonly string[] | null;
  readonly groupExclude: readonly string[];
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
  readonly budget: BudgetPolicy;
}

/** See `budgetOf`. */
export interface BudgetPolicy {
  readonly percent: number;
  readonly atLeast: number;
  readonly atMost: number;
  readonly windowMs: number;
}

/** Does any pattern match the name? `*` is any text, `?` one character; letter case does not count. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => toRegExp(pattern).test(name));
}

function toRegExp(pattern: string): RegExp {
  // Runs of stars are one star: "a**b" must not become a pattern that backtracks.
  const source = pattern.replace(/\*+/g, "*").replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${source}$`, "isu");
}
