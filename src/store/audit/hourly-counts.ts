import type { HourlyCounts } from "../../domain/ports/console-store.ts";
import type { RunRecord } from "../../domain/ports/sync-store.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { all, first, integer, optional, text } from "../database/table.ts";

const hourMs = 3_600_000;
/** Older hours are deleted. */
const keptMs = 14 * 24 * hourMs;

/**
 * Counts what a run did, by hour, so that a chart need not read the audit trail. Delivery times are counted in classes.
 * Each class is the square root of two wider than the one before: percentiles are exact to within 41 %.
 */
export async function countUp(sql: Sql, target: string, record: RunRecord, nowMs: number): Promise<void> {
  const counts = new Map<string, number>();
  const add = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const { detail } of record.audit ?? []) if (typeof detail["outcome"] === "string") add(detail["outcome"]);
  for (const { entityId, sinceRev } of record.delivered ?? []) {
    const change = await first(
      sql,
      { atMs: optional(integer) },
      "SELECT min(at_ms) AS at_ms FROM audit WHERE entity_id = ? AND target IS NULL AND rev > ?",
      [entityId, sinceRev],
    );
    if (typeof change?.atMs === "number") add(`size:${classOf(nowMs - change.atMs)}`);
  }
  if (counts.size === 0) return;
  const hour = Math.floor(nowMs / hourMs) * hourMs;
  for (const [name, n] of counts) {
    await sql.run(
      "INSERT INTO hourly_counts (target, hour_ms, name, n) VALUES (?, ?, ?, ?) ON CONFLICT (target, hour_ms, name) DO UPDATE SET n = hourly_counts.n + excluded.n",
      [target, hour, name, n],
    );
  }
  await sql.run("DELETE FROM hourly_counts WHERE target = ? AND hour_ms < ?", [target, hour - keptMs]);
}

const classOf = (ms: number): number => Math.max(0, Math.ceil(2 * Math.log2(Math.max(1, ms))));
const maxOfClass = (number: number): number => Math.round(2 ** (number / 2));

/** See `ConsoleStore.hourly`. */
export async function hourly(
  { read, dialect }: Driver,
  targets: readonly string[],
  sinceMs: number,
): Promise<readonly HourlyCounts[]> {
  const rows = await all(
    read,
    { target: text, hourMs: integer, name: text, n: integer },
    `SELECT target, hour_ms, name, n FROM hourly_counts WHERE ${dialect.isIn("target")} AND hour_ms >= ? ORDER BY hour_ms, target`,
    [JSON.stringify(targets), sinceMs],
  );
  const hours = Map.groupBy(rows, ({ hourMs, target }) => `${hourMs} ${target}`);
  return [...hours.values()].flatMap((ofHour) => {
    const [row] = ofHour;
    if (row === undefined) return [];
    const counts = new Map(ofHour.map(({ name, n }) => [name, n]));
    const classes = ofHour
      .filter(({ name }) => name.startsWith("size:"))
      .map(({ name, n }) => ({ number: Number(name.slice("size:".length)), n }))
      .sort((a, b) => a.number - b.number);
    const delivered = classes.reduce((sum, { n }) => sum + n, 0);
    const within = (rank: number): number | null => {
      let seen = 0;
      for (const { number, n } of classes) {
        seen += n;
        if (seen >= rank) return maxOfClass(number);
      }
      return null;
    };
    return {
      target: row.target,
      hourMs: row.hourMs,
      applied: counts.get("applied") ?? 0,
      unconfirmed: counts.get("unconfirmed") ?? 0,
      failed: counts.get("failed") ?? 0,
      delivered,
      medianMs: within(delivered * 0.5),
      p95Ms: within(delivered * 0.95),
    };
  });
}
