import type { AuditFilter } from "../domain/model/audit.ts";
import type { ActivityQuery, GroupsQuery, SyncStatusFilter } from "../domain/ports/console-store.ts";

type Narrowing<T> = { readonly [K in keyof T]?: T[K] | undefined };

const defined = <T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== "")) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

const wholeTrail: AuditFilter = { sinceMs: null, untilMs: null, person: null, target: null, action: null };

/** A question to the audit trail. Missing and empty values filter nothing. */
export const auditFilter = (given: Narrowing<AuditFilter> = {}): AuditFilter => ({ ...wholeTrail, ...defined(given) });

const wholeLog: ActivityQuery = {
  entityId: null,
  target: null,
  action: null,
  actor: null,
  sinceMs: null,
  untilMs: null,
  isFailureOnly: false,
  beforeSeq: null,
  limit: 50,
};

/** A question to the activity log. Missing and empty values filter nothing. */
export const activityQuery = (given: Narrowing<ActivityQuery> = {}): ActivityQuery => ({
  ...wholeLog,
  ...defined(given),
});

/** The filter of a list of users or groups. */
export interface EntityFilter {
  readonly search?: string | undefined;
  readonly source?: string | undefined;
  readonly target?: string | undefined;
  readonly presence?: Exclude<GroupsQuery["presence"], null> | "" | undefined;
  readonly state?: Extract<SyncStatusFilter, { by: "state" }>["state"] | "" | undefined;
  readonly note?: Extract<SyncStatusFilter, { by: "note" }>["note"] | undefined;
  readonly seen?: Extract<SyncStatusFilter, { by: "seen" }>["seen"] | "" | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** A question about users or groups. `targets` are all that exist; a filter by state applies to the target that is named. */
export function entityQuery(filter: EntityFilter, targets: readonly string[]): GroupsQuery {
  const { search = "", source, target = "", presence, cursor, limit } = filter;
  return {
    targets: targets.includes(target) ? [target] : targets,
    search,
    source: source || null,
    presence: presence || null,
    syncStatus: statusFilter(filter),
    cursor: cursor || null,
    limit,
  };
}

function statusFilter({ state, note, seen }: EntityFilter): SyncStatusFilter | null {
  if (state) return { by: "state", state };
  if (note) return { by: "note", note };
  return seen ? { by: "seen", seen } : null;
}
