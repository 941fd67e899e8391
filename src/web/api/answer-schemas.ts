import { z } from "zod";
import { lossKinds } from "../../domain/model/audit.ts";
import { entityKinds } from "../../domain/model/entities.ts";
import { observedStates, ownerships } from "../../domain/model/link.ts";
import { heldReasons } from "../../domain/model/plan.ts";
import { attentionKinds, syncStates } from "../../domain/ports/console-store.ts";
import { targetTypes } from "../../targets/registry.ts";

const text = z.string();
const flag = z.boolean();
const count = z.number().int().min(0);
const seq = z.number().int().nullable();
const time = z.iso.datetime().nullable();
const textOrNull = text.nullable();
const json = z.record(text, z.unknown());
const kind = z.enum(entityKinds);

/** Several keys with the same schema. */
const each = <T extends z.ZodType>(schema: T, ...keys: readonly string[]): Record<string, T> =>
  Object.fromEntries(keys.map((key) => [key, schema]));
const texts = (...keys: readonly string[]) => each(text, ...keys);
const counts = (...keys: readonly string[]) => each(count, ...keys);
const times = (...keys: readonly string[]) => each(time, ...keys);
const listOf = (item: z.ZodRawShape) => z.array(z.object(item));
const pageOf = (item: z.ZodType) => z.object({ items: z.array(item), nextCursor: textOrNull, total: count });

/** Every error of the API. */
export const problemAnswer = z.object({
  error: z.object({ ...texts("code", "message"), requestId: text.optional() }),
});

const targets = listOf({
  target: text,
  state: z
    .enum(syncStates)
    .nullable()
    .meta({ description: "null: gone from the directory, nothing left in the target" }),
  ...each(textOrNull, "note", "remoteId"),
  ownership: z.enum(ownerships).nullable(),
  hasAccess: flag,
  seenState: z.enum(observedStates).nullable(),
  ...times("seenSince", "reinviteAskedAt"),
  attempts: count,
  retryAt: time,
  error: z.object({ code: text, message: textOrNull }).nullable(),
  lastSuccessAt: time,
});
const person = z.object({
  ...texts("id", "source", "displayName", "userName"),
  email: textOrNull,
  active: flag,
  absentSince: time,
  targets,
});
const group = z.object({
  ...texts("id", "source", "displayName"),
  memberCount: count,
  absentSince: time,
  targets,
});
const details = { externalId: text, rev: count, ...times("createdAt", "modifiedAt") };

const change = z.looseObject({ op: text });
const heldItem = z.looseObject({
  key: text,
  kind,
  entityId: text,
  reason: z.enum(heldReasons),
  ...times("since", "approvedAt"),
  dismissedAt: time.meta({ description: "since when it waits whatever the budget allows" }),
  dismissedBy: textOrNull,
  change,
});
const rows = listOf({
  seq: count,
  at: time,
  actor: text,
  requestId: textOrNull,
  action: text,
  kind: kind.nullable(),
  ...each(textOrNull, "entityId", "name", "target"),
  rev: seq,
  detail: json,
});

export const people = pageOf(person);
export const groups = pageOf(group);
export const personDetail = person.extend({
  ...details,
  groups: listOf(texts("id", "displayName")),
  held: z.array(heldItem.extend({ target: text })),
  history: rows,
});
export const groupDetail = group.extend({ ...details, members: people });
export const activity = z.object({ rows, nextBefore: seq });
const lossCause = z
  .object({
    seq: count,
    at: time,
    ...texts("action", "actor"),
    source: textOrNull.meta({ description: "whose word it was; null: no source's" }),
    requestId: textOrNull,
    detail: json,
  })
  .nullable();
