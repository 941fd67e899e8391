import { randomUUID } from "node:crypto";
import type { Cause, EntityKind, EntityRef } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type {
  CommitOptions,
  CommitResult,
  ImportStore,
  Locator,
  PollFinding,
  PollRecord,
  PollState,
  Snapshot,
  SourceDelta,
  SourceGroup,
  SourceUser,
} from "../../domain/ports/import-store.ts";
import { breathe, chunks, insertRows } from "../database/batches.ts";
import type { Dialect, Driver, Row, Sql } from "../database/driver.ts";
import { everybody } from "../directory/groups.ts";
import type { WriteContext } from "../directory/users.ts";
import { digestOf, locatorsIn } from "./entries.ts";
import { putGroup } from "./groups.ts";
import { type Changing, noChanges } from "./import-context.ts";
import { updateMemberships } from "./memberships.ts";
import { removeEntry } from "./removals.ts";
import { expireUsers, putUsers, touchRivals } from "./users.ts";

/** Longer lists are told to listeners as "everybody": a scan finds them as cheaply. */
const refsAtMost = 500;
const examplesAtMost = 50;

/** The pictures that polled sources bring: see `ImportStore`. */
export function snapshotRows(driver: Driver, { changed }: Pick<WriteContext, "changed">): ImportStore {
  /** One commit: `work` puts and removes entries, then memberships, expiries and the cursor follow. */
  const commit = async (
    source: string,
    options: CommitOptions,
    cause: Cause,
    work: (changing: Changing) => Promise<void>,
  ): Promise<CommitResult> => {
    const refs: EntityRef[] = [];
    const keep = { push: (ref: EntityRef): void => void (refs.length <= refsAtMost && refs.push(ref)) };
    const result = await driver.transaction(
      async (sql) => {
        const changing: Changing = {
          sql,
          dialect: driver.dialect,
          source,
          cause,
          nowMs: options.nowMs,
          counts: noChanges(),
          refs: keep,
          newUsers: new Set(),
          claimedEmails: new Set(),
          newGroups: new Set(),
          touchedGroups: new Set(),
          touchedLocators: new Set(),
        };
        await work(changing);
        await updateMemberships(changing);
        await expireUsers(changing);
        await touchRivals(changing);
        const missing = await sql.get("SELECT count(*) AS n FROM directory_entries WHERE source = ? AND missed > 0", [
          source,
        ]);
        changing.counts.unconfirmedMissing = Number(missing?.["n"] ?? 0);
        await touchState(sql, source);
        await sql.run("UPDATE poll_states SET cursor_text = ?, unconfirmed = ?, snapshot_id = NULL WHERE source = ?", [
          options.cursor,
          changing.counts.unconfirmedMissing,
          source,
        ]);
        return changing.counts;
      },
      { isLarge: true },
    );
    if (refs.length > 0) changed(refs.length > refsAtMost ? [everybody] : refs);
    return result;
  };

  return {
    beginSnapshot: (source) => beginSnapshot(driver, source, commit),

    applyDelta: (source, delta, options, cause) =>
      commit(source, options, cause, (changing) => applyDelta(changing, delta, options)),

    async locatorsOf(source, entryIds) {
      const found = new Map<string, readonly Locator[]>();
      for (const ids of chunks(entryIds)) {
        const rows = await driver.read.all(
          `SELECT coalesce(entry_id, source_key) AS id, locators FROM directory_entries WHERE source = ? AND ${named(driver.dialect)}`,
          [source, JSON.stringify(ids), JSON.stringify(ids)],
        );
        for (const row of rows) found.set(String(row["id"]), [...locatorsIn(row)]);
      }
      return found;
    },

    async groupsNaming(source, locators) {
      const found = new Set<string>();
      for (const some of chunks(locators)) {
        const rows = await driver.read.all(
          `SELECT coalesce(entry_id, source_key) AS id FROM directory_entries WHERE source = ? AND kind = 'group' AND seq IN
             (SELECT seq FROM directory_edges WHERE source = ? AND ${driver.dialect.isIn("locator")} AND kind = 'group' AND is_up = 0)`,
          [source, source, JSON.stringify(some)],
        );
        for (const row of rows) found.add(String(row["id"]));
      }
      return [...found];
    },

    pollState: (source) => readState(driver.read, source),

    async originOf(source) {
      const row = await driver.read.get(
        `SELECT (SELECT count(*) FROM directory_entries e WHERE e.source = u.source AND e.kind = 'user' AND e.source_key = u.source_key) AS entries
         FROM users u WHERE u.source = ? AND u.absent_since_ms IS NULL LIMIT 1`,
        [source],
      );
      if (row === undefined) return null;
      return Number(row["entries"]) > 0 ? "polled" : "written";
    },

    async findings(source) {
      const row = await driver.read.get("SELECT findings FROM poll_states WHERE source = ?", [source]);
      return row === undefined
        ? []
        : [...(JSON.parse(String(row["findings"])) as PollFinding[]), ...(await ownFindings(driver.read, source))];
    },

    recordPoll: (source, record) => driver.transaction((sql) => writeRecord(sql, source, record)),
  };
}

