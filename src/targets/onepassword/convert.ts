import { z } from "zod";
import type { AccountState, ObservedAccount } from "../../domain/model/account.ts";
import { normalizeEmail } from "../../domain/model/entities.ts";

// protobuf JSON leaves out default values, so anything but the id may be absent (contract sheet §4).

/** A user as the Users API gives it. */
export const vendorUser = z.looseObject({
  id: z.string().min(1),
  email: z.string().nullish(),
  state: z.string().nullish(),
});
export type VendorUser = z.infer<typeof vendorUser>;

/** One page of the list. Docs and spec say `results`; one third-party client reads `users` (§5), so that is understood too. */
export const vendorPage = z.looseObject({
  results: z.array(vendorUser).nullish(),
  users: z.array(vendorUser).nullish(),
  next_page_token: z.string().nullish(),
});

/** A gRPC status as JSON (§6): a number and a slug. */
export const vendorError = z.looseObject({ code: z.number().nullish(), message: z.string().nullish() });

/** Anything but these two is left alone and reported (§4). */
export function stateOf(state: string | null | undefined): AccountState {
  if (state === "ACTIVE") return "active";
  return state === "SUSPENDED" ? "suspended" : "unknown";
}

/** The API shows neither roles nor external ids nor whether an invitation was taken up. */
export const toObservedMember = (user: VendorUser): ObservedAccount => ({
  remoteId: user.id,
  email: normalizeEmail(user.email ?? ""),
  externalId: null,
  state: stateOf(user.state),
  role: null,
  hasAccount: null,
});
