import type { EntityKind } from "../../domain/model/entities.ts";
import { writeAudit } from "../audit/audit.ts";
import type { Row } from "../database/driver.ts";
import { leaveAudit, leaveGroup } from "../directory/groups.ts";
import { edgesOf, locatorsIn } from "./entries.ts";
import type { Changing } from "./import-context.ts";

/** Makes a person or group absent, with all that belongs to it. */
export async function removeEntry(changing: Changing, kind: EntityKind, seq: number, sourceKey: string): Promise<void> {
  const { sql, source, nowMs, counts, refs, cause, touchedLocators } = changing;
  const [entry] = await sql.all(
    "DELETE FROM directory_entries WHERE source = ? AND kind = ? AND source_key = ? RETURNING locators",
    [source, kind, sourceKey],
  );
  for (const locator of locatorsIn(entry)) {
    await sql.run("DELETE FROM directory_locators WHERE source = ? AND locator = ? AND kind = ? AND seq = ?", [
      source,
      locator,
      kind,
      seq,
    ]);
    // Groups that contained a group have fewer people now; a person's memberships just end.
    if (kind === "group") touchedLocators.add(locator);
  }
  if (kind === "group")
    for (const edge of await edgesOf(sql, kind, seq)) if (edge.startsWith("1")) touchedLocators.add(edge.slice(1));
  await sql.run("DELETE FROM directory_edges WHERE kind = ? AND seq = ?", [kind, seq]);
  const members = kind === "user" ? [] : await leaveGroup(sql, seq);
  counts.membershipsRemoved += members.length;
  const row = kind === "user" ? await removeUser(changing, seq) : await removeGroup(changing, seq);
  refs.push({ kind, id: String(row?.["id"]) });
  if (kind === "user") counts.usersRemoved += 1;
  else counts.groupsRemoved += 1;
  await writeAudit(sql, nowMs, [
    {
      ...cause,
      action: `${kind}.delete`,
      kind,
      entityId: String(row?.["id"]),
      name: String(row?.["name"]),
      target: null,
      rev: Number(row?.["rev"]),
      detail: { source },
    },
    ...leaveAudit(cause, { id: String(row?.["id"]), name: String(row?.["name"]) }, members),
  ]);
}

async function removeUser({ sql, nowMs, counts, claimedEmails }: Changing, seq: number): Promise<Row | undefined> {
  await sql.run(
    "UPDATE groups SET rev = rev + 1, modified_ms = ? WHERE seq IN (SELECT group_seq FROM memberships WHERE user_seq = ?)",
    [nowMs, seq],
  );
  counts.membershipsRemoved += await sql.run("DELETE FROM memberships WHERE user_seq = ?", [seq]);
  const row = await sql.get(
    "UPDATE users SET absent_since_ms = ?, rev = rev + 1, modified_ms = ?, resource = '{}' WHERE seq = ? RETURNING id, rev, email, coalesce(email, user_name) AS name",
    [nowMs, nowMs, seq],
  );
  if (typeof row?.["email"] === "string") claimedEmails.add(row["email"]);
  return row;
}

const removeGroup = ({ sql, nowMs }: Changing, seq: number): Promise<Row | undefined> =>
  sql.get(
    "UPDATE groups SET absent_since_ms = ?, rev = rev + 1, definition_rev = rev + 1, modified_ms = ?, resource = '{}' WHERE seq = ? RETURNING id, rev, display_name AS name",
    [nowMs, nowMs, seq],
  );
