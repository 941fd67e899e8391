import type { AuditEntry } from "../../domain/model/audit.ts";
import type { Cause, EntityRef, JsonObject } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type {
  Criterion,
  GroupEdit,
  GroupOptions,
  GroupRecord,
  GroupResult,
  ListPage,
  ListQuery,
  MemberEdit,
  Reference,
} from "../../domain/ports/scim-store.ts";
import { writeAudit } from "../audit/audit.ts";
import { fold } from "../database/conditions.ts";
import type { Dialect, Driver, Row, Sql } from "../database/driver.ts";
import { newId } from "../database/ids.ts";
import { assertRev, byOwner, changesBetween, listRows, notFound, scanRows, type WriteContext } from "./users.ts";

const recordColumns = "t.seq, t.id, t.rev, t.created_ms, t.modified_ms, t.resource";

const toRecord = (row: Row): GroupRecord => ({
  id: String(row["id"]),
  rev: Number(row["rev"]),
  createdAtMs: Number(row["created_ms"]),
  modifiedAtMs: Number(row["modified_ms"]),
  resource: JSON.parse(String(row["resource"])) as JsonObject,
});

/** Groups of SCIM sources as rows, members by row: see `ScimStore`. */
export function groupRows(driver: Driver, { now, changed }: WriteContext) {
  const present = (sql: Sql, source: string, id: string): Promise<Row | undefined> =>
    sql.get(
      `SELECT ${recordColumns}, t.display_name, t.display_name_key FROM groups t WHERE t.id = ? AND t.source = ? AND t.absent_since_ms IS NULL`,
      [id, source],
    );

  return {
    async getGroup(source: string, id: string): Promise<GroupRecord | null> {
      const row = await present(driver.read, source, id);
      return row === undefined ? null : toRecord(row);
    },

    listGroups: (source: string, query: ListQuery): Promise<ListPage<GroupRecord>> =>
      listRows(driver, "groups", recordColumns, source, query, toRecord),

    scanGroups: (source: string, where: Criterion, pageSize: number): AsyncIterable<readonly GroupRecord[]> =>
      scanRows(driver, "groups", recordColumns, source, where, pageSize, toRecord),

    async createGroup(
      source: string,
      write: { readonly resource: JsonObject; readonly displayName: string; readonly externalId: string | null },
      memberIds: readonly string[],
      options: GroupOptions,
      cause: Cause,
    ): Promise<GroupResult> {
      const at = now();
      const id = newId(at);
      const members = await driver.transaction(async (sql) => {
        if (options.isNameUnique) await assertNameFree(sql, source, write.displayName, id);
        await sql.run(
          `INSERT INTO groups (id, source, source_key, display_name, display_name_key, external_id, rev, definition_rev, created_ms, modified_ms, resource)
           VALUES (?, ?, ?, ?, ?, ?, 1, 1, ?, ?, ?)`,
          [
            id,
            source,
            id,
            write.displayName,
            fold(write.displayName),
            write.externalId,
            at,
            at,
            JSON.stringify(write.resource),
          ],
        );
        const seq = Number((await sql.get("SELECT seq FROM groups WHERE id = ?", [id]))?.["seq"]);
        const result = await applyMemberEdits(
          sql,
          driver.dialect,
          source,
          seq,
          [{ op: "add", userIds: memberIds }],
          options,
        );
        await writeAudit(sql, at, [
          {
            ...cause,
            action: "group.create",
            kind: "group",
            entityId: id,
            name: write.displayName,
            target: null,
            rev: 1,
            detail: { source },
          },
          ...memberAudit(cause, id, write.displayName, 1, result),
        ]);
        return result;
      });
      changed([{ kind: "group", id }, ...refsOf(members)]);
      return {
        record: { id, rev: 1, createdAtMs: at, modifiedAtMs: at, resource: write.resource },
        unknownMembers: members.unknown,
      };
    },

    async updateGroup(
      source: string,
      id: string,
      expectedRev: number | null,
      edit: (
        record: GroupRecord,
        members: () => Promise<readonly Reference[]>,
      ) => GroupEdit | null | Promise<GroupEdit | null>,
      options: GroupOptions,
      cause: Cause,
    ): Promise<GroupResult> {
      const refsIn = ({
        members,
        isDefined,
      }: {
        readonly members: MemberChanges;
        readonly isDefined: boolean;
      }): EntityRef[] => [...refsOf(members), ...(isDefined ? [{ kind: "group" as const, id }] : [])];
      const result = await driver.transaction(async (sql) => {
        const row = await present(sql, source, id);
        if (row === undefined) throw notFound("group", id);
        const before = toRecord(row);
        assertRev("group", before, expectedRev);
        const seq = Number(row["seq"]);
        const wanted = await edit(
          before,
          async () => (await membersOf(sql, driver.dialect, source, [id])).get(id) ?? [],
        );
        if (wanted === null) return { record: before, members: noMembers, isDefined: false, isRenamed: false };
        const { write } = wanted;
        const isRenamed = write !== null && write.displayName !== row["display_name"];
        if (isRenamed && options.isNameUnique) await assertNameFree(sql, source, write.displayName, id);
        const members = await applyMemberEdits(sql, driver.dialect, source, seq, wanted.members, options);
        if (write === null && members.added.length === 0 && members.removed.length === 0)
          return { record: before, members, isDefined: false, isRenamed: false };

        const at = Math.max(now(), before.modifiedAtMs);
        const rev = before.rev + 1;
        const name = write?.displayName ?? String(row["display_name"]);
        if (write === null) {
          await sql.run("UPDATE groups SET rev = ?, modified_ms = ? WHERE seq = ?", [rev, at, seq]);
        } else {
          await sql.run(
            `UPDATE groups SET display_name = ?, display_name_key = ?, external_id = ?, rev = ?, definition_rev = ?, modified_ms = ?, resource = ? WHERE seq = ?`,
            [name, fold(name), write.externalId, rev, rev, at, JSON.stringify(write.resource), seq],
          );
          // Scope is decided by group names: a renamed group may bring its members into a target or out of it.
          if (isRenamed) await touchMembers(sql, seq);
          await writeAudit(sql, at, [
            {
              ...cause,
              action: "group.update",
              kind: "group",
              entityId: id,
              name,
              target: null,
              rev,
              detail: changesBetween(before.resource, write.resource),
            },
          ]);
        }
        await writeAudit(sql, at, memberAudit(cause, id, name, rev, members));
        const record = { ...before, rev, modifiedAtMs: at, resource: write?.resource ?? before.resource };
        return { record, members, isDefined: write !== null, isRenamed };
      });
      const refs = refsIn(result);
      if (result.isRenamed) refs.push(everybody);
      if (refs.length > 0) changed(refs);
      return { record: result.record, unknownMembers: result.members.unknown };
    },

    async deleteGroup(source: string, id: string, expectedRev: number | null, cause: Cause): Promise<void> {
      await driver.transaction(async (sql) => {
        const row = await present(sql, source, id);
        if (row === undefined) throw notFound("group", id);
        const before = toRecord(row);
        assertRev("group", before, expectedRev);
        const at = now();
        const seq = Number(row["seq"]);
        const members = await leaveGroup(sql, seq);
        await sql.run(
          "UPDATE groups SET absent_since_ms = ?, rev = rev + 1, definition_rev = rev + 1, modified_ms = ?, resource = '{}' WHERE seq = ?",
          [at, at, seq],
        );
        await writeAudit(sql, at, [
          {
            ...cause,
            action: "group.delete",
            kind: "group",
            entityId: id,
            name: String(row["display_name"]),
            target: null,
            rev: before.rev + 1,
            detail: { source, members: members.length },
          },
          ...leaveAudit(cause, { id, name: String(row["display_name"]) }, members),
        ]);
      });
      // Its members changed too, and they may be many: a scan finds them.
      changed([{ kind: "group", id }, everybody]);
    },

    membersOfGroups: (
      source: string,
      groupIds: readonly string[],
    ): Promise<ReadonlyMap<string, readonly Reference[]>> => membersOf(driver.read, driver.dialect, source, groupIds),
  };
}

