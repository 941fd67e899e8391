import type { HourTally } from "../../domain/ports/console-store.ts";
import type { RunRecord } from "../../domain/ports/sync-store.ts";
import type { Driver, Sql } from "../database/driver.ts";

const hour = 3_600_000;
/** Older hours are dropped. */
const keptMs = 14 * 24 * hour;

/**
 * Counts what a run did, by hour: written with it, so that nobody has to read the audit trail for a chart. Latencies
 * are counted by size, each size a square root of two wider than the one before: percentiles follow to within 41 %.
 */
export async function countUp(sql: Sql, target: string, record: RunRecord, nowMs: number): Promise<void> {
  const counts = new Map<string, number>();
  const add = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  for (const { detail } of record.audit ?? []) if (typeof detail["outcome"] === "string") add(detail["outcome"]);
  for (const { entityId, sinceRev } of record.delivered ?? []) {
    const row = await sql.get("SELECT min(at_ms) AS at FROM audit WHERE entity_id = ? AND target IS NULL AND rev > ?", [
      entityId,
      sinceRev,
    ]);
    if (typeof row?.["at"] === "number") add(`size:${sizeOf(nowMs - row["at"])}`);
  }
  if (counts.size === 0) return;
  const hourMs = Math.floor(nowMs / hour) * hour;
  for (const [what, n] of counts) {
    await sql.run(
      "INSERT INTO tallies (target, hour_ms, what, n) VALUES (?, ?, ?, ?) ON CONFLICT (target, hour_ms, what) DO UPDATE SET n = tallies.n + excluded.n",
      [target, hourMs, what, n],
    );
  }
  await sql.run("DELETE FROM tallies WHERE target = ? AND hour_ms < ?", [target, hourMs - keptMs]);
}

const sizeOf = (ms: number): number => Math.max(0, Math.ceil(2 * Math.log2(Math.max(1, ms))));
const upTo = (size: number): number => Math.round(2 ** (size / 2));

/** See `ConsoleStore.hourly`. */
export async function hourly(
  driver: Driver,
  connections: readonly string[],
  sinceMs: number,
): Promise<readonly HourTally[]> {
  const rows = await driver.read.all(
    `SELECT target, hour_ms, what, n FROM tallies WHERE ${driver.dialect.isIn("target")} AND hour_ms >= ? ORDER BY hour_ms, target`,
    [JSON.stringify(connections), sinceMs],
  );
  const hours = Map.groupBy(rows, (row) => `${row["hour_ms"]} ${row["target"]}`);
  return [...hours.values()].map((ofHour) => {
    const counts = new Map(ofHour.map((row) => [String(row["what"]), Number(row["n"])]));
    const sizes = [...counts]
      .filter(([what]) => what.startsWith("size:"))
      .map(([what, n]) => ({ size: Number(what.slice("size:".length)), n }))
      .sort((a, b) => a.size - b.size);
    const delivered = sizes.reduce((sum, { n }) => sum + n, 0);
    return {
      target: String(ofHour[0]?.["target"]),
      hourMs: Number(ofHour[0]?.["hour_ms"]),
      applied: counts.get("applied") ?? 0,
      unconfirmed: counts.get("unconfirmed") ?? 0,
      failed: counts.get("failed") ?? 0,
      delivered,
      medianMs: quantile(sizes, delivered * 0.5),
      p95Ms: quantile(sizes, delivered * 0.95),
    };
  });
}

/** The size within which `rank` of the values lie. */
function quantile(sizes: readonly { readonly size: number; readonly n: number }[], rank: number): number | null {
  let seen = 0;
  for (const { size, n } of sizes) {
    seen += n;
    if (seen >= rank) return upTo(size);
  }
  return null;
}
