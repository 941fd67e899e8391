import { randomUUID } from "node:crypto";
import type { Cause, EntityKind, EntityRef } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type {
  CommitOptions,
  CommitResult,
  ImportStore,
  Snapshot,
  SourceDelta,
  SourceGroup,
  SourceUser,
} from "../../domain/ports/import-store.ts";
import { breathe, chunks, insertRows } from "../database/batches.ts";
import { type Dialect, type Driver, everyone, type Sql } from "../database/driver.ts";
import { all, count, entityKind, first, flag, integer, json, optional, table, text } from "../database/table.ts";
import type { WriteContext } from "../directory/rows.ts";
import { type Commit, digestOf, type Entry, storedLocators } from "./entries.ts";
import { updateMemberships } from "./memberships.ts";
import { ensureState, pollStates } from "./poll-states.ts";
import { expireUsers, putGroup, putUsers, removeEntry, touchRivals } from "./users-and-groups.ts";

/** Maximum number of changes that listeners get one by one. Beyond it a scan is as cheap. */
const maxRefs = 500;

/** Maximum loss of groups in one snapshot that is never refused. The removal limit of each target watches them too. */
const smallGroupLoss = 10;
/** Maximum number of disabled users that one snapshot may enable without a question. */
const smallReturn = 10;

const staging = table<{ source: string; kind: EntityKind; payload: readonly Entry[] }>("snapshot_staging", {
  source: text,
  kind: entityKind,
  payload: json(),
});

type RunCommit = (
  source: string,
  options: CommitOptions,
  cause: Cause,
  work: (commit: Commit) => Promise<void>,
) => Promise<CommitResult>;

/** Snapshots and deltas of polled sources: see `ImportStore`. */
export function snapshotRows(driver: Driver, { changed }: Pick<WriteContext, "changed">): ImportStore {
  /** One transaction: `work` writes and removes entries, then memberships, expiries and the cursor follow. */
  const runCommit: RunCommit = async (source, options, cause, work) => {
    const refs: EntityRef[] = [];
    const result = await driver.transaction(
      async (sql) => {
        const commit: Commit = {
          sql,
          dialect: driver.dialect,
          source,
          cause,
          nowMs: options.nowMs,
          counts: {
            usersAdded: 0,
            usersChanged: 0,
            usersRemoved: 0,
            groupsAdded: 0,
            groupsChanged: 0,
            groupsRemoved: 0,
            membershipsAdded: 0,
            membershipsRemoved: 0,
            unconfirmedMissing: 0,
          },
          refs: { push: (ref) => void (refs.length <= maxRefs && refs.push(ref)) },
          newUsers: new Set(),
          newGroups: new Set(),
          claimedEmails: new Set(),
          touchedGroups: new Set(),
          touchedLocators: new Set(),
        };
        await work(commit);
        await updateMemberships(commit);
        await expireUsers(commit);
        await touchRivals(commit);
        const missing = await countEntries(sql, source, "missed > 0");
        commit.counts.unconfirmedMissing = missing;
        await ensureState(sql, source);
        await sql.run(
          "UPDATE poll_states SET cursor = ?, unconfirmed_missing = ?, snapshot_id = NULL WHERE source = ?",
          [options.cursor, missing, source],
        );
        return commit.counts;
      },
      { isLarge: true },
    );
    if (refs.length > 0) changed(refs.length > maxRefs ? [everyone] : refs);
    return result;
  };

  return {
    ...pollStates(driver),

    beginSnapshot: (source) => beginSnapshot(driver, source, runCommit),

    applyDelta: (source, delta, options, cause) =>
      runCommit(source, options, cause, (commit) => applyDelta(commit, delta, options)),

    async locatorsOf(source, entryIds) {
      const found = new Map<string, readonly string[]>();
      for (const ids of chunks(entryIds)) {
        const entries = await all(
          driver.read,
          storedLocators,
          `SELECT coalesce(entry_id, source_key) AS id, locators FROM directory_entries WHERE source = ? AND ${isNamed(driver.dialect)}`,
          [source, JSON.stringify(ids), JSON.stringify(ids)],
        );
        for (const { id, locators } of entries) found.set(id, locators);
      }
      return found;
    },

    async groupsNaming(source, locators) {
      const found = new Set<string>();
      for (const some of chunks(locators)) {
        const groups = await all(
          driver.read,
          { id: text },
          `SELECT coalesce(entry_id, source_key) AS id FROM directory_entries WHERE source = ? AND kind = 'group' AND seq IN
             (SELECT seq FROM directory_edges WHERE source = ? AND ${driver.dialect.isIn("locator")} AND kind = 'group' AND is_member_of = 0)`,
          [source, source, JSON.stringify(some)],
        );
        for (const { id } of groups) found.add(id);
      }
      return [...found];
    },
  };
}

/** A condition that finds entries by entry id. Takes the list twice. */
const isNamed = ({ isIn }: Dialect): string =>
  `kind IN ('user', 'group') AND (${isIn("entry_id")} OR (entry_id IS NULL AND ${isIn("source_key")}))`;

