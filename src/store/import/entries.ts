import { hash } from "node:crypto";
import type { Cause, EntityKind, EntityRef } from "../../domain/model/entities.ts";
import type { CommitResult, SourceGroup, SourceUser } from "../../domain/ports/import-store.ts";
import { insertRows } from "../database/batches.ts";
import type { Dialect, Sql } from "../database/driver.ts";
import { all, type Codec, entityKind, first, flag, integer, optional, table, text } from "../database/table.ts";

/** The state that the steps of one commit share. */
export interface Commit {
  readonly sql: Sql;
  readonly dialect: Dialect;
  readonly source: string;
  readonly cause: Cause;
  readonly nowMs: number;
  readonly counts: { -readonly [K in keyof CommitResult]: CommitResult[K] };
  /** The changed entities, for listeners. Keeps only a maximum number. */
  readonly refs: { push(ref: EntityRef): void };
  /** Users and groups that this commit made: their `rev` needs no increase. */
  readonly newUsers: Set<number>;
  readonly newGroups: Set<number>;
  /** E-mail addresses that a user gained or lost. */
  readonly claimedEmails: Set<string>;
  /** Groups whose own edges changed. */
  readonly touchedGroups: Set<number>;
  /** Locators that came, went, or changed their entry: the members of groups that name them changed. */
  readonly touchedLocators: Set<string>;
}

export type Entry = SourceUser | SourceGroup;

/** A list of texts without line feeds, one a line. */
const lines: Codec<readonly string[]> = {
  read: (value) =>
    text
      .read(value)
      ?.split("\n")
      .filter((line) => line !== ""),
  write: (value) => value.join("\n"),
};

interface StoredEntry {
  readonly source: string;
  readonly kind: EntityKind;
  readonly sourceKey: string;
  readonly entryId: string | null;
  readonly seq: number;
  readonly digest: string;
  readonly locators: readonly string[];
  readonly isEnabled: boolean;
  readonly activeUntilMs: number | null;
  readonly missed: boolean;
}

const directoryEntries = table<StoredEntry>("directory_entries", {
  source: text,
  kind: entityKind,
  sourceKey: text,
  entryId: optional(text),
  seq: integer,
  digest: text,
  locators: lines,
  isEnabled: flag,
  activeUntilMs: optional(integer),
  missed: flag,
});
const upsertEntry = directoryEntries.upsert(["source", "kind", "sourceKey"], ["seq"]);

const directoryLocators = table<{ source: string; locator: string; kind: EntityKind; seq: number }>(
  "directory_locators",
  { source: text, locator: text, kind: entityKind, seq: integer },
);

const edge = { isMemberOf: flag, locator: text };
type Edge = { readonly isMemberOf: boolean; readonly locator: string };
const directoryEdges = table<Edge & { kind: EntityKind; seq: number; source: string }>("directory_edges", {
  ...edge,
  kind: entityKind,
  seq: integer,
  source: text,
});

/** Equal for equal entries. */
export const digestOf = (entry: Entry): string => hash("sha1", JSON.stringify(entry), "base64");

const storedEntry = ({ source }: Commit, kind: EntityKind, seq: number, entry: Entry): StoredEntry => ({
  source,
  kind,
  sourceKey: entry.externalId,
  entryId: entry.entryId === entry.externalId ? null : entry.entryId,
  seq,
  digest: digestOf(entry),
  locators: entry.locators,
  isEnabled: "isActive" in entry ? entry.isActive : true,
  activeUntilMs: "activeUntilMs" in entry ? entry.activeUntilMs : null,
  missed: false,
});

/** Writes the entries of new users. */
export async function insertEntries(
  commit: Commit,
  entries: readonly { readonly user: SourceUser; readonly seq: number }[],
): Promise<void> {
  const { sql, source } = commit;
  const rows = entries.map(({ user, seq }) => storedEntry(commit, "user", seq, user));
  await insertRows(sql, directoryEntries, rows);
  const locators = rows.flatMap(({ seq, locators }) =>
    [...new Set(locators)].map((locator) => ({ source, locator, kind: "user" as const, seq })),
  );
  await insertRows(sql, directoryLocators, locators);
  for (const { user, seq } of entries)
    if (user.memberOf.length > 0) await replaceEdges(commit, "user", seq, [], edgesOf(user));
}

