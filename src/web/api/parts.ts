import type { Connections } from "../../app/connection-types.ts";
import type { AuditTrail } from "../../domain/ports/audit-store.ts";
import type { ConsoleStore } from "../../domain/ports/console-store.ts";
import type { PlanActions, ScimTokens } from "../console/parts.ts";

/** What `/api/v1` is given: the same as the console. */
export interface ApiParts {
  readonly version: string;
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly status: () => Promise<{
    readonly sources: readonly { readonly name: string }[];
    readonly targets: readonly { readonly name: string }[];
  }>;
  /** Names of the targets that are served now. */
  readonly targets: () => readonly string[];
  readonly reader: ConsoleStore;
  readonly trail: AuditTrail;
  readonly actions: PlanActions;
  readonly scim: ScimTokens;
  readonly connections: Connections;
  readonly log: (level: "warn" | "error", message: string, fields?: Readonly<Record<string, unknown>>) => void;
  /** Ends streams when the server stops. */
  readonly stopping: AbortSignal;
}