/** Finds entries by entry id; takes the list twice. */
const named = ({ isIn }: Dialect): string =>
  `kind IN ('user', 'group') AND (${isIn("entry_id")} OR (entry_id IS NULL AND ${isIn("source_key")}))`;

type Commit = (
  source: string,
  options: CommitOptions,
  cause: Cause,
  work: (changing: Changing) => Promise<void>,
) => Promise<CommitResult>;

/**
 * Stages a picture: entries that are as they were cost a lookup and no write, the others wait in `snapshot_staging`.
 * What this process keeps of each entry is its key.
 */
async function beginSnapshot(driver: Driver, source: string, commit: Commit): Promise<Snapshot> {
  const snapshotId = randomUUID();
  const seen: Record<EntityKind, Set<string>> = { user: new Set(), group: new Set() };
  // Of those that the last picture showed: others in their place do not make up for them.
  const kept: Record<EntityKind, number> = { user: 0, group: 0 };
  // People who were disabled and are not any more.
  let enabled = 0;
  const back: { readonly kind: EntityKind; readonly key: string }[] = [];
  await driver.transaction(async (sql) => {
    await touchState(sql, source);
    await sql.run("UPDATE poll_states SET snapshot_id = ? WHERE source = ?", [snapshotId, source]);
    await sql.run("DELETE FROM snapshot_staging WHERE source = ?", [source]);
  });

  const add = async (kind: EntityKind, page: readonly (SourceUser | SourceGroup)[]): Promise<readonly string[]> => {
    const repeated: string[] = [];
    const fresh = page.filter(({ externalId }) => {
      if (seen[kind].has(externalId)) repeated.push(externalId);
      return !seen[kind].has(externalId) && seen[kind].add(externalId);
    });
    const present = await driver.read.all(
      `SELECT source_key, digest, missed, is_enabled FROM directory_entries WHERE source = ? AND kind = ? AND ${driver.dialect.isIn("source_key")}`,
      [source, kind, JSON.stringify(fresh.map(({ externalId }) => externalId))],
    );
    const known = new Map(present.map((row) => [String(row["source_key"]), row]));
    const staged = fresh.filter((entry) => {
      const row = known.get(entry.externalId);
      if (row !== undefined && Number(row["missed"]) > 0) back.push({ kind, key: entry.externalId });
      else if (row !== undefined) kept[kind] += 1;
      if (kind === "user" && row?.["is_enabled"] === 0 && "isActive" in entry && entry.isActive) enabled += 1;
      return row?.["digest"] !== digestOf(entry);
    });
    const rows = chunks(staged).map((entries) => [source, kind, JSON.stringify(entries)]);
    if (rows.length > 0)
      await driver.transaction(async (sql) => {
        await insertRows(sql, "snapshot_staging", ["source", "kind", "payload"], rows);
      });
    return repeated;
  };

  return {
    addUsers: (page) => add("user", page),
    addGroups: (page) => add("group", page),
    commit: (options, cause) =>
      commit(source, options, cause, async (changing) => {
        const { sql } = changing;
        const state = await sql.get("SELECT snapshot_id FROM poll_states WHERE source = ?", [source]);
        if (state?.["snapshot_id"] !== snapshotId)
          throw new RollcallError("REV_MISMATCH", `source ${source}: another poll began while this one was reading`);
        await refuseShrink(sql, source, kept, options);
        await refuseReturn(sql, source, enabled, options);
        await eachStaged(changing, "user", (entries) => putUsers(changing, entries as readonly SourceUser[]));
        await eachStaged(changing, "group", async (entries) => {
          for (const group of entries as readonly SourceGroup[]) await putGroup(changing, group);
        });
        for (const { kind, key } of back) {
          await sql.run("UPDATE directory_entries SET missed = 0 WHERE source = ? AND kind = ? AND source_key = ?", [
            source,
            kind,
            key,
          ]);
        }
        for (const kind of ["user", "group"] as const) await dropMissing(changing, kind, seen[kind]);
        await sql.run("DELETE FROM snapshot_staging WHERE source = ?", [source]);
      }),
    abort: () =>
      driver.transaction(async (sql) => {
        await sql.run(
          "DELETE FROM snapshot_staging WHERE source = ? AND EXISTS (SELECT 1 FROM poll_states p WHERE p.source = ? AND p.snapshot_id = ?)",
          [source, source, snapshotId],
        );
      }),
  };
}

