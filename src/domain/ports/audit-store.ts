import type {
  AuditFilter,
  AuditHead,
  AuditRow,
  AuditVerdict,
  ChainedRow,
  LossPage,
  LostAccess,
} from "../model/audit.ts";
import type { DirectoryUser, EntityKind } from "../model/entities.ts";
import type { HeldItem } from "../model/held-change.ts";
import type { Link } from "../model/link.ts";

/** A user with everything that is known. */
export interface UserDetails {
  readonly user: DirectoryUser;
  readonly userName: string;
  readonly groups: readonly string[];
  readonly links: readonly Link[];
  readonly held: readonly (HeldItem & { readonly target: string })[];
  readonly history: readonly AuditRow[];
}

export interface AuditStore {
  /** Returns all users with that e-mail address, userName or id. Present users come first. */
  userDetails(query: string): Promise<readonly UserDetails[]>;
  /** Returns entities with an error or a note. */
  problems(
    target: string,
    limit: number,
  ): Promise<readonly { readonly name: string; readonly kind: EntityKind; readonly link: Link }[]>;
}

/** Reads and verifies the audit trail, also while another process writes it. */
export interface AuditTrail {
  /** Yields pages, oldest first. */
  auditRows(filter: AuditFilter): AsyncIterable<readonly ChainedRow[]>;
  /** Returns the newest matching rows, the oldest of them first. */
  newestAuditRows(filter: AuditFilter, limit: number): Promise<readonly ChainedRow[]>;
  /** Yields removals with their causes in pages, oldest first. `filter.action` selects one `LossKind`. */
  lostAccess(filter: AuditFilter): AsyncIterable<readonly LostAccess[]>;
  /** Returns the newest removals before `beforeSeq` (null: of all). `limit`: 1 to 200. */
  newestLosses(filter: AuditFilter, beforeSeq: number | null, limit: number): Promise<LossPage>;
  /** Checks all rows. `keptHead`: a head kept from earlier. The trail must still contain that row with that hash. */
  verifyAudit(keptHead: AuditHead | null): Promise<AuditVerdict>;
}
