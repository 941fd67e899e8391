/**
 * The state of one target after the database was put back from a backup. The copy wants the access of its own time: it would
 * let in users who have left since, and lock out users who came back. So changes that only the copy asks for wait.
 */
export interface RestoredState {
  /** When the restored copy was first used, in milliseconds since the epoch. */
  readonly atMs: number;
  /** True if somebody has approved what was held: the copy counts like any database again. */
  readonly isReviewed: boolean;
  /** The users asked for of whom no source has reported anything since. */
  readonly staleUserIds: ReadonlySet<string>;
  /** The groups asked for of which no source has reported anything since. */
  readonly staleGroupIds: ReadonlySet<string>;
  /** Memberships of those users in the copy, as `membershipKey`. */
  readonly memberships: ReadonlySet<string>;
}

/** Names a membership. */
export const membershipKey = (groupId: string, userId: string): string => `${groupId}:${userId}`;

/** True for one window after a restore. The removals between backup and restore are lost with the old file. */
export const isWithinRestoreWindow = (
  restored: { readonly atMs: number } | null,
  windowMs: number,
  nowMs: number,
): boolean => restored !== null && Math.abs(nowMs - restored.atMs) < windowMs;
