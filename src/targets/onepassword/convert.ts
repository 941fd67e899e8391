import { z } from "zod";
import type { AccountState, ObservedAccount } from "../../domain/model/account.ts";
import { normalizeEmail } from "../../domain/model/entities.ts";

// The JSON of protobuf leaves out default values, so every field except the id may be absent.

/** A user as the Users API gives it. */
export const vendorUser = z.looseObject({
  id: z.string().min(1),
  email: z.string().nullish(),
  state: z.string().nullish(),
});
export type VendorUser = z.infer<typeof vendorUser>;

/** One page of the list. The documentation has `results`; one third-party client reads `users`, so both are accepted. */
export const vendorPage = z.looseObject({
  results: z.array(vendorUser).nullish(),
  users: z.array(vendorUser).nullish(),
  next_page_token: z.string().nullish(),
});

/** A gRPC status as JSON: a number and a slug. */
export const vendorError = z.looseObject({ code: z.number().nullish(), message: z.string().nullish() });

/** Converts a state. Rollcall reports an unknown one and does nothing to the user. */
export function stateOf(state: string | null | undefined): AccountState {
  if (state === "ACTIVE") return "active";
  return state === "SUSPENDED" ? "suspended" : "unknown";
}

/** Converts a user. The API does not show roles, external ids and accepted invitations. */
export const toObservedMember = (user: VendorUser): ObservedAccount => ({
  remoteId: user.id,
  email: normalizeEmail(user.email ?? ""),
  externalId: null,
  state: stateOf(user.state),
  role: null,
  hasAccount: null,
});