/** Told to listeners in place of a long list: look at everything that is dirty. */
export const everybody: EntityRef = { kind: "user", id: "*" };

interface ChangedMember {
  readonly id: string;
  readonly name: string;
  readonly rev: number;
}

interface MemberChanges {
  readonly added: readonly ChangedMember[];
  readonly removed: readonly ChangedMember[];
  /** Everybody whose `rev` grew: also who was taken out and put back by later steps. */
  readonly touched: ReadonlySet<string>;
  readonly unknown: readonly string[];
}

const noMembers: MemberChanges = { added: [], removed: [], touched: new Set(), unknown: [] };

const refsOf = ({ touched }: MemberChanges): readonly EntityRef[] =>
  [...touched].map((id) => ({ kind: "user" as const, id }));

/** One row for the group with counts, and one for each person: an auditor asks about people. */
function memberAudit(
  cause: Cause,
  groupId: string,
  groupName: string,
  rev: number,
  { added, removed }: MemberChanges,
): readonly AuditEntry[] {
  if (added.length === 0 && removed.length === 0) return [];
  const group = { id: groupId, name: groupName };
  const person = (action: string) => (member: MemberChanges["added"][number]) => ({
    ...cause,
    action,
    kind: "user" as const,
    entityId: member.id,
    name: member.name,
    target: null,
    rev: member.rev,
    detail: { group },
  });
  return [
    {
      ...cause,
      action: "group.members",
      kind: "group",
      entityId: groupId,
      name: groupName,
      target: null,
      rev,
      detail: { added: added.length, removed: removed.length },
    },
    ...added.map(person("group.join")),
    ...removed.map(person("group.leave")),
  ];
}

