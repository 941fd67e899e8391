import type { EntityKind, JsonObject } from "../../domain/model/entities.ts";
import type { SourceGroup, SourceUser } from "../../domain/ports/import-store.ts";
import { entityEntry, writeAudit } from "../audit/audit.ts";
import { chunks, insertRows } from "../database/batches.ts";
import { fold } from "../database/conditions.ts";
import type { SqlValue } from "../database/driver.ts";
import { newId } from "../database/ids.ts";
import { all, first, flag, integer, json, optional, type Shape, text } from "../database/table.ts";
import {
  changedEntity,
  changesBetween,
  groups,
  leaveGroups,
  memberEntries,
  removeMembers,
  setAbsent,
  touchMembers,
  users,
} from "../directory/rows.ts";
import { type Commit, deleteEntry, insertEntries, putEntry } from "./entries.ts";

interface PresentUser {
  readonly seq: number;
  readonly id: string;
  readonly rev: number;
  readonly email: string | null;
  readonly absentSinceMs: number | null;
  readonly sourceKey: string;
  readonly resource: JsonObject;
}
const presentShape: Shape<PresentUser> = {
  seq: integer,
  id: text,
  rev: integer,
  email: optional(text),
  absentSinceMs: optional(integer),
  sourceKey: text,
  resource: json(),
};

/** Writes new and changed users. New ones are inserted many at a time: the first poll brings all users. */
export async function putUsers(commit: Commit, entries: readonly SourceUser[]): Promise<void> {
  const { sql, dialect, source } = commit;
  const rows = await all(
    sql,
    presentShape,
    `SELECT seq, id, rev, email, absent_since_ms, source_key, resource FROM users WHERE source = ? AND ${dialect.isIn("source_key")}`,
    [source, JSON.stringify(entries.map(({ externalId }) => externalId))],
  );
  const present = new Map(rows.map((row) => [row.sourceKey, row]));
  await insertUsers(
    commit,
    entries.filter(({ externalId }) => !present.has(externalId)),
  );
  for (const user of entries) {
    const row = present.get(user.externalId);
    if (row !== undefined) await updateUser(commit, user, row);
  }
}

const isActiveAt = (user: SourceUser, nowMs: number): boolean =>
  user.isActive && (user.activeUntilMs === null || user.activeUntilMs > nowMs);

const resourceOf = (user: SourceUser, isActive: boolean): JsonObject => ({
  userName: user.userName,
  externalId: user.externalId,
  displayName: user.displayName,
  active: isActive,
  ...(user.email === null ? {} : { emails: [{ value: user.email, primary: true }] }),
});

async function insertUsers(commit: Commit, entries: readonly SourceUser[]): Promise<void> {
  const { sql, dialect, source, nowMs, counts, refs, cause, newUsers, claimedEmails } = commit;
  if (entries.length === 0) return;
  const made = entries.map((user) => ({ user, id: newId(nowMs), isActive: isActiveAt(user, nowMs) }));
  const rows = await insertRows(
    sql,
    users,
    made.map(({ user, id, isActive }) => ({
      id,
      rev: 1,
      createdAtMs: nowMs,
      modifiedAtMs: nowMs,
      resource: resourceOf(user, isActive),
      source,
      sourceKey: user.externalId,
      userName: user.userName,
      userNameKey: null,
      externalId: user.externalId,
      email: user.email,
      displayName: user.displayName,
      displayNameKey: fold(user.displayName),
      isActive,
    })),
    "RETURNING seq, id",
  );
  const seqOf = new Map(rows.map((row) => [row["id"], Number(row["seq"])]));
  const audited = made.map(({ user: { userName, email }, id, isActive }) =>
    entityEntry(
      cause,
      "user.create",
      { kind: "user", id, name: email ?? userName, rev: 1 },
      { source, userName, email, active: isActive },
    ),
  );
  await writeAudit(sql, nowMs, audited);
  const stored = made.map(({ user, id }) => ({ user, seq: seqOf.get(id) ?? 0 }));
  await insertEntries(commit, stored);
  for (const { user, seq } of stored) {
    newUsers.add(seq);
    if (user.email !== null) claimedEmails.add(user.email);
  }
  // For each batch, so that a first poll need not remember 50,000 addresses.
  await touchRivals(commit);
  const waiting = await all(
    sql,
    { seq: integer },
    `SELECT DISTINCT seq FROM directory_edges WHERE source = ? AND ${dialect.isIn("locator")} AND kind = 'group' AND is_member_of = 0`,
    [source, JSON.stringify(entries.flatMap(({ locators }) => locators))],
  );
  for (const { seq } of waiting) commit.touchedGroups.add(seq);
  for (const { id } of made) refs.push({ kind: "user", id });
  counts.usersAdded += made.length;
}

