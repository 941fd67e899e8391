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

/** One person found by e-mail address, userName or id, with everything known. */
export interface UserDetails {
  readonly user: DirectoryUser;
  readonly userName: string;
  readonly groups: readonly string[];
  readonly links: readonly Link[];
  readonly held: readonly (HeldItem & { readonly target: string })[];
  readonly history: readonly AuditRow[];
}

export interface AuditStore {
  /** Everybody whom that e-mail address, userName or id names: present ones first. */
  userDetails(query: string): Promise<readonly UserDetails[]>;
  /** Rows after `afterSeq`, oldest first. */
  audit(afterSeq: number, limit: number): Promise<readonly AuditRow[]>;
  /** The entities that ask for attention: failed ones with their error, skipped ones with their note. */
  problems(
    target: string,
    limit: number,
  ): Promise<readonly { readonly name: string; readonly kind: EntityKind; readonly link: Link }[]>;
}

/** The trail as it is read and checked; any process may, while another writes. */
export interface AuditTrail {
  /** In pages, oldest first. */
  auditRows(filter: AuditFilter): AsyncIterable<readonly ChainedRow[]>;
  /** The newest that fit, oldest of them first. */
  newestAuditRows(filter: AuditFilter, limit: number): Promise<readonly ChainedRow[]>;
  /** Removals, each with its cause, in pages, oldest first. `action` narrows down to one `LossKind`. */
  lostAccess(filter: AuditFilter): AsyncIterable<readonly LostAccess[]>;
  /** The newest removals before that `seq` (null: of all), at most `limit` (1 to 200), each with its cause. */
  newestLosses(filter: AuditFilter, beforeSeq: number | null, limit: number): Promise<LossPage>;
  /** Walks over all rows. `keptHead`: a head noted earlier; the trail must still have that row with that hash. */
  verifyAudit(keptHead: AuditHead | null): Promise<AuditVerdict>;
}
