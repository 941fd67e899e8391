import type { Snapshot, SourceGroup, SourceUser } from "../../domain/snapshot.ts";
import { toGroup, toUser } from "./convert.ts";
import type { LdapEntry } from "./entry.ts";
import type { Findings } from "./findings.ts";
import { readId } from "./identifiers.ts";
import type { LdapSettings } from "./options.ts";
import type { DirectoryReader } from "./reader.ts";

export interface FullOptions {
  /** The attribute whose newest value is wanted; null for none. */
  readonly stampAttribute: string | null;
  readonly progress: (read: number) => void;
}

/** Reads all people and groups into the snapshot, one page in memory at a time. */
export async function readEverything(
  reader: DirectoryReader,
  settings: LdapSettings,
  snapshot: Snapshot,
  findings: Findings,
  { stampAttribute, progress }: FullOptions,
): Promise<{ readonly entries: number; readonly newestStamp: string | null }> {
  const more = stampAttribute === null ? [] : [stampAttribute];
  let newestStamp: string | null = null;
  let read = 0;
  const note = (entries: readonly LdapEntry[], references: readonly string[]): void => {
    read += entries.length;
    progress(read);
    findings.addAll("referral", references);
    if (stampAttribute === null) return;
    for (const entry of entries) {
      const stamp = entry.text(stampAttribute);
      if (stamp !== null && (newestStamp === null || stamp > newestStamp)) newestStamp = stamp;
    }
  };

  const inactive = await reader.inactive(null);
  let people = 0;
  for await (const { entries, references } of reader.users(null, more)) {
    note(entries, references);
    const page = convertUsers(entries, settings, inactive, findings);
    people += page.length;
    findings.addAll("duplicate-id", await snapshot.addUsers(page));
  }
  if (people === 0)
    findings.add("warning", `no person below ${settings.users.baseDn} matches ${settings.users.filter}`);

  for await (const { entries, references, groups } of reader.groups(null, more)) {
    note(entries, references);
    findings.addAll("duplicate-id", await snapshot.addGroups(convertGroups(groups, settings, findings)));
  }
  return { entries: read, newestStamp };
}

/** The people of a page; who can't be one is told in the findings. */
export function convertUsers(
  entries: readonly LdapEntry[],
  settings: LdapSettings,
  inactive: ReadonlySet<string>,
  findings: Findings,
): readonly SourceUser[] {
  const users: SourceUser[] = [];
  for (const entry of entries) {
    const converted = toUser(entry, settings, inactive.has(readId(entry, settings.entryId) ?? ""));
    if (converted.kind === "user") users.push(converted.user);
    else findings.add(converted.kind, converted.dn);
  }
  return users;
}

/** The groups of a page. */
export function convertGroups(
  entries: readonly { readonly entry: LdapEntry; readonly members: readonly string[] }[],
  settings: LdapSettings,
  findings: Findings,
): readonly SourceGroup[] {
  const groups: SourceGroup[] = [];
  for (const { entry, members } of entries) {
    const converted = toGroup(entry, settings, members);
    if (converted.kind === "group") groups.push(converted.group);
    else findings.add(converted.kind, converted.dn);
  }
  return groups;
}
