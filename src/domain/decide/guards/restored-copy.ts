import { membershipKey, type RestoredState } from "../../model/restored-database.ts";
import { type Candidate, type Guard, isGrant } from "./guard.ts";

/**
 * Holds changes that only a restored copy of the database asks for. No source has confirmed them since the restore.
 *
 * | candidate | held |
 * |---|---|
 * | a dismissed grant | as long as only the copy asks for it, also after the review of the others |
 * | approved | never |
 * | any other | as long as only the copy asks for it and nobody has reviewed the restore |
 */
export const restoredCopy: Guard = {
  reason: "restored",
  check(candidates, { restored, approved, dismissed }) {
    if (restored === null) return { held: [] };
    const isHeld = (candidate: Candidate): boolean => {
      if (isGrant(candidate) && dismissed.has(candidate.key)) return isOnlyInCopy(candidate, restored);
      return !restored.isReviewed && !approved.has(candidate.key) && isOnlyInCopy(candidate, restored);
    };
    return { held: candidates.filter(isHeld) };
  },
};

function isOnlyInCopy({ membership, kind, entityId, effect }: Candidate, restored: RestoredState): boolean {
  if (membership === null) return (kind === "group" ? restored.staleGroupIds : restored.staleUserIds).has(entityId);
  const wasMember = restored.memberships.has(membershipKey(membership.group.group.id, entityId));
  return effect === "gives" ? wasMember : !wasMember;
}
