import type { JsonObject } from "../../domain/model/entities.ts";
import type { SourceUser } from "../../domain/ports/import-store.ts";
import { writeAudit } from "../audit/audit.ts";
import { chunks, insertRows } from "../database/batches.ts";
import { fold } from "../database/conditions.ts";
import type { Row } from "../database/driver.ts";
import { newId } from "../database/ids.ts";
import { changesBetween } from "../directory/users.ts";
import { digestOf, entryIdOf, putEdges, putEntry } from "./entries.ts";
import type { Changing } from "./import-context.ts";

/** People as new or changed. New ones are inserted many at a time: a first poll brings everybody. */
export async function putUsers(changing: Changing, users: readonly SourceUser[]): Promise<void> {
  const { sql, dialect, source } = changing;
  const keys = JSON.stringify(users.map(({ externalId }) => externalId));
  const rows = await sql.all(
    `SELECT seq, id, rev, email, absent_since_ms, source_key, resource FROM users WHERE source = ? AND ${dialect.isIn("source_key")}`,
    [source, keys],
  );
  const present = new Map(rows.map((row) => [String(row["source_key"]), row]));
  await insertUsers(
    changing,
    users.filter(({ externalId }) => !present.has(externalId)),
  );
  for (const user of users) {
    const row = present.get(user.externalId);
    if (row !== undefined) await updateUser(changing, user, row);
  }
}

const isActiveAt = (user: SourceUser, nowMs: number): boolean =>
  user.isActive && (user.activeUntilMs === null || user.activeUntilMs > nowMs);

async function insertUsers(changing: Changing, users: readonly SourceUser[]): Promise<void> {
  const { sql, source, nowMs, counts, refs, cause, newUsers, claimedEmails } = changing;
  if (users.length === 0) return;
  const people = users.map((user) => ({ user, id: newId(nowMs), isActive: isActiveAt(user, nowMs) }));
  const made = await insertRows(
    sql,
    "users",
    [
      "user_name",
      "external_id",
      "email",
      "display_name",
      "display_name_key",
      "is_active",
      "modified_ms",
      "resource",
      "id",
      "source",
      "source_key",
      "rev",
      "created_ms",
    ],
    people.map(({ user, id, isActive }) => [
      user.userName,
      user.externalId,
      user.email,
      user.displayName,
      fold(user.displayName),
      isActive ? 1 : 0,
      nowMs,
      JSON.stringify(resourceOf(user, isActive)),
      id,
      source,
      user.externalId,
      1,
      nowMs,
    ]),
    "RETURNING seq, id",
  );
  const seqOf = new Map(made.map((row) => [row["id"], Number(row["seq"])]));
  await writeAudit(
    sql,
    nowMs,
    people.map(({ user, id, isActive }) => ({
      ...cause,
      action: "user.create",
      kind: "user",
      entityId: id,
      name: user.email ?? user.userName,
      target: null,
      rev: 1,
      detail: { source, userName: user.userName, email: user.email, active: isActive },
    })),
  );
  const entries = people.map(({ user, id }) => ({ user, seq: seqOf.get(id) ?? 0 }));
  await insertRows(
    sql,
    "directory_entries",
    [
      "source",
      "kind",
      "source_key",
      "entry_id",
      "seq",
      "digest",
      "locators",
      "is_enabled",
      "active_until_ms",
      "missed",
    ],
    entries.map(({ user, seq }) => [
      source,
      "user",
      user.externalId,
      entryIdOf(user),
      seq,
      digestOf(user),
      user.locators.join("\n"),
      user.isActive ? 1 : 0,
      user.activeUntilMs,
      0,
    ]),
  );
  await insertRows(
    sql,
    "directory_locators",
    ["source", "locator", "kind", "seq"],
    entries.flatMap(({ user, seq }) => [...new Set(user.locators)].map((locator) => [source, locator, "user", seq])),
  );
  for (const { user, seq } of entries) {
    newUsers.add(seq);
    if (user.email !== null) claimedEmails.add(user.email);
    if (user.memberOf.length > 0) await putEdges(changing, "user", seq, new Set(), [], user.memberOf);
  }
  // Looked up now, so that a first poll need not remember 50,000 names.
  await touchRivals(changing);
  const waiting = await sql.all(
    `SELECT DISTINCT seq FROM directory_edges WHERE source = ? AND ${changing.dialect.isIn("locator")} AND kind = 'group' AND is_up = 0`,
    [source, JSON.stringify(users.flatMap(({ locators }) => locators))],
  );
  for (const row of waiting) changing.touchedGroups.add(Number(row["seq"]));
  for (const { id } of people) refs.push({ kind: "user", id });
  counts.usersAdded += users.length;
}

