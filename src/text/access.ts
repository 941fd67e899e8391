import type { ObservedState } from "../domain/model/link.ts";

/** The state of an account in a target. */
export const accountStateNames: Readonly<Record<ObservedState, string>> = {
  invited: "invited, not accepted yet",
  accepted: "accepted, waits for the confirmation of an administrator",
  active: "active",
  suspended: "suspended",
  staged: "staged, not invited",
  unknown: "in a state that Rollcall does not know",
  absent: "no account",
};