/** Writes the entry of a user or group with its locators and edges. Returns true if the entry is new. */
export async function putEntry(commit: Commit, kind: EntityKind, seq: number, entry: Entry): Promise<boolean> {
  const { sql, source } = commit;
  const before = await first(
    sql,
    { locators: lines },
    "SELECT locators FROM directory_entries WHERE source = ? AND kind = ? AND source_key = ?",
    [source, kind, entry.externalId],
  );
  await sql.run(upsertEntry, directoryEntries.values(storedEntry(commit, kind, seq, entry)));
  await replaceLocators(commit, kind, seq, before?.locators ?? [], entry.locators);
  const edges = before === undefined ? [] : await storedEdges(sql, kind, seq);
  await replaceEdges(commit, kind, seq, edges, edgesOf(entry));
  return before === undefined;
}

/** Deletes the entry of a user or group with its locators and edges. */
export async function deleteEntry(commit: Commit, kind: EntityKind, seq: number, sourceKey: string): Promise<void> {
  const { sql, source, touchedLocators } = commit;
  const entry = await first(
    sql,
    { locators: lines },
    "DELETE FROM directory_entries WHERE source = ? AND kind = ? AND source_key = ? RETURNING locators",
    [source, kind, sourceKey],
  );
  for (const locator of entry?.locators ?? []) {
    await deleteLocator(commit, kind, seq, locator);
    // Groups that contained a group have fewer members now. The memberships of a user just end.
    if (kind === "group") touchedLocators.add(locator);
  }
  if (kind === "group")
    for (const { isMemberOf, locator } of await storedEdges(sql, kind, seq))
      if (isMemberOf) touchedLocators.add(locator);
  await sql.run("DELETE FROM directory_edges WHERE kind = ? AND seq = ?", [kind, seq]);
}

async function replaceLocators(
  commit: Commit,
  kind: EntityKind,
  seq: number,
  before: readonly string[],
  after: readonly string[],
): Promise<void> {
  const { sql, source, touchedLocators } = commit;
  const added = [...new Set(after)].filter((locator) => !before.includes(locator));
  await insertRows(
    sql,
    directoryLocators,
    added.map((locator) => ({ source, locator, kind, seq })),
  );
  const removed = before.filter((locator) => !after.includes(locator));
  for (const locator of removed) await deleteLocator(commit, kind, seq, locator);
  for (const locator of [...added, ...removed]) touchedLocators.add(locator);
}

const deleteLocator = ({ sql, source }: Commit, kind: EntityKind, seq: number, locator: string): Promise<number> =>
  sql.run("DELETE FROM directory_locators WHERE source = ? AND locator = ? AND kind = ? AND seq = ?", [
    source,
    locator,
    kind,
    seq,
  ]);

const storedEdges = (sql: Sql, kind: EntityKind, seq: number): Promise<readonly Edge[]> =>
  all(sql, edge, "SELECT is_member_of, locator FROM directory_edges WHERE kind = ? AND seq = ?", [kind, seq]);

const edgesOf = (entry: Entry): readonly Edge[] => [
  ...("members" in entry ? entry.members : []).map((locator) => ({ isMemberOf: false, locator })),
  ...entry.memberOf.map((locator) => ({ isMemberOf: true, locator })),
];

async function replaceEdges(
  { sql, source, touchedGroups, touchedLocators }: Commit,
  kind: EntityKind,
  seq: number,
  before: readonly Edge[],
  after: readonly Edge[],
): Promise<void> {
  const keyed = (edges: readonly Edge[]) => new Map(edges.map((each) => [`${each.isMemberOf} ${each.locator}`, each]));
  const [known, wanted] = [keyed(before), keyed(after)];
  const added = [...wanted].flatMap(([key, each]) => (known.has(key) ? [] : each));
  const removed = [...known].flatMap(([key, each]) => (wanted.has(key) ? [] : each));
  await insertRows(
    sql,
    directoryEdges,
    added.map((each) => ({ ...each, kind, seq, source })),
  );
  for (const { isMemberOf, locator } of removed)
    await sql.run("DELETE FROM directory_edges WHERE kind = ? AND seq = ? AND is_member_of = ? AND locator = ?", [
      kind,
      seq,
      flag.write(isMemberOf),
      locator,
    ]);
  for (const { isMemberOf, locator } of [...added, ...removed]) {
    // The change concerns the group with that locator, or else this group itself.
    if (isMemberOf) touchedLocators.add(locator);
    else touchedGroups.add(seq);
  }
}

/** The locators of an entry, for other readers of the table. */
export const storedLocators = { id: text, locators: lines };
