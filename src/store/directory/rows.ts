import type { AuditEntry } from "../../domain/model/audit.ts";
import type { Cause, DirectoryGroup, DirectoryUser, EntityRef, Json, JsonObject } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type { Criterion, ListPage, ListQuery, Reference, ScimRecord } from "../../domain/ports/scim-store.ts";
import { entityEntry } from "../audit/audit.ts";
import { breathe } from "../database/batches.ts";
import { fold, orderOf, toSql } from "../database/conditions.ts";
import type { Dialect, Driver, Row, Sql } from "../database/driver.ts";
import {
  all,
  count,
  first,
  flag,
  integer,
  json,
  optional,
  reader,
  type Shape,
  table,
  text,
} from "../database/table.ts";

/** The clock and the listeners of the writes. */
export interface WriteContext {
  readonly now: () => number;
  /** Called after the commit with the entities that changed. */
  readonly changed: (refs: readonly EntityRef[]) => void;
}

/** The SCIM resource of a user or group with its version and times. */
const record: Shape<ScimRecord> = {
  id: text,
  rev: integer,
  createdAtMs: integer,
  modifiedAtMs: integer,
  resource: json(),
};
const recordColumns = "t.seq, t.id, t.rev, t.created_at_ms, t.modified_at_ms, t.resource";
const toRecord = reader(record);

/** A user as an insert writes it; `seq` and `absent_since_ms` follow by themselves. */
interface StoredUser extends ScimRecord {
  readonly source: string;
  readonly sourceKey: string;
  readonly userName: string;
  /** Null for polled sources: their user names need not be unique. */
  readonly userNameKey: string | null;
  readonly externalId: string | null;
  readonly email: string | null;
  readonly displayName: string;
  readonly displayNameKey: string;
  readonly isActive: boolean;
}

export const users = table<StoredUser>("users", {
  ...record,
  source: text,
  sourceKey: text,
  userName: text,
  userNameKey: optional(text),
  externalId: optional(text),
  email: optional(text),
  displayName: text,
  displayNameKey: text,
  isActive: flag,
});

/** A group as an insert writes it. */
interface StoredGroup extends ScimRecord {
  readonly definitionRev: number;
  readonly source: string;
  readonly sourceKey: string;
  readonly displayName: string;
  readonly displayNameKey: string;
  readonly externalId: string | null;
}

export const groups = table<StoredGroup>("groups", {
  ...record,
  definitionRev: integer,
  source: text,
  sourceKey: text,
  displayName: text,
  displayNameKey: text,
  externalId: optional(text),
});

export const memberships = table<{ readonly groupSeq: number; readonly userSeq: number }>("memberships", {
  groupSeq: integer,
  userSeq: integer,
});

const sourceKey = { ...text, column: "source_key" };

/** A user from the columns of `users`. */
export const toDirectoryUser = reader<DirectoryUser>({
  id: text,
  source: text,
  externalId: sourceKey,
  email: optional(text),
  displayName: text,
  isActive: flag,
  rev: integer,
  createdAtMs: integer,
  absentSinceMs: optional(integer),
});

/** A group from the columns of `groups`. */
export const toDirectoryGroup = reader<DirectoryGroup>({
  id: text,
  source: text,
  externalId: sourceKey,
  displayName: text,
  rev: integer,
  definitionRev: integer,
  absentSinceMs: optional(integer),
});

export const idShape = { id: text };

/** A user or group that a statement changed, for the audit trail. */
export interface ChangedEntity {
  readonly seq: number;
  readonly id: string;
  readonly rev: number;
  readonly name: string;
}
export const changedEntity: Shape<ChangedEntity> = { seq: integer, id: text, rev: integer, name: text };
/** `RETURNING` of a change of users, for `changedEntity`. */
export const returningUsers = "RETURNING seq, id, rev, coalesce(email, user_name) AS name";

/** Marks the members of a group as changed. */
export const touchMembers =
  "UPDATE users SET rev = rev + 1 WHERE seq IN (SELECT user_seq FROM memberships WHERE group_seq = ?)";

