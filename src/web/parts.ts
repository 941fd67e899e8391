import type { Connections } from "../app/connections.ts";
import type { Decisions } from "../app/decisions.ts";
import type { Plans } from "../app/plans.ts";
import type { ScimTokens } from "../app/scim-tokens.ts";
import type { StatusReport } from "../app/status.ts";
import type { AuditEntry } from "../domain/model/audit.ts";
import type { AuditTrail } from "../domain/ports/audit-store.ts";
import type { ConsoleStore } from "../domain/ports/console-store.ts";
import type { Access } from "./access/access.ts";
import type { Oidc } from "./access/oidc.ts";

/** The use cases that the console and the API share. */
export interface AdminParts {
  readonly version: string;
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: (level: "warn" | "error", message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly status: () => Promise<StatusReport>;
  /** Names of the targets that are served now. */
  readonly targets: () => readonly string[];
  readonly reader: ConsoleStore;
  readonly trail: AuditTrail;
  readonly connections: Connections;
  readonly decisions: Decisions;
  readonly plans: Plans;
  readonly scim: ScimTokens;
  /** The base URL of SCIM, with `/scim/v2`. */
  readonly scimUrl: string;
  /** Aborted when the server stops: ends streams and calls to vendors. */
  readonly stopping: AbortSignal;
}

/** The further parts that the pages need. */
export interface ConsoleParts extends AdminParts {
  readonly access: Access;
  readonly oidc: Oidc | null;
  readonly isSandbox: boolean;
  readonly record: (entry: AuditEntry) => Promise<void>;
  /** The page of a target's product where an administrator manages its accounts; null if it has none. */
  readonly vendorUrl: (target: string) => string | null;
}
