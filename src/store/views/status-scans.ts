import type { EntityKind, EntityRef } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type { SyncState } from "../../domain/ports/console-store.ts";
import { breathe } from "../database/batches.ts";
import type { Driver } from "../database/driver.ts";
import { revOf, stateSql, tableOf } from "./sync-status.ts";

/** Rows looked at in one statement where each one's link is looked up: some milliseconds. */
export const rowsPerLook = 4000;
/** So many to look at again, and looking at everybody is the simpler way and not much dearer. */
const againAtMost = 2000;
/** Each kind of entity in a handful of targets. */
const keptAtMost = 24;

/** One that is not in sync. */
export interface Exception {
  /** Null where there is nothing to say: gone, and so in the target. */
  readonly state: SyncState | null;
  /** Of what is pending: since when. */
  readonly sinceMs: number | null;
}

/** How all entities of a kind stand with a target. Most are in sync, and only the others are named. */
export interface Scan {
  /** The last row that was looked at, and how many there are up to there. */
  readonly lastSeq: number;
  readonly total: number;
  /** By seq. */
  readonly exceptions: ReadonlyMap<number, Exception>;
}

/** Looks at everybody, remembered. */
export interface Scans {
  /** As everything stands that was committed before the call. */
  get(kind: EntityKind, target: string): Promise<Scan>;
  /** To ask for it costs no look at everybody. */
  has(kind: EntityKind, target: string): Promise<boolean>;
  /** After a commit of this process: whose state may be another now. Null: anybody's. */
  stirred(refs: readonly EntityRef[] | null): void;
}

interface Kept {
  /** The commits it follows. */
  readonly generation: string;
  /** Ids told of since it was asked for. Null: too many. */
  stirred: Set<string> | null;
  readonly scan: Promise<Scan>;
}

/**
 * Everybody is looked at once. From then on only whom this process has changed since, those who are held now or were,
 * and who is new; a commit of another process says nothing of whom it changed, and everybody is looked at again.
 */
export function standingScans(driver: Pick<Driver, "dialect" | "read" | "generation" | "foreignGeneration">): Scans {
  const known = new Map<string, Kept>();
  let foreign: string | null = null;
  const keyOf = (kind: EntityKind, target: string): string => JSON.stringify([kind, target]);
  const forgetForeign = async (): Promise<void> => {
    const now = await driver.foreignGeneration();
    if (now !== foreign) known.clear();
    foreign = now;
  };
  return {
    async has(kind, target) {
      await forgetForeign();
      return known.get(keyOf(kind, target))?.stirred != null;
    },

    async get(kind, target) {
      await forgetForeign();
      const key = keyOf(kind, target);
      const generation = await driver.generation();
      const before = known.get(key);
      if (before?.stirred?.size === 0 && before.generation === generation) return before.scan;
      if (before === undefined && known.size >= keptAtMost) known.clear();
      const scan =
        before?.stirred == null
          ? scanAll(driver, kind, target)
          : lookAgain(driver, kind, target, before.scan, before.stirred);
      const kept: Kept = { generation, stirred: new Set(), scan };
      known.set(key, kept);
      // A failure is told to those who wait for it, and to nobody after them.
      scan.catch(() => {
        if (known.get(key) === kept) known.delete(key);
      });
      return scan;
    },

    stirred(refs) {
      for (const kept of known.values()) {
        for (const { id } of refs ?? []) kept.stirred?.add(id);
        if (refs === null || (kept.stirred?.size ?? 0) > againAtMost) kept.stirred = null;
      }
    },
  };
}

/** A driver whose commits are told to `stirred`: those that do not say whom they touched may have touched anybody. */
export const telling = (driver: Driver, stirred: Scans["stirred"]): Driver => ({
  ...driver,
  async transaction(work, options) {
    try {
      const result = await driver.transaction(work, options);
      if (options?.touched === undefined) stirred(null);
      else stirred(typeof options.touched === "function" ? options.touched(result) : options.touched);
      return result;
    } catch (error) {
      // A refusal of our own was rolled back; of anything else it is not known what was written.
      if (!(error instanceof RollcallError) || error.code === "STORE_UNAVAILABLE") stirred(null);
      throw error;
    }
  },
});

type Reading = Pick<Driver, "dialect" | "read">;

const lastSeqOf = async ({ read }: Reading, kind: EntityKind): Promise<number> =>
  Number((await read.get(`SELECT max(seq) AS seq FROM ${tableOf[kind]}`))?.["seq"] ?? 0);

