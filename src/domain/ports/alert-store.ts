import type { EntityKind } from "../model/entities.ts";
import type { HeldReason } from "../model/plan.ts";

/** A user or group whose change the target refuses, or fails again and again. */
export interface FailedEntity {
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly code: string;
}

/** The undecided held changes of one target. */
export interface HeldSummary {
  /** Their keys (see `digestOf`). */
  readonly keys: readonly string[];
  /** Number of changes by reason. A reason without changes is left out. */
  readonly reasons: Readonly<Partial<Record<HeldReason, number>>>;
  /** Since when the oldest of them waits. Null: there are none. */
  readonly sinceMs: number | null;
}

/** Storage of alerts. Cheap enough for a call every few seconds. */
export interface AlertStore {
  /** Maximum `limit` entities, in a stable order. */
  failures(target: string, limit: number): Promise<readonly FailedEntity[]>;
  heldSummary(target: string): Promise<HeldSummary>;
  /** The last state that `putAlertState` wrote, in the alerts' own format. Null: there is none. */
  alertState(): Promise<string | null>;
  putAlertState(state: string): Promise<void>;
}
