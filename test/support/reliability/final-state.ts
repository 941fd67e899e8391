import { memberStatus } from "../../../src/sandbox/index.ts";
import type { Directory } from "./day.ts";
import type { Vendors } from "./vendors.ts";

/** What both vendors show, in the words of the script: comparable between runs, whose ids differ. */
export interface Evening {
  /** Key of each person with access to Bitwarden, with the sorted keys of their teams there. */
  readonly bitwarden: Readonly<Record<string, readonly string[]>>;
  /** Names of the groups in Bitwarden by team key. */
  readonly teams: Readonly<Record<string, string>>;
  /** State of each 1Password user by address. */
  readonly onePassword: Readonly<Record<string, string>>;
}

/**
 * Looks at the vendors. `everId` names people and teams by their SCIM id, which Bitwarden keeps as externalId. Of people
 * without access nothing is told: whether somebody who was hired and let go within a second is revoked or was never
 * invited depends on the moment.
 */
export function lookAt({ bitwarden, onePassword }: Vendors, everId: ReadonlyMap<string, string>): Evening {
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

/** What they should show. */
export function expectedOf(directory: Directory, onePasswordUsers: readonly string[]): Evening {
  const active = [...directory.people.values()].filter(({ isActive }) => isActive);
  const teams = [...directory.teams.values()];
  const teamsOf = (key: string): string[] =>
    teams
      .filter(({ members }) => members.has(key))
      .map((team) => team.key)
      .sort();
  // An address says who it was given to: they keep their 1Password user when it changes.
  const isActiveAt = new Set(active.map(({ key }) => `${key}@example.com`));
  return {
    bitwarden: unique(active.map(({ key }) => [key, teamsOf(key)] as const)),
    teams: unique(teams.map(({ key, name }) => [key, name] as const)),
    onePassword: unique(
      onePasswordUsers.map((email) => [email, isActiveAt.has(email) ? "ACTIVE" : "SUSPENDED"] as const),
    ),
  };
}

/** Sorted; somebody who is there twice shows. */
function unique<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  const found = new Map<string, T>();
  for (const [key, value] of entries) found.set(found.has(key) ? `${key} (again)` : key, value);
  return Object.fromEntries([...found].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Where two evenings differ, in words. */
export function differences(found: Evening, wanted: Evening): readonly string[] {
  const parts = ["bitwarden", "teams", "onePassword"] as const;
  return parts.flatMap((part) =>
    Object.keys({ ...found[part], ...wanted[part] }).flatMap((key) => {
      const [is, should] = [JSON.stringify(found[part][key]), JSON.stringify(wanted[part][key])];
      return is === should ? [] : [`${part} ${key}: is ${is ?? "absent"}, should be ${should ?? "absent"}`];
    }),
  );
}

/** Addresses that were sent more than one invitation. Nobody is ever removed from Bitwarden here, so one is all there may be. */
export const invitedTwice = ({ bitwarden }: Vendors): readonly string[] =>
  [...bitwarden.state.allMails].filter(([, mails]) => mails > 1).map(([email, mails]) => `${email}: ${mails} mails`);
