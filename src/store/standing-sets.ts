import type { StandingFilter, SyncState } from "../domain/console.ts";
import type { EntityKind } from "../domain/directory.ts";
import { unreachable } from "../domain/plan.ts";
import type { TargetCounts } from "../domain/sync.ts";
import type { Condition } from "./criteria.ts";
import type { Driver } from "./driver.ts";
import { breathe } from "./slicing.ts";
import { revOf, stateSql, tableOf } from "./standings.ts";

/** Rows looked at in one statement where each one's link is looked up: some milliseconds. */
const rowsPerLook = 4000;
/** So many candidates, and looking at everybody in turn is the cheaper way. */
const candidatesAtMost = 2000;
/** Answers kept: each kind of entity in a handful of targets, and some filters. */
const keptAtMost = 24;

const scanKey = (kind: EntityKind, connection: string): string => JSON.stringify([kind, connection]);

/** How all entities of a kind stand with a connection. Most are in sync, and only the others are named. */
interface Scan {
  /** The last row that was looked at, and how many there are up to there. */
  readonly lastSeq: number;
  readonly total: number;
  /** By seq; null where there is nothing to say: gone, and so in the target. */
  readonly exceptions: ReadonlyMap<number, SyncState | null>;
  readonly oldestPendingMs: number | null;
}

/** A condition on `t.seq`. */
export interface Among extends Condition {
  /** It names so few rows that looking each of them up is the cheapest way to read. */
  readonly isFew: boolean;
}

/** Rows by seq, looked for when they are asked for; null: too many to name. */
export type Named = () => Promise<readonly number[] | null>;

/** What looking at everybody tells. */
export interface StandingSets {
  /** Every entity is in exactly one of the counts: see `SyncState`. */
  counts(connection: string, kinds: readonly EntityKind[]): Promise<TargetCounts>;
  /** Who stands so with any of these connections. Who is not among `within` may be left out: the caller does so anyway. */
  among(kind: EntityKind, filter: StandingFilter, connections: readonly string[], within: Named): Promise<Among>;
}

/**
 * Looks at every link in turn, a part at a time with other work let in between, and remembers what it found until the
 * next commit: the counts of a target and the lists by state tell from one look.
 */
export function standingSets(driver: Driver): StandingSets {
  const scans = untilCommit<Scan>(driver);
  const lists = untilCommit<readonly number[]>(driver);
  const behind = untilCommit<readonly number[] | null>(driver);
  const scan = (kind: EntityKind, connection: string): Promise<Scan> =>
    scans.get(scanKey(kind, connection), () => scanAll(driver, kind, connection));
  const areScanned = async (kind: EntityKind, connections: readonly string[]): Promise<boolean> => {
    const known = await Promise.all(connections.map((connection) => scans.has(scanKey(kind, connection))));
    return known.every((isKnown) => isKnown);
  };

  const listOf = async (
    kind: EntityKind,
    filter: StandingFilter,
    connection: string,
    within: Named,
  ): Promise<readonly number[]> => {
    const candidates = candidatesOf(filter, kind, connection);
    if (candidates !== null && (await isFew(driver, candidates)))
      return seqsOf(driver, kind, filter, connection, {
        text: `t.id IN (${candidates.text})`,
        params: candidates.params,
      });
    const named = await within();
    if (named !== null) return seqsOfNamed(driver, kind, filter, connection, named);
    if (filter.by !== "state")
      return lists.get(JSON.stringify([kind, filter, connection]), () => seqsOfAll(driver, kind, filter, connection));
    const { exceptions } = await scan(kind, connection);
    return [...exceptions].filter(([, state]) => state === filter.state).map(([seq]) => seq);
  };

  return {
    async counts(connection, kinds) {
      const counts = { inSync: 0, pending: 0, failed: 0, held: 0, missing: 0 };
      let oldestPendingMs: number | null = null;
      for (const kind of kinds) {
        const { total, exceptions, oldestPendingMs: oldest } = await scan(kind, connection);
        counts.inSync += total - exceptions.size;
        for (const state of exceptions.values()) if (state !== null) counts[state] += 1;
        if (oldest !== null) oldestPendingMs = Math.min(oldestPendingMs ?? oldest, oldest);
      }
      return { ...counts, oldestPendingMs };
    },

    async among(kind, filter, connections, within) {
      if (connections.length === 0) return { text: "1 = 0", params: [], isFew: true };
      const isBy = (state: SyncState): boolean => filter.by === "state" && filter.state === state;
      const named: Named = async () => {
        const found = await within();
        // What was looked at in full for the counts, as on most pages of the console, need not be looked at again.
        if (found !== null || !isBy("pending") || (await areScanned(kind, connections))) return found;
        return behind.get(JSON.stringify([kind, connections]), () => behindAny(driver, kind, connections));
      };
      if (isBy("inSync") && (await named()) === null) {
        const [first, ...others] = await Promise.all(connections.map((connection) => scan(kind, connection)));
        const isNowhere = (seq: number): boolean => others.every(({ exceptions }) => exceptions.has(seq));
        const nowhere = [...(first?.exceptions.keys() ?? [])].filter(isNowhere);
        return {
          text: `t.seq <= ? AND t.seq NOT IN ${driver.dialect.inNumbers}`,
          params: [first?.lastSeq ?? 0, JSON.stringify(nowhere)],
          isFew: false,
        };
      }
      // At the same time: what one reads of a part, the next finds in memory.
      const found = await Promise.all(connections.map((connection) => listOf(kind, filter, connection, named)));
      const seqs = [...new Set(found.flat())];
      return {
        text: `t.seq IN ${driver.dialect.inNumbers}`,
        params: [JSON.stringify(seqs)],
        isFew: seqs.length <= candidatesAtMost,
      };
    },
  };
}

