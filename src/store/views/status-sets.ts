import type { EntityKind } from "../../domain/model/entities.ts";
import { unreachable } from "../../domain/model/plan.ts";
import type { SyncStatusFilter } from "../../domain/ports/console-store.ts";
import type { TargetCounts } from "../../domain/ports/sync-store.ts";
import { breathe } from "../database/batches.ts";
import type { Condition } from "../database/conditions.ts";
import type { Driver } from "../database/driver.ts";
import { rowsPerLook, type Scans } from "./status-scans.ts";
import { stateSql, tableOf } from "./sync-status.ts";

/** So many candidates, and looking at everybody in turn is the cheaper way. */
const candidatesAtMost = 2000;
/** Answers kept. */
const keptAtMost = 24;

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
  counts(target: string, kinds: readonly EntityKind[]): Promise<TargetCounts>;
  /** Who stands so with any of these connections. Who is not among `within` may be left out: the caller does so anyway. */
  among(kind: EntityKind, filter: SyncStatusFilter, connections: readonly string[], within: Named): Promise<Among>;
}

/** What the looks at everybody tell: the counts of a target and the lists by state from the same one. */
export function standingSets(driver: Driver, scans: Scans): StandingSets {
  const lists = untilCommit<readonly number[]>(driver);

  const listOf = async (
    kind: EntityKind,
    filter: SyncStatusFilter,
    target: string,
    within: Named,
  ): Promise<readonly number[]> => {
    const candidates = candidatesOf(filter, kind, target);
    if (candidates !== null && (await isFew(driver, candidates)))
      return seqsOf(driver, kind, filter, target, {
        text: `t.id IN (${candidates.text})`,
        params: candidates.params,
      });
    // What was looked at in full for the counts, as on most pages of the console, need not be looked at again.
    const isScanned = filter.by === "state" && filter.state !== "inSync" && (await scans.has(kind, target));
    const named = isScanned ? null : await within();
    if (named !== null) return seqsOfNamed(driver, kind, filter, target, named);
    if (filter.by !== "state")
      return lists.get(JSON.stringify([kind, filter, target]), () => seqsOfAll(driver, kind, filter, target));
    const { exceptions } = await scans.get(kind, target);
    return [...exceptions].filter(([, { state }]) => state === filter.state).map(([seq]) => seq);
  };

  return {
    async counts(target, kinds) {
      const counts = { inSync: 0, pending: 0, failed: 0, held: 0, missing: 0 };
      let oldestPendingMs: number | null = null;
      for (const kind of kinds) {
        const { total, exceptions } = await scans.get(kind, target);
        counts.inSync += total - exceptions.size;
        for (const { state, sinceMs } of exceptions.values()) {
          if (state !== null) counts[state] += 1;
          if (sinceMs !== null) oldestPendingMs = Math.min(oldestPendingMs ?? sinceMs, sinceMs);
        }
      }
      return { ...counts, oldestPendingMs };
    },

    async among(kind, filter, connections, within) {
      if (connections.length === 0) return { text: "1 = 0", params: [], isFew: true };
      const isInSync = filter.by === "state" && filter.state === "inSync";
      if (isInSync && (await within()) === null) {
        const [first, ...others] = await Promise.all(connections.map((target) => scans.get(kind, target)));
        const isNowhere = (seq: number): boolean => others.every(({ exceptions }) => exceptions.has(seq));
        const nowhere = [...(first?.exceptions.keys() ?? [])].filter(isNowhere);
        return {
          text: `t.seq <= ? AND ${driver.dialect.isNotIn("t.seq", "number")}`,
          params: [first?.lastSeq ?? 0, JSON.stringify(nowhere)],
          isFew: false,
        };
      }
      // At the same time: what one reads of a part, the next finds in memory.
      const found = await Promise.all(connections.map((target) => listOf(kind, filter, target, within)));
      const seqs = [...new Set(found.flat())];
      return {
        text: driver.dialect.isIn("t.seq", "number"),
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

/** Those of `where` who stand so with the target. */
async function seqsOf(
  driver: Driver,
  kind: EntityKind,
  filter: SyncStatusFilter,
  target: string,
  where: Condition,
): Promise<readonly number[]> {
  const stands = standsSo(filter, kind, target);
  const rows = await driver.read.all(
    `SELECT t.seq AS seq FROM ${tableOf[kind]} t LEFT JOIN links l ON l.target = ? AND l.kind = ? AND l.entity_id = t.id
     WHERE ${where.text} AND ${stands.text}`,
    [target, kind, ...where.params, ...stands.params],
  );
  return rows.map(({ seq }) => Number(seq));
}

async function seqsOfAll(
  driver: Driver,
  kind: EntityKind,
  filter: SyncStatusFilter,
  target: string,
): Promise<readonly number[]> {
  const last = Number((await driver.read.get(`SELECT max(seq) AS seq FROM ${tableOf[kind]}`))?.["seq"] ?? 0);
  const found: number[] = [];
  for (let after = 0; after < last; after += rowsPerLook) {
    const part = { text: "t.seq > ? AND t.seq <= ?", params: [after, after + rowsPerLook] };
    found.push(...(await seqsOf(driver, kind, filter, target, part)));
    await breathe();
  }
  return found;
}

async function seqsOfNamed(
  driver: Driver,
  kind: EntityKind,
  filter: SyncStatusFilter,
  target: string,
  named: readonly number[],
): Promise<readonly number[]> {
  const found: number[] = [];
  for (let start = 0; start < named.length; start += candidatesAtMost) {
    const part = JSON.stringify(named.slice(start, start + candidatesAtMost));
    const where = { text: driver.dialect.isIn("t.seq", "number"), params: [part] };
    found.push(...(await seqsOf(driver, kind, filter, target, where)));
    await breathe();
  }
  return found;
}

/** Within CASE, so that the database looks at people first, and at links by their key. */
function standsSo(filter: SyncStatusFilter, kind: EntityKind, target: string): Condition {
  switch (filter.by) {
    case "state":
      return { text: `${stateSql(kind)} = ?`, params: [target, filter.state] };
    case "note":
      return { text: "CASE WHEN l.note = ? THEN 1 ELSE 0 END = 1", params: [filter.note] };
    case "seen":
      return { text: "CASE WHEN l.seen_state = ? THEN 1 ELSE 0 END = 1", params: [filter.seen] };
    default:
      return unreachable(filter);
  }
}

/** A subselect of the ids that can be meant, from an index; null where only looking at everybody tells. */
function candidatesOf(filter: SyncStatusFilter, kind: EntityKind, target: string): Condition | null {
  if (filter.by === "note")
    return { text: "SELECT entity_id FROM links WHERE target = ? AND note = ?", params: [target, filter.note] };
  if (filter.by === "seen")
    return {
      text: "SELECT entity_id FROM links WHERE target = ? AND seen_state = ?",
      params: [target, filter.seen],
    };
  switch (filter.state) {
    case "held":
      return {
        text: "SELECT entity_id FROM held WHERE target = ? AND approved_ms IS NULL",
        params: [target],
      };
    case "failed":
      return {
        text: "SELECT entity_id FROM links WHERE target = ? AND kind = ? AND error_code IS NOT NULL",
        params: [target, kind],
      };
    case "missing":
      return {
        text: "SELECT entity_id FROM links WHERE target = ? AND note = 'not-in-target'",
        params: [target],
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