async function updateUser(commit: Commit, user: SourceUser, row: PresentUser): Promise<void> {
  const { source, nowMs, counts, claimedEmails } = commit;
  const isActive = isActiveAt(user, nowMs);
  const isReturning = row.absentSinceMs !== null;
  const resource = resourceOf(user, isActive);
  const changes = changesBetween(isReturning ? {} : row.resource, resource);
  if (Object.keys(changes).length > 0) {
    const { userName, externalId, email, displayName } = user;
    await updateRow(commit, "user", row, {
      name: email ?? userName,
      columns: {
        user_name: userName,
        external_id: externalId,
        email,
        display_name: displayName,
        display_name_key: fold(displayName),
        is_active: flag.write(isActive),
      },
      resource,
      detail: isReturning ? { source } : changes,
    });
    if (isReturning) counts.usersAdded += 1;
    else counts.usersChanged += 1;
  }
  await putEntry(commit, "user", row.seq, user);
  if (row.email === user.email && !isReturning) return;
  for (const email of [user.email, row.email]) if (email !== null) claimedEmails.add(email);
}

/** Writes a new or changed group. Its members follow from its edges. */
export async function putGroup(commit: Commit, group: SourceGroup): Promise<void> {
  const { sql, source, counts } = commit;
  const { displayName, externalId } = group;
  const present = await first(
    sql,
    { ...changedEntity, absentSinceMs: optional(integer) },
    "SELECT seq, id, rev, display_name AS name, absent_since_ms FROM groups WHERE source = ? AND source_key = ?",
    [source, externalId],
  );
  const seq = present?.seq ?? (await insertGroup(commit, group));
  const isReturning = present !== undefined && present.absentSinceMs !== null;
  if (present !== undefined && (isReturning || present.name !== displayName)) {
    await updateRow(commit, "group", present, {
      name: displayName,
      columns: {
        display_name: displayName,
        display_name_key: fold(displayName),
        definition_rev: present.rev + 1,
      },
      resource: { displayName, externalId },
      detail: { displayName: { from: present.name, to: displayName } },
    });
    // Groups are chosen by name: a new name may bring the members into a target, or out of it.
    await sql.run(touchMembers, [seq]);
    if (!isReturning) counts.groupsChanged += 1;
  }
  if (await putEntry(commit, "group", seq, group)) counts.groupsAdded += 1;
}

/** Returns the `seq` of the new group. */
async function insertGroup(commit: Commit, { displayName, externalId }: SourceGroup): Promise<number> {
  const { sql, source, nowMs, refs, cause, newGroups } = commit;
  const id = newId(nowMs);
  const record = { id, rev: 1, createdAtMs: nowMs, modifiedAtMs: nowMs, resource: { displayName, externalId } };
  const names = { displayName, displayNameKey: fold(displayName), externalId };
  const row = { ...record, ...names, definitionRev: 1, source, sourceKey: externalId };
  const [made] = await insertRows(sql, groups, [row], "RETURNING seq");
  const seq = Number(made?.["seq"]);
  newGroups.add(seq);
  refs.push({ kind: "group", id });
  const entity = { kind: "group", id, name: displayName, rev: 1 } as const;
  await writeAudit(sql, nowMs, [entityEntry(cause, "group.create", entity, { source })]);
  return seq;
}