/** Remembers answers while nothing is committed; who asks for one that is being looked for waits for it. */
function untilCommit<T>({ generation }: Pick<Driver, "generation">) {
  let present: string | null = null;
  const known = new Map<string, Promise<T>>();
  const forgetOld = async (): Promise<void> => {
    const now = await generation();
    if (now !== present) known.clear();
    present = now;
  };
  return {
    has: async (key: string): Promise<boolean> => {
      await forgetOld();
      return known.has(key);
    },
    get: async (key: string, work: () => Promise<T>): Promise<T> => {
      await forgetOld();
      const kept = known.get(key);
      if (kept !== undefined) return kept;
      if (known.size >= keptAtMost) known.clear();
      const answer = work();
      known.set(key, answer);
      // A failure is told to those who wait for it, and to nobody after them.
      answer.catch(() => {
        if (known.get(key) === answer) known.delete(key);
      });
      return answer;
    },
  };
}

async function scanAll(driver: Driver, kind: EntityKind, connection: string): Promise<Scan> {
  const table = tableOf[kind];
  const ends = await driver.read.get(`SELECT count(*) AS n, (SELECT max(seq) FROM ${table}) AS last FROM ${table}`);
  const lastSeq = Number(ends?.["last"] ?? 0);
  const exceptions = new Map<number, SyncState | null>();
  let oldestPendingMs: number | null = null;
  // In two steps: who is not plainly in sync is told from columns of the row and the link; only those are asked about in full.
  const text = `SELECT seq, state, CASE WHEN state = 'pending' THEN
       -- Since when it waits: the first change that the target has not been given. A membership moves no modified_ms.
       coalesce((SELECT min(a.at_ms) FROM audit a WHERE a.entity_id = id AND a.connection IS NULL AND a.rev > applied), modified_ms)
     END AS since FROM (
     SELECT t.seq, t.id, t.modified_ms, coalesce(l.applied_rev, 0) AS applied, ${stateSql(kind)} AS state
     FROM ${table} t LEFT JOIN links l ON l.connection = ? AND l.kind = ? AND l.entity_id = t.id
     WHERE t.seq > ? AND t.seq <= ? AND (l.entity_id IS NULL OR ${revOf[kind]} > l.applied_rev OR l.error_code IS NOT NULL
       OR l.note IS NOT NULL OR t.absent_since_ms IS NOT NULL
       OR t.id IN (SELECT entity_id FROM held WHERE connection = ? AND approved_ms IS NULL))) AS states`;
  for (let after = 0; after < lastSeq; after += rowsPerLook) {
    const rows = await driver.read.all(text, [
      connection,
      connection,
      kind,
      after,
      Math.min(lastSeq, after + rowsPerLook),
      connection,
    ]);
    for (const row of rows) {
      if (row["state"] !== "inSync") exceptions.set(Number(row["seq"]), row["state"] as SyncState | null);
      if (row["since"] !== null)
        oldestPendingMs = Math.min(oldestPendingMs ?? Number.POSITIVE_INFINITY, Number(row["since"]));
    }
    await breathe();
  }
  return { lastSeq, total: Number(ends?.["n"] ?? 0), exceptions, oldestPendingMs };
}

/** Those of `where` who stand so with the connection. */
async function seqsOf(
  driver: Driver,
  kind: EntityKind,
  filter: StandingFilter,
  connection: string,
  where: Condition,
): Promise<readonly number[]> {
  const stands = standsSo(filter, kind, connection);
  const rows = await driver.read.all(
    `SELECT t.seq AS seq FROM ${tableOf[kind]} t LEFT JOIN links l ON l.connection = ? AND l.kind = ? AND l.entity_id = t.id
     WHERE ${where.text} AND ${stands.text}`,
    [connection, kind, ...where.params, ...stands.params],
  );
  return rows.map(({ seq }) => Number(seq));
}