/** Ends all memberships of a group. Its members change with it. */
export async function removeMembers(sql: Sql, groupSeq: number): Promise<readonly ChangedEntity[]> {
  const members = await all(sql, changedEntity, `${touchMembers} ${returningUsers}`, [groupSeq]);
  await sql.run("DELETE FROM memberships WHERE group_seq = ?", [groupSeq]);
  return members;
}

/** Ends all memberships of a user. The groups change with it. Returns their number. */
export async function leaveGroups(sql: Sql, userSeq: number, atMs: number): Promise<number> {
  await sql.run(
    "UPDATE groups SET rev = rev + 1, modified_at_ms = ? WHERE seq IN (SELECT group_seq FROM memberships WHERE user_seq = ?)",
    [atMs, userSeq],
  );
  return await sql.run("DELETE FROM memberships WHERE user_seq = ?", [userSeq]);
}

/** The statement that makes a user or group absent. The resource goes, the name stays for audit rows and targets. */
export const setAbsent = (kind: "user" | "group"): string =>
  kind === "user"
    ? `UPDATE users SET absent_since_ms = ?, rev = rev + 1, modified_at_ms = ?, resource = '{}' WHERE seq = ? ${returningUsers}, email`
    : "UPDATE groups SET absent_since_ms = ?, rev = rev + 1, definition_rev = rev + 1, modified_at_ms = ?, resource = '{}' WHERE seq = ? RETURNING seq, id, rev, display_name AS name, NULL AS email";

interface Named {
  readonly id: string;
  readonly name: string;
}

/** An entry for each user who joined or left a group: auditors search by user. */
export const memberEntries = (
  cause: Cause,
  action: "group.join" | "group.leave",
  { id, name }: Named,
  members: readonly ChangedEntity[],
): readonly AuditEntry[] =>
  members.map((member) => entityEntry(cause, action, { ...member, kind: "user" }, { group: { id, name } }));

/** Entries for a change of memberships: one for the group with counts, and one for each user. Empty without a change. */
export const membershipEntries = (
  cause: Cause,
  group: Named & { readonly rev: number },
  { added, removed }: { readonly added: readonly ChangedEntity[]; readonly removed: readonly ChangedEntity[] },
  counts = { added: added.length, removed: removed.length },
): readonly AuditEntry[] =>
  counts.added + counts.removed === 0
    ? []
    : [
        entityEntry(cause, "group.members", { ...group, kind: "group" }, counts),
        ...memberEntries(cause, "group.join", group, added),
        ...memberEntries(cause, "group.leave", group, removed),
      ];

/** `groups` of users, or `members` of groups, by the id of the owner. The order is stable. */
export async function referencesOf(
  sql: Sql,
  { isIn }: Dialect,
  kind: "user" | "group",
  source: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly Reference[]>> {
  const [only] = ids;
  if (only === undefined) return new Map();
  // Most calls are about one owner, for whom an equality is faster than a list.
  const isOne = ids.length === 1;
  const other = kind === "user" ? "group" : "user";
  const rows = await sql.all(
    `SELECT o.id AS owner, r.id AS id, r.display_name AS name FROM ${kind}s o
     JOIN memberships m ON m.${kind}_seq = o.seq JOIN ${other}s r ON r.seq = m.${other}_seq
     WHERE ${isOne ? "o.id = ?" : isIn("o.id")} AND o.source || '' = ? AND r.absent_since_ms IS NULL ORDER BY o.seq, r.seq`,
    [isOne ? only : JSON.stringify(ids), source],
  );
  const found = new Map<string, Reference[]>();
  for (const { owner, id, name } of rows.map(reader(referenceShape))) {
    const reference = { id, displayName: name };
    const list = found.get(owner);
    if (list === undefined) found.set(owner, [reference]);
    else list.push(reference);
  }
  return found;
}
const referenceShape = { owner: text, id: text, name: text };

/** Throws `UNIQUENESS` when another present row of the source has this name. */
export async function assertNameFree(
  sql: Sql,
  kind: "user" | "group",
  source: string,
  name: string,
  id: string,
): Promise<void> {
  const [from, attribute] =
    kind === "user"
      ? ["users WHERE source = ? AND user_name_key", "userName"]
      : ["groups WHERE source = ? AND display_name_key", "displayName"];
  const taken = await first(sql, idShape, `SELECT id FROM ${from} = ? AND absent_since_ms IS NULL AND id <> ?`, [
    source,
    fold(name),
    id,
  ]);
  if (taken !== undefined)
    throw new RollcallError("UNIQUENESS", `${attribute} "${name}" is already used by ${kind} ${taken.id}`);
}

/** The attributes that an update changed, each with its old and new value. */
export function changesBetween(before: JsonObject, after: JsonObject): Record<string, Json> {
  const changes: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const old = before[key] ?? null;
    const present = after[key] ?? null;
    if (old === present || JSON.stringify(old) === JSON.stringify(present)) continue;
    changes[key] = { from: short(old), to: short(present) };
  }
  return changes;
}

