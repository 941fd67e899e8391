import { flatten } from "../../domain/decide/flatten.ts";
import type { AuditEntry } from "../../domain/model/audit.ts";
import { writeAudit } from "../audit/audit.ts";
import { breathe, chunks, insertRows } from "../database/batches.ts";
import type { Row, Sql } from "../database/driver.ts";
import type { Changing } from "./import-context.ts";

/** Brings `memberships` in line with the edges, for the groups that this commit touched and all that contain them. */
export async function updateMemberships(changing: Changing): Promise<void> {
  const { sql, source } = changing;
  const touched = await touchedGroups(changing);
  if (touched.size === 0) return;
  const { parentsOf, subgroupsOf } = await nesting(sql, source);
  const affected = reach(touched, parentsOf);
  const looked = [...reach(affected, subgroupsOf)];
  const people = await directPeople(changing, looked);
  const flat = flatten<number, number>({
    groups: looked,
    peopleOf: (group) => people.get(group) ?? [],
    subgroupsOf: (group) => subgroupsOf.get(group) ?? [],
  });
  const changedUsers = new Set<number>();
  for (const group of affected) await setMembers(changing, group, flat.get(group) ?? new Set(), changedUsers);
  for (const seqs of chunks([...changedUsers].filter((seq) => !changing.newUsers.has(seq)))) {
    const rows = await sql.all(
      `UPDATE users SET rev = rev + 1 WHERE ${changing.dialect.isIn("seq", "number")} RETURNING id`,
      [JSON.stringify(seqs)],
    );
    for (const row of rows) changing.refs.push({ kind: "user", id: String(row["id"]) });
  }
}

/** Groups whose own edges changed, that name a locator which changed, or that own one which others name. */
async function touchedGroups({ sql, dialect, source, touchedGroups, touchedLocators }: Changing): Promise<Set<number>> {
  const touched = new Set(touchedGroups);
  for (const locators of chunks([...touchedLocators])) {
    const rows = await sql.all(
      `SELECT e.seq FROM directory_edges e WHERE e.source = ? AND ${dialect.isIn("e.locator")} AND e.kind = 'group' AND e.is_up = 0
       UNION SELECT l.seq FROM directory_locators l WHERE l.source = ? AND ${dialect.isIn("l.locator")} AND l.kind = 'group'`,
      [source, JSON.stringify(locators), source, JSON.stringify(locators)],
    );
    for (const row of rows) touched.add(Number(row["seq"]));
    await breathe();
  }
  return touched;
}

type Neighbours = ReadonlyMap<number, readonly number[]>;

/** Which groups are directly in which; from the locators of groups, which are few beside those of people. */
async function nesting(
  sql: Sql,
  source: string,
): Promise<{ readonly parentsOf: Neighbours; readonly subgroupsOf: Neighbours }> {
  const rows = await sql.all(
    `SELECT CASE WHEN e.is_up = 0 THEN e.seq ELSE l.seq END AS outer_seq, CASE WHEN e.is_up = 0 THEN l.seq ELSE e.seq END AS inner_seq
     FROM directory_locators l JOIN directory_edges e ON e.source = l.source AND e.locator = l.locator AND e.kind = 'group'
     WHERE l.source = ? AND l.kind = 'group'`,
    [source],
  );
  const parentsOf = new Map<number, number[]>();
  const subgroupsOf = new Map<number, number[]>();
  for (const row of rows) {
    append(parentsOf, Number(row["inner_seq"]), Number(row["outer_seq"]));
    append(subgroupsOf, Number(row["outer_seq"]), Number(row["inner_seq"]));
  }
  return { parentsOf, subgroupsOf };
}

