import type { RemovalLimitPolicy } from "../../model/policy.ts";
import type { Grant, Guard } from "./guard.ts";
import { type LimitInput, shareOf } from "./removal-limit.ts";

/**
 * How many users may get access back within the window if they lost it before the window. An unreadable attribute or an old
 * replica can show all leavers as active at once. Nobody rehires that many people on one day.
 */
export const returnLimitOf = (
  input: Pick<LimitInput, "peopleWithAccess" | "charged">,
  policy: RemovalLimitPolicy,
): number => Math.max(minReturns, shareOf(input, policy));

const minReturns = 10;

/** Holds restores beyond the return limit, and dismissed ones. Accounts suspended within the window come back freely. */
export const returning: Guard = {
  reason: "returning",
  check(candidates, context) {
    const { returned, suspendedInWindow, approved, dismissed, policy } = context;
    const allowed = returnLimitOf(context, policy.removalLimit);
    const spent = new Set(returned);
    const held: Grant[] = [];
    for (const each of candidates) {
      if (each.effect !== "gives" || each.change.op !== "restore") continue;
      const { userId, remoteId } = each.change;
      const isFree = suspendedInWindow.has(remoteId) || spent.has(userId) || approved.has(each.key);
      if (dismissed.has(each.key) || (!isFree && spent.size >= allowed)) held.push(each);
      else if (!isFree) spent.add(userId);
    }
    return { held, entries: { returning: [...spent].filter((id) => !returned.has(id)) } };
  },
};