/** Shortens a long value: the audit trail says what changed, it is no second copy of the directory. */
function short(value: Json): Json {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : value;
}

/** The reads that users and groups of SCIM sources share: see `ScimStore`. */
export function scimReads(driver: Driver, kind: "user" | "group") {
  const from = `FROM ${kind}s t WHERE t.source = ? AND t.absent_since_ms IS NULL`;
  const present = (sql: Sql, source: string, id: string): Promise<Row | undefined> =>
    sql.get(`SELECT t.* ${from} AND t.id = ?`, [source, id]);
  return {
    async get(source: string, id: string): Promise<ScimRecord | null> {
      const row = await present(driver.read, source, id);
      return row === undefined ? null : toRecord(row);
    },

    /** The row of an entity that is to be changed, and its record. Throws `NOT_FOUND` or `REV_MISMATCH`. */
    async changing(sql: Sql, source: string, id: string, expectedRev: number | null) {
      const row = await present(sql, source, id);
      if (row === undefined) throw new RollcallError("NOT_FOUND", `no ${kind} ${id}`);
      const before = toRecord(row);
      if (expectedRev !== null && expectedRev !== before.rev)
        throw new RollcallError("REV_MISMATCH", `${kind} ${id} is at version ${before.rev}, not ${expectedRev}`);
      return { row, before };
    },

    /** `groups` of users, or `members` of groups, by the id of the owner. */
    references: (source: string, ids: readonly string[]) =>
      referencesOf(driver.read, driver.dialect, kind, source, ids),

    async list(source: string, query: ListQuery): Promise<ListPage<ScimRecord>> {
      const where = toSql(query.where);
      const params = [source, ...where.params];
      const rows =
        query.limit === 0
          ? []
          : await driver.read.all(
              `SELECT ${recordColumns} ${from} AND ${where.text} ORDER BY ${orderOf(query.sort)} LIMIT ? OFFSET ?`,
              [...params, query.limit, query.offset],
            );
      // A first page that is not full has all rows, so that they need not be counted.
      const isWhole = query.offset === 0 && rows.length < query.limit;
      const total = isWhole ? rows.length : await count(driver.read, `${from} AND ${where.text}`, params);
      return { total, records: rows.map(toRecord) };
    },

    /** Pages in order of creation. Other work of the process runs between them. */
    async *scan(source: string, criterion: Criterion, pageSize: number): AsyncGenerator<readonly ScimRecord[]> {
      const where = toSql(criterion);
      for (let after = 0; ; ) {
        const rows = await driver.read.all(
          `SELECT ${recordColumns} ${from} AND t.seq > ? AND ${where.text} ORDER BY t.seq LIMIT ?`,
          [source, after, ...where.params, pageSize],
        );
        if (rows.length > 0) yield rows.map(toRecord);
        if (rows.length < pageSize) return;
        after = Number(rows.at(-1)?.["seq"]);
        await breathe();
      }
    },
  };
}