interface RowUpdate {
  readonly name: string;
  readonly columns: Readonly<Record<string, SqlValue>>;
  readonly resource: JsonObject;
  readonly detail: JsonObject;
}

/** Updates the row of a user or group and reports the change. An absent entity is present afterwards. */
async function updateRow(
  { sql, nowMs, refs, cause }: Commit,
  kind: EntityKind,
  { seq, id, rev, absentSinceMs }: Pick<PresentUser, "seq" | "id" | "rev" | "absentSinceMs">,
  { name, columns, resource, detail }: RowUpdate,
): Promise<void> {
  const assignments = Object.keys(columns).map((column) => `${column} = ?, `);
  await sql.run(
    `UPDATE ${kind}s SET ${assignments.join("")}resource = ?, rev = rev + 1, modified_at_ms = ?, absent_since_ms = NULL WHERE seq = ?`,
    [...Object.values(columns), JSON.stringify(resource), nowMs, seq],
  );
  refs.push({ kind, id });
  const action = `${kind}.${absentSinceMs === null ? "update" : "return"}`;
  await writeAudit(sql, nowMs, [entityEntry(cause, action, { kind, id, name, rev: rev + 1 }, detail)]);
}

/** Deletes the entry of a user or group, and makes that user or group absent. */
export async function removeEntry(commit: Commit, kind: EntityKind, seq: number, sourceKey: string): Promise<void> {
  const { sql, source, nowMs, counts, cause, refs, claimedEmails } = commit;
  await deleteEntry(commit, kind, seq, sourceKey);
  const members = kind === "group" ? await removeMembers(sql, seq) : [];
  counts.membershipsRemoved += kind === "group" ? members.length : await leaveGroups(sql, seq, nowMs);
  counts[`${kind}sRemoved`] += 1;
  const shape = { ...changedEntity, email: optional(text) };
  const entity = await first(sql, shape, setAbsent(kind), [nowMs, nowMs, seq]);
  if (entity === undefined) return;
  if (entity.email !== null) claimedEmails.add(entity.email);
  refs.push({ kind, id: entity.id });
  await writeAudit(sql, nowMs, [
    entityEntry(cause, `${kind}.delete`, { ...entity, kind }, { source }),
    ...memberEntries(cause, "group.leave", entity, members),
  ]);
}

/** Deactivates users whose time is over: nothing in the directory changes when an account expires. */
export async function expireUsers(commit: Commit): Promise<void> {
  const { sql, source, nowMs } = commit;
  const rows = await all(
    sql,
    { ...changedEntity, resource: json<JsonObject>() },
    `SELECT u.seq, u.id, u.rev, u.resource, coalesce(u.email, u.user_name) AS name FROM directory_entries e JOIN users u ON u.seq = e.seq
     WHERE e.source = ? AND e.kind = 'user' AND e.active_until_ms <= ? AND u.is_active = 1 AND u.absent_since_ms IS NULL`,
    [source, nowMs],
  );
  for (const { name, resource: before, ...row } of rows) {
    const resource = { ...before, active: false };
    const detail = changesBetween(before, resource);
    const columns = { is_active: flag.write(false) };
    await updateRow(commit, "user", { ...row, absentSinceMs: null }, { name, columns, resource, detail });
    commit.counts.usersChanged += 1;
  }
}

/** Marks as changed all users with an address that another user gained or lost: they may get it, or lose it. */
export async function touchRivals({ sql, dialect, claimedEmails }: Commit): Promise<void> {
  for (const emails of chunks([...claimedEmails]))
    await sql.run(
      `UPDATE users SET rev = rev + 1 WHERE email IN (SELECT o.email FROM users o WHERE ${dialect.isIn("o.email")} GROUP BY o.email HAVING count(*) > 1)`,
      [JSON.stringify(emails)],
    );
  claimedEmails.clear();
}
