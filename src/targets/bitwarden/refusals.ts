import type { VendorError } from "./convert.ts";

/** The meaning of a refusal for the change that was refused. */
export interface Refusal {
  /** The vendor's words. */
  readonly words: string;
  /** True if only a person can end it. */
  readonly isPermanent: boolean;
  /** True if seats are missing, so that the next invitation will be refused too. */
  readonly isAboutSeats: boolean;
  /** Advice for people; empty if unknown. */
  readonly advice: string;
}

interface KnownRefusal {
  readonly pattern: RegExp;
  readonly isAboutSeats?: true;
  readonly advice: string;
}

// Texts of bitwarden/server 2026.8.0, commit ac309aa1, read 2026-08-20. Bitwarden gives no code, only a text.
// A refusal with an unknown text is retried with backoff.

const buySeats = "free or buy a seat in Bitwarden, or raise the autoscale limit";
const askMember = "the person or the policy's owner has to resolve it in Bitwarden";

const known: readonly KnownRefusal[] = [
  // CloudOrganizationInviteValidation, OrganizationService.AutoAddSeats, RestoreOrganizationUserCommand
  { pattern: /^Seat limit has been reached\./, isAboutSeats: true, advice: buySeats },
  { pattern: /^Plan does not allow additional seats\./, isAboutSeats: true, advice: buySeats },
  { pattern: /^Organization plan allows a maximum of /, isAboutSeats: true, advice: buySeats },
  { pattern: /^You do not have any Password Manager seats!/, isAboutSeats: true, advice: buySeats },
  {
    pattern: /^Cannot auto ?scale (on )?self-host/,
    isAboutSeats: true,
    advice: "upload a licence with more seats, or free one",
  },
  { pattern: /^No payment method found\./, isAboutSeats: true, advice: "repair the organization's billing" },
  { pattern: /^No subscription found\./, isAboutSeats: true, advice: "repair the organization's billing" },
  {
    pattern: /^You do not have an active subscription\./,
    isAboutSeats: true,
    advice: "repair the organization's billing",
  },
  // HasConfirmedOwnersExceptQuery, RevokeOrganizationUsersValidator
  { pattern: /^Organization must have at least one confirmed owner\./, advice: "confirm another owner first" },
  // RestoreOrganizationUserCommand.CheckPoliciesBeforeRestoreAsync
  { pattern: / is not compliant with the .*policy\.$/, advice: askMember },
  {
    pattern: / cannot be restored (until they leave all other|because they are a member of another) organization/,
    advice: askMember,
  },
  { pattern: /^User is an owner \/ admin of another free organization vault\./, advice: askMember },
  // UpdateOrganizationUserCommand
  { pattern: /^User can only be an admin of 1 free organization vault\./, advice: askMember },
  {
    pattern: /^To enable custom permissions the organization must be on an Enterprise plan\./,
    advice: "upgrade the plan",
  },
  // GroupsController, CreateGroupCommand
  {
    pattern: /^This organization cannot use groups\./,
    advice: "exclude all groups in the configuration, or upgrade the plan",
  },
  // ExceptionHandlerFilterAttribute: model state
  { pattern: /^The request's model state is invalid\./, advice: "correct the value in the directory" },
];

/** A refusal that says more about the change than that it failed. */
export type Meaning =
  | "already suspended"
  | "already active"
  | "already invited"
  | "not invited"
  | "no import"
  | "partly done";

const meanings: ReadonlyMap<string, Meaning> = new Map([
  ["Already revoked.", "already suspended"], // RevokeOrganizationUsersValidator
  ["Already active.", "already active"], // RestoreOrganizationUserCommand
  // InviteOrganizationUsersCommand: the address has a member in any state. Observe and adopt it.
  ["This user has already been invited.", "already invited"],
  ["User invalid.", "not invited"], // ResendOrganizationInviteCommand: accepted meanwhile, or still revoked
  ["Organization cannot use directory syncing.", "no import"], // OrganizationController: not in the plan
  // AggregateException: failures while saving or mailing. Part of an import may be done.
  ["Errors have occurred.", "partly done"],
  ["Failed to invite users", "partly done"],
]);

/** Returns null for a refusal that says only that the change failed. */
export const meaningOf = ({ message }: VendorError): Meaning | null => meanings.get(message) ?? null;

/** Returns the invalid positions in the payload of an import: 3 for `Members[3].Email`. */
export function refusedPlaces(error: VendorError): ReadonlyMap<number, string> {
  const places = new Map<number, string>();
  for (const [key, texts] of Object.entries(error.errors ?? {})) {
    const place = /^Members\[(\d+)\]/.exec(key)?.[1];
    if (place !== undefined) places.set(Number(place), texts.join(" "));
  }
  return places;
}

/** Explains an error of the vendor. `words` has maximum 400 characters. */
export function refusalOf(error: VendorError): Refusal {
  const details = Object.values(error.errors ?? {})
    .flat()
    .join(" ");
  const words = [error.message, details]
    .filter((text) => text !== "")
    .join(" ")
    .slice(0, 400);
  const match = known.find(({ pattern }) => pattern.test(error.message));
  return {
    words,
    isPermanent: match !== undefined,
    isAboutSeats: match?.isAboutSeats ?? false,
    advice: match?.advice ?? "",
  };
}
