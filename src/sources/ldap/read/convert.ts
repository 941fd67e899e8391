import { normalizeEmail } from "../../../domain/model/entities.ts";
import { RollcallError } from "../../../domain/model/errors.ts";
import type { Locator, SourceGroup, SourceUser } from "../../../domain/ports/import-store.ts";
import { normalizeDn } from "../protocol/dn.ts";
import type { LdapEntry } from "../protocol/entry.ts";
import { readId } from "../servers/identifiers.ts";
import type { DisabledMarker, LdapSettings } from "../servers/options.ts";

/** A person, or why an entry is none. */
export type ConvertedUser =
  | { readonly kind: "user"; readonly user: SourceUser }
  | { readonly kind: "contact" | "without-id"; readonly dn: string };

export type ConvertedGroup =
  | { readonly kind: "group"; readonly group: SourceGroup }
  | { readonly kind: "without-id"; readonly dn: string };

/** How a DN refers to an entry. */
export const dnLocator = (dn: string): Locator => `dn:${normalizeDn(dn)}`;
const uidLocator = (uid: string): Locator => `uid:${uid.trim().toLowerCase()}`;
const primaryGroupLocator = (rid: string): Locator => `rid:${rid}`;

/** The attributes that `toUser` reads: never more is asked for. */
export function userAttributes({ users, entryId, preset }: LdapSettings): readonly string[] {
  const mail = [...(users.readsEmail ? [users.email] : []), ...(users.emailPrefix === null ? [] : [users.emailPrefix])];
  const wanted = [entryId, "objectClass", users.id, ...mail, users.userName, users.name, ...users.disabledBy];
  if (users.memberOf !== null) wanted.push(users.memberOf);
  if (preset === "activedirectory") wanted.push("primaryGroupID");
  return unique(wanted);
}

/** The attributes that `toGroup` reads. */
export function groupAttributes({ users, groups, entryId, preset }: LdapSettings): readonly string[] {
  if (groups === null) return [];
  const wanted = [entryId, groups.id, groups.name, users.memberOf ?? groups.members];
  if (preset === "activedirectory") wanted.push("primaryGroupToken");
  return unique(wanted);
}

const unique = (names: readonly string[]): readonly string[] => [
  ...new Map(names.map((name) => [name.toLowerCase(), name])).values(),
];

/**
 * `isMarkedInactive` is the server's answer to `inactiveWhen`.
 * @throws `SOURCE_INCOMPLETE` for an account whose userAccountControl may not be read: every account of Active Directory
 * has one, and without it whoever is disabled would be let in.
 */
export function toUser(entry: LdapEntry, settings: LdapSettings, isMarkedInactive: boolean): ConvertedUser {
  const { users, groups } = settings;
  const { dn } = entry;
  if (entry.texts("objectClass").some((name) => name.toLowerCase() === "contact")) return { kind: "contact", dn };
  const externalId = readId(entry, users.id);
  const entryId = readId(entry, settings.entryId);
  if (externalId === null || entryId === null) return { kind: "without-id", dn };
  if (users.disabledBy.includes("userAccountControl") && entry.text("userAccountControl") === null)
    throw new RollcallError(
      "SOURCE_INCOMPLETE",
      `${dn}: userAccountControl can't be read, so nobody can tell whether the account is disabled: nothing was changed. Let the bind account read it (property set Account Restrictions), leave such entries out by (userAccountControl=*) in users.filter, or, where the server has no such attribute, out of users.disabledBy`,
    );
  const email = emailOf(entry, settings);
  const userName = entry.text(users.userName) ?? email ?? externalId;
  const uid = entry.text(users.userName);
  return {
    kind: "user",
    user: {
      externalId,
      entryId,
      userName,
      email,
      displayName: entry.text(users.name) ?? userName,
      isActive: !isMarkedInactive && !users.disabledBy.some((marker) => isDisabledBy(entry, marker)),
      activeUntilMs: users.disabledBy.includes("accountExpires") ? expiryOf(entry) : null,
      locators: [dnLocator(dn), ...(groups?.membersAre === "uid" && uid !== null ? [uidLocator(uid)] : [])],
      memberOf: [
        ...(users.memberOf === null ? [] : entry.texts(users.memberOf).map(dnLocator)),
        ...entry.texts("primaryGroupID").map(primaryGroupLocator),
      ],
    },
  };
}

/** `members` are all values, also where the server sent them in ranges. */
export function toGroup(entry: LdapEntry, settings: LdapSettings, members: readonly string[]): ConvertedGroup {
  const { groups, users } = settings;
  const externalId = groups === null ? null : readId(entry, groups.id);
  const entryId = readId(entry, settings.entryId);
  if (groups === null || externalId === null || entryId === null) return { kind: "without-id", dn: entry.dn };
  // What nobody can refer to can't be nested.
  const canBeReferredTo = groups.nested || users.memberOf !== null;
  return {
    kind: "group",
    group: {
      externalId,
      entryId,
      displayName: entry.text(groups.name) ?? externalId,
      locators: [
        ...(canBeReferredTo ? [dnLocator(entry.dn)] : []),
        ...entry.texts("primaryGroupToken").map(primaryGroupLocator),
      ],
      members:
        users.memberOf === null ? [...new Set(members.map(groups.membersAre === "uid" ? uidLocator : dnLocator))] : [],
      memberOf: users.memberOf !== null && groups.nested ? entry.texts(users.memberOf).map(dnLocator) : [],
    },
  };
}

function emailOf(entry: LdapEntry, { users }: LdapSettings): string | null {
  const own = users.readsEmail ? ownEmailOf(entry, users) : null;
  if (own !== null || users.emailPrefix === null) return own;
  const prefix = entry.text(users.emailPrefix);
  return prefix === null ? null : addressOrNull(prefix + users.emailSuffix);
}

function ownEmailOf(entry: LdapEntry, users: LdapSettings["users"]): string | null {
  if (users.email.toLowerCase() !== "proxyaddresses") return addressOrNull(entry.text(users.email));
  // The one in capitals is the primary address; the others are aliases, X.400 names and so on.
  const primary = entry.texts(users.email).find((value) => value.startsWith("SMTP:"));
  return addressOrNull(primary?.slice("SMTP:".length) ?? null);
}

/** What can't be an address is none: nobody can be invited there. */
function addressOrNull(value: string | null): string | null {
  const email = value === null ? "" : normalizeEmail(value);
  return /^[^\s@]+@[^\s@]+$/.test(email) ? email : null;
}

const accountDisableBit = 2; // ADS_UF_ACCOUNTDISABLE, MS-ADTS 2.2.16
const lockedForEver = "000001010000Z"; // draft-behera-ldap-password-policy §5.3.3

function isDisabledBy(entry: LdapEntry, marker: DisabledMarker): boolean {
  const value = entry.text(marker);
  if (value === null) return false;
  switch (marker) {
    case "userAccountControl":
      return (Number(value) & accountDisableBit) !== 0;
    case "nsAccountLock":
      return value.toLowerCase() === "true";
    case "pwdAccountLockedTime":
      return value === lockedForEver;
    case "accountExpires":
      return false; // Depends on the time: `activeUntilMs`.
    default:
      return marker satisfies never;
  }
}

const never = new Set([0n, 0x7fffffffffffffffn]); // MS-ADA1 2.3

/** accountExpires counts 100 ns since 1601. */
function expiryOf(entry: LdapEntry): number | null {
  const value = entry.text("accountExpires");
  if (value === null || !/^\d+$/.test(value) || never.has(BigInt(value))) return null;
  return Number(BigInt(value) / 10_000n) - 11_644_473_600_000;
}
