import { z } from "zod";
import type { AuditFilter } from "../../domain/model/audit.ts";
import type { ActivityQuery, GroupsQuery, SyncStatusFilter } from "../../domain/ports/console-store.ts";
import { credentialKeys, placeKeys, targetTypes } from "../../targets/registry.ts";

const notes = [
  "not-in-target",
  "out-of-scope",
  "protected",
  "conflict",
  "no-email",
  "email-differs",
  "ambiguous",
  "staged",
  "unknown-state",
  "suspended-by-others",
  "source-gone",
  "drift",
] as const;
export const syncStates = ["inSync", "pending", "failed", "held", "missing"] as const;
export const seenStates = ["invited", "accepted", "active", "suspended", "staged", "unknown", "absent"] as const;

const dayMs = 86_400_000;
const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: dayMs };
/** A length of time as in `30m`, `24h` or `90d`, in milliseconds. */
const duration = z
  .string()
  .regex(/^\d{1,6}[smhd]$/, "a duration looks like 30m, 24h or 90d")
  .transform((text) => Number(text.slice(0, -1)) * (unitMs[text.slice(-1)] ?? 0))
  .refine((ms) => ms > 0 && ms <= 3650 * dayMs, "more than nothing, and up to 3650d");

export const nothing = z.strictObject({});
export const name = z.string().min(1).max(200);
export const byId = z.strictObject({ id: name });
export const byTarget = z.strictObject({ target: name });

const limit = (most: number) => z.coerce.number().int().min(1).max(most).default(50);
/** A time as in `2026-11-22T04:00:00Z`, in milliseconds. */
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const listed = {
  search: z
    .string()
    .max(200)
    .default("")
    .meta({ description: "a part of the name, address or userName, or the whole id" }),
  source: name.optional(),
  target: name.optional().meta({ description: "tell about this target only; the filters below are then about it" }),
  presence: z.enum(["present", "inactive", "gone"]).optional(),
  state: z.enum(syncStates).optional(),
  note: z.enum(notes).optional(),
  seen: z.enum(seenStates).optional().meta({ description: "what the target shows" }),
  cursor: z.string().max(2000).optional().meta({ description: "`nextCursor` of the page before" }),
  limit: limit(200),
};
const oneFilter = (query: { readonly state?: unknown; readonly note?: unknown; readonly seen?: unknown }): boolean =>
  [query.state, query.note, query.seen].filter((each) => each !== undefined).length <= 1;
const oneFilterMessage = "only one of state, note and seen at a time";

export const peopleInput = z.strictObject({ ...listed, group: name.optional() }).refine(oneFilter, oneFilterMessage);
export const groupsInput = z.strictObject(listed).refine(oneFilter, oneFilterMessage);
export const membersInput = z.strictObject({ cursor: listed.cursor, limit: listed.limit });

/** The question to the store; `targets` are all that there are. */
export function entityQuery(input: z.output<typeof groupsInput>, targets: readonly string[]): GroupsQuery {
  return {
    connections: input.target === undefined ? targets : [input.target],
    search: input.search,
    source: input.source ?? null,
    presence: input.presence ?? null,
    standing: standingOf(input),
    cursor: input.cursor ?? null,
    limit: input.limit,
  };
}

function standingOf({ state, note, seen }: z.output<typeof groupsInput>): SyncStatusFilter | null {
  if (state !== undefined) return { by: "state", state };
  if (note !== undefined) return { by: "note", note };
  return seen === undefined ? null : { by: "seen", seen };
}

const followed = {
  entity: name.optional().meta({ description: "a person's or group's id" }),
  target: name.optional(),
  action: z.string().min(1).max(100).optional().meta({ description: "`user` finds `user.create`" }),
  actor: z.string().min(1).max(200).optional().meta({ description: "how it begins: `scim:`, `reconcile`" }),
  failures: z.stringbool().default(false),
};
export const followInput = z.strictObject(followed);
export const activityInput = z.strictObject({
  ...followed,
  since: time.optional(),
  until: time.optional(),
  before: z.coerce.number().int().min(1).optional().meta({ description: "`nextBefore` of the page before" }),
  limit: limit(500),
});

/** The question to the store. */
export function activityQuery(input: Partial<z.output<typeof activityInput>>): ActivityQuery {
  return {
    entityId: input.entity ?? null,
    target: input.target ?? null,
    action: input.action ?? null,
    actor: input.actor ?? null,
    sinceMs: input.since ?? null,
    untilMs: input.until ?? null,
    isFailureOnly: input.failures ?? false,
    beforeSeq: input.before ?? null,
    limit: input.limit ?? 50,
  };
}

const narrowed = {
  since: time.optional(),
  until: time.optional(),
  person: name.optional().meta({ description: "an e-mail address, userName or id, under any that they have or had" }),
  target: name.optional(),
};
const format = z.enum(["jsonl", "csv"]).default("jsonl");
export const exportInput = z.strictObject({ format, ...narrowed, action: name.optional() });
export const lossExportInput = z.strictObject({ format, ...narrowed });
export const lossesInput = z.strictObject({
  ...narrowed,
  before: z.coerce.number().int().min(1).optional().meta({ description: "`nextBefore` of the page before" }),
  limit: limit(200),
});

/** The question to the audit trail. */
export const auditFilter = (input: Omit<z.output<typeof exportInput>, "format">): AuditFilter => ({
  sinceMs: input.since ?? null,
  untilMs: input.until ?? null,
  person: input.person ?? null,
  target: input.target ?? null,
  action: input.action ?? null,
});

export const planInput = z.strictObject({ limit: z.coerce.number().int().min(0).max(5000).default(500) });
export const approveInput = z.strictObject({ digest: z.string().regex(/^[0-9a-f]{16}$/, "16 hex digits") });
export const reinviteInput = z.strictObject({ target: name });
export const personSyncInput = z.strictObject({ target: name.optional() });
export const tokenInput = z.strictObject({
  source: name,
  label: z.string().trim().min(1).max(100),
  expiresIn: duration
    .optional()
    .meta({ description: "after that long it is refused: `90d`; without it, it does not end" }),
});
export const rotateTokenInput = z.strictObject({
  grace: duration
    .default(dayMs)
    .meta({ description: "how long the old one is still good: `24h`, which is the default" }),
});

const secret = z.string().min(1).max(1000).meta({ writeOnly: true });
const optionalText = z.string().max(1000).optional();
export const draftInput = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][\w.-]{0,62}$/, "1 to 63 letters, digits, dots, dashes and underscores"),
  type: z.enum(targetTypes),
  ...Object.fromEntries([...placeKeys, ...credentialKeys].map((key) => [key, optionalText])),
  clientSecret: secret.optional(),
});
export const rotateInput = z.strictObject({ clientSecret: secret });
