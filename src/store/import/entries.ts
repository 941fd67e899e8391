import { hash } from "node:crypto";
import type { EntityKind } from "../../domain/model/entities.ts";
import type { SourceGroup, SourceUser } from "../../domain/ports/import-store.ts";
import { insertRows } from "../database/batches.ts";
import type { Row, Sql } from "../database/driver.ts";
import type { Changing } from "./import-context.ts";

/** Tells whether an entry is as it was. */
export const digestOf = (entry: SourceUser | SourceGroup): string => hash("sha1", JSON.stringify(entry), "base64");

/** Null where it is the same as the external id. */
export const entryIdOf = ({ entryId, externalId }: SourceUser | SourceGroup): string | null =>
  entryId === externalId ? null : entryId;

/** The row beside the person or group, its locators and edges. */
export async function putEntry(
  changing: Changing,
  kind: EntityKind,
  seq: number,
  entry: SourceUser | SourceGroup,
  isEnabled: boolean,
  activeUntilMs: number | null,
): Promise<"new" | "known"> {
  const { sql, source } = changing;
  const before = await sql.get(
    "SELECT locators FROM directory_entries WHERE source = ? AND kind = ? AND source_key = ?",
    [source, kind, entry.externalId],
  );
  const columns = [
    entryIdOf(entry),
    digestOf(entry),
    entry.locators.join("\n"),
    isEnabled ? 1 : 0,
    activeUntilMs,
    source,
    kind,
    entry.externalId,
  ];
  if (before === undefined) {
    await sql.run(
      "INSERT INTO directory_entries (entry_id, digest, locators, is_enabled, active_until_ms, source, kind, source_key, seq, missed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
      [...columns, seq],
    );
  } else {
    await sql.run(
      "UPDATE directory_entries SET entry_id = ?, digest = ?, locators = ?, is_enabled = ?, active_until_ms = ?, missed = 0 WHERE source = ? AND kind = ? AND source_key = ?",
      columns,
    );
  }
  await putLocators(changing, kind, seq, locatorsIn(before), entry.locators);
  const edges = before === undefined ? new Set<string>() : await edgesOf(sql, kind, seq);
  await putEdges(changing, kind, seq, edges, "members" in entry ? entry.members : [], entry.memberOf);
  return before === undefined ? "new" : "known";
}

/** The locators that a row of `directory_entries` has. */
export const locatorsIn = (row: Row | undefined): ReadonlySet<string> =>
  new Set(
    String(row?.["locators"] ?? "")
      .split("\n")
      .filter((locator) => locator !== ""),
  );

/** Edges as `<is_up><locator>`. */
export async function edgesOf(sql: Sql, kind: EntityKind, seq: number): Promise<ReadonlySet<string>> {
  const edges = await sql.all("SELECT is_up, locator FROM directory_edges WHERE kind = ? AND seq = ?", [kind, seq]);
  return new Set(edges.map((row) => `${row["is_up"]}${row["locator"]}`));
}

async function putLocators(
  { sql, source, touchedLocators }: Changing,
  kind: EntityKind,
  seq: number,
  locators: ReadonlySet<string>,
  wanted: readonly string[],
): Promise<void> {
  for (const locator of new Set(wanted)) {
    if (locators.has(locator)) continue;
    await sql.run("INSERT INTO directory_locators (source, locator, kind, seq) VALUES (?, ?, ?, ?)", [
      source,
      locator,
      kind,
      seq,
    ]);
    touchedLocators.add(locator);
  }
  for (const locator of locators) {
    if (wanted.includes(locator)) continue;
    await sql.run("DELETE FROM directory_locators WHERE source = ? AND locator = ? AND kind = ? AND seq = ?", [
      source,
      locator,
      kind,
      seq,
    ]);
    touchedLocators.add(locator);
  }
}

export async function putEdges(
  changing: Changing,
  kind: EntityKind,
  seq: number,
  edges: ReadonlySet<string>,
  members: readonly string[],
  memberOf: readonly string[],
): Promise<void> {
  const { sql, source, touchedGroups, touchedLocators } = changing;
  const wanted = new Set([...members.map((locator) => `0${locator}`), ...memberOf.map((locator) => `1${locator}`)]);
  const touch = (edge: string): void => {
    // The group that an upward edge names has another member; a downward one belongs to this group.
    if (edge.startsWith("1")) touchedLocators.add(edge.slice(1));
    else touchedGroups.add(seq);
  };
  const added = [...wanted].filter((edge) => !edges.has(edge));
  await insertRows(
    sql,
    "directory_edges",
    ["kind", "seq", "is_up", "locator", "source"],
    added.map((edge) => [kind, seq, Number(edge[0]), edge.slice(1), source]),
  );
  added.forEach(touch);
  for (const edge of edges) {
    if (wanted.has(edge)) continue;
    await sql.run("DELETE FROM directory_edges WHERE kind = ? AND seq = ? AND is_up = ? AND locator = ?", [
      kind,
      seq,
      Number(edge[0]),
      edge.slice(1),
    ]);
    touch(edge);
  }
}
