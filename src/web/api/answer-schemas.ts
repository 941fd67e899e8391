import { z } from "zod";
import { seenStates, syncStates } from "../../app/queries.ts";
import { targetTypes } from "../../targets/registry.ts";

const text = z.string();
const count = z.number().int().min(0);
const time = z.iso.datetime().nullable();
const textOrNull = text.nullable();
const json = z.record(text, z.unknown());

/** Every error of the API. */
export const problemAnswer = z.object({
  error: z.object({ code: text, message: text, requestId: text.optional() }),
});

const standing = z.object({
  target: text,
  state: z
    .enum(syncStates)
    .nullable()
    .meta({ description: "null: gone from the directory, nothing left in the target" }),
  note: textOrNull,
  remoteId: textOrNull,
  ownership: z.enum(["created", "adopted"]).nullable(),
  hasAccess: z.boolean(),
  seenState: z.enum(seenStates).nullable(),
  seenSince: time,
  reinviteAskedAt: time,
  attempts: count,
  retryAt: time,
  error: z.object({ code: text, message: textOrNull }).nullable(),
  lastSuccessAt: time,
});
const person = z.object({
  id: text,
  source: text,
  displayName: text,
  userName: text,
  email: textOrNull,
  active: z.boolean(),
  absentSince: time,
  targets: z.array(standing),
});
const group = z.object({
  id: text,
  source: text,
  displayName: text,
  memberCount: count,
  absentSince: time,
  targets: z.array(standing),
});
const details = { externalId: text, rev: count, createdAt: time, modifiedAt: time };
const page = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), nextCursor: textOrNull, total: count });

export const change = z.looseObject({ op: text });
const heldItem = z.looseObject({
  key: text,
  kind: z.enum(["user", "group"]),
  entityId: text,
  reason: z.enum(["budget", "scope", "restored", "returning", "handed-on", "seats"]),
  since: time,
  approvedAt: time,
  dismissedAt: time.meta({ description: "since when it waits whatever the budget allows" }),
  dismissedBy: textOrNull,
  change,
});
const row = z.object({
  seq: count,
  at: time,
  actor: text,
  requestId: textOrNull,
  action: text,
  kind: z.enum(["user", "group"]).nullable(),
  entityId: textOrNull,
  name: textOrNull,
  target: textOrNull,
  rev: z.number().int().nullable(),
  detail: json,
});

export const people = page(person);
export const groups = page(group);
export const personDetail = person.extend({
  ...details,
  groups: z.array(z.object({ id: text, displayName: text })),
  held: z.array(heldItem.extend({ target: text })),
  history: z.array(row),
});
export const groupDetail = group.extend({ ...details, members: people });
export const activity = z.object({ rows: z.array(row), nextBefore: z.number().int().nullable() });
const lossCause = z
  .object({
    seq: count,
    at: time,
    action: text,
    actor: text,
    source: textOrNull.meta({ description: "whose word it was; null: no source's" }),
    requestId: textOrNull,
    detail: json,
  })
  .nullable();
export const losses = z.object({
  losses: z.array(
    z.object({
      seq: count,
      at: time,
      target: text,
      what: z.enum(["suspend", "remove", "removeFromGroup", "removeGroup"]),
      kind: z.enum(["user", "group"]).nullable(),
      entityId: textOrNull,
      name: textOrNull,
      group: textOrNull,
      outcome: z.enum(["applied", "unconfirmed"]),
      why: z.enum(["directory", "drift"]),
      cause: lossCause.meta({ description: "the change of the directory behind it" }),
      approval: lossCause.meta({ description: "who let it pass, where the guard had held it" }),
    }),
  ),
  nextBefore: z.number().int().nullable(),
});
export const status = z.looseObject({
  sources: z.array(z.looseObject({ name: text, type: text, users: count, groups: count, lastSuccessAt: time })),
  goneSources: z
    .array(z.object({ name: text, users: count, groups: count }))
    .meta({ description: "sources with people or groups that are not in the configuration any more" }),
  targets: z.array(
    z.looseObject({
      name: text,
      type: text,
      inSync: count,
      pending: count,
      failed: count,
      held: count,
      dismissed: count.meta({ description: "of the held: who waits only for what somebody has dismissed" }),
      missing: count,
      oldestPendingSeconds: z.number().nullable(),
      lastSuccessAt: time,
      retryAt: time.meta({ description: "of a target that fails: when it is tried again; null when that is now" }),
      heldDigest: textOrNull,
      undecidedDigest: textOrNull,
      dismissedDigest: textOrNull,
    }),
  ),
});
export const overview = z.object({
  status,
  attention: z.array(
    z.object({
      target: text,
      kind: z.enum([
        "held",
        "restored",
        "returning",
        "handed-on",
        "scope",
        "seats",
        "failing",
        "accepted",
        "missing",
        "invitation",
      ]),
      count,
      since: time,
      first: z.array(
        z.object({ kind: z.enum(["user", "group"]), id: text, name: text, since: time, error: textOrNull }),
      ),
    }),
  ),
  hours: z.array(
    z.object({
      target: text,
      hour: time,
      applied: count,
      unconfirmed: count,
      failed: count,
      delivered: count,
      medianMs: count.nullable(),
      p95Ms: count.nullable(),
    }),
  ),
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
  held: z.array(z.looseObject({ op: text, reason: text, dismissed: z.boolean() })),
  skipped: z.array(z.object({ change, reason: text })),
  heldDigest: textOrNull,
  ...digests,
  isCut: z.boolean().meta({ description: "more than `limit` of a kind: the counts tell how many" }),
});
export const approved = z.object({ target: text, digest: text, approved: count });
export const dismissed = z.object({ target: text, digest: text, dismissed: count });
export const asked = z.object({ targets: z.array(text) });
export const tokens = z.object({
  url: text,
  tokens: z.array(
    z.object({
      id: text,
      source: text,
      label: text,
      fingerprint: text,
      createdAt: time,
      revokedAt: time,
      expiresAt: time,
      lastUsedAt: time.meta({ description: "to within a minute" }),
      state: z.enum(["good", "expired", "revoked"]),
      expiresSoon: z.boolean().meta({ description: "good, and for 14 days more at most" }),
    }),
  ),
});
export const newToken = z.object({
  token: text.meta({ description: "shown this once" }),
  id: text,
  source: text,
  label: text,
  url: text,
  expiresAt: time,
});
export const rotatedToken = newToken.extend({ replaces: text, oldGoodUntil: time });
export const revoked = z.object({ id: text, revoked: z.literal(true) });
export const connections = z.object({
  cannotStore: textOrNull,
  connections: z.array(
    z.object({
      name: text,
      type: z.enum(targetTypes),
      from: z.enum(["file", "stored", "stored and file"]),
      state: z.enum(["working", "failing", "new", "unreadable"]),
      error: textOrNull,
      lastSuccessAt: time,
      verifiedAt: time,
      changedAt: time,
      host: textOrNull,
      clientId: textOrNull,
    }),
  ),
});
export const verification = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    survey: z.object({
      name: text,
      type: z.enum(targetTypes),
      accountId: text,
      host: text,
      members: count,
      groups: count.nullable(),
      states: z.record(text, count),
      findings: z.array(z.object({ level: z.enum(["ok", "warning", "error"]), message: text })),
    }),
  }),
  z.object({ ok: z.literal(false), errors: z.record(text, text) }),
]);
export const consequences = z.object({ name: text, consequences: z.array(text) });
export const disconnected = z.object({ name: text, disconnected: z.literal(true) });
/** No JSON: see the media types. */
export const anyText = z.string();
