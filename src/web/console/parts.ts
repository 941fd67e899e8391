import type { Connections } from "../../app/connection-types.ts";
import type { AuditEntry } from "../../domain/model/audit.ts";
import type { Cause } from "../../domain/model/entities.ts";
import type { HeldItem } from "../../domain/model/held-change.ts";
import type { Plan } from "../../domain/model/plan.ts";
import type { AuditTrail } from "../../domain/ports/audit-store.ts";
import type { ConsoleStore } from "../../domain/ports/console-store.ts";
import type { StoredToken } from "../../domain/ports/scim-store.ts";
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
  /** Of the held: who waits only for what somebody has dismissed. */
  readonly dismissed: number;
  readonly missing: number;
  readonly oldestPendingSeconds: number | null;
  readonly lastSuccessAt: string | null;
  readonly failingSince: string | null;
  /** When a target that fails is tried again; null: now, or nothing fails. */
  readonly retryAt: string | null;
  readonly error: { readonly code: string | null; readonly message: string | null } | null;
  readonly heldDigest: string | null;
  readonly budget: { readonly allowed: number; readonly spent: number };
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
  /** Where a person goes to look at a target themselves, e.g. the members of the organization in the vendor's web app. */
  readonly vendorUrl: (target: string) => string | null;
  readonly reader: ConsoleStore;
  readonly trail: AuditTrail;
  readonly connections: Connections;
  readonly actions: PlanActions;
  readonly scim: ScimTokens;
  /** Ends what would otherwise stay open when the server stops. */
  readonly stopping: AbortSignal;
}

/** What waits in one target at this moment. */
export interface HeldNow {
  readonly items: readonly HeldItem[];
  /** Of all of it. */
  readonly digest: string | null;
  /** Of what nobody has decided about. */
  readonly undecidedDigest: string | null;
  /** Of what somebody has dismissed. */
  readonly dismissedDigest: string | null;
}

/** Held removals and plans. */
export interface PlanActions {
  /** What waits for an approval, dismissed or not, and the digests that name all of it and each part; null without any. */
  held(target: string): Promise<HeldNow>;
  /** Lets exactly the held removals with that digest pass once. Gives their number; 0 when there is no such digest any more. */
  approve(target: string, digest: string, cause: Cause): Promise<number>;
  /** Has exactly what is held with that digest wait whatever the budget allows. Gives the number; 0 as above. */
  dismiss(target: string, digest: string, cause: Cause): Promise<number>;
  /** What would be done now; writes nothing. @throws what the target throws as a whole */
  plan(target: string, signal: AbortSignal): Promise<Plan>;
}

/** The bearer tokens that identity providers are given. */
export interface ScimTokens {
  /** With /scim/v2. */
  readonly url: string;
  list(): Promise<readonly StoredToken[]>;
  /** Makes one for a SCIM source; given once, kept as a hash. `lifeMs` null: it does not end. Null when there is no such source. */
  create(source: string, label: string, lifeMs: number | null, cause: Cause): Promise<GivenToken | null>;
  /** Makes one in its place that lives as long as it did; the old one is good for `graceMs` more. Null when no good token has that id. */
  rotate(id: string, graceMs: number, cause: Cause): Promise<(GivenToken & { readonly oldGoodUntilMs: number }) | null>;
  /** False when there is no such token that is still good. */
  revoke(id: string, cause: Cause): Promise<boolean>;
}

/** A token that was just made: `token` is shown this once. */
export interface GivenToken extends Pick<StoredToken, "id" | "source" | "label" | "expiresAtMs"> {
  readonly token: string;
}
