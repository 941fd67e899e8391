import type { ListedConnection } from "../../app/connection-types.ts";
import { fingerprint } from "../../crypto/tokens.ts";
import type { AuditRow } from "../../domain/model/audit.ts";
import type { HeldItem } from "../../domain/model/held-change.ts";
import type { Plan } from "../../domain/model/plan.ts";
import type {
  Attention,
  GroupItem,
  HourTally,
  Page,
  PersonItem,
  SyncStatus,
} from "../../domain/ports/console-store.ts";
import { expiringSoon, type StoredToken, tokenState } from "../../domain/ports/scim-store.ts";
import type { GivenToken } from "../console/parts.ts";

// What the API says, from what the domain knows: times as ISO 8601 in UTC, a connection of the store as `target`.

export const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const standing = ({ target, seenSinceMs, reinviteAskedAtMs, retryAtMs, lastSuccessAtMs, ...rest }: SyncStatus) => {
  const { errorCode, errorMessage, ...told } = rest;
  return {
    target,
    ...told,
    seenSince: iso(seenSinceMs),
    reinviteAskedAt: iso(reinviteAskedAtMs),
    retryAt: iso(retryAtMs),
    error: errorCode === null ? null : { code: errorCode, message: errorMessage },
    lastSuccessAt: iso(lastSuccessAtMs),
  };
};

export const person = ({
  id,
  source,
  displayName,
  userName,
  email,
  isActive,
  absentSinceMs,
  syncStatuses,
}: PersonItem) => ({
  id,
  source,
  displayName,
  userName,
  email,
  active: isActive,
  absentSince: iso(absentSinceMs),
  targets: syncStatuses.map(standing),
});

export const group = ({ id, source, displayName, memberCount, absentSinceMs, syncStatuses }: GroupItem) => ({
  id,
  source,
  displayName,
  memberCount,
  absentSince: iso(absentSinceMs),
  targets: syncStatuses.map(standing),
});

/** What a page of one person or group says beside. */
export const details = (each: {
  readonly externalId: string;
  readonly rev: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
}) => ({
  externalId: each.externalId,
  rev: each.rev,
  createdAt: iso(each.createdAtMs),
  modifiedAt: iso(each.modifiedAtMs),
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
  since: iso(decided.sinceMs),
  approvedAt: iso(decided.approvedAtMs),
  dismissedAt: iso(decided.dismissedAtMs),
  dismissedBy: decided.dismissedBy,
  change,
});

export const row = ({ seq, atMs, target, actor, requestId, action, kind, entityId, name, rev, detail }: AuditRow) => ({
  seq,
  at: iso(atMs),
  actor,
  requestId,
  action,
  kind,
  entityId,
  name,
  target,
  rev,
  detail,
});

export const attention = ({ target, kind, count, sinceMs, first }: Attention) => ({
  target,
  kind,
  count,
  since: iso(sinceMs),
  first: first.map(({ entityId, kind: what, name, sinceMs: at, error }) => ({
    kind: what,
    id: entityId,
    name,
    since: iso(at),
    error,
  })),
});

export const hour = ({ target, hourMs, ...counts }: HourTally) => ({
  target,
  hour: iso(hourMs),
  ...counts,
});

/** At most `limit` changes of each kind; how many there are is in the counts. */
export function plan(target: string, made: { readonly atMs: number; readonly plan: Plan }, limit: number) {
  const { changes, held, skipped, ...digests } = made.plan;
  const counts: Record<string, number> = { changes: changes.length, held: held.length, skipped: skipped.length };
  for (const { op } of changes) counts[op] = (counts[op] ?? 0) + 1;
  return {
    target,
    madeAt: iso(made.atMs),
    counts,
    changes: changes.slice(0, limit),
    held: held
      .slice(0, limit)
      .map(({ change, reason, isDismissed }) => ({ ...change, reason, dismissed: isDismissed })),
    skipped: skipped.slice(0, limit),
    ...digests,
    isCut: Math.max(changes.length, held.length, skipped.length) > limit,
  };
}

export const token = (stored: StoredToken, nowMs: number) => {
  const { id, source, label, hash, createdAtMs, ...at } = stored;
  return {
    id,
    source,
    label,
    fingerprint: fingerprint(hash),
    createdAt: iso(createdAtMs),
    revokedAt: iso(at.revokedAtMs),
    expiresAt: iso(at.expiresAtMs),
    lastUsedAt: iso(at.lastUsedAtMs),
    state: tokenState(stored, nowMs),
    expiresSoon: expiringSoon([stored], nowMs).length > 0,
  };
};

export const givenToken = ({ token: secret, id, source, label, expiresAtMs }: GivenToken, url: string) => ({
  token: secret,
  id,
  source,
  label,
  url,
  expiresAt: iso(expiresAtMs),
});

export const connection = ({ lastSuccessAtMs, verifiedAtMs, changedAtMs, ...rest }: ListedConnection) => ({
  ...rest,
  lastSuccessAt: iso(lastSuccessAtMs),
  verifiedAt: iso(verifiedAtMs),
  changedAt: iso(changedAtMs),
});
