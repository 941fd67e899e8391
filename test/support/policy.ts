import type { TargetPolicy } from "../../src/domain/model/policy.ts";

export const dayMs = 86_400_000;

/** Allows everything at once, so that a test names only the rules that it is about. */
export const lenient: TargetPolicy = {
  userGroups: null,
  groupInclude: null,
  groupExclude: [],
  groupTakeOver: [],
  onDeactivate: "suspend",
  onDelete: "suspend",
  removeAfterMs: null,
  protect: [],
  reactivate: "always",
  maxSeats: null,
  settleMs: 0,
  driftPolicy: "enforce",
  removalLimit: { percent: 100, atLeast: 1000, atMost: 1000, windowMs: dayMs },
};
