import type { SourceGroup } from "../../domain/ports/import-store.ts";
import { entityEntry, writeAudit } from "../audit/audit.ts";
import { insertRows } from "../database/batches.ts";
import { fold } from "../database/conditions.ts";
import { newId } from "../database/ids.ts";
import { first, integer, optional } from "../database/table.ts";
import { changedEntity, groups, memberEntries, removeMembers, setAbsent, touchMembers } from "../directory/rows.ts";
import { type Commit, putEntry } from "./entries.ts";

/** Writes a new or changed group. Its members follow from its edges. */
export async function putGroup(commit: Commit, group: SourceGroup): Promise<void> {
  const { sql, source, nowMs, counts, refs, cause, newGroups } = commit;
  const { displayName, externalId } = group;
  const present = await first(
    sql,
    { ...changedEntity, absentSinceMs: optional(integer) },
    "SELECT seq, id, rev, display_name AS name, absent_since_ms FROM groups WHERE source = ? AND source_key = ?",
    [source, externalId],
  );
  const resource = { displayName, externalId };
  if (present === undefined) {
    const id = newId(nowMs);
    const record = { id, rev: 1, createdAtMs: nowMs, modifiedAtMs: nowMs, resource };
    const names = { displayName, displayNameKey: fold(displayName), externalId };
    const row = { ...record, ...names, definitionRev: 1, source, sourceKey: externalId };
    const [made] = await insertRows(sql, groups, [row], "RETURNING seq");
    const seq = Number(made?.["seq"]);
    newGroups.add(seq);
    refs.push({ kind: "group", id });
    const entity = { kind: "group", id, name: displayName, rev: 1 } as const;
    await writeAudit(sql, nowMs, [entityEntry(cause, "group.create", entity, { source })]);
    if (await putEntry(commit, "group", seq, group)) counts.groupsAdded += 1;
    return;
  }
  const { seq, id, rev, name, absentSinceMs } = present;
  const isReturning = absentSinceMs !== null;
  if (isReturning || name !== displayName) {
    await sql.run(
      "UPDATE groups SET display_name = ?, display_name_key = ?, rev = rev + 1, definition_rev = rev + 1, modified_at_ms = ?, absent_since_ms = NULL, resource = ? WHERE seq = ?",
      [displayName, fold(displayName), nowMs, JSON.stringify(resource), seq],
    );
    // Groups are chosen by name: a new name may bring the members into a target, or out of it.
    await sql.run(touchMembers, [seq]);
    refs.push({ kind: "group", id });
    if (!isReturning) counts.groupsChanged += 1;
    const entity = { kind: "group", id, name: displayName, rev: rev + 1 } as const;
    const detail = { displayName: { from: name, to: displayName } };
    await writeAudit(sql, nowMs, [entityEntry(cause, isReturning ? "group.return" : "group.update", entity, detail)]);
  }
  if (await putEntry(commit, "group", seq, group)) counts.groupsAdded += 1;
}

/** Makes a group absent. Returns it with entries for its members. */
export async function removeGroup({ sql, nowMs, counts, cause }: Commit, seq: number) {
  const members = await removeMembers(sql, seq);
  counts.membershipsRemoved += members.length;
  counts.groupsRemoved += 1;
  const entity = await first(sql, changedEntity, setAbsent("group"), [nowMs, nowMs, seq]);
  return { entity, entries: entity === undefined ? [] : memberEntries(cause, "group.leave", entity, members) };
}
