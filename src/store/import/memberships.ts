import { flatten } from "../../domain/decide/flatten.ts";
import { writeAudit } from "../audit/audit.ts";
import { breathe, chunks, insertRows } from "../database/batches.ts";
import { all, first, integer, text } from "../database/table.ts";
import {
  type ChangedEntity,
  changedEntity,
  membershipEntries,
  memberships,
  returningUsers,
} from "../directory/rows.ts";
import type { Commit } from "./entries.ts";

/** Derives `memberships` from the edges, for the groups that this commit touched and all groups that contain them. */
export async function updateMemberships(commit: Commit): Promise<void> {
  const { sql, dialect } = commit;
  const touched = await touchedGroups(commit);
  if (touched.size === 0) return;
  const { parentsOf, subgroupsOf } = await nesting(commit);
  const affected = reach(touched, parentsOf);
  const needed = [...reach(affected, subgroupsOf)];
  const directMembers = await directMembersOf(commit, needed);
  const flat = flatten<number, number>({
    groups: needed,
    peopleOf: (group) => directMembers.get(group) ?? [],
    subgroupsOf: (group) => subgroupsOf.get(group) ?? [],
  });
  const changedUsers = new Set<number>();
  for (const group of affected) await setMembers(commit, group, flat.get(group) ?? new Set(), changedUsers);
  for (const seqs of chunks([...changedUsers].filter((seq) => !commit.newUsers.has(seq)))) {
    const users = await all(
      sql,
      changedEntity,
      `UPDATE users SET rev = rev + 1 WHERE ${dialect.isIn("seq", "number")} ${returningUsers}`,
      [JSON.stringify(seqs)],
    );
    for (const { id } of users) commit.refs.push({ kind: "user", id });
  }
}

/** Groups whose own edges changed, that name a changed locator, or that have one which others name. */
async function touchedGroups({ sql, dialect, source, touchedGroups, touchedLocators }: Commit): Promise<Set<number>> {
  const touched = new Set(touchedGroups);
  for (const locators of chunks([...touchedLocators])) {
    const groups = await all(
      sql,
      { seq: integer },
      `SELECT e.seq FROM directory_edges e WHERE e.source = ? AND ${dialect.isIn("e.locator")} AND e.kind = 'group' AND e.is_member_of = 0
       UNION SELECT l.seq FROM directory_locators l WHERE l.source = ? AND ${dialect.isIn("l.locator")} AND l.kind = 'group'`,
      [source, JSON.stringify(locators), source, JSON.stringify(locators)],
    );
    for (const { seq } of groups) touched.add(seq);
    await breathe();
  }
  return touched;
}

type Neighbours = Map<number, number[]>;

/** Which groups are directly in which. Starts from the locators of groups, which are few beside those of users. */
async function nesting({ sql, source }: Commit): Promise<{ parentsOf: Neighbours; subgroupsOf: Neighbours }> {
  const pairs = await all(
    sql,
    { outer: integer, inner: integer },
    `SELECT CASE WHEN e.is_member_of = 0 THEN e.seq ELSE l.seq END AS "outer", CASE WHEN e.is_member_of = 0 THEN l.seq ELSE e.seq END AS "inner"
     FROM directory_locators l JOIN directory_edges e ON e.source = l.source AND e.locator = l.locator AND e.kind = 'group'
     WHERE l.source = ? AND l.kind = 'group'`,
    [source],
  );
  const parentsOf: Neighbours = new Map();
  const subgroupsOf: Neighbours = new Map();
  for (const { outer, inner } of pairs) {
    append(parentsOf, inner, outer);
    append(subgroupsOf, outer, inner);
  }
  return { parentsOf, subgroupsOf };
}