async function scanAll(driver: Reading, kind: EntityKind, target: string): Promise<Scan> {
  const exceptions = new Map<number, Exception>();
  const lastSeq = await lastSeqOf(driver, kind);
  return { lastSeq, total: await scanRange(driver, kind, target, 0, lastSeq, exceptions), exceptions };
}

/** Looks at the rows after one and up to another, a part at a time with other work let in between. @returns how many. */
async function scanRange(
  { read }: Reading,
  kind: EntityKind,
  target: string,
  afterSeq: number,
  lastSeq: number,
  exceptions: Map<number, Exception>,
): Promise<number> {
  if (afterSeq >= lastSeq) return 0;
  // In two steps: who is not plainly in sync is told from columns of the row and the link; only those are asked about in full.
  const text = `${states(kind)} WHERE t.seq > ? AND t.seq <= ? AND (l.entity_id IS NULL OR ${revOf[kind]} > l.applied_rev
       OR l.error_code IS NOT NULL OR l.note IS NOT NULL OR t.absent_since_ms IS NOT NULL
       OR t.id IN (SELECT entity_id FROM held WHERE target = ? AND approved_ms IS NULL))) AS states`;
  for (let after = afterSeq; after < lastSeq; after += rowsPerLook) {
    const upTo = Math.min(lastSeq, after + rowsPerLook);
    const rows = await read.all(text, [target, target, kind, after, upTo, target]);
    for (const row of rows) note(exceptions, row);
    await breathe();
  }
  const counted = await read.get(`SELECT count(*) AS n FROM ${tableOf[kind]} WHERE seq > ? AND seq <= ?`, [
    afterSeq,
    lastSeq,
  ]);
  return Number(counted?.["n"] ?? 0);
}

/** A scan as it is now, where nobody but these changed, and what is held. */
async function lookAgain(
  driver: Reading,
  kind: EntityKind,
  target: string,
  earlier: Promise<Scan>,
  stirred: ReadonlySet<string>,
): Promise<Scan> {
  const { lastSeq: seen, total, exceptions: known } = await earlier;
  const held = await driver.read.all("SELECT entity_id AS id FROM held WHERE target = ? AND approved_ms IS NULL", [
    target,
  ]);
  const ids = [...new Set([...stirred, ...held.map(({ id }) => String(id))])];
  const seqs = [...known].filter(([, { state }]) => state === "held").map(([seq]) => seq);
  if (ids.length + seqs.length > againAtMost) return scanAll(driver, kind, target);
  const exceptions = new Map(known);
  const { isIn } = driver.dialect;
  for (const [where, list] of [
    [isIn("t.id"), ids],
    [isIn("t.seq", "number"), seqs],
  ] as const) {
    if (list.length === 0) continue;
    const text = `${states(kind)} WHERE ${where}) AS states`;
    for (const row of await driver.read.all(text, [target, target, kind, JSON.stringify(list)])) {
      // Who is newer is looked at below.
      if (Number(row["seq"]) <= seen) note(exceptions, row);
    }
  }
  const lastSeq = await lastSeqOf(driver, kind);
  const more = await scanRange(driver, kind, target, seen, lastSeq, exceptions);
  return { lastSeq, total: total + more, exceptions };
}

function note(exceptions: Map<number, Exception>, row: Readonly<Record<string, unknown>>): void {
  const seq = Number(row["seq"]);
  const state = row["state"] as SyncState | null;
  if (state === "inSync") exceptions.delete(seq);
  else exceptions.set(seq, { state, sinceMs: row["since"] === null ? null : Number(row["since"]) });
}

/** The beginning of a question that a condition on `t` and `l` ends; takes the target twice, and the kind. */
const states = (kind: EntityKind): string => `SELECT seq, state, CASE WHEN state = 'pending' THEN
     -- Since when it waits: the first change that the target has not been given. A membership moves no modified_ms.
     coalesce((SELECT min(a.at_ms) FROM audit a WHERE a.entity_id = id AND a.target IS NULL AND a.rev > applied), modified_ms)
   END AS since FROM (
   SELECT t.seq, t.id, t.modified_ms, coalesce(l.applied_rev, 0) AS applied, ${stateSql(kind)} AS state
   FROM ${tableOf[kind]} t LEFT JOIN links l ON l.target = ? AND l.kind = ? AND l.entity_id = t.id`;
