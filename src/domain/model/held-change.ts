import type { EntityKind } from "./entities.ts";
import { type Change, digestOf, type HeldReason } from "./plan.ts";

/** A change that waits for a decision, under its stable key (see `removalKeys` and `grantKeys`; `seat:<userId>` for seats). */
export interface HeldItem {
  readonly key: string;
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly reason: HeldReason;
  readonly change: Change;
  readonly sinceMs: number;
  readonly approvedAtMs: number | null;
  /** When it was dismissed. It waits, whatever the limit allows, until it is approved or no longer needed. */
  readonly dismissedAtMs: number | null;
  /** The actor who dismissed it. */
  readonly dismissedBy: string | null;
}

/** The fields that show whether a held change was decided. */
type Decided = Pick<HeldItem, "key" | "reason" | "approvedAtMs" | "dismissedAtMs">;

/** Digests of the held changes of one target. Null: there are none of that kind. */
export interface HeldDigests {
  /** All changes that can be approved. */
  readonly heldDigest: string | null;
  /** The undecided ones. */
  readonly undecidedDigest: string | null;
  /** The dismissed ones. */
  readonly dismissedDigest: string | null;
}

/** True if it can be approved. For seats `maxSeats` must grow instead. */
export const isApprovable = ({ reason, approvedAtMs }: Pick<Decided, "reason" | "approvedAtMs">): boolean =>
  reason !== "seats" && approvedAtMs === null;

/** True if nobody has approved or dismissed it. */
export const isUndecided = (item: Pick<Decided, "reason" | "approvedAtMs" | "dismissedAtMs">): boolean =>
  isApprovable(item) && item.dismissedAtMs === null;

/** Returns the digests of held changes. If none is dismissed, the first two are equal. */
export function heldDigests(items: readonly Decided[]): HeldDigests {
  const { all, undecided, dismissed } = sets(items);
  const digest = (list: readonly Decided[]): string | null => digestOf(list.map(({ key }) => key));
  return { heldDigest: digest(all), undecidedDigest: digest(undecided), dismissedDigest: digest(dismissed) };
}

/** Returns the changes that a digest names: all, the undecided or the dismissed ones. Empty: the digest names no set. */
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
