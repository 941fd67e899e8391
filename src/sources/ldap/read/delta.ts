import type { ImportStore, SourceDelta, SourceGroup, SourceUser } from "../../../domain/ports/import-store.ts";
import type { LdapEntry } from "../protocol/entry.ts";
import { readId } from "../servers/identifiers.ts";
import type { LdapSettings } from "../servers/options.ts";
import type { Changes } from "./changes.ts";
import { Findings, type GroupEntry, toGroup, toUser } from "./convert.ts";
import type { DirectoryReader } from "./reader.ts";

/**
 * Reads the entries that changed. A changed entry that the configured searches no longer find is gone.
 *
 * | change | the server lists | read again |
 * |---|---|---|
 * | a user joins or leaves a group | the group | the members of the group |
 * | a member is renamed or moved | AD: only the member | groups that name the new DN |
 * | a member is deleted | AD: only the member | groups that named it; else a later owner of the DN would be a member |
 */
export async function readDelta(
  reader: DirectoryReader,
  settings: LdapSettings,
  store: ImportStore,
  { changedIds, goneIds }: Extract<Changes, { kind: "changes" }>,
): Promise<SourceDelta> {
  if (changedIds.length + goneIds.length === 0) return { users: [], groups: [], goneEntryIds: [] };
  const { name, entryId: idAttribute } = settings;
  const findings = new Findings();
  const users: SourceUser[] = [];
  const groups = new Map<string, SourceGroup>();
  const dnOf = new Map<string | null, string>();
  const note = (entries: readonly LdapEntry[]): void => {
    for (const entry of entries) dnOf.set(readId(entry, idAttribute), entry.dn);
  };
  const addGroups = (entries: readonly GroupEntry[]): void => {
    for (const group of findings.keep(entries.map((entry) => toGroup(entry, settings))))
      groups.set(group.entryId, group);
  };

  const inactive = await reader.inactiveIds(changedIds);
  for await (const { entries } of reader.users(changedIds)) {
    note(entries);
    const isInactive = (entry: LdapEntry): boolean => inactive.has(readId(entry, idAttribute));
    users.push(...findings.keep(entries.map((entry) => toUser(entry, settings, isInactive(entry)))));
  }
  for await (const page of reader.groups(changedIds)) {
    note(page.entries);
    addGroups(page.groups);
  }
  const found = [...users, ...groups.values()];
  const foundIds = found.map(({ entryId }) => entryId);

  if (settings.groups?.membersAre === "dn" && settings.users.memberOf === null) {
    const known = await store.locatorsOf(name, foundIds);
    const isMoved = ({ entryId, locators }: SourceUser | SourceGroup): boolean =>
      locators.some((locator) => locator.startsWith("dn:") && known.get(entryId)?.includes(locator) !== true);
    addGroups(await reader.groupsNaming(found.filter(isMoved).flatMap(({ entryId }) => dnOf.get(entryId) ?? [])));
  }

  const goneEntryIds = [...goneIds, ...new Set(changedIds).difference(new Set(foundIds))];
  const goneLocators = [...(await store.locatorsOf(name, goneEntryIds)).values()].flat();
  const named = goneLocators.length === 0 ? [] : await store.groupsNaming(name, goneLocators);
  for await (const page of reader.groups(named.filter((id) => !groups.has(id)))) addGroups(page.groups);
  return { users, groups: [...groups.values()], goneEntryIds };
}

/** True if a changed group changes which users are found or where they belong, without a change of their entries. */
export const usesMemberOf = ({ users }: LdapSettings): boolean =>
  users.memberOf !== null || /memberof/i.test(users.filter) || /memberof/i.test(users.inactiveWhen ?? "");
