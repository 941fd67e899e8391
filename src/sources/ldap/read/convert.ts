import { normalizeEmail } from "../../../domain/model/entities.ts";
import { RollcallError } from "../../../domain/model/errors.ts";
import type { DisabledMarker } from "../../../domain/model/ldap-source.ts";
import type { Locator, PollFinding, SourceGroup, SourceUser } from "../../../domain/ports/import-store.ts";
import { normalizeDn } from "../protocol/dn.ts";
import type { LdapEntry } from "../protocol/entry.ts";
import { readId } from "../servers/identifiers.ts";
import type { LdapSettings } from "../servers/options.ts";

/** A converted entry, or why it is neither user nor group. */
export type Converted<Entity> =
  | { readonly kind: "converted"; readonly entity: Entity }
  | { readonly kind: "contact" | "without-id"; readonly dn: string };

/** A group entry with all its members. */
export interface GroupEntry {
  readonly entry: LdapEntry;
  readonly members: readonly string[];
}

const maxExamples = 50;

/** Counts the findings of a poll and keeps examples. */
export class Findings {
  readonly #found = new Map<PollFinding["kind"], { count: number; examples: string[] }>();

  add(kind: PollFinding["kind"], ...examples: readonly string[]): void {
    if (examples.length === 0) return;
    const finding = this.#found.get(kind) ?? { count: 0, examples: [] };
    finding.count += examples.length;
    finding.examples.push(...examples.slice(0, maxExamples - finding.examples.length));
    this.#found.set(kind, finding);
  }

  /** The entities of a page. The other entries become findings. */
  keep<Entity>(page: readonly Converted<Entity>[]): readonly Entity[] {
    return page.flatMap((each) => {
      if (each.kind === "converted") return [each.entity];
      this.add(each.kind, each.dn);
      return [];
    });
  }

