import type { ImportStore, SourceDelta, SourceGroup, SourceUser } from "../../../domain/ports/import-store.ts";
import type { LdapEntry } from "../protocol/entry.ts";
import { readId } from "../servers/identifiers.ts";
import type { LdapSettings } from "../servers/options.ts";
import type { Changes } from "./changes.ts";
import { Findings } from "./findings.ts";
import { convertGroups, convertUsers } from "./full.ts";
import type { DirectoryReader } from "./reader.ts";

/**
 * Reads the entries that changed. Who changed and is no longer found by the configured searches has left them: gone.
 *
 * What servers do not say, and how it is found all the same:
 * | change | told by the server | found by |
 * |---|---|---|
 * | somebody joins or leaves a group | only the group changed | the group's members are read again |
 * | a member is renamed or moved | AD: the group did not change | groups that name the new DN are read again |
 * | a member is deleted | AD: the group did not change | the store drops the memberships of who is gone; the groups that named them are read again, or whoever gets the same DN later would inherit their places |
 */
export async function readDelta(
  reader: DirectoryReader,
  settings: LdapSettings,
  store: ImportStore,
  changes: Extract<Changes, { kind: "changes" }>,
): Promise<SourceDelta> {
  const { changedIds, goneIds } = changes;
  if (changedIds.length + goneIds.length === 0) return { users: [], groups: [], goneEntryIds: [] };
  const findings = new Findings();
  const inactive = await reader.inactive(changedIds);
  const users: SourceUser[] = [];
  const groups = new Map<string, SourceGroup>();
  const dnOf = new Map<string, string>();
  const note = (entry: LdapEntry): void => void dnOf.set(readId(entry, settings.entryId) ?? "", entry.dn);

  for await (const { entries } of reader.users(changedIds, [])) {
    entries.forEach(note);
    users.push(...convertUsers(entries, settings, inactive, findings));
  }
  for await (const page of reader.groups(changedIds, [])) {
    page.entries.forEach(note);
    for (const group of convertGroups(page.groups, settings, findings)) groups.set(group.entryId, group);
  }
  const found = new Set([...users.map(({ entryId }) => entryId), ...groups.keys()]);
  if (settings.groups?.membersAre === "dn" && settings.users.memberOf === null) {
    const moved = await movedDns([...users, ...groups.values()], settings, store, dnOf);
    for (const group of convertGroups(await reader.groupsNaming(moved), settings, findings))
      groups.set(group.entryId, group);
  }
  const goneEntryIds = [...goneIds, ...changedIds.filter((id) => !found.has(id))];
  const left = (await groupsThatNamed(goneEntryIds, settings, store)).filter((id) => !groups.has(id));
  for await (const page of reader.groups(left, [])) {
    for (const group of convertGroups(page.groups, settings, findings)) groups.set(group.entryId, group);
  }
  return { users, groups: [...groups.values()], goneEntryIds };
}

/** Ids of the groups that had these entries as members when they were read last. */
async function groupsThatNamed(
  entryIds: readonly string[],
  { name }: LdapSettings,
  store: ImportStore,
): Promise<readonly string[]> {
  const locators = [...(await store.locatorsOf(name, entryIds)).values()].flat();
  return locators.length === 0 ? [] : store.groupsNaming(name, locators);
}

/** DNs under which the store does not know these entries yet. */
async function movedDns(
  entities: readonly (SourceUser | SourceGroup)[],
  { name }: LdapSettings,
  store: ImportStore,
  dnOf: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  const known = await store.locatorsOf(
    name,
    entities.map(({ entryId }) => entryId),
  );
  const isMoved = ({ entryId, locators }: SourceUser | SourceGroup): boolean =>
    locators.some((locator) => locator.startsWith("dn:") && known.get(entryId)?.includes(locator) !== true);
  return entities.filter(isMoved).flatMap(({ entryId }) => dnOf.get(entryId) ?? []);
}

/** Do changes of groups change who is found, or where they belong, without any change of the person's entry? */
export const usesMemberOf = ({ users }: LdapSettings): boolean =>
  users.memberOf !== null || /memberof/i.test(users.filter) || /memberof/i.test(users.inactiveWhen ?? "");
