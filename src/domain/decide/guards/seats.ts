import type { Guard } from "./guard.ts";

/**
 * Holds invitations and restores beyond `maxSeats`. Bitwarden's cloud buys a missing seat by itself, so an invitation can
 * cost money. Nobody can approve these: `maxSeats` must grow.
 */
export const seats: Guard = {
  reason: "seats",
  keyOf: ({ entityId }) => `seat:${entityId}`,
  check(candidates, { policy: { maxSeats }, seatsTaken }) {
    if (maxSeats === null) return { held: [] };
    // An incomplete observation does not know the seats taken. A run with `maxSeats` always observes everything.
    const free = Math.max(0, maxSeats - (seatsTaken ?? maxSeats));
    const seatTaking = candidates.filter(({ change }) => change.op === "invite" || change.op === "restore");
    return { held: seatTaking.slice(free) };
  },
};
