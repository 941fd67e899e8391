import type { EntityKind } from "../../domain/model/entities.ts";
import type { Link, LinkNote, ObservedState, Ownership } from "../../domain/model/link.ts";
import type { InputGroup, InputUser, RunScope, SyncInput } from "../../domain/model/sync-input.ts";
import type { Driver, Row, SqlValue } from "../database/driver.ts";
import { askedReinvites } from "./reinvite-requests.ts";

const linkColumns = `l.entity_id AS l_entity_id, l.kind AS l_kind, l.target AS l_connection, l.remote_id AS l_remote_id, l.ownership AS l_ownership,
  l.applied_rev AS l_applied_rev, l.has_access AS l_has_access, l.is_suspended_by_us AS l_is_suspended_by_us, l.note AS l_note,
  l.attempts AS l_attempts, l.attempted_rev AS l_attempted_rev, l.retry_at_ms AS l_retry_at_ms, l.error_code AS l_error_code,
  l.error_message AS l_error_message, l.last_success_ms AS l_last_success_ms, l.seen_state AS l_seen_state, l.seen_since_ms AS l_seen_since_ms`;

/** The columns of a link as `l_…`, for `toLink`. */
export const linkSelection = linkColumns;

/** A link from a row of `linkSelection`; null where the left join found none. */
export function toLink(row: Row): Link | null {
  if (row["l_entity_id"] === null) return null;
  return {
    target: String(row["l_connection"]),
    kind: row["l_kind"] as EntityKind,
    entityId: String(row["l_entity_id"]),
    remoteId: row["l_remote_id"] as string | null,
    ownership: row["l_ownership"] as Ownership | null,
    appliedRev: Number(row["l_applied_rev"]),
    hasAccess: row["l_has_access"] === 1,
    observedState: row["l_seen_state"] as ObservedState | null,
    observedSinceMs: row["l_seen_since_ms"] as number | null,
    isSuspendedByUs: row["l_is_suspended_by_us"] === 1,
    note: row["l_note"] as LinkNote | null,
    attempts: Number(row["l_attempts"]),
    attemptedRev: Number(row["l_attempted_rev"]),
    retryAtMs: row["l_retry_at_ms"] as number | null,
    errorCode: row["l_error_code"] as string | null,
    errorMessage: row["l_error_message"] as string | null,
    lastSuccessAtMs: row["l_last_success_ms"] as number | null,
  };
}

/** A person from a row of `t.*`. */
export const toDirectoryUser = (row: Row): InputUser["user"] => ({
  id: String(row["id"]),
  source: String(row["source"]),
  externalId: String(row["source_key"]),
  email: row["email"] as string | null,
  displayName: String(row["display_name"]),
  isActive: row["is_active"] === 1,
  rev: Number(row["rev"]),
  createdAtMs: Number(row["created_ms"]),
  absentSinceMs: row["absent_since_ms"] as number | null,
});

const toSliceGroup = (row: Row): InputGroup => ({
  group: {
    id: String(row["id"]),
    source: String(row["source"]),
    externalId: String(row["source_key"]),
    displayName: String(row["display_name"]),
    rev: Number(row["rev"]),
    definitionRev: Number(row["definition_rev"]),
    absentSinceMs: row["absent_since_ms"] as number | null,
  },
  link: toLink(row),
});

/** The columns of a person, before their parameters: those of the statement follow. */
interface Selection {
  readonly text: string;
  readonly params: readonly SqlValue[];
}

/** Who came first keeps an address, but gives way with its source: nobody speaks for people of a source that is gone. */
function userSelection({ dialect }: Driver, gone: readonly string[]): Selection {
  const last = gone.length === 0 ? "" : `${dialect.isIn("o.source")}, `;
  return {
    text: `t.id, t.source, t.source_key, t.email, t.display_name, t.is_active, t.rev, t.created_ms, t.absent_since_ms, ${linkColumns},
  CASE WHEN t.email IS NULL THEN NULL ELSE
    coalesce((SELECT o.id FROM users o WHERE o.email = t.email AND o.absent_since_ms IS NULL ORDER BY ${last}o.seq LIMIT 1), t.id) END AS owner_id`,
    params: gone.length === 0 ? [] : [JSON.stringify(gone)],
  };
}

