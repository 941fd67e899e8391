import type { EntityKind } from "./entities.ts";
import { type Change, digestOf, type HeldReason } from "./plan.ts";

/** A change that waits for a person, under its stable key (see `removalKeys`; `seat:<userId>` for seats). */
export interface HeldItem {
  readonly key: string;
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly reason: HeldReason;
  readonly change: Change;
  readonly sinceMs: number;
  readonly approvedAtMs: number | null;
  /** When somebody said no: it waits from then on whatever the budget allows, until it is approved or not asked for any more. */
  readonly dismissedAtMs: number | null;
  /** The actor who said so. */
  readonly dismissedBy: string | null;
}

/** What tells whether somebody has decided about a held change. */
type Decided = Pick<HeldItem, "key" | "reason" | "approvedAtMs" | "dismissedAtMs">;

/** Names of what waits in one target; each null when there is nothing under it. */
export interface HeldDigests {
  /** All that can be approved. */
  readonly heldDigest: string | null;
  /** What nobody has decided about. */
  readonly undecidedDigest: string | null;
  /** What somebody has dismissed. */
  readonly dismissedDigest: string | null;
}

/** Can it be approved? Seats need a higher `maxSeats`. */
export const isApprovable = ({ reason, approvedAtMs }: Pick<Decided, "reason" | "approvedAtMs">): boolean =>
  reason !== "seats" && approvedAtMs === null;

/** Nobody has approved or dismissed it. */
export const isUndecided = (item: Pick<Decided, "reason" | "approvedAtMs" | "dismissedAtMs">): boolean =>
  isApprovable(item) && item.dismissedAtMs === null;

/** The digests of what waits. With nothing dismissed the first two are the same. */
export function heldDigests(items: readonly Decided[]): HeldDigests {
  const { all, undecided, dismissed } = sets(items);
  const digest = (list: readonly Decided[]): string | null => digestOf(list.map(({ key }) => key));
  return { heldDigest: digest(all), undecidedDigest: digest(undecided), dismissedDigest: digest(dismissed) };
}

/** Exactly what a digest names: all that waits, what is undecided of it, or what is dismissed. Empty: it names none of them. */
export function namedBy<T extends Decided>(items: readonly T[], digest: string): readonly T[] {
  const { all, undecided, dismissed } = sets(items);
  return [all, undecided, dismissed].find((list) => digestOf(list.map(({ key }) => key)) === digest) ?? [];
}

function sets<T extends Decided>(items: readonly T[]) {
  const all = items.filter(isApprovable);
  return {
    all,
    undecided: all.filter(({ dismissedAtMs }) => dismissedAtMs === null),
    dismissed: all.filter(({ dismissedAtMs }) => dismissedAtMs !== null),
  };
}
