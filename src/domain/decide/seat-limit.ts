import type { Change } from "../model/plan.ts";

type SeatTaking = Extract<Change, { readonly op: "invite" | "restore" }>;

const takesSeat = (change: Change): change is SeatTaking => change.op === "invite" || change.op === "restore";

/** Bitwarden's cloud buys a seat by itself when one is missing: money is spent by inviting. */
export function withinSeats(changes: readonly Change[], maxSeats: number | null, seatsTaken: number | null) {
  const passing: Change[] = [];
  const held: SeatTaking[] = [];
  const heldUsers = new Set<string>();
  // Seats that are not known are taken for full: a plan with a limit always observes everything.
  let free = maxSeats === null ? Number.POSITIVE_INFINITY : maxSeats - (seatsTaken ?? maxSeats);
  for (const change of changes) {
    if (takesSeat(change)) {
      if (free <= 0) {
        held.push(change);
        heldUsers.add(change.userId);
        continue;
      }
      free -= 1;
    } else if (change.op === "reinvite" && heldUsers.has(change.userId)) {
      continue;
    }
    passing.push(change);
  }
  return { passing, held, heldUsers };
}