async function applyMemberEdits(
  sql: Sql,
  dialect: Dialect,
  source: string,
  groupSeq: number,
  edits: readonly MemberEdit[],
  options: GroupOptions,
): Promise<MemberChanges> {
  const added = new Map<string, ChangedMember>();
  const removed = new Map<string, ChangedMember>();
  const touched = new Set<string>();
  const unknown: string[] = [];
  const note = (rows: readonly Row[], into: Map<string, ChangedMember>, opposite: Map<string, ChangedMember>): void => {
    for (const row of rows) {
      const id = String(row["id"]);
      touched.add(id);
      // A person added and removed again by later steps of one request did not change.
      if (!opposite.delete(id)) into.set(id, { id, name: String(row["name"]), rev: Number(row["rev"]) });
    }
  };
  for (const edit of edits) {
    if (edit.op !== "add") note(await removeRows(sql, dialect, groupSeq, edit), removed, added);
    if (edit.op === "remove") continue;
    const rows = await addRows(sql, dialect, source, groupSeq, edit.userIds);
    note(rows, added, removed);
    // Where all of them were added, all of them are known.
    if (rows.length < edit.userIds.length) unknown.push(...(await unknownAmong(sql, dialect, source, edit.userIds)));
  }
  if (unknown.length > 0 && options.unknownMembers === "reject") {
    throw new RollcallError(
      "UNKNOWN_MEMBER",
      `${unknown.length} of the members are not known here, the first is ${unknown[0]}`,
    );
  }
  return { added: [...added.values()], removed: [...removed.values()], touched, unknown };
}

async function unknownAmong(
  sql: Sql,
  dialect: Dialect,
  source: string,
  ids: readonly string[],
): Promise<readonly string[]> {
  const rows = await sql.all(
    `SELECT id FROM users WHERE ${dialect.isIn("id")} AND source || '' = ? AND absent_since_ms IS NULL`,
    [JSON.stringify(ids), source],
  );
  if (rows.length === ids.length) return [];
  const known = new Set(rows.map((row) => row["id"]));
  return [...new Set(ids)].filter((id) => !known.has(id));
}