/** What was staged, some entries at a time: a row holds as many as fit one statement. */
async function eachStaged(
  { sql, source }: Changing,
  kind: EntityKind,
  put: (entries: readonly unknown[]) => Promise<void>,
): Promise<void> {
  for (let after = 0; ; ) {
    const row = await sql.get(
      "SELECT seq, payload FROM snapshot_staging WHERE source = ? AND kind = ? AND seq > ? ORDER BY seq LIMIT 1",
      [source, kind, after],
    );
    if (row === undefined) return;
    await put(JSON.parse(String(row["payload"])) as readonly unknown[]);
    after = Number(row["seq"]);
    await breathe();
  }
}

/** Losses of groups up to this number are everyday life; the removal budget of each target watches them too. */
const smallGroupLoss = 10;

/** A bad filter, a lost permission or a cut-off answer shows as a picture that is much smaller than the last one. */
async function refuseShrink(
  sql: Sql,
  source: string,
  kept: Readonly<Record<EntityKind, number>>,
  { minKeptPercent, acceptShrink }: CommitOptions,
): Promise<void> {
  if (acceptShrink) return;
  for (const kind of ["user", "group"] as const) {
    const row = await sql.get(
      "SELECT count(*) AS n FROM directory_entries WHERE source = ? AND kind = ? AND missed = 0",
      [source, kind],
    );
    const before = Number(row?.["n"] ?? 0);
    const now = kept[kind];
    if (kind === "group" && before - now <= smallGroupLoss && now > 0) continue;
    if (now * 100 >= before * minKeptPercent) continue;
    throw tooSmall(
      source,
      `the directory still shows ${now} of ${before} ${kind === "user" ? "people" : "groups"} (${percent(now, before)} %)`,
      minKeptPercent,
    );
  }
}