const countEntries = (sql: Sql, source: string, where: string): Promise<number> =>
  count(sql, `FROM directory_entries WHERE source = ? AND ${where}`, [source]);

/**
 * Stages a snapshot. An entry that did not change costs a lookup and no write; the others wait in `snapshot_staging`.
 * This process keeps the key of each entry, and nothing else.
 */
async function beginSnapshot(
  { read, transaction, dialect }: Driver,
  source: string,
  runCommit: RunCommit,
): Promise<Snapshot> {
  const snapshotId = randomUUID();
  const seen: Record<EntityKind, Set<string>> = { user: new Set(), group: new Set() };
  // Entries that the last snapshot showed too. New entries do not make up for lost ones.
  const kept: Record<EntityKind, number> = { user: 0, group: 0 };
  // Users who were disabled and are enabled now.
  let enabled = 0;
  const back: { readonly kind: EntityKind; readonly key: string }[] = [];
  await transaction(async (sql) => {
    await ensureState(sql, source);
    await sql.run("UPDATE poll_states SET snapshot_id = ? WHERE source = ?", [snapshotId, source]);
    await sql.run("DELETE FROM snapshot_staging WHERE source = ?", [source]);
  });

  const add = async (kind: EntityKind, page: readonly Entry[]): Promise<readonly string[]> => {
    const repeated: string[] = [];
    const fresh = page.filter(({ externalId }) => {
      if (seen[kind].has(externalId)) repeated.push(externalId);
      return !seen[kind].has(externalId) && seen[kind].add(externalId);
    });
    const present = await all(
      read,
      { sourceKey: text, digest: text, missed: flag, isEnabled: flag },
      `SELECT source_key, digest, missed, is_enabled FROM directory_entries WHERE source = ? AND kind = ? AND ${dialect.isIn("source_key")}`,
      [source, kind, JSON.stringify(fresh.map(({ externalId }) => externalId))],
    );
    const known = new Map(present.map((entry) => [entry.sourceKey, entry]));
    const changed = fresh.filter((entry) => {
      const before = known.get(entry.externalId);
      if (before?.missed === true) back.push({ kind, key: entry.externalId });
      else if (before !== undefined) kept[kind] += 1;
      if (before?.isEnabled === false && "isActive" in entry && entry.isActive) enabled += 1;
      return before?.digest !== digestOf(entry);
    });
    const rows = chunks(changed).map((payload) => ({ source, kind, payload }));
    if (rows.length > 0) await transaction(async (sql) => void (await insertRows(sql, staging, rows)));
    return repeated;
  };

  return {
    addUsers: (page) => add("user", page),
    addGroups: (page) => add("group", page),
    commit: (options, cause) =>
      runCommit(source, options, cause, async (commit) => {
        const { sql } = commit;
        const state = await first(
          sql,
          { snapshotId: optional(text) },
          "SELECT snapshot_id FROM poll_states WHERE source = ?",
          [source],
        );
        if (state?.snapshotId !== snapshotId)
          throw new RollcallError("REV_MISMATCH", `source ${source}: another poll began while this one was reading`);
        if (!options.acceptShrink) {
          await refuseShrink(sql, source, kept, options);
          await refuseReturn(sql, source, enabled, options);
        }
        for await (const users of staged<SourceUser>(commit, "user")) await putUsers(commit, users);
        for await (const groups of staged<SourceGroup>(commit, "group"))
          for (const group of groups) await putGroup(commit, group);
        for (const { kind, key } of back) await setMissed(commit, kind, key, false);
        for (const kind of ["user", "group"] as const) await dropMissing(commit, kind, seen[kind]);
        await sql.run("DELETE FROM snapshot_staging WHERE source = ?", [source]);
      }),
    abort: () =>
      transaction(async (sql) => {
        await sql.run(
          "DELETE FROM snapshot_staging WHERE source = ? AND EXISTS (SELECT 1 FROM poll_states p WHERE p.source = ? AND p.snapshot_id = ?)",
          [source, source, snapshotId],
        );
      }),
  };
}

/** The staged entries, as many at a time as one row has. */
async function* staged<T extends Entry>({ sql, source }: Commit, kind: EntityKind): AsyncGenerator<readonly T[]> {
  const shape = { seq: integer, payload: json<readonly T[]>() };
  for (let after = 0; ; ) {
    const row = await first(
      sql,
      shape,
      "SELECT seq, payload FROM snapshot_staging WHERE source = ? AND kind = ? AND seq > ? ORDER BY seq LIMIT 1",
      [source, kind, after],
    );
    if (row === undefined) return;
    yield row.payload;
    after = row.seq;
    await breathe();
  }
}

const setMissed = ({ sql, source }: Commit, kind: EntityKind, sourceKey: string, missed: boolean): Promise<number> =>
  sql.run("UPDATE directory_entries SET missed = ? WHERE source = ? AND kind = ? AND source_key = ?", [
    flag.write(missed),
    source,
    kind,
    sourceKey,
  ]);

