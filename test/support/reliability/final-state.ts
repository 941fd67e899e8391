import { memberStatus } from "../../../src/sandbox/index.ts";
import type { Directory } from "./day.ts";
import { mostLostWithin, type Vendors } from "./vendors.ts";

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

/** Invitations that were sent. */
export const mailCount = ({ bitwarden }: Vendors): number =>
  [...bitwarden.state.allMails.values()].reduce((sum, mails) => sum + mails, 0);

/** What is wrong at the vendors: members invited twice (none is ever removed here), and bugs of the emulators. */
export function vendorViolations({ bitwarden, onePassword }: Vendors): readonly string[] {
  const twice = [...bitwarden.state.allMails].filter(([, mails]) => mails > 1);
  return [
    ...twice.map(([email, mails]) => `invited twice: ${email}: ${mails} mails`),
    ...[bitwarden, onePassword].flatMap(({ requests }) =>
      requests.failures.map((failure) => `the emulator failed: ${String(failure)}`),
    ),
  ];
}

/** Vendors where more users lost access within the window than the limit allows. `slackMs` shortens the window. */
export function overRemovalLimit(
  { losses }: Vendors,
  { people, windowMs }: { readonly people: number; readonly windowMs: number },
  slackMs: number,
): readonly string[] {
  return (["bitwarden", "onepassword"] as const).flatMap((vendor) => {
    const most = mostLostWithin(losses, vendor, windowMs - slackMs);
    return most > people
      ? [`${vendor}: ${most} people lost access within ${windowMs - slackMs} ms, the budget is ${people}`]
      : [];
  });
}