function append(map: Map<number, number[]>, key: number, value: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** These groups and all that follow from them. */
function reach(start: ReadonlySet<number>, neighbours: Neighbours): Set<number> {
  const found = new Set(start);
  for (const group of found) for (const next of neighbours.get(group) ?? []) found.add(next);
  return found;
}

async function directPeople(
  { sql, dialect, source }: Changing,
  groups: readonly number[],
): Promise<ReadonlyMap<number, readonly number[]>> {
  const people = new Map<number, number[]>();
  for (const seqs of chunks(groups)) {
    const list = JSON.stringify(seqs);
    const rows = await sql.all(
      `SELECT e.seq AS group_seq, l.seq AS user_seq FROM directory_edges e
       JOIN directory_locators l ON l.source = e.source AND l.locator = e.locator AND l.kind = 'user'
       WHERE e.kind = 'group' AND ${dialect.isIn("e.seq", "number")} AND e.is_up = 0
       UNION ALL
       SELECT l.seq AS group_seq, e.seq AS user_seq FROM directory_locators l
       JOIN directory_edges e ON e.source = l.source AND e.locator = l.locator AND e.kind = 'user' AND e.is_up = 1
       WHERE l.source = ? AND l.kind = 'group' AND ${dialect.isIn("l.seq", "number")}`,
      [list, source, list],
    );
    for (const row of rows) append(people, Number(row["group_seq"]), Number(row["user_seq"]));
    await breathe();
  }
  return people;
}

async function setMembers(
  changing: Changing,
  group: number,
  wanted: ReadonlySet<number>,
  changedUsers: Set<number>,
): Promise<void> {
  const { sql, dialect, nowMs, counts, newGroups, refs } = changing;
  const present = new Set(
    (newGroups.has(group) ? [] : await sql.all("SELECT user_seq FROM memberships WHERE group_seq = ?", [group])).map(
      (row) => Number(row["user_seq"]),
    ),
  );
  const added = [...wanted].filter((user) => !present.has(user));
  const removed = [...present].filter((user) => !wanted.has(user));
  if (added.length === 0 && removed.length === 0) return;
  await insertRows(
    sql,
    "memberships",
    ["group_seq", "user_seq"],
    added.map((user) => [group, user]),
  );
  for (const users of chunks(removed)) {
    await sql.run(`DELETE FROM memberships WHERE group_seq = ? AND ${dialect.isIn("user_seq", "number")}`, [
      group,
      JSON.stringify(users),
    ]);
  }
  for (const user of [...added, ...removed]) changedUsers.add(user);
  counts.membershipsAdded += added.length;
  counts.membershipsRemoved += removed.length;
  const row = await sql.get(
    `UPDATE groups SET rev = rev + ${newGroups.has(group) ? 0 : 1}, modified_ms = ? WHERE seq = ? RETURNING id, rev, display_name AS name`,
    [nowMs, group],
  );
  if (row === undefined) return;
  refs.push({ kind: "group", id: String(row["id"]) });
  await auditMembers(changing, group, row, added, removed);
  await breathe();
}

/** One row for the group with counts, and one for each person who was known before: a new person's groups came with them. */
async function auditMembers(
  { sql, dialect, cause, nowMs, newUsers, newGroups }: Changing,
  seq: number,
  group: Row,
  added: readonly number[],
  removed: readonly number[],
): Promise<void> {
  const about = { id: String(group["id"]), name: String(group["name"]) };
  const entries: AuditEntry[] = [
    {
      ...cause,
      action: "group.members",
      kind: "group",
      entityId: about.id,
      name: about.name,
      target: null,
      rev: Number(group["rev"]),
      detail: { added: added.length, removed: removed.length },
    },
  ];
  for (const [action, seqs] of [
    ["group.join", added],
    ["group.leave", removed],
  ] as const) {
    const known = seqs.filter((user) => !newUsers.has(user) || !newGroups.has(seq));
    for (const users of chunks(known)) {
      const rows = await sql.all(
        `SELECT id, rev, coalesce(email, user_name) AS name FROM users WHERE ${dialect.isIn("seq", "number")}`,
        [JSON.stringify(users)],
      );
      for (const row of rows) {
        entries.push({
          ...cause,
          action,
          kind: "user",
          entityId: String(row["id"]),
          name: String(row["name"]),
          target: null,
          rev: Number(row["rev"]) + 1,
          detail: { group: about },
        });
      }
    }
  }
  await writeAudit(sql, nowMs, entries);
}
