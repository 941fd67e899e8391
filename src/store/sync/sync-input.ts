import type { InputGroup, InputUser, RunScope, SyncInput } from "../../domain/model/sync-input.ts";
import { breathe } from "../database/batches.ts";
import type { Driver, Row, SqlValue } from "../database/driver.ts";
import { all, first, integer, optional, reader, text } from "../database/table.ts";
import { toDirectoryGroup, toDirectoryUser } from "../directory/rows.ts";
import { linkOf } from "./links.ts";
import { reinviteRequests } from "./reinvite-requests.ts";

/** Rows per page: a few milliseconds, so that requests are answered in between. */
const pageSize = 1000;

/** Returns the sources that have rows, even of absent users or groups, and are missing in `sources`. Null: returns none. */
export async function removedSources({ read }: Driver, sources: readonly string[] | null): Promise<readonly string[]> {
  if (sources === null) return [];
  const removed = new Set<string>();
  for (const table of ["users", "groups"]) {
    // From one name to the next through the index: there are a handful of names in tens of thousands of rows.
    for (let after = ""; ; ) {
      const next = await first(
        read,
        { source: optional(text) },
        `SELECT min(source) AS source FROM ${table} WHERE source > ?`,
        [after],
      );
      if (next?.source == null) break;
      after = next.source;
      if (!sources.includes(after)) removed.add(after);
    }
  }
  return [...removed];
}

const emailOwner = reader({ ownerId: optional(text) });

/** Reads of users with their link to one target. */
function userReads({ read, dialect }: Driver, target: string, removed: readonly string[]) {
  // The oldest present user owns an address, but users of removed sources come last.
  const last = removed.length === 0 ? "" : `${dialect.isIn("o.source")}, `;
  const columns = `t.id, t.source, t.source_key, t.email, t.display_name, t.is_active, t.rev, t.created_at_ms, t.absent_since_ms, ${linkOf.columns},
  CASE WHEN t.email IS NULL THEN NULL ELSE
    coalesce((SELECT o.id FROM users o WHERE o.email = t.email AND o.absent_since_ms IS NULL ORDER BY ${last}o.seq LIMIT 1), t.id) END AS owner_id`;
  const from = "FROM users t LEFT JOIN links l ON l.target = ? AND l.kind = 'user' AND l.entity_id = t.id";
  const leading: readonly SqlValue[] = [...(removed.length === 0 ? [] : [JSON.stringify(removed)]), target];
  const rowsWhere = (where: string, params: readonly SqlValue[]): Promise<readonly Row[]> =>
    read.all(`SELECT t.seq, ${columns} ${from} WHERE ${where}`, [...leading, ...params]);
  const memberships = (ids: readonly string[]): Promise<readonly Row[]> =>
    read.all(
      `SELECT u.id AS user_id, g.id AS group_id FROM users u JOIN memberships m ON m.user_seq = u.seq JOIN groups g ON g.seq = m.group_seq
       WHERE ${dialect.isIn("u.id")}`,
      [JSON.stringify(ids)],
    );
  const withMemberships = async (rows: readonly Row[]): Promise<readonly InputUser[]> =>
    withGroups(rows, await memberships(rows.map(({ id }) => String(id))));

  return {
    /** All present users, and absent ones whose account may still exist. */
    async all(): Promise<readonly InputUser[]> {
      const rows = await pages((after) =>
        rowsWhere(
          `t.seq > ? AND (t.absent_since_ms IS NULL OR l.entity_id IS NULL OR l.remote_id IS NOT NULL OR t.rev > l.applied_rev
             OR l.note = 'not-in-target') ORDER BY t.seq LIMIT ?`,
          [after, pageSize],
        ),
      );
      // By ranges of a group, which is the order of the rows.
      const membershipRows: Row[] = [];
      for (const [index, { seq }] of (
        await all(read, { seq: integer }, "SELECT seq FROM groups ORDER BY seq")
      ).entries()) {
        if (index % 100 === 99) await breathe();
        const rowsOfGroup = await pages((after) =>
          read.all(
            `SELECT u.seq, u.id AS user_id, g.id AS group_id FROM memberships m JOIN users u ON u.seq = m.user_seq JOIN groups g ON g.seq = m.group_seq
             WHERE m.group_seq = ? AND m.user_seq > ? ORDER BY m.user_seq LIMIT ?`,
            [seq, after, pageSize],
          ),
        );
        for (const row of rowsOfGroup) membershipRows.push(row);
      }
      return withGroups(rows, membershipRows);
    },

    /**
     * Users that are dirty and due: never tried, never failed, or changed since the last try. A retry whose time has come
     * is due in any case: an entity that a full run holds or fails need not be dirty.
     */
    async dirty({ hints, limit }: Extract<RunScope, { readonly kind: "dirty" }>, nowMs: number) {
      const isHinted = `t.id IN (SELECT id FROM users WHERE ${dialect.isIn("id")} UNION SELECT entity_id FROM links WHERE target = ? AND retry_at_ms <= ?) AND `;
      const rows = await rowsWhere(
        `${hints === null ? "" : isHinted}(l.entity_id IS NULL OR l.retry_at_ms <= ?
           OR (t.rev > l.applied_rev AND (l.retry_at_ms IS NULL OR t.rev > l.attempted_rev))) ORDER BY t.seq LIMIT ?`,
        [...(hints === null ? [] : [JSON.stringify(hints), target, nowMs]), nowMs, limit],
      );
      return withMemberships(rows);
    },

    async byId(ids: readonly string[]): Promise<readonly InputUser[]> {
      if (ids.length === 0) return [];
      return withMemberships(await rowsWhere(dialect.isIn("t.id"), [JSON.stringify(ids)]));
    },
  };
}