/** Sources with people or groups, present or not, that are not among `sources`; none when that is null. */
export async function removedSources({ read }: Driver, sources: readonly string[] | null): Promise<readonly string[]> {
  if (sources === null) return [];
  const gone = new Set<string>();
  for (const table of ["users", "groups"]) {
    // From one name to the next, as an index lies: there are a handful, and tens of thousands of rows.
    for (let after = ""; ; ) {
      const row = await read.get(`SELECT min(source) AS name FROM ${table} WHERE source > ?`, [after]);
      if (typeof row?.["name"] !== "string") break;
      after = row["name"];
      if (!sources.includes(after)) gone.add(after);
    }
  }
  return [...gone];
}

/**
 * Dirty (`rev > appliedRev`) and due: never tried, never failed, or changed since the last try. A retry whose time has
 * come is due in any case: drift found by a full look is not dirty, yet held or failed it is to be tried again.
 */
const dirtyAndDue = (rev: string): string =>
  `(l.entity_id IS NULL OR l.retry_at_ms <= ? OR (${rev} > l.applied_rev AND (l.retry_at_ms IS NULL OR ${rev} > l.attempted_rev)))`;

/** Reads the part of the directory that one run of a target reads. */
export async function readSlice(
  driver: Driver,
  target: string,
  scope: RunScope,
  nowMs: number,
  sources: readonly string[] | null,
): Promise<SyncInput> {
  const groups = await allGroups(driver, target);
  const gone = await removedSources(driver, sources);
  const selection = userSelection(driver, gone);
  const users =
    scope.kind === "all"
      ? await everyUser(driver, selection, target)
      : await dirtyUsers(driver, selection, target, scope, nowMs);
  const isLookedAt = ({ group, link }: InputGroup): boolean =>
    scope.kind === "all" ||
    link === null ||
    (link.retryAtMs !== null && link.retryAtMs <= nowMs) ||
    (group.definitionRev > link.appliedRev && (link.retryAtMs === null || group.definitionRev > link.attemptedRev));
  return {
    isComplete: scope.kind === "all",
    users,
    groups,
    dirtyGroupIds: new Set(groups.filter(isLookedAt).map(({ group }) => group.id)),
    owners: await ownersOf(driver, selection, target, users, gone),
    removedSources: new Set(gone),
    reinvites: await askedReinvites(driver, target),
  };
}

/** Groups present, and absent ones that the target may still have. */
async function allGroups(driver: Driver, target: string): Promise<readonly InputGroup[]> {
  const rows = await driver.read.all(
    `SELECT t.id, t.source, t.source_key, t.display_name, t.rev, t.definition_rev, t.absent_since_ms, ${linkColumns}
     FROM groups t LEFT JOIN links l ON l.target = ? AND l.kind = 'group' AND l.entity_id = t.id
     WHERE t.absent_since_ms IS NULL OR l.entity_id IS NULL OR l.remote_id IS NOT NULL OR t.definition_rev > l.applied_rev ORDER BY t.seq`,
    [target],
  );
  return rows.map(toSliceGroup);
}

/** Rows a page: a few milliseconds each, so that requests are answered in between. */
const pageSize = 1000;

async function everyUser(driver: Driver, selection: Selection, target: string): Promise<readonly InputUser[]> {
  const rows = await pages(
    driver,
    `SELECT t.seq, ${selection.text} FROM users t LEFT JOIN links l ON l.target = ? AND l.kind = 'user' AND l.entity_id = t.id
     WHERE t.seq > ? AND (t.absent_since_ms IS NULL OR l.entity_id IS NULL OR l.remote_id IS NOT NULL OR t.rev > l.applied_rev
       OR l.note = 'not-in-target') ORDER BY t.seq LIMIT ?`,
    (after) => [...selection.params, target, after],
    (row) => Number(row["seq"]),
  );
  // By ranges of the group, which is how the rows lie; a page ends where a group does not.
  const memberships: Row[] = [];
  for (const [index, { seq }] of (await driver.read.all("SELECT seq FROM groups ORDER BY seq")).entries()) {
    if (index % 100 === 99) await new Promise((next) => setImmediate(next));
    const rowsOfGroup = await pages(
      driver,
      `SELECT u.seq, u.id AS user_id, g.id AS group_id FROM memberships m JOIN users u ON u.seq = m.user_seq JOIN groups g ON g.seq = m.group_seq
       WHERE m.group_seq = ? AND m.user_seq > ? ORDER BY m.user_seq LIMIT ?`,
      (after) => [seq ?? null, after],
      (row) => Number(row["seq"]),
    );
    for (const row of rowsOfGroup) memberships.push(row);
  }
  return withGroups(rows, memberships);
}

