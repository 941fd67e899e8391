import type { ListedConnection } from "../../app/connection-types.ts";
import type { MadePlan } from "../../app/plans.ts";
import type { MadeToken } from "../../app/scim-tokens.ts";
import { fingerprint } from "../../crypto/tokens.ts";
import type { HeldItem } from "../../domain/model/held-change.ts";
import type {
  Attention,
  GroupItem,
  HourlyCounts,
  Page,
  PersonDetail,
  PersonItem,
  SyncStatus,
} from "../../domain/ports/console-store.ts";
import { expiringSoon, type StoredToken, tokenState } from "../../domain/ports/scim-store.ts";
import { planJson } from "../../text/changes.ts";
import { isoTime, withIsoTimes } from "../../text/times.ts";

// The documents of the API. Their times are ISO 8601 in UTC.

const syncStatus = ({ errorCode, errorMessage, ...rest }: SyncStatus) => ({
  ...withIsoTimes(rest),
  error: errorCode === null ? null : { code: errorCode, message: errorMessage },
});

export const person = <T extends PersonItem>({ isActive, syncStatuses, ...rest }: T) => ({
  ...withIsoTimes(rest),
  active: isActive,
  targets: syncStatuses.map(syncStatus),
});

export const personDetail = ({ held, ...rest }: PersonDetail) => ({
  ...person(rest),
  held: held.map((item) => ({ ...heldItem(item), target: item.target })),
});

export const group = <T extends GroupItem>({ syncStatuses, ...rest }: T) => ({
  ...withIsoTimes(rest),
  targets: syncStatuses.map(syncStatus),
});

export const page = <T, U>({ items, nextCursor, total }: Page<T>, each: (item: T) => U) => ({
  items: items.map(each),
  nextCursor,
  total,
});

export const heldItem = ({ key, kind, entityId, reason, change, ...decided }: HeldItem) => ({
  key,
  kind,
  entityId,
  reason,
  since: isoTime(decided.sinceMs),
  approvedAt: isoTime(decided.approvedAtMs),
  dismissedAt: isoTime(decided.dismissedAtMs),
  dismissedBy: decided.dismissedBy,
  change,
});

export const attention = ({ target, kind, count, sinceMs, first }: Attention) => ({
  target,
  kind,
  count,
  since: isoTime(sinceMs),
  first: first.map(({ entityId: id, kind: what, name, sinceMs: at, error }) => ({
    kind: what,
    id,
    name,
    since: isoTime(at),
    error,
  })),
});

export const hour = ({ hourMs, ...counts }: HourlyCounts) => ({ ...counts, hour: isoTime(hourMs) });

/** At most `limit` changes of each kind; `counts` has all. */
export function plan(target: string, { atMs, plan: made }: MadePlan, limit: number) {
  const { name: _name, changes, held, skipped, ...digests } = planJson(target, made);
  const counts: Record<string, number> = { changes: changes.length, held: held.length, skipped: skipped.length };
  for (const { op } of changes) counts[op] = (counts[op] ?? 0) + 1;
  return {
    target,
    madeAt: isoTime(atMs),
    counts,
    changes: changes.slice(0, limit),
    held: held.slice(0, limit),
    skipped: skipped.slice(0, limit),
    ...digests,
    isCut: Math.max(changes.length, held.length, skipped.length) > limit,
  };
}

export function token(stored: StoredToken, nowMs: number) {
  const { hash, ...shown } = stored;
  return {
    ...withIsoTimes(shown),
    fingerprint: fingerprint(hash),
    state: tokenState(stored, nowMs),
    expiresSoon: expiringSoon([stored], nowMs).length > 0,
  };
}

export const madeToken = ({ token: secret, id, source, label, expiresAtMs }: MadeToken, url: string) => ({
  token: secret,
  id,
  source,
  label,
  url,
  expiresAt: isoTime(expiresAtMs),
});

export const connection = (listed: ListedConnection) => withIsoTimes(listed);