/** Reads the part of the directory that one run of a target needs: see `SyncStore.readInput`. */
export async function readInput(
  driver: Driver,
  target: string,
  scope: RunScope,
  nowMs: number,
  sources: readonly string[] | null,
): Promise<SyncInput> {
  const groups = await allGroups(driver, target);
  const removed = await removedSources(driver, sources);
  const reads = userReads(driver, target, removed);
  const users = scope.kind === "all" ? await reads.all() : await reads.dirty(scope, nowMs);
  const isDue = ({ group, link }: InputGroup): boolean =>
    scope.kind === "all" ||
    link === null ||
    (link.retryAtMs !== null && link.retryAtMs <= nowMs) ||
    (group.definitionRev > link.appliedRev && (link.retryAtMs === null || group.definitionRev > link.attemptedRev));
  return {
    isComplete: scope.kind === "all",
    users,
    groups,
    dirtyGroupIds: new Set(groups.filter(isDue).map(({ group }) => group.id)),
    owners: await ownersOf(users, removed, reads.byId),
    removedSources: new Set(removed),
    reinvites: await reinviteRequests(driver, target),
  };
}

/** Present groups, and absent ones that the target may still have. */
async function allGroups({ read }: Driver, target: string): Promise<readonly InputGroup[]> {
  const rows = await read.all(
    `SELECT t.id, t.source, t.source_key, t.display_name, t.rev, t.definition_rev, t.absent_since_ms, ${linkOf.columns}
     FROM groups t LEFT JOIN links l ON l.target = ? AND l.kind = 'group' AND l.entity_id = t.id
     WHERE t.absent_since_ms IS NULL OR l.entity_id IS NULL OR l.remote_id IS NOT NULL OR t.definition_rev > l.applied_rev ORDER BY t.seq`,
    [target],
  );
  return rows.map((row) => ({ group: toDirectoryGroup(row), link: linkOf.read(row) }));
}

/** All rows, read page by page in the order of `seq`. Other work runs between the pages. */
async function pages(read: (after: number) => Promise<readonly Row[]>): Promise<readonly Row[]> {
  const found: Row[] = [];
  for (let after = 0; ; ) {
    const rows = await read(after);
    for (const row of rows) found.push(row);
    if (rows.length < pageSize) return found;
    after = Number(rows.at(-1)?.["seq"]);
    await breathe();
  }
}

/** The owners of the addresses of users who are absent, or whose source was removed. Most are among `users`. */
async function ownersOf(
  users: readonly InputUser[],
  removed: readonly string[],
  byId: (ids: readonly string[]) => Promise<readonly InputUser[]>,
): Promise<ReadonlyMap<string, InputUser>> {
  const known = new Map(users.map((each) => [each.user.id, each]));
  const wanted = new Set<string>();
  for (const { user, emailOwnerId } of users) {
    const isLive = user.absentSinceMs === null && !removed.includes(user.source);
    if (!isLive && emailOwnerId !== null && emailOwnerId !== user.id) wanted.add(emailOwnerId);
  }
  const read = await byId([...wanted].filter((id) => !known.has(id)));
  const found = [...[...wanted].flatMap((id) => known.get(id) ?? []), ...read];
  return new Map(found.map((each) => [each.user.id, each]));
}

/** The rows with the ids of each user's groups. A full run has a million memberships, so these are not parsed. */
function withGroups(rows: readonly Row[], memberships: readonly Row[]): readonly InputUser[] {
  const groupsOf = new Map<string, string[]>();
  for (const { user_id, group_id } of memberships) {
    const list = groupsOf.get(String(user_id));
    if (list === undefined) groupsOf.set(String(user_id), [String(group_id)]);
    else list.push(String(group_id));
  }
  return rows.map((row) => {
    const user = toDirectoryUser(row);
    const groupIds = groupsOf.get(user.id) ?? [];
    return { user, link: linkOf.read(row), groupIds, emailOwnerId: emailOwner(row).ownerId };
  });
}
