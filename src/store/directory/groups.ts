import type { EntityRef } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type { GroupOptions, GroupResult, MemberEdit, ScimRecord, ScimStore } from "../../domain/ports/scim-store.ts";
import { entityEntry, writeAudit } from "../audit/audit.ts";
import { insertRows } from "../database/batches.ts";
import { fold } from "../database/conditions.ts";
import { type Dialect, type Driver, everyone, type Sql } from "../database/driver.ts";
import { newId } from "../database/ids.ts";
import { all, integer, reader, text } from "../database/table.ts";
import {
  assertNameFree,
  type ChangedEntity,
  changedEntity,
  changesBetween,
  groups,
  idShape,
  memberEntries,
  membershipEntries,
  referencesOf,
  removeMembers,
  returningUsers,
  scimReads,
  setAbsent,
  touchMembers,
  type WriteContext,
} from "./rows.ts";

const toPresent = reader({ seq: integer, displayName: text });

type GroupMethods =
  | "getGroup"
  | "listGroups"
  | "scanGroups"
  | "createGroup"
  | "updateGroup"
  | "deleteGroup"
  | "membersOfGroups";

/** Groups of SCIM sources, with one row per membership: see `ScimStore`. */
export function groupRows(driver: Driver, { now, changed }: WriteContext): Pick<ScimStore, GroupMethods> {
  const { dialect } = driver;
  const reads = scimReads(driver, "group");
  return {
    getGroup: reads.get,
    listGroups: reads.list,
    scanGroups: reads.scan,
    membersOfGroups: reads.references,

    async createGroup(source, write, memberIds, options, cause): Promise<GroupResult> {
      const at = now();
      const id = newId(at);
      const record = { id, rev: 1, createdAtMs: at, modifiedAtMs: at, resource: write.resource };
      const members = await driver.transaction(async (sql) => {
        const name = write.displayName;
        if (options.isNameUnique) await assertNameFree(sql, "group", source, name, id);
        const row = { ...record, ...write, definitionRev: 1, source, sourceKey: id, displayNameKey: fold(name) };
        const [made] = await insertRows(sql, groups, [row], "RETURNING seq");
        const place = { sql, dialect, source, groupSeq: Number(made?.["seq"]) };
        const result = await applyMemberEdits(place, [{ op: "add", userIds: memberIds }], options);
        const group = { kind: "group", id, name, rev: 1 } as const;
        await writeAudit(sql, at, [
          entityEntry(cause, "group.create", group, { source }),
          ...membershipEntries(cause, group, result),
        ]);
        return result;
      });
      changed([{ kind: "group", id }, ...refsOf(members)]);
      return { record, unknownMembers: members.unknown };
    },

    async updateGroup(source, id, expectedRev, edit, options, cause): Promise<GroupResult> {
      const { record, members, refs } = await driver.transaction(async (sql) => {
        const { before, row } = await reads.changing(sql, source, id, expectedRev);
        const { seq, displayName } = toPresent(row);
        const readMembers = async () => (await referencesOf(sql, dialect, "group", source, [id])).get(id) ?? [];
        const wanted = await edit(before, readMembers);
        if (wanted === null) return { record: before, members: noMembers, refs: [] };
        const { write } = wanted;
        const name = write?.displayName ?? displayName;
        const isRenamed = name !== displayName;
        if (isRenamed && options.isNameUnique) await assertNameFree(sql, "group", source, name, id);
        const members = await applyMemberEdits({ sql, dialect, source, groupSeq: seq }, wanted.members, options);
        if (write === null && !isChange(members)) return { record: before, members, refs: refsOf(members) };

        const at = Math.max(now(), before.modifiedAtMs);
        const rev = before.rev + 1;
        const group = { kind: "group", id, name, rev } as const;
        if (write === null) {
          await sql.run("UPDATE groups SET rev = ?, modified_at_ms = ? WHERE seq = ?", [rev, at, seq]);
        } else {
          await sql.run(
            "UPDATE groups SET display_name = ?, display_name_key = ?, external_id = ?, rev = ?, definition_rev = ?, modified_at_ms = ?, resource = ? WHERE seq = ?",
            [name, fold(name), write.externalId, rev, rev, at, JSON.stringify(write.resource), seq],
          );
          // Groups are chosen by name: a new name may bring the members into a target, or out of it.
          if (isRenamed) await sql.run(touchMembers, [seq]);
          const detail = changesBetween(before.resource, write.resource);
          await writeAudit(sql, at, [entityEntry(cause, "group.update", group, detail)]);
        }
        await writeAudit(sql, at, membershipEntries(cause, group, members));
        const refs = refsOf(members);
        if (write !== null) refs.push({ kind: "group", id });
        if (isRenamed) refs.push(everyone);
        const record: ScimRecord = { ...before, rev, modifiedAtMs: at, resource: write?.resource ?? before.resource };
        return { record, members, refs };
      });
      if (refs.length > 0) changed(refs);
      return { record, unknownMembers: members.unknown };
    },

    async deleteGroup(source, id, expectedRev, cause): Promise<void> {
      await driver.transaction(async (sql) => {
        const { before, row } = await reads.changing(sql, source, id, expectedRev);
        const { seq, displayName: name } = toPresent(row);
        const at = now();
        const members = await removeMembers(sql, seq);
        await sql.run(setAbsent("group"), [at, at, seq]);
        const group = { kind: "group", id, name, rev: before.rev + 1 } as const;
        await writeAudit(sql, at, [
          entityEntry(cause, "group.delete", group, { source, members: members.length }),
          ...memberEntries(cause, "group.leave", group, members),
        ]);
      });
      // The members changed too, and they may be many.
      changed([{ kind: "group", id }, everyone]);
    },
  };
}