export const losses = z.object({
  losses: listOf({
    seq: count,
    at: time,
    target: text,
    what: z.enum(lossKinds),
    kind: kind.nullable(),
    ...each(textOrNull, "entityId", "name", "group"),
    outcome: z.enum(["applied", "unconfirmed"]),
    why: z.enum(["directory", "drift"]),
    cause: lossCause.meta({ description: "the change of the directory behind it" }),
    approval: lossCause.meta({ description: "who let it pass, where the guard had held it" }),
  }),
  nextBefore: seq,
});
export const status = z.looseObject({
  sources: z.array(z.looseObject({ ...texts("name", "type"), ...counts("users", "groups"), lastSuccessAt: time })),
  goneSources: listOf({ name: text, ...counts("users", "groups") }).meta({
    description: "sources with people or groups that are not in the configuration any more",
  }),
  targets: z.array(
    z.looseObject({
      ...texts("name", "type"),
      ...counts("inSync", "pending", "failed", "held"),
      dismissed: count.meta({ description: "of the held: who waits only for what somebody has dismissed" }),
      missing: count,
      oldestPendingSeconds: z.number().nullable(),
      lastSuccessAt: time,
      retryAt: time.meta({ description: "of a target that fails: when it is tried again; null when that is now" }),
      ...each(textOrNull, "heldDigest", "undecidedDigest", "dismissedDigest"),
    }),
  ),
});
export const overview = z.object({
  status,
  attention: listOf({
    target: text,
    kind: z.enum(attentionKinds),
    count,
    since: time,
    first: listOf({ kind, ...texts("id", "name"), since: time, error: textOrNull }),
  }),
  hours: listOf({
    target: text,
    hour: time,
    ...counts("applied", "unconfirmed", "failed", "delivered"),
    ...each(count.nullable(), "medianMs", "p95Ms"),
  }),
});
const digests = {
  undecidedDigest: textOrNull.meta({ description: "of what nobody has decided about" }),
  dismissedDigest: textOrNull.meta({ description: "of what somebody has dismissed" }),
};
export const held = z.object({ target: text, digest: textOrNull, ...digests, items: z.array(heldItem) });
export const plan = z.object({
  target: text,
  madeAt: time,
  counts: z.record(text, count),
  changes: z.array(change),
  held: z.array(z.looseObject({ ...texts("op", "reason"), dismissed: flag })),
  skipped: listOf({ change, reason: text }),
  heldDigest: textOrNull,
  ...digests,
  isCut: flag.meta({ description: "more than `limit` of a kind: the counts tell how many" }),
});
/** `done` counts the held changes: `approved` or `dismissed`. */
export const decided = (done: string) => z.object({ ...texts("target", "digest"), [done]: count });
export const asked = z.object({ targets: z.array(text) });
export const tokens = z.object({
  url: text,
  tokens: listOf({
    ...texts("id", "source", "label", "fingerprint"),
    ...times("createdAt", "revokedAt", "expiresAt"),
    lastUsedAt: time.meta({ description: "to within a minute" }),
    state: z.enum(["good", "expired", "revoked"]),
    expiresSoon: flag.meta({ description: "good, and for 14 days more at most" }),
  }),
});
export const newToken = z.object({
  token: text.meta({ description: "shown this once" }),
  ...texts("id", "source", "label", "url"),
  expiresAt: time,
});
export const rotatedToken = newToken.extend({ replaces: text, oldGoodUntil: time });
export const revoked = z.object({ id: text, revoked: z.literal(true) });
export const connections = z.object({
  cannotStore: textOrNull,
  connections: listOf({
    name: text,
    type: z.enum(targetTypes),
    from: z.enum(["file", "stored", "stored and file"]),
    state: z.enum(["working", "failing", "new", "unreadable"]),
    error: textOrNull,
    ...times("lastSuccessAt", "verifiedAt", "changedAt"),
    ...each(textOrNull, "host", "clientId"),
  }),
});
export const verification = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    survey: z.object({
      name: text,
      type: z.enum(targetTypes),
      ...texts("accountId", "host"),
      members: count,
      groups: count.nullable(),
      states: z.record(text, count),
      findings: listOf({ level: z.enum(["ok", "warning", "error"]), message: text }),
    }),
  }),
  z.object({ ok: z.literal(false), errors: z.record(text, text) }),
]);
export const consequences = z.object({ name: text, consequences: z.array(text) });
export const disconnected = z.object({ name: text, disconnected: z.literal(true) });
/** No JSON: see the media types. */
export const anyText = text;
