import type { Snapshot, SourceGroup, SourceUser } from "../../../domain/ports/import-store.ts";
import type { LdapEntry } from "../protocol/entry.ts";
import { readId } from "../servers/identifiers.ts";
import type { LdapSettings } from "../servers/options.ts";
import { toGroup, toUser } from "./convert.ts";
import type { Findings } from "./findings.ts";
import type { DirectoryReader } from "./reader.ts";

export interface FullOptions {
  /** The attribute whose newest value is wanted; null for none. */
  readonly stampAttribute: string | null;
  readonly progress: (read: number) => void;
}

/** Entries that keep the event loop busy for a few milliseconds: requests are answered in between. */
const convertedAtOnce = 200;
const breathe = (): Promise<void> => new Promise((next) => setImmediate(next));

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
    for (let start = 0; start < entries.length; start += convertedAtOnce) {
      const some = convertUsers(entries.slice(start, start + convertedAtOnce), settings, inactive, findings);
      people += some.length;
      findings.addAll("duplicate-id", await snapshot.addUsers(some));
      await breathe();
    }
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
