import { z } from "zod";
import type { AccountState, ObservedAccount, ObservedGroup } from "../../domain/model/account.ts";
import { normalizeEmail } from "../../domain/model/entities.ts";

// Unknown fields and enum numbers are allowed. Unknown fields go back unchanged in a PUT.

const collection = z.looseObject({ id: z.string() });

/** A member as `MemberResponseModel` gives it (bitwarden/server 2026.8.0). */
export const vendorMember = z.looseObject({
  id: z.string().min(1),
  userId: z.string().nullish(),
  email: z.string(),
  type: z.number(),
  status: z.number(),
  externalId: z.string().nullish(),
  permissions: z.looseObject({}).nullish(),
  collections: z.array(collection).nullish(),
});
export type VendorMember = z.infer<typeof vendorMember>;

/** A group as `GroupResponseModel` gives it. Rollcall never changes its collections. */
export const vendorGroup = z.looseObject({
  id: z.string().min(1),
  name: z.string(),
  externalId: z.string().nullish(),
});
export type VendorGroup = z.infer<typeof vendorGroup>;

/** A list of this API. Older versions send a `continuationToken`; this one does not. */
export const vendorList = <T>(item: z.ZodType<T>) =>
  z.looseObject({ data: z.array(item), continuationToken: z.string().nullish() });

/** Member ids of a group, group ids of a member: a bare array. */
export const vendorIds = z.array(z.string());

/** Error bodies of the Public API, and of the internal API, which answers 429. */
export const vendorError = z.looseObject({
  message: z.string(),
  errors: z.record(z.string(), z.array(z.string())).nullish().catch(null),
});
export type VendorError = z.infer<typeof vendorError>;

/** `OrganizationUserType` of bitwarden/server. */
export const memberType = { owner: 0, admin: 1, user: 2, custom: 4 } as const;

/** Returns the role in lower case; `unknown` for an unknown number. */
export function roleOf(type: number): string {
  const found = Object.entries(memberType).find(([, number]) => number === type);
  return found?.[0] ?? "unknown";
}

/** Converts `OrganizationUserStatusType` of bitwarden/server. */
export function stateOf(status: number): AccountState {
  switch (status) {
    case -1:
      return "suspended";
    case 0:
      return "invited";
    case 1:
      return "accepted";
    case 2:
      return "active";
    case 3:
      return "staged";
    default:
      return "unknown";
  }
}

/** Converts a member, without name, permissions and collections. */
export const toObservedMember = (member: VendorMember): ObservedAccount => ({
  remoteId: member.id,
  email: normalizeEmail(member.email),
  externalId: blankToNull(member.externalId),
  state: stateOf(member.status),
  role: roleOf(member.type),
  hasAccount: member.userId != null,
});

/** Converts a group, without its collections. */
export const toObservedGroup = (group: VendorGroup): ObservedGroup => ({
  remoteId: group.id,
  name: group.name,
  externalId: blankToNull(group.externalId),
});

const blankToNull = (value: string | null | undefined): string | null =>
  value == null || value.trim() === "" ? null : value;

/**
 * Returns the body of a PUT that changes only the externalId. Bitwarden clears every field that a PUT leaves out, except
 * groups, which it keeps only when they are left out (MemberUpdateRequestModel). Null if the collections are unknown.
 */
export function memberWithExternalId(
  member: VendorMember,
  externalId: string,
): Readonly<Record<string, unknown>> | null {
  if (member.collections == null) return null;
  const { type, collections, permissions } = member;
  return { type, externalId, collections, ...(type === memberType.custom ? { permissions } : {}) };
}
