import { type Guard, isGrant } from "./guard.ts";

/** Holds access to an account that belonged to a deleted user with the same e-mail address and another name. */
export const reassignedEmail: Guard = {
  reason: "handed-on",
  check(candidates, { diff }) {
    const userIds = new Set(diff.users.flatMap(({ user, isEmailReassigned }) => (isEmailReassigned ? user.id : [])));
    return {
      held: candidates.filter((each) => isGrant(each) && each.membership === null && userIds.has(each.entityId)),
    };
  },
};
