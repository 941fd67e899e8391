import type { ConsoleStore } from "../../domain/console.ts";
import type { AuditEntry } from "../../domain/sync.ts";
import type { Access } from "../access/access.ts";
import type { Oidc } from "../access/oidc.ts";

/** One source, as `status --json` has it. */
export interface SourceStatus {
  readonly name: string;
  readonly type: string;
  readonly users: number;
  readonly groups: number;
  readonly lastSuccessAt: string | null;
  readonly failingSince: string | null;
  readonly error: { readonly code: string | null; readonly message: string | null } | null;
  readonly findings: readonly { readonly kind: string; readonly count: number; readonly examples: readonly string[] }[];
}

/** One target, as `status --json` has it. */
export interface TargetStatus {
  readonly name: string;
  readonly type: string;
  readonly inSync: number;
  readonly pending: number;
  readonly failed: number;
  readonly held: number;
  readonly missing: number;
  readonly oldestPendingSeconds: number | null;
  readonly lastSuccessAt: string | null;
  readonly failingSince: string | null;
  readonly error: { readonly code: string | null; readonly message: string | null } | null;
  readonly heldDigest: string | null;
}

/** How sources and targets are doing. */
export interface ConsoleStatus {
  readonly sources: readonly SourceStatus[];
  readonly targets: readonly TargetStatus[];
}

/** What the console is given; it knows no store, no configuration and no vendor. */
export interface ConsoleParts {
  readonly access: Access;
  readonly oidc: Oidc | null;
  readonly version: string;
  readonly isSandbox: boolean;
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly status: () => Promise<ConsoleStatus>;
  readonly record: (entry: AuditEntry) => Promise<void>;
  readonly log: (level: "warn" | "error", message: string, fields?: Readonly<Record<string, unknown>>) => void;
  /** Where a person goes to look at a target themselves, e.g. the members of the organization in Bitwarden's web vault. */
  readonly vendorUrl: (target: string) => string | null;
  readonly reader: ConsoleStore | null;
}