  list(): readonly PollFinding[] {
    return [...this.#found].map(([kind, finding]) => ({ kind, ...finding }));
  }
}

const dnLocator = (dn: string): Locator => `dn:${normalizeDn(dn)}`;
const uidLocator = (uid: string): Locator => `uid:${uid.trim().toLowerCase()}`;
const primaryGroupLocator = (rid: string): Locator => `rid:${rid}`;

/** The attributes that `toUser` reads. Nothing else is requested. */
export function userAttributes({ users, entryId, hasPrimaryGroups }: LdapSettings): readonly string[] {
  return unique([
    ...[entryId, "objectClass", users.id, users.readsEmail ? users.email : null, users.emailPrefix],
    ...[users.userName, users.name, ...users.disabledBy, users.memberOf, hasPrimaryGroups ? "primaryGroupID" : null],
  ]);
}

/** The attributes that `toGroup` reads. */
export function groupAttributes({ users, groups, entryId, hasPrimaryGroups }: LdapSettings): readonly string[] {
  if (groups === null) return [];
  const members = users.memberOf ?? groups.members;
  return unique([entryId, groups.id, groups.name, members, hasPrimaryGroups ? "primaryGroupToken" : null]);
}

const unique = (names: readonly (string | null)[]): readonly string[] => [
  ...new Map(names.flatMap((name) => (name === null ? [] : [[name.toLowerCase(), name]]))).values(),
];

/**
 * @param isMarkedInactive true if the server found the entry by `inactiveWhen`
 * @throws `SOURCE_INCOMPLETE` if userAccountControl can't be read. Each account of Active Directory has one. Without it,
 * a disabled account would count as enabled.
 */
export function toUser(entry: LdapEntry, settings: LdapSettings, isMarkedInactive: boolean): Converted<SourceUser> {
  const { users, groups } = settings;
  const { dn } = entry;
  if (entry.texts("objectClass").some((name) => name.toLowerCase() === "contact")) return { kind: "contact", dn };
  const externalId = readId(entry, users.id);
  const entryId = readId(entry, settings.entryId);
  if (externalId === null || entryId === null) return { kind: "without-id", dn };
  if (users.disabledBy.includes("userAccountControl") && entry.text("userAccountControl") === null)
    throw new RollcallError(
      "SOURCE_INCOMPLETE",
      `${dn}: userAccountControl can't be read, so a disabled account can't be recognized. Nothing was changed. Give the bind account the right to read it (property set Account Restrictions). Or leave such entries out: add (userAccountControl=*) to users.filter. If the server has no such attribute, remove it from users.disabledBy`,
    );
  const email = emailOf(entry, users);
  const uid = entry.text(users.userName);
  const userName = uid ?? email ?? externalId;
  return {
    kind: "converted",
    entity: {
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

export function toGroup({ entry, members }: GroupEntry, settings: LdapSettings): Converted<SourceGroup> {
  const { groups, users } = settings;
  const externalId = groups === null ? null : readId(entry, groups.id);
  const entryId = readId(entry, settings.entryId);
  if (groups === null || externalId === null || entryId === null) return { kind: "without-id", dn: entry.dn };
  const usesMemberOf = users.memberOf !== null;
  return {
    kind: "converted",
    entity: {
      externalId,
      entryId,
      displayName: entry.text(groups.name) ?? externalId,
      locators: [
        // Without a locator, no group can contain this one.
        ...(groups.nested || usesMemberOf ? [dnLocator(entry.dn)] : []),
        ...entry.texts("primaryGroupToken").map(primaryGroupLocator),
      ],
      members: usesMemberOf ? [] : [...new Set(members.map(groups.membersAre === "uid" ? uidLocator : dnLocator))],
      memberOf: usesMemberOf && groups.nested ? entry.texts(users.memberOf).map(dnLocator) : [],
    },
  };
}

function emailOf(entry: LdapEntry, users: LdapSettings["users"]): string | null {
  const own = users.readsEmail ? addressOrNull(mailOf(entry, users.email)) : null;
  const prefix = users.emailPrefix === null ? null : entry.text(users.emailPrefix);
  return own ?? addressOrNull(prefix === null ? null : prefix + users.emailSuffix);
}

function mailOf(entry: LdapEntry, attribute: string): string | null {
  if (attribute.toLowerCase() !== "proxyaddresses") return entry.text(attribute);
  // `SMTP:` marks the primary address. The others are aliases, X.400 names and so on.
  const primary = entry.texts(attribute).find((value) => value.startsWith("SMTP:"));
  return primary?.slice("SMTP:".length) ?? null;
}

/** Null if the value can't be an e-mail address. */
function addressOrNull(value: string | null): string | null {
  const email = value === null ? "" : normalizeEmail(value);
  return /^[^\s@]+@[^\s@]+$/.test(email) ? email : null;
}

const accountDisableBit = 2; // ADS_UF_ACCOUNTDISABLE, MS-ADTS 2.2.16
const lockedForever = "000001010000Z"; // draft-behera-ldap-password-policy §5.3.3

function isDisabledBy(entry: LdapEntry, marker: DisabledMarker): boolean {
  const value = entry.text(marker);
  if (value === null) return false;
  switch (marker) {
    case "userAccountControl":
      return (Number(value) & accountDisableBit) !== 0;
    case "nsAccountLock":
      return value.toLowerCase() === "true";
    case "pwdAccountLockedTime":
      return value === lockedForever;
    case "accountExpires":
      return false; // Depends on the time: see `activeUntilMs`.
    default:
      return marker satisfies never;
  }
}

const never = new Set([0n, 0x7fffffffffffffffn]); // MS-ADA1 2.3

/** accountExpires counts units of 100 ns since 1601. */
function expiryOf(entry: LdapEntry): number | null {
  const value = entry.text("accountExpires");
  if (value === null || !/^\d+$/.test(value) || never.has(BigInt(value))) return null;
  return Number(BigInt(value) / 10_000n) - 11_644_473_600_000;
}