async function updateUser(changing: Changing, user: SourceUser, row: Row): Promise<void> {
  const { sql, source, nowMs, counts, refs, cause, claimedEmails } = changing;
  const isActive = isActiveAt(user, nowMs);
  const isReturning = row["absent_since_ms"] !== null;
  const resource = resourceOf(user, isActive);
  const detail = changesBetween(isReturning ? {} : (JSON.parse(String(row["resource"])) as JsonObject), resource);
  const seq = Number(row["seq"]);
  if (Object.keys(detail).length > 0) {
    await sql.run(
      `UPDATE users SET user_name = ?, external_id = ?, email = ?, display_name = ?, display_name_key = ?, is_active = ?, modified_ms = ?, resource = ?,
         absent_since_ms = NULL, rev = rev + 1 WHERE seq = ?`,
      [
        user.userName,
        user.externalId,
        user.email,
        user.displayName,
        fold(user.displayName),
        isActive ? 1 : 0,
        nowMs,
        JSON.stringify(resource),
        seq,
      ],
    );
    refs.push({ kind: "user", id: String(row["id"]) });
    await writeAudit(sql, nowMs, [
      {
        ...cause,
        action: isReturning ? "user.return" : "user.update",
        kind: "user",
        entityId: String(row["id"]),
        name: user.email ?? user.userName,
        target: null,
        rev: Number(row["rev"]) + 1,
        detail: isReturning ? { source } : detail,
      },
    ]);
    if (isReturning) counts.usersAdded += 1;
    else counts.usersChanged += 1;
  }
  await putEntry(changing, "user", seq, user, user.isActive, user.activeUntilMs);
  if (row["email"] === user.email && !isReturning) return;
  for (const email of [user.email, row["email"]]) if (typeof email === "string") claimedEmails.add(email);
}

const resourceOf = (user: SourceUser, isActive: boolean): JsonObject => ({
  userName: user.userName,
  externalId: user.externalId,
  displayName: user.displayName,
  active: isActive,
  ...(user.email === null ? {} : { emails: [{ value: user.email, primary: true }] }),
});

/** Accounts whose time has come: nothing in the directory changes when an account expires. */
export async function expireUsers({ sql, source, nowMs, counts, refs, cause }: Changing): Promise<void> {
  const rows = await sql.all(
    `SELECT u.seq, u.id, u.rev, u.resource, coalesce(u.email, u.user_name) AS name FROM directory_entries e JOIN users u ON u.seq = e.seq
     WHERE e.source = ? AND e.kind = 'user' AND e.active_until_ms <= ? AND u.is_active = 1`,
    [source, nowMs],
  );
  for (const row of rows) {
    const before = JSON.parse(String(row["resource"])) as JsonObject;
    const after = { ...before, active: false };
    await sql.run("UPDATE users SET is_active = 0, rev = rev + 1, modified_ms = ?, resource = ? WHERE seq = ?", [
      nowMs,
      JSON.stringify(after),
      Number(row["seq"]),
    ]);
    counts.usersChanged += 1;
    refs.push({ kind: "user", id: String(row["id"]) });
    await writeAudit(sql, nowMs, [
      {
        ...cause,
        action: "user.update",
        kind: "user",
        entityId: String(row["id"]),
        name: String(row["name"]),
        target: null,
        rev: Number(row["rev"]) + 1,
        detail: changesBetween(before, after),
      },
    ]);
  }
}

/** Everybody who claims an address that others gained or lost: they may get it, or lose it, and are to be looked at again. */
export async function touchRivals({ sql, dialect, claimedEmails }: Changing): Promise<void> {
  for (const emails of chunks([...claimedEmails])) {
    await sql.run(
      `UPDATE users SET rev = rev + 1 WHERE email IN (SELECT o.email FROM users o WHERE ${dialect.isIn("o.email")} GROUP BY o.email HAVING count(*) > 1)`,
      [JSON.stringify(emails)],
    );
  }
  claimedEmails.clear();
}