/** An attribute that the account can't read any more is as good as not there, and everybody is enabled again. */
async function refuseReturn(
  sql: Sql,
  source: string,
  enabled: number,
  { minKeptPercent, acceptShrink }: CommitOptions,
): Promise<void> {
  if (acceptShrink || enabled <= smallReturn) return;
  const row = await sql.get(
    "SELECT count(*) AS n FROM directory_entries WHERE source = ? AND kind = 'user' AND is_enabled = 0",
    [source],
  );
  const before = Number(row?.["n"] ?? 0);
  if ((before - enabled) * 100 >= before * minKeptPercent) return;
  throw new RollcallError(
    "SNAPSHOT_REFUSED",
    `source ${source}: ${enabled} of the ${before} people who were disabled are enabled now; nothing was changed. Can the account still read what disables them (disabledBy, inactiveWhen)? If it is right, run "rollcall sync --accept-shrink"`,
    { isPermanent: true },
  );
}

/** So many are enabled again on any day. */
const smallReturn = 10;

const percent = (part: number, whole: number): string => ((part / whole) * 100).toFixed(1);

const tooSmall = (source: string, what: string, minKeptPercent: number): RollcallError =>
  new RollcallError(
    "SNAPSHOT_REFUSED",
    `source ${source}: ${what}, minKeptPercent is ${minKeptPercent}; nothing was changed. Check filter, baseDn and the account's rights; if it is right, run "rollcall sync --accept-shrink"`,
    { isPermanent: true },
  );

/** Missing from one complete picture: noted. Missing from two in a row: absent. */
async function dropMissing(changing: Changing, kind: EntityKind, seen: ReadonlySet<string>): Promise<void> {
  const { sql, source } = changing;
  const total = await sql.get("SELECT count(*) AS n FROM directory_entries WHERE source = ? AND kind = ?", [
    source,
    kind,
  ]);
  // All that were put are seen: with equal numbers nobody is missing.
  if (Number(total?.["n"] ?? 0) === seen.size) return;
  const missing: Row[] = [];
  for (let after = ""; ; ) {
    const rows = await sql.all(
      "SELECT source_key, seq, missed FROM directory_entries WHERE source = ? AND kind = ? AND source_key > ? ORDER BY source_key LIMIT 1000",
      [source, kind, after],
    );
    missing.push(...rows.filter((row) => !seen.has(String(row["source_key"]))));
    const last = rows.at(-1);
    if (last === undefined) break;
    after = String(last["source_key"]);
    await breathe();
  }
  for (const row of missing) {
    if (Number(row["missed"]) > 0) await removeEntry(changing, kind, Number(row["seq"]), String(row["source_key"]));
    else
      await sql.run("UPDATE directory_entries SET missed = 1 WHERE source = ? AND kind = ? AND source_key = ?", [
        source,
        kind,
        String(row["source_key"]),
      ]);
  }
}

async function applyDelta(
  changing: Changing,
  { users, groups, goneEntryIds }: SourceDelta,
  { minKeptPercent, acceptShrink }: CommitOptions,
): Promise<void> {
  const { sql, source, dialect } = changing;
  const gone: Row[] = [];
  for (const ids of chunks(goneEntryIds)) {
    gone.push(
      ...(await sql.all(`SELECT kind, seq, source_key FROM directory_entries WHERE source = ? AND ${named(dialect)}`, [
        source,
        JSON.stringify(ids),
        JSON.stringify(ids),
      ])),
    );
  }
  const leaving = gone.filter((row) => row["kind"] === "user").length;
  if (leaving > 0 && !acceptShrink) {
    const before = Number(
      (await sql.get("SELECT count(*) AS n FROM directory_entries WHERE source = ? AND kind = 'user'", [source]))?.[
        "n"
      ] ?? 0,
    );
    if ((before - leaving) * 100 < before * minKeptPercent)
      throw tooSmall(source, `${leaving} of ${before} people went`, minKeptPercent);
  }
  for (const row of gone)
    await removeEntry(changing, row["kind"] as EntityKind, Number(row["seq"]), String(row["source_key"]));
  for (const user of users) if (!(await isAsBefore(sql, source, "user", user))) await putUsers(changing, [user]);
  for (const group of groups) if (!(await isAsBefore(sql, source, "group", group))) await putGroup(changing, group);
}

