import type { EntityKind } from "../model/entities.ts";
import type { HeldReason } from "../model/plan.ts";

/** An entity that a target refuses or that keeps failing there. */
export interface FailedEntity {
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly code: string;
}

/** What waits for a decision in one target. */
export interface HeldSummary {
  /** Keys of what is held and was neither approved nor dismissed; `digestOf` names them. */
  readonly keys: readonly string[];
  /** How many of them wait for which reason; without those of which there is none. */
  readonly reasons: Readonly<Partial<Record<HeldReason, number>>>;
  /** Since when the oldest of them waits; null for none. */
  readonly sinceMs: number | null;
}

/** What alerts are derived from beside the other ports, and what they remember. Cheap enough to be asked every few seconds. */
export interface AlertStore {
  /** At most `limit`, in an order that stays. */
  failures(target: string, limit: number): Promise<readonly FailedEntity[]>;
  heldSummary(target: string): Promise<HeldSummary>;
  /** What `putAlertState` wrote last; null at first. Only the alerts room knows its form. */
  alertState(): Promise<string | null>;
  putAlertState(state: string): Promise<void>;
}