function append(map: Neighbours, key: number, value: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** These groups and all groups that follow from them. */
function reach(start: ReadonlySet<number>, neighbours: Neighbours): Set<number> {
  const found = new Set(start);
  for (const group of found) for (const next of neighbours.get(group) ?? []) found.add(next);
  return found;
}

async function directMembersOf({ sql, dialect, source }: Commit, groups: readonly number[]): Promise<Neighbours> {
  const members: Neighbours = new Map();
  const shape = { groupSeq: integer, userSeq: integer };
  for (const seqs of chunks(groups)) {
    const list = JSON.stringify(seqs);
    const pairs = await all(
      sql,
      shape,
      `SELECT e.seq AS group_seq, l.seq AS user_seq FROM directory_edges e
       JOIN directory_locators l ON l.source = e.source AND l.locator = e.locator AND l.kind = 'user'
       WHERE e.kind = 'group' AND ${dialect.isIn("e.seq", "number")} AND e.is_member_of = 0
       UNION ALL
       SELECT l.seq AS group_seq, e.seq AS user_seq FROM directory_locators l
       JOIN directory_edges e ON e.source = l.source AND e.locator = l.locator AND e.kind = 'user' AND e.is_member_of = 1
       WHERE l.source = ? AND l.kind = 'group' AND ${dialect.isIn("l.seq", "number")}`,
      [list, source, list],
    );
    for (const { groupSeq, userSeq } of pairs) append(members, groupSeq, userSeq);
    await breathe();
  }
  return members;
}

async function setMembers(
  commit: Commit,
  groupSeq: number,
  wanted: ReadonlySet<number>,
  changedUsers: Set<number>,
): Promise<void> {
  const { sql, dialect, nowMs, counts, newGroups, refs } = commit;
  const isNew = newGroups.has(groupSeq);
  const shape = { userSeq: integer };
  const rows = isNew ? [] : await all(sql, shape, "SELECT user_seq FROM memberships WHERE group_seq = ?", [groupSeq]);
  const present = new Set(rows.map(({ userSeq }) => userSeq));
  const added = [...wanted].filter((user) => !present.has(user));
  const removed = [...present].filter((user) => !wanted.has(user));
  if (added.length === 0 && removed.length === 0) return;
  await insertRows(
    sql,
    memberships,
    added.map((userSeq) => ({ groupSeq, userSeq })),
  );
  for (const users of chunks(removed)) {
    await sql.run(`DELETE FROM memberships WHERE group_seq = ? AND ${dialect.isIn("user_seq", "number")}`, [
      groupSeq,
      JSON.stringify(users),
    ]);
  }
  for (const user of [...added, ...removed]) changedUsers.add(user);
  counts.membershipsAdded += added.length;
  counts.membershipsRemoved += removed.length;
  const group = await first(
    sql,
    { id: text, rev: integer, name: text },
    `UPDATE groups SET rev = rev + ${isNew ? 0 : 1}, modified_at_ms = ? WHERE seq = ? RETURNING id, rev, display_name AS name`,
    [nowMs, groupSeq],
  );
  if (group === undefined) return;
  refs.push({ kind: "group", id: group.id });
  await auditMembers(commit, { ...group, isNew }, added, removed);
  await breathe();
}

/** A new user's memberships of a new group came with both: they are only counted. */
async function auditMembers(
  { sql, dialect, cause, nowMs, newUsers }: Commit,
  group: { readonly id: string; readonly name: string; readonly rev: number; readonly isNew: boolean },
  added: readonly number[],
  removed: readonly number[],
): Promise<void> {
  const knownOf = async (seqs: readonly number[]): Promise<readonly ChangedEntity[]> => {
    const found: ChangedEntity[] = [];
    // This commit increases `rev` when all memberships are written.
    const statement = `SELECT seq, id, rev + 1 AS rev, coalesce(email, user_name) AS name FROM users WHERE ${dialect.isIn("seq", "number")}`;
    for (const users of chunks(seqs.filter((user) => !newUsers.has(user) || !group.isNew)))
      found.push(...(await all(sql, changedEntity, statement, [JSON.stringify(users)])));
    return found;
  };
  const known = { added: await knownOf(added), removed: await knownOf(removed) };
  const counts = { added: added.length, removed: removed.length };
  await writeAudit(sql, nowMs, membershipEntries(cause, group, known, counts));
}
