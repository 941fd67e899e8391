/**
 * What a target must know after the database was put back from a backup. An old copy wants what was right when it was
 * made: people who have left since would be let in again, people who came back would lose access. So nothing is done
 * for which there is no other word than that of the copy, before somebody has approved it.
 */
export interface RestoredState {
  /** When the restored copy was first worked on, milliseconds since the epoch. */
  readonly atMs: number;
  /** Somebody has approved what was held: the copy's word counts again. */
  readonly isReviewed: boolean;
  /** People, of those asked for, of whom no source has told anything new since. */
  readonly staleUserIds: ReadonlySet<string>;
  /** The same of groups. */
  readonly staleGroupIds: ReadonlySet<string>;
  /** Memberships of those people in the copy, as `membershipKey`. */
  readonly memberships: ReadonlySet<string>;
}

/** Names a membership. */
export const membershipKey = (groupId: string, userId: string): string => `${groupId}:${userId}`;

/** Charges of the time between backup and restore are lost with the old file: for one window the budget counts as spent. */
export const isBudgetSpent = (restored: RestoredState | null, windowMs: number, nowMs: number): boolean =>
  restored !== null && Math.abs(nowMs - restored.atMs) < windowMs;

/** Has the restore no consequences left? Nothing is held for it, and the window has passed. */
export const isRestoreOver = (
  restored: RestoredState | null,
  heldForIt: number,
  windowMs: number,
  nowMs: number,
): boolean => restored !== null && heldForIt === 0 && !isBudgetSpent(restored, windowMs, nowMs);