/** Removes those named, or for a replace all but those named, and makes them dirty. */
async function removeRows(sql: Sql, dialect: Dialect, groupSeq: number, edit: MemberEdit): Promise<readonly Row[]> {
  // A removal starts from the ids named, a replace from the rows of the group: neither looks at more than it must.
  const condition =
    edit.op === "remove"
      ? `EXISTS (SELECT 1 FROM memberships m WHERE m.group_seq = ? AND m.user_seq = users.seq) AND ${dialect.isIn("id")}`
      : `seq IN (SELECT user_seq FROM memberships WHERE group_seq = ?) AND ${dialect.isNotIn("id")}`;
  const rows = await sql.all(
    `UPDATE users SET rev = rev + 1 WHERE ${condition} RETURNING seq, id, rev, coalesce(email, user_name) AS name`,
    [groupSeq, JSON.stringify(edit.userIds)],
  );
  if (rows.length > 0) {
    await sql.run(`DELETE FROM memberships WHERE group_seq = ? AND ${dialect.isIn("user_seq", "number")}`, [
      groupSeq,
      JSON.stringify(rows.map((row) => row["seq"])),
    ]);
  }
  return rows;
}

async function addRows(
  sql: Sql,
  dialect: Dialect,
  source: string,
  groupSeq: number,
  ids: readonly string[],
): Promise<readonly Row[]> {
  if (ids.length === 0) return [];
  const rows = await sql.all(
    // The empty text keeps SQLite from walking everybody of the source instead of looking up the ids.
    `UPDATE users SET rev = rev + 1 WHERE ${dialect.isIn("id")} AND source || '' = ? AND absent_since_ms IS NULL
       AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.group_seq = ? AND m.user_seq = users.seq)
     RETURNING seq, id, rev, coalesce(email, user_name) AS name`,
    [JSON.stringify(ids), source, groupSeq],
  );
  if (rows.length > 0) {
    await sql.run(
      `INSERT INTO memberships (group_seq, user_seq) SELECT ?, seq FROM users WHERE ${dialect.isIn("seq", "number")}`,
      [groupSeq, JSON.stringify(rows.map((row) => row["seq"]))],
    );
  }
  return rows;
}

/** Ends all memberships of a group. Its people change with it. */
export async function leaveGroup(sql: Sql, groupSeq: number): Promise<readonly Row[]> {
  const members = await sql.all(
    "UPDATE users SET rev = rev + 1 WHERE seq IN (SELECT user_seq FROM memberships WHERE group_seq = ?) RETURNING id, rev, coalesce(email, user_name) AS name",
    [groupSeq],
  );
  await sql.run("DELETE FROM memberships WHERE group_seq = ?", [groupSeq]);
  return members;
}

/** A row for each of `leaveGroup`. */
export const leaveAudit = (
  cause: Cause,
  group: { readonly id: string; readonly name: string },
  members: readonly Row[],
): readonly AuditEntry[] =>
  members.map((member) => ({
    ...cause,
    action: "group.leave",
    kind: "user",
    entityId: String(member["id"]),
    name: String(member["name"]),
    target: null,
    rev: Number(member["rev"]),
    detail: { group },
  }));

async function touchMembers(sql: Sql, groupSeq: number): Promise<void> {
  await sql.run("UPDATE users SET rev = rev + 1 WHERE seq IN (SELECT user_seq FROM memberships WHERE group_seq = ?)", [
    groupSeq,
  ]);
}

async function membersOf(
  sql: Sql,
  dialect: Dialect,
  source: string,
  groupIds: readonly string[],
): Promise<ReadonlyMap<string, readonly Reference[]>> {
  if (groupIds.length === 0) return new Map();
  const rows = await sql.all(
    `SELECT g.id AS owner, u.id AS id, u.display_name AS name FROM groups g
     JOIN memberships m ON m.group_seq = g.seq JOIN users u ON u.seq = m.user_seq
     WHERE ${dialect.isIn("g.id")} AND g.source || '' = ? ORDER BY g.seq, u.seq`,
    [JSON.stringify(groupIds), source],
  );
  return byOwner(rows);
}

async function assertNameFree(sql: Sql, source: string, displayName: string, id: string): Promise<void> {
  const taken = await sql.get(
    "SELECT id FROM groups WHERE source = ? AND display_name_key = ? AND absent_since_ms IS NULL AND id <> ?",
    [source, fold(displayName), id],
  );
  if (taken !== undefined)
    throw new RollcallError(
      "UNIQUENESS",
      `displayName "${displayName}" is already used by group ${String(taken["id"])}`,
    );
}
