import { type Guard, isRemoval } from "./guard.ts";

/** Holds removals of active users if no group matches `userGroups`: everybody would lose access, mostly by a mistake. */
export const emptyScope: Guard = {
  reason: "scope",
  check(candidates, { diff, approved }) {
    if (diff.isScopeEmpty !== true) return { held: [] };
    const outOfScope = new Set(
      diff.users.flatMap(({ user }) => (user.absentSinceMs === null && user.isActive ? user.id : [])),
    );
    return {
      held: candidates.filter((each) => isRemoval(each) && outOfScope.has(each.entityId) && !approved.has(each.key)),
    };
  },
};