async function seqsOfAll(
  driver: Driver,
  kind: EntityKind,
  filter: StandingFilter,
  connection: string,
): Promise<readonly number[]> {
  const last = Number((await driver.read.get(`SELECT max(seq) AS seq FROM ${tableOf[kind]}`))?.["seq"] ?? 0);
  const found: number[] = [];
  for (let after = 0; after < last; after += rowsPerLook) {
    const part = { text: "t.seq > ? AND t.seq <= ?", params: [after, after + rowsPerLook] };
    found.push(...(await seqsOf(driver, kind, filter, connection, part)));
    await breathe();
  }
  return found;
}

async function seqsOfNamed(
  driver: Driver,
  kind: EntityKind,
  filter: StandingFilter,
  connection: string,
  named: readonly number[],
): Promise<readonly number[]> {
  const found: number[] = [];
  for (let start = 0; start < named.length; start += candidatesAtMost) {
    const part = JSON.stringify(named.slice(start, start + candidatesAtMost));
    const where = { text: `t.seq IN ${driver.dialect.inNumbers}`, params: [part] };
    found.push(...(await seqsOf(driver, kind, filter, connection, where)));
    await breathe();
  }
  return found;
}

/**
 * Who has changed since any of the connections was given everything, or was never given: everybody who is pending, and
 * few others. One look at each person, and at two numbers only; null when there are too many.
 */
async function behindAny(
  driver: Driver,
  kind: EntityKind,
  connections: readonly string[],
): Promise<readonly number[] | null> {
  const table = tableOf[kind];
  const last = Number((await driver.read.get(`SELECT max(seq) AS seq FROM ${table}`))?.["seq"] ?? 0);
  const isBehind = `NOT EXISTS (SELECT 1 FROM links l
    WHERE l.connection = ? AND l.kind = ? AND l.entity_id = t.id AND l.applied_rev >= ${revOf[kind]})`;
  const text = `SELECT t.seq AS seq FROM ${table} t
    WHERE t.seq > ? AND t.seq <= ? AND (${connections.map(() => isBehind).join(" OR ")})`;
  const found: number[] = [];
  for (let after = 0; after < last && found.length <= candidatesAtMost; after += rowsPerLook) {
    const params = [after, after + rowsPerLook, ...connections.flatMap((connection) => [connection, kind])];
    found.push(...(await driver.read.all(text, params)).map(({ seq }) => Number(seq)));
    await breathe();
  }
  return found.length <= candidatesAtMost ? found : null;
}

/** Within CASE, so that the database looks at people first, and at links by their key. */
function standsSo(filter: StandingFilter, kind: EntityKind, connection: string): Condition {
  switch (filter.by) {
    case "state":
      return { text: `${stateSql(kind)} = ?`, params: [connection, filter.state] };
    case "note":
      return { text: "CASE WHEN l.note = ? THEN 1 ELSE 0 END = 1", params: [filter.note] };
    case "seen":
      return { text: "CASE WHEN l.seen_state = ? THEN 1 ELSE 0 END = 1", params: [filter.seen] };
    default:
      return unreachable(filter);
  }
}

/** A subselect of the ids that can be meant, from an index; null where only looking at everybody tells. */
function candidatesOf(filter: StandingFilter, kind: EntityKind, connection: string): Condition | null {
  if (filter.by === "note")
    return { text: "SELECT entity_id FROM links WHERE connection = ? AND note = ?", params: [connection, filter.note] };
  if (filter.by === "seen")
    return {
      text: "SELECT entity_id FROM links WHERE connection = ? AND seen_state = ?",
      params: [connection, filter.seen],
    };
  switch (filter.state) {
    case "held":
      return {
        text: "SELECT entity_id FROM held WHERE connection = ? AND approved_ms IS NULL",
        params: [connection],
      };
    case "failed":
      return {
        text: "SELECT entity_id FROM links WHERE connection = ? AND kind = ? AND error_code IS NOT NULL",
        params: [connection, kind],
      };
    case "missing":
      return {
        text: "SELECT entity_id FROM links WHERE connection = ? AND note = 'not-in-target'",
        params: [connection],
      };
    case "pending":
    case "inSync":
      return null;
    default:
      return unreachable(filter.state);
  }
}

async function isFew(driver: Driver, { text, params }: Condition): Promise<boolean> {
  const row = await driver.read.get(`SELECT count(*) AS n FROM (${text} LIMIT ?) AS few`, [
    ...params,
    candidatesAtMost + 1,
  ]);
  return Number(row?.["n"]) <= candidatesAtMost;
}
