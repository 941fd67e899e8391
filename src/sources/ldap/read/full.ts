import type { Snapshot } from "../../../domain/ports/import-store.ts";
import type { SearchPage } from "../protocol/search.ts";
import { readId } from "../servers/identifiers.ts";
import type { LdapSettings } from "../servers/options.ts";
import { type Findings, toGroup, toUser } from "./convert.ts";
import type { DirectoryReader } from "./reader.ts";
import { newerStamp } from "./stamp.ts";

export interface FullOptions {
  /** Attribute whose newest value is returned; null for none. */
  readonly stampAttribute: string | null;
  readonly progress: (read: number) => void;
}

/** Users converted without a pause: a few milliseconds. SCIM requests are answered in between. */
const convertedAtOnce = 200;
const pause = (): Promise<void> => new Promise((next) => setImmediate(next));

/** Reads all users and groups into the snapshot, with one page in memory at a time. */
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
  const note = ({ entries, references }: SearchPage): void => {
    read += entries.length;
    progress(read);
    findings.add("referral", ...references);
    if (stampAttribute === null) return;
    for (const entry of entries) newestStamp = newerStamp(newestStamp, entry.text(stampAttribute));
  };

  const inactive = await reader.inactiveIds(null);
  let users = 0;
  for await (const page of reader.users(null, more)) {
    note(page);
    for (let start = 0; start < page.entries.length; start += convertedAtOnce) {
      const some = page.entries.slice(start, start + convertedAtOnce);
      const converted = findings.keep(
        some.map((entry) => toUser(entry, settings, inactive.has(readId(entry, settings.entryId)))),
      );
      users += converted.length;
      findings.add("duplicate-id", ...(await snapshot.addUsers(converted)));
      await pause();
    }
  }
  if (users === 0) findings.add("warning", `no person below ${settings.users.baseDn} matches ${settings.users.filter}`);

  for await (const page of reader.groups(null, more)) {
    note(page);
    const converted = findings.keep(page.groups.map((group) => toGroup(group, settings)));
    findings.add("duplicate-id", ...(await snapshot.addGroups(converted)));
  }
  return { entries: read, newestStamp };
}
