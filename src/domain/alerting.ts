import type { EntityKind } from "./directory.ts";

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
  /** How many of them only a restored copy of the database asks for. */
  readonly restored: number;
  /** How many are people who come back, more than is usual; the others go beyond the budget. Default 0. */
  readonly returning?: number;
  /** How many are people whose address was somebody else's, who is gone. Default 0. */
  readonly handedOn?: number;
  /** Since when the oldest of them waits; null for none. */
  readonly sinceMs: number | null;
}

/** What alerts are derived from beside the other ports, and what they remember. Cheap enough to be asked every few seconds. */
export interface AlertStore {
  /** At most `limit`, in an order that stays. */
  failures(connection: string, limit: number): Promise<readonly FailedEntity[]>;
  heldSummary(connection: string): Promise<HeldSummary>;
  /** What `putAlertState` wrote last; null at first. Only the alerts room knows its form. */
  alertState(): Promise<string | null>;
  putAlertState(state: string): Promise<void>;
}