async function isAsBefore(
  sql: Sql,
  source: string,
  kind: EntityKind,
  entry: SourceUser | SourceGroup,
): Promise<boolean> {
  const row = await sql.get(
    "SELECT digest, missed FROM directory_entries WHERE source = ? AND kind = ? AND source_key = ?",
    [source, kind, entry.externalId],
  );
  return row?.["digest"] === digestOf(entry) && row["missed"] === 0;
}

/** Makes sure that the source has its row. */
async function touchState(sql: Sql, source: string): Promise<void> {
  await sql.run(
    "INSERT INTO poll_states (source, unconfirmed, findings) VALUES (?, 0, '[]') ON CONFLICT (source) DO NOTHING",
    [source],
  );
}

async function readState(sql: Sql, source: string): Promise<PollState> {
  const row = await sql.get("SELECT * FROM poll_states WHERE source = ?", [source]);
  const count = async (kind: EntityKind): Promise<number> =>
    Number(
      (await sql.get("SELECT count(*) AS n FROM directory_entries WHERE source = ? AND kind = ?", [source, kind]))?.[
        "n"
      ] ?? 0,
    );
  return {
    cursor: (row?.["cursor_text"] ?? null) as string | null,
    lastSuccessAtMs: (row?.["last_success_ms"] ?? null) as number | null,
    lastFullAtMs: (row?.["last_full_ms"] ?? null) as number | null,
    failingSinceMs: (row?.["failing_since_ms"] ?? null) as number | null,
    errorCode: (row?.["error_code"] ?? null) as string | null,
    errorMessage: (row?.["error_message"] ?? null) as string | null,
    unconfirmedMissing: Number(row?.["unconfirmed"] ?? 0),
    users: await count("user"),
    groups: await count("group"),
  };
}

/** What can be told from the rows at any time. */
async function ownFindings(sql: Sql, source: string): Promise<readonly PollFinding[]> {
  const find = async (kind: PollFinding["kind"], from: string, name: string): Promise<readonly PollFinding[]> => {
    const n = Number((await sql.get(`SELECT count(*) AS n ${from}`, [source]))?.["n"] ?? 0);
    if (n === 0) return [];
    const rows = await sql.all(`SELECT ${name} AS name ${from} ORDER BY 1 LIMIT ${examplesAtMost}`, [source]);
    return [{ kind, count: n, examples: rows.map((row) => String(row["name"])) }];
  };
  const present = "FROM users u WHERE u.source = ? AND u.absent_since_ms IS NULL";
  return [
    ...(await find("without-email", `${present} AND u.email IS NULL`, "u.user_name")),
    ...(await find(
      "duplicate-email",
      `${present} AND EXISTS (SELECT 1 FROM users o WHERE o.email = u.email AND o.source = u.source AND o.seq <> u.seq AND o.absent_since_ms IS NULL)`,
      "u.email || ' (' || u.user_name || ')'",
    )),
  ];
}

async function writeRecord(sql: Sql, source: string, record: PollRecord): Promise<void> {
  await touchState(sql, source);
  if (!record.ok) {
    await sql.run(
      "UPDATE poll_states SET failing_since_ms = coalesce(failing_since_ms, ?), error_code = ?, error_message = ? WHERE source = ?",
      [record.atMs, record.errorCode, record.errorMessage, source],
    );
    return;
  }
  await sql.run(
    "UPDATE poll_states SET last_success_ms = ?, failing_since_ms = NULL, error_code = NULL, error_message = NULL WHERE source = ?",
    [record.atMs, source],
  );
  if (record.isFull) await sql.run("UPDATE poll_states SET last_full_ms = ? WHERE source = ?", [record.atMs, source]);
  if (record.findings !== null)
    await sql.run("UPDATE poll_states SET findings = ? WHERE source = ?", [JSON.stringify(record.findings), source]);
}
