import type { SourceGroup } from "../../domain/ports/import-store.ts";
import { writeAudit } from "../audit/audit.ts";
import { fold } from "../database/conditions.ts";
import { newId } from "../database/ids.ts";
import { putEntry } from "./entries.ts";
import type { Changing } from "./import-context.ts";

/** A group as new or changed; its members follow from its edges. */
export async function putGroup(changing: Changing, group: SourceGroup): Promise<void> {
  const { sql, source, nowMs, counts, refs, cause, newGroups } = changing;
  const { displayName, externalId } = group;
  const row = await sql.get(
    "SELECT seq, id, rev, display_name, absent_since_ms FROM groups WHERE source = ? AND source_key = ?",
    [source, externalId],
  );
  const resource = JSON.stringify({ displayName, externalId });
  let seq: number;
  if (row === undefined) {
    const id = newId(nowMs);
    const made = await sql.get(
      `INSERT INTO groups (id, source, source_key, display_name, display_name_key, external_id, rev, definition_rev, created_ms, modified_ms, resource)
       VALUES (?, ?, ?, ?, ?, ?, 1, 1, ?, ?, ?) RETURNING seq`,
      [id, source, externalId, displayName, fold(displayName), externalId, nowMs, nowMs, resource],
    );
    seq = Number(made?.["seq"]);
    newGroups.add(seq);
    refs.push({ kind: "group", id });
    await writeAudit(sql, nowMs, [
      {
        ...cause,
        action: "group.create",
        kind: "group",
        entityId: id,
        name: displayName,
        target: null,
        rev: 1,
        detail: { source },
      },
    ]);
  } else {
    seq = Number(row["seq"]);
    const isReturning = row["absent_since_ms"] !== null;
    if (isReturning || row["display_name"] !== displayName) {
      await sql.run(
        `UPDATE groups SET display_name = ?, display_name_key = ?, rev = rev + 1, definition_rev = rev + 1, modified_ms = ?, absent_since_ms = NULL, resource = ? WHERE seq = ?`,
        [displayName, fold(displayName), nowMs, resource, seq],
      );
      // Scope is decided by group names: a renamed group may bring its members into a target or out of it.
      await sql.run(
        "UPDATE users SET rev = rev + 1 WHERE seq IN (SELECT user_seq FROM memberships WHERE group_seq = ?)",
        [seq],
      );
      refs.push({ kind: "group", id: String(row["id"]) });
      if (!isReturning) counts.groupsChanged += 1;
      await writeAudit(sql, nowMs, [
        {
          ...cause,
          action: isReturning ? "group.return" : "group.update",
          kind: "group",
          entityId: String(row["id"]),
          name: displayName,
          target: null,
          rev: Number(row["rev"]) + 1,
          detail: { displayName: { from: String(row["display_name"]), to: displayName } },
        },
      ]);
    }
  }
  if ((await putEntry(changing, "group", seq, group, true, null)) === "new") counts.groupsAdded += 1;
}
