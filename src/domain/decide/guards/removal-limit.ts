import type { RemovalLimitPolicy } from "../../model/policy.ts";
import { isWithinRestoreWindow } from "../../model/restored-database.ts";
import { type Guard, isRemoval, type Removal } from "./guard.ts";

/** The input of the limit. */
export interface LimitInput {
  /** Number of accounts with access now. */
  readonly peopleWithAccess: number;
  /** Charge ids of the removals within the window. */
  readonly charged: { readonly size: number };
  /** When the database was put back from a backup. Null: it was not, or the restore has no effect any more. */
  readonly restored: { readonly atMs: number } | null;
  readonly nowMs: number;
}

/** How many accounts may lose access within the window, and how many did. */
export interface RemovalLimit {
  readonly allowed: number;
  readonly spent: number;
}

/**
 * Returns the removal limit. It is 0 for one window after a restore, because the restored file does not know the removals
 * that came after the backup. The guard, `status`, metrics and alerts all use this function.
 */
export function removalLimitOf(input: LimitInput, policy: RemovalLimitPolicy): RemovalLimit {
  const isRestored = isWithinRestoreWindow(input.restored, policy.windowMs, input.nowMs);
  return { allowed: isRestored ? 0 : shareOf(input, policy), spent: input.charged.size };
}

/** `percent` of the accounts that had access when the window began, at least `atLeast`, at most `atMost`. */
export const shareOf = (
  { peopleWithAccess, charged }: Pick<LimitInput, "peopleWithAccess" | "charged">,
  { percent, atLeast, atMost }: RemovalLimitPolicy,
): number => Math.min(atMost, Math.max(atLeast, Math.floor(((peopleWithAccess + charged.size) * percent) / 100)));

/** Holds removals beyond the removal limit, and dismissed ones. Approved removals pass at no cost. */
export const removalLimit: Guard = {
  reason: "budget",
  check(candidates, context) {
    const { charged, approved, dismissed, policy } = context;
    const { allowed } = removalLimitOf(context, policy.removalLimit);
    const spent = new Set(charged);
    const renew = new Set<string>();
    const held: Removal[] = [];
    for (const removal of candidates.filter(isRemoval)) {
      if (approved.has(removal.key)) continue;
      const cost = removal.chargeIds.filter((id) => !spent.has(id)).length;
      if (dismissed.has(removal.key) || (cost > 0 && spent.size + cost > allowed)) {
        held.push(removal);
        continue;
      }
      for (const id of removal.chargeIds) {
        if (charged.has(id)) renew.add(id);
        spent.add(id);
      }
    }
    return { held, entries: { charge: [...spent].filter((id) => !charged.has(id)), renew: [...renew] } };
  },
};