interface MemberChanges {
  readonly added: readonly ChangedEntity[];
  readonly removed: readonly ChangedEntity[];
  /** All users whose `rev` grew, including users whom one step removed and a later step added again. */
  readonly touched: ReadonlySet<string>;
  readonly unknown: readonly string[];
}

const noMembers: MemberChanges = { added: [], removed: [], touched: new Set(), unknown: [] };
const isChange = ({ added, removed }: MemberChanges): boolean => added.length + removed.length > 0;
const refsOf = ({ touched }: MemberChanges): EntityRef[] => [...touched].map((id) => ({ kind: "user", id }));

/** The group whose members change. */
interface Place {
  readonly sql: Sql;
  readonly dialect: Dialect;
  readonly source: string;
  readonly groupSeq: number;
}

async function applyMemberEdits(
  place: Place,
  edits: readonly MemberEdit[],
  options: GroupOptions,
): Promise<MemberChanges> {
  const added = new Map<string, ChangedEntity>();
  const removed = new Map<string, ChangedEntity>();
  const touched = new Set<string>();
  const unknown: string[] = [];
  const note = (
    users: readonly ChangedEntity[],
    into: Map<string, ChangedEntity>,
    opposite: Map<string, ChangedEntity>,
  ): void => {
    for (const user of users) {
      touched.add(user.id);
      // A user whom one request adds and removes did not change.
      if (!opposite.delete(user.id)) into.set(user.id, user);
    }
  };
  for (const edit of edits) {
    if (edit.op !== "add") note(await removeRows(place, edit), removed, added);
    if (edit.op === "remove") continue;
    const users = await addRows(place, edit.userIds);
    note(users, added, removed);
    // If all were added, all are known.
    if (users.length < edit.userIds.length) unknown.push(...(await unknownAmong(place, edit.userIds)));
  }
  if (unknown.length > 0 && options.unknownMembers === "reject") {
    throw new RollcallError(
      "UNKNOWN_MEMBER",
      `${unknown.length} of the members are not known here, the first is ${unknown[0]}`,
    );
  }
  return { added: [...added.values()], removed: [...removed.values()], touched, unknown };
}

// With `source || ''` SQLite looks up the ids, instead of reading all users of the source.
const knownUser = ({ dialect }: Place): string =>
  `${dialect.isIn("id")} AND source || '' = ? AND absent_since_ms IS NULL`;

async function unknownAmong(place: Place, ids: readonly string[]): Promise<readonly string[]> {
  const { sql, source } = place;
  const params = [JSON.stringify(ids), source];
  const found = await all(sql, idShape, `SELECT id FROM users WHERE ${knownUser(place)}`, params);
  if (found.length === ids.length) return [];
  const known = new Set(found.map(({ id }) => id));
  return [...new Set(ids)].filter((id) => !known.has(id));
}

/** Removes the named users, or for a replace all others, and marks them as changed. */
async function removeRows({ sql, dialect, groupSeq }: Place, edit: MemberEdit): Promise<readonly ChangedEntity[]> {
  // A removal starts from the named ids, a replace from the rows of the group: neither reads more than it must.
  const condition =
    edit.op === "remove"
      ? `EXISTS (SELECT 1 FROM memberships m WHERE m.group_seq = ? AND m.user_seq = users.seq) AND ${dialect.isIn("id")}`
      : `seq IN (SELECT user_seq FROM memberships WHERE group_seq = ?) AND ${dialect.isNotIn("id")}`;
  const users = await all(sql, changedEntity, `UPDATE users SET rev = rev + 1 WHERE ${condition} ${returningUsers}`, [
    groupSeq,
    JSON.stringify(edit.userIds),
  ]);
  if (users.length > 0)
    await sql.run(`DELETE FROM memberships WHERE group_seq = ? AND ${dialect.isIn("user_seq", "number")}`, [
      groupSeq,
      JSON.stringify(users.map(({ seq }) => seq)),
    ]);
  return users;
}

async function addRows(place: Place, ids: readonly string[]): Promise<readonly ChangedEntity[]> {
  if (ids.length === 0) return [];
  const { sql, dialect, source, groupSeq } = place;
  const users = await all(
    sql,
    changedEntity,
    `UPDATE users SET rev = rev + 1 WHERE ${knownUser(place)}
       AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.group_seq = ? AND m.user_seq = users.seq) ${returningUsers}`,
    [JSON.stringify(ids), source, groupSeq],
  );
  if (users.length > 0)
    await sql.run(
      `INSERT INTO memberships (group_seq, user_seq) SELECT ?, seq FROM users WHERE ${dialect.isIn("seq", "number")}`,
      [groupSeq, JSON.stringify(users.map(({ seq }) => seq))],
    );
  return users;
}