/** Refuses a snapshot that is much smaller than the last one: a wrong filter, a lost permission or a cut-off answer. */
async function refuseShrink(
  sql: Sql,
  source: string,
  kept: Readonly<Record<EntityKind, number>>,
  { minKeptPercent }: CommitOptions,
): Promise<void> {
  for (const kind of ["user", "group"] as const) {
    const before = await countEntries(sql, source, `kind = '${kind}' AND missed = 0`);
    const now = kept[kind];
    if (kind === "group" && before - now <= smallGroupLoss && now > 0) continue;
    if (now * 100 >= before * minKeptPercent) continue;
    const percent = ((now / before) * 100).toFixed(1);
    const what = `the directory still shows ${now} of ${before} ${kind === "user" ? "people" : "groups"} (${percent} %)`;
    throw tooSmall(source, what, minKeptPercent);
  }
}

/** Refuses a snapshot that enables many users: an attribute that the account can't read any more looks like no value. */
async function refuseReturn(
  sql: Sql,
  source: string,
  enabled: number,
  { minKeptPercent }: CommitOptions,
): Promise<void> {
  if (enabled <= smallReturn) return;
  const before = await countEntries(sql, source, "kind = 'user' AND is_enabled = 0");
  if ((before - enabled) * 100 >= before * minKeptPercent) return;
  throw new RollcallError(
    "SNAPSHOT_REFUSED",
    `source ${source}: ${enabled} of the ${before} people who were disabled are enabled now; nothing was changed. Can the account still read what disables them (disabledBy, inactiveWhen)? If it is right, run "rollcall sync --accept-shrink"`,
    { isPermanent: true },
  );
}

const tooSmall = (source: string, what: string, minKeptPercent: number): RollcallError =>
  new RollcallError(
    "SNAPSHOT_REFUSED",
    `source ${source}: ${what}, minKeptPercent is ${minKeptPercent}; nothing was changed. Check filter, baseDn and the account's rights; if it is right, run "rollcall sync --accept-shrink"`,
    { isPermanent: true },
  );

/** Marks entries that one complete snapshot lacks. Makes absent what two in a row lack. */
async function dropMissing(commit: Commit, kind: EntityKind, seen: ReadonlySet<string>): Promise<void> {
  const { sql, source } = commit;
  // Every entry that was written was seen. With equal numbers none is missing.
  if ((await countEntries(sql, source, `kind = '${kind}'`)) === seen.size) return;
  const shape = { sourceKey: text, seq: integer, missed: flag };
  const missing: { sourceKey: string; seq: number; missed: boolean }[] = [];
  for (let after = ""; ; ) {
    const entries = await all(
      sql,
      shape,
      "SELECT source_key, seq, missed FROM directory_entries WHERE source = ? AND kind = ? AND source_key > ? ORDER BY source_key LIMIT 1000",
      [source, kind, after],
    );
    missing.push(...entries.filter(({ sourceKey }) => !seen.has(sourceKey)));
    const last = entries.at(-1);
    if (last === undefined) break;
    after = last.sourceKey;
    await breathe();
  }
  for (const { sourceKey, seq, missed } of missing) {
    if (missed) await removeEntry(commit, kind, seq, sourceKey);
    else await setMissed(commit, kind, sourceKey, true);
  }
}

async function applyDelta(
  commit: Commit,
  { users, groups, goneEntryIds }: SourceDelta,
  { minKeptPercent, acceptShrink }: CommitOptions,
): Promise<void> {
  const { sql, source, dialect } = commit;
  const gone: { kind: EntityKind; seq: number; sourceKey: string }[] = [];
  for (const ids of chunks(goneEntryIds)) {
    const entries = await all(
      sql,
      { kind: entityKind, seq: integer, sourceKey: text },
      `SELECT kind, seq, source_key FROM directory_entries WHERE source = ? AND ${isNamed(dialect)}`,
      [source, JSON.stringify(ids), JSON.stringify(ids)],
    );
    gone.push(...entries);
  }
  const leaving = gone.filter(({ kind }) => kind === "user").length;
  if (leaving > 0 && !acceptShrink) {
    const before = await countEntries(sql, source, "kind = 'user'");
    if ((before - leaving) * 100 < before * minKeptPercent)
      throw tooSmall(source, `${leaving} of ${before} people went`, minKeptPercent);
  }
  for (const { kind, seq, sourceKey } of gone) await removeEntry(commit, kind, seq, sourceKey);
  for (const user of users) if (!(await isUnchanged(commit, "user", user))) await putUsers(commit, [user]);
  for (const group of groups) if (!(await isUnchanged(commit, "group", group))) await putGroup(commit, group);
}

async function isUnchanged({ sql, source }: Commit, kind: EntityKind, entry: Entry): Promise<boolean> {
  const before = await first(
    sql,
    { digest: text, missed: flag },
    "SELECT digest, missed FROM directory_entries WHERE source = ? AND kind = ? AND source_key = ?",
    [source, kind, entry.externalId],
  );
  return before?.digest === digestOf(entry) && !before.missed;
}
