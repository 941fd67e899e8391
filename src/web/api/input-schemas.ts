import { z } from "zod";
import { linkNotes, observedStates } from "../../domain/model/link.ts";
import { presences, syncStates } from "../../domain/ports/console-store.ts";
import { credentialKeys, placeKeys, targetTypes } from "../../targets/registry.ts";

const dayMs = 86_400_000;
const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: dayMs };
/** A length of time as in `30m`, `24h` or `90d`, in milliseconds. */
const duration = z
  .string()
  .regex(/^\d{1,6}[smhd]$/, "a duration looks like 30m, 24h or 90d")
  .transform((text) => Number(text.slice(0, -1)) * (unitMs[text.slice(-1)] ?? 0))
  .refine((ms) => ms > 0 && ms <= 3650 * dayMs, "a duration is more than 0 and at most 3650d");

export const name = z.string().min(1).max(200);

const limit = (most: number) => z.coerce.number().int().min(1).max(most).default(50);
/** A time as in `2026-11-22T04:00:00Z`, in milliseconds. */
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const listed = {
  search: z
    .string()
    .max(200)
    .default("")
    .meta({ description: "a part of the name, e-mail address or userName, or the whole id" }),
  source: name.optional(),
  target: name.optional().meta({ description: "show this target only; `state`, `note` and `seen` then apply to it" }),
  presence: z.enum(presences).optional(),
  state: z.enum(syncStates).optional(),
  note: z.enum(linkNotes).optional(),
  seen: z.enum(observedStates).optional().meta({ description: "state of the account in the target" }),
  cursor: z.string().max(2000).optional().meta({ description: "`nextCursor` of the previous page" }),
  limit: limit(200),
};
const oneFilter = (query: { readonly state?: unknown; readonly note?: unknown; readonly seen?: unknown }): boolean =>
  [query.state, query.note, query.seen].filter((each) => each !== undefined).length <= 1;
const oneFilterMessage = "only one of state, note and seen at a time";

export const peopleInput = z.strictObject({ ...listed, group: name.optional() }).refine(oneFilter, oneFilterMessage);
export const groupsInput = z.strictObject(listed).refine(oneFilter, oneFilterMessage);
export const membersInput = z.strictObject({ cursor: listed.cursor, limit: listed.limit });

const followed = {
  entity: name.optional().meta({ description: "a person's or group's id" }),
  target: name.optional(),
  action: z.string().min(1).max(100).optional().meta({ description: "`user` finds `user.create`" }),
  actor: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: "the beginning of the actor: `scim:`, `reconcile`" }),
  failures: z.stringbool().default(false),
};
export const followInput = z.strictObject(followed);
export const activityInput = z.strictObject({
  ...followed,
  since: time.optional(),
  until: time.optional(),
  before: z.coerce.number().int().min(1).optional().meta({ description: "`nextBefore` of the previous page" }),
  limit: limit(500),
});

const narrowed = {
  since: time.optional(),
  until: time.optional(),
  person: name.optional().meta({ description: "an e-mail address, userName or id, also a former one" }),
  target: name.optional(),
};
const format = z.enum(["jsonl", "csv"]).default("jsonl");
export const exportInput = z.strictObject({ format, ...narrowed, action: name.optional() });
export const lossExportInput = z.strictObject({ format, ...narrowed });
export const lossesInput = z.strictObject({
  ...narrowed,
  before: z.coerce.number().int().min(1).optional().meta({ description: "`nextBefore` of the previous page" }),
  limit: limit(200),
});

export const planInput = z.strictObject({ limit: z.coerce.number().int().min(0).max(5000).default(500) });
export const approveInput = z.strictObject({ digest: z.string().regex(/^[0-9a-f]{16}$/, "16 hex digits") });
export const reinviteInput = z.strictObject({ target: name });
export const personSyncInput = z.strictObject({ target: name.optional() });
export const tokenInput = z.strictObject({
  source: name,
  label: z.string().trim().min(1).max(100),
  expiresIn: duration.optional().meta({ description: "lifetime, such as `90d`; without it the token never expires" }),
});
export const rotateTokenInput = z.strictObject({
  grace: duration.default(dayMs).meta({ description: "how long the old token stays valid; default `24h`" }),
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
