import type { LinkNote, ObservedState } from "../domain/model/link.ts";
import type { PollFinding } from "../domain/ports/import-store.ts";

/**
 * Why a user or group is not delivered as usual. `product` is the name of the target's product. `isWanted`: false if the
 * source gives no access.
 */
export function noteText(note: LinkNote, product: string, isWanted = true): string {
  switch (note) {
    case "not-in-target":
      return isWanted
        ? `not in ${product}, and its API cannot invite: invite this person there`
        : `not in ${product}: there is no access to remove`;
    case "out-of-scope":
      return "not in the scope of this target (users.groups)";
    case "protected":
      return "protected: Rollcall never changes this account";
    case "conflict":
      return "another person with the same e-mail address came first: nothing is done for this person";
    case "no-email":
      return "has no e-mail address, so no account can be found";
    case "email-differs":
      return `has another e-mail address in ${product}; only this person can change it there`;
    case "ambiguous":
      return `several accounts in ${product} could belong to this person: nothing is done until you correct that there`;
    case "staged":
      return `is staged in ${product}: invite this person there`;
    case "unknown-state":
      return "is in a state that Rollcall does not know: nothing is done";
    case "suspended-by-others":
      return "was suspended by somebody else: Rollcall does not restore access (reactivate: own)";
    case "source-gone":
      return "comes from a source that is no longer in the configuration: access stays as it is";
    case "drift":
      return "was changed in the target by hand: Rollcall only reports it (driftPolicy: report)";
    default:
      return note satisfies never;
  }
}

/** Findings of an LDAP poll, as text after their number. */
export const findingText: Readonly<Record<PollFinding["kind"], string>> = {
  "without-email": "people without an e-mail address",
  contact: "contacts, who can't have an account",
  "duplicate-email": "e-mail addresses that several people have",
  "duplicate-id": "entries with the id of another entry",
  "without-id": "entries without a stable id",
  referral: "referrals, not followed",
  warning: "warnings",
};

/** "SCIM" for "scim". */
export const sourceTypeName = (type: string): string => ({ scim: "SCIM", ldap: "LDAP" })[type] ?? type;

/** The state of an account in a target. */
export const accountStateNames: Readonly<Record<ObservedState, string>> = {
  invited: "invited, not accepted yet",
  accepted: "accepted, waits for the confirmation of an administrator",
  active: "active",
  suspended: "suspended",
  staged: "staged, not invited",
  unknown: "in a state that Rollcall does not know",
  absent: "no account",
};