/** All rows of a statement whose last parameters are "after" and a limit, with other work let in between pages. */
async function pages(
  driver: Driver,
  text: string,
  params: (after: number) => readonly SqlValue[],
  keyOf: (row: Row) => number,
): Promise<readonly Row[]> {
  const all: Row[] = [];
  let after = 0;
  for (;;) {
    const rows = await driver.read.all(text, [...params(after), pageSize]);
    for (const row of rows) all.push(row);
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return all;
    after = keyOf(last);
    await new Promise((next) => setImmediate(next));
  }
}

const retriesDue = "SELECT entity_id FROM links WHERE target = ? AND retry_at_ms <= ?";

/** Who has the e-mail addresses of people who are gone, or whose source is; most are in the slice already. */
async function ownersOf(
  driver: Driver,
  selection: Selection,
  target: string,
  users: readonly InputUser[],
  gone: readonly string[],
): Promise<ReadonlyMap<string, InputUser>> {
  const known = new Map(users.map((each) => [each.user.id, each]));
  const wanted = new Set(
    users.flatMap(({ user, emailOwnerId }) =>
      (user.absentSinceMs === null && !gone.includes(user.source)) || emailOwnerId === user.id
        ? []
        : (emailOwnerId ?? []),
    ),
  );
  const owners = new Map<string, InputUser>();
  for (const id of wanted) {
    const owner = known.get(id);
    if (owner !== undefined) owners.set(id, owner);
  }
  const missing = [...wanted].filter((id) => !known.has(id));
  if (missing.length === 0) return owners;
  const rows = await driver.read.all(
    `SELECT ${selection.text} FROM users t LEFT JOIN links l ON l.target = ? AND l.kind = 'user' AND l.entity_id = t.id WHERE ${driver.dialect.isIn("t.id")}`,
    [...selection.params, target, JSON.stringify(missing)],
  );
  for (const owner of withGroups(rows, await membershipsOf(driver, missing))) owners.set(owner.user.id, owner);
  return owners;
}

const membershipsOf = (driver: Driver, userIds: readonly string[]): Promise<readonly Row[]> =>
  driver.read.all(
    `SELECT u.id AS user_id, g.id AS group_id FROM users u JOIN memberships m ON m.user_seq = u.seq JOIN groups g ON g.seq = m.group_seq
     WHERE ${driver.dialect.isIn("u.id")}`,
    [JSON.stringify(userIds)],
  );

async function dirtyUsers(
  driver: Driver,
  selection: Selection,
  target: string,
  scope: Extract<RunScope, { readonly kind: "dirty" }>,
  nowMs: number,
): Promise<readonly InputUser[]> {
  const among: SqlValue[] = scope.hints === null ? [] : [JSON.stringify(scope.hints), target, nowMs];
  const rows = await driver.read.all(
    `SELECT ${selection.text} FROM users t LEFT JOIN links l ON l.target = ? AND l.kind = 'user' AND l.entity_id = t.id
     WHERE ${scope.hints === null ? "" : `t.id IN (SELECT id FROM users WHERE ${driver.dialect.isIn("id")} UNION ${retriesDue}) AND `}${dirtyAndDue("t.rev")} ORDER BY t.seq LIMIT ?`,
    [...selection.params, target, ...among, nowMs, scope.limit],
  );
  return withGroups(
    rows,
    await membershipsOf(
      driver,
      rows.map((row) => String(row["id"])),
    ),
  );
}

function withGroups(rows: readonly Row[], memberships: readonly Row[]): readonly InputUser[] {
  const groupsOf = new Map<string, string[]>();
  for (const { user_id, group_id } of memberships) {
    const list = groupsOf.get(String(user_id));
    if (list === undefined) groupsOf.set(String(user_id), [String(group_id)]);
    else list.push(String(group_id));
  }
  return rows.map((row) => ({
    user: toDirectoryUser(row),
    link: toLink(row),
    groupIds: groupsOf.get(String(row["id"])) ?? [],
    emailOwnerId: row["owner_id"] as string | null,
  }));
}
