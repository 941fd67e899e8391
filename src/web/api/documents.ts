import type { MadePlan } from "../../app/plans.ts";
import { type MadeToken, tokenJson } from "../../app/scim-tokens.ts";
import type {
  Attention,
  GroupItem,
  HourlyCounts,
  Page,
  PersonDetail,
  PersonItem,
  SyncStatus,
} from "../../domain/ports/console-store.ts";
import { expiringSoon, type StoredToken } from "../../domain/ports/scim-store.ts";
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
  held: held.map(withIsoTimes),
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

export const attention = ({ first, ...rest }: Attention) => ({
  ...withIsoTimes(rest),
  first: first.map(({ entityId, ...item }) => ({ ...withIsoTimes(item), id: entityId })),
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

export const token = (stored: StoredToken, nowMs: number) => ({
  ...tokenJson(stored, nowMs),
  expiresSoon: expiringSoon([stored], nowMs).length > 0,
});

export const madeToken = ({ token: secret, id, source, label, expiresAtMs }: MadeToken, url: string) => ({
  token: secret,
  id,
  source,
  label,
  url,
  expiresAt: isoTime(expiresAtMs),
});
