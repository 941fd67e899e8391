import type { JsonObject } from "../../domain/model/entities.ts";
import type { SourceUser } from "../../domain/ports/import-store.ts";
import { entityEntry, writeAudit } from "../audit/audit.ts";
import { chunks, insertRows } from "../database/batches.ts";
import { fold } from "../database/conditions.ts";
import { newId } from "../database/ids.ts";
import { all, first, flag, integer, json, optional, type Shape, text } from "../database/table.ts";
import { type ChangedEntity, changedEntity, changesBetween, leaveGroups, setAbsent, users } from "../directory/rows.ts";
import { type Commit, insertEntries, putEntry } from "./entries.ts";

interface Present {
  readonly seq: number;
  readonly id: string;
  readonly rev: number;
  readonly email: string | null;
  readonly absentSinceMs: number | null;
  readonly sourceKey: string;
  readonly resource: JsonObject;
}
const presentShape: Shape<Present> = {
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

async function updateUser(commit: Commit, user: SourceUser, row: Present): Promise<void> {
  const { sql, source, nowMs, counts, refs, cause, claimedEmails } = commit;
  const { seq, id } = row;
  const isActive = isActiveAt(user, nowMs);
  const isReturning = row.absentSinceMs !== null;
  const resource = resourceOf(user, isActive);
  const detail = changesBetween(isReturning ? {} : row.resource, resource);
  if (Object.keys(detail).length > 0) {
    const { userName, externalId, email, displayName } = user;
    await sql.run(
      `UPDATE users SET user_name = ?, external_id = ?, email = ?, display_name = ?, display_name_key = ?, is_active = ?, modified_at_ms = ?, resource = ?,
         absent_since_ms = NULL, rev = rev + 1 WHERE seq = ?`,
      [
        userName,
        externalId,
        email,
        displayName,
        fold(displayName),
        flag.write(isActive),
        nowMs,
        JSON.stringify(resource),
        seq,
      ],
    );
    refs.push({ kind: "user", id });
    const entity = { kind: "user", id, name: email ?? userName, rev: row.rev + 1 } as const;
    await writeAudit(sql, nowMs, [
      isReturning
        ? entityEntry(cause, "user.return", entity, { source })
        : entityEntry(cause, "user.update", entity, detail),
    ]);
    if (isReturning) counts.usersAdded += 1;
    else counts.usersChanged += 1;
  }
  await putEntry(commit, "user", seq, user);
  if (row.email === user.email && !isReturning) return;
  for (const email of [user.email, row.email]) if (email !== null) claimedEmails.add(email);
}

/** Makes a user absent. */
export async function removeUser(commit: Commit, seq: number): Promise<ChangedEntity | undefined> {
  const { sql, nowMs, counts, claimedEmails } = commit;
  counts.membershipsRemoved += await leaveGroups(sql, seq, nowMs);
  const removed = { ...changedEntity, email: optional(text) };
  const user = await first(sql, removed, setAbsent("user"), [nowMs, nowMs, seq]);
  if (user?.email != null) claimedEmails.add(user.email);
  counts.usersRemoved += 1;
  return user;
}

/** Deactivates users whose time is over: nothing in the directory changes when an account expires. */
export async function expireUsers({ sql, source, nowMs, counts, refs, cause }: Commit): Promise<void> {
  const rows = await all(
    sql,
    { ...changedEntity, resource: json<JsonObject>() },
    `SELECT u.seq, u.id, u.rev, u.resource, coalesce(u.email, u.user_name) AS name FROM directory_entries e JOIN users u ON u.seq = e.seq
     WHERE e.source = ? AND e.kind = 'user' AND e.active_until_ms <= ? AND u.is_active = 1`,
    [source, nowMs],
  );
  for (const { seq, id, rev, name, resource: before } of rows) {
    const after = { ...before, active: false };
    await sql.run("UPDATE users SET is_active = 0, rev = rev + 1, modified_at_ms = ?, resource = ? WHERE seq = ?", [
      nowMs,
      JSON.stringify(after),
      seq,
    ]);
    counts.usersChanged += 1;
    refs.push({ kind: "user", id });
    const entity = { kind: "user", id, name, rev: rev + 1 } as const;
    await writeAudit(sql, nowMs, [entityEntry(cause, "user.update", entity, changesBetween(before, after))]);
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
