import { memberStatus } from "../../../src/sandbox/index.ts";
import type { Directory } from "./day.ts";
import { mostLostWithin, type Vendors } from "./vendors.ts";

/** The state of both vendors by the keys of the day, so that runs with different ids can be compared. */
export interface VendorState {
  /** Key of each person with access to Bitwarden, with the sorted keys of their teams there. */
  readonly bitwarden: Readonly<Record<string, readonly string[]>>;
  /** Names of the groups in Bitwarden by team key. */
  readonly teams: Readonly<Record<string, string>>;
  /** State of each 1Password user by address. */
  readonly onePassword: Readonly<Record<string, string>>;
}

/**
 * Reads the vendors. `everId` names people and teams by their SCIM id, which Bitwarden keeps as externalId. People without
 * access are left out: somebody hired and deactivated within a second is revoked or never invited, depending on timing.
 */
export function readVendors({ bitwarden, onePassword }: Vendors, everId: ReadonlyMap<string, string>): VendorState {
  const { state } = bitwarden;
  const keyOf = (externalId: string | null, name: string): string => everId.get(externalId ?? "") ?? `?${name}`;
  const people: [string, readonly string[]][] = [];
  for (const member of state.members.values()) {
    if (member.status === memberStatus.revoked) continue;
    const groups = [...state.groupIdsOf(member.id)].map((id) => state.groups.get(id));
    const teams = groups.map((group) => keyOf(group?.externalId ?? null, group?.name ?? "")).sort();
    people.push([keyOf(member.externalId, member.email), teams]);
  }
  const teams = [...state.groups.values()].map((group) => [keyOf(group.externalId, group.name), group.name] as const);
  const users = [...onePassword.state.users.values()].map((user) => [user.email, user.state] as const);
  return { bitwarden: unique(people), teams: unique(teams), onePassword: unique(users) };
}

/** Returns the state that the vendors should have. */
export function expectedOf(directory: Directory, onePasswordUsers: readonly string[]): VendorState {
  const active = [...directory.people.values()].filter(({ isActive }) => isActive);
  const teams = [...directory.teams.values()];
  const teamsOf = (key: string): string[] =>
    teams
      .filter(({ members }) => members.has(key))
      .map((team) => team.key)
      .sort();
  // The address names the person who had it first. They keep their 1Password user when it changes.
  const isActiveAt = new Set(active.map(({ key }) => `${key}@example.com`));
  return {
    bitwarden: unique(active.map(({ key }) => [key, teamsOf(key)] as const)),
    teams: unique(teams.map(({ key, name }) => [key, name] as const)),
    onePassword: unique(
      onePasswordUsers.map((email) => [email, isActiveAt.has(email) ? "ACTIVE" : "SUSPENDED"] as const),
    ),
  };
}

/** Sorts the entries; a repeated key becomes `key (again)`. */
function unique<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  const found = new Map<string, T>();
  for (const [key, value] of entries) found.set(found.has(key) ? `${key} (again)` : key, value);
  return Object.fromEntries([...found].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Returns the differences of two states in words. */
export function differences(found: VendorState, wanted: VendorState): readonly string[] {
  const parts = ["bitwarden", "teams", "onePassword"] as const;
  return parts.flatMap((part) =>
    Object.keys({ ...found[part], ...wanted[part] }).flatMap((key) => {
      const [is, should] = [JSON.stringify(found[part][key]), JSON.stringify(wanted[part][key])];
      return is === should ? [] : [`${part} ${key}: is ${is ?? "absent"}, should be ${should ?? "absent"}`];
    }),
  );
}

/** Invitations that were sent. */
export const mailCount = ({ bitwarden }: Vendors): number =>
  [...bitwarden.state.allMails.values()].reduce((sum, mails) => sum + mails, 0);

/** Returns members invited twice (none is ever removed here) and bugs of the emulators. */
export function vendorViolations({ bitwarden, onePassword }: Vendors): readonly string[] {
  const twice = [...bitwarden.state.allMails].filter(([, mails]) => mails > 1);
  return [
    ...twice.map(([email, mails]) => `invited twice: ${email}: ${mails} mails`),
    ...[bitwarden, onePassword].flatMap(({ requests }) =>
      requests.failures.map((failure) => `the emulator failed: ${String(failure)}`),
    ),
  ];
}

/** Returns the vendors where more users lost access in one window than allowed. `slackMs` shortens the window. */
export function overRemovalLimit(
  { losses }: Vendors,
  { people, windowMs }: { readonly people: number; readonly windowMs: number },
  slackMs: number,
): readonly string[] {
  return (["bitwarden", "onepassword"] as const).flatMap((vendor) => {
    const most = mostLostWithin(losses, vendor, windowMs - slackMs);
    return most > people
      ? [`${vendor}: ${most} people lost access within ${windowMs - slackMs} ms, the limit is ${people}`]
      : [];
  });
}
