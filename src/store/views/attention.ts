import type { EntityKind } from "../../domain/model/entities.ts";
import type { HeldReason } from "../../domain/model/plan.ts";
import {
  type Attention,
  type AttentionItem,
  type AttentionKind,
  invitationLifeMs,
} from "../../domain/ports/console-store.ts";
import type { Condition } from "../database/conditions.ts";
import type { Dialect, Driver, SqlValue } from "../database/driver.ts";

/** How many of each kind are named. */
const namedAtMost = 5;
const dayMs = 24 * 3_600_000;
/** From then on somebody should look, whatever the error: the first tries take half a minute together. */
const attemptsAtMost = 5;

/** What asks for a person: see `ConsoleStore`. Each kind has an index that leads to it. */
export async function attention(
  driver: Driver,
  connections: readonly string[],
  nowMs: number,
): Promise<readonly Attention[]> {
  const found: Attention[] = [];
  for (const target of connections) {
    for (const [kind, question] of questions(driver.dialect, target, nowMs)) {
      const each = await ask(driver, target, kind, question);
      if (each !== null) found.push(each);
    }
  }
  return found;
}

interface Question extends Condition {
  /** The rows, as `r`. */
  readonly from: string;
  readonly since: string;
  readonly error: string;
}

function questions(
  { through }: Dialect,
  target: string,
  nowMs: number,
): readonly (readonly [AttentionKind, Question])[] {
  const held = (reason: HeldReason): Question => ({
    from: "held r",
    text: "r.target = ? AND r.approved_ms IS NULL AND r.dismissed_ms IS NULL AND r.reason = ?",
    params: [target, reason],
    since: "r.since_ms",
    error: "NULL",
  });
  const links = (index: string, text: string, params: readonly SqlValue[], since = "r.seen_since_ms"): Question => ({
    from: `links r ${through(index)}`,
    text: `r.target = ? AND ${text}`,
    params: [target, ...params],
    since,
    error: "r.error_message",
  });
  return [
    ["held", held("budget")],
    ["scope", held("scope")],
    ["restored", held("restored")],
    ["returning", held("returning")],
    ["handed-on", held("handed-on")],
    ["seats", held("seats")],
    [
      "failing",
      links(
        "links_failed",
        "r.kind IN ('user', 'group') AND r.error_code IS NOT NULL AND (r.error_code = 'TARGET_REFUSED' OR r.attempts >= ?)",
        [attemptsAtMost],
        "r.last_success_ms",
      ),
    ],
    ["accepted", links("links_seen", "r.seen_state = 'accepted'", [])],
    ["missing", links("links_noted", "r.note = 'not-in-target'", [])],
    [
      "invitation",
      links("links_seen", "r.seen_state = 'invited' AND r.seen_since_ms <= ?", [nowMs - invitationLifeMs + dayMs]),
    ],
  ];
}

async function ask(
  driver: Driver,
  target: string,
  kind: AttentionKind,
  { from, text, params, since, error }: Question,
): Promise<Attention | null> {
  const counted = await driver.read.get(
    `SELECT count(DISTINCT r.entity_id) AS n, min(${since}) AS since FROM ${from} WHERE ${text}`,
    params,
  );
  const count = Number(counted?.["n"] ?? 0);
  if (count === 0) return null;
  const rows = await driver.read.all(
    `SELECT f.kind, f.entity_id, f.since, f.error, coalesce(u.display_name, g.display_name, f.entity_id) AS name FROM
       (SELECT r.kind, r.entity_id, min(${since}) AS since, min(${error}) AS error FROM ${from} WHERE ${text}
        GROUP BY r.kind, r.entity_id ORDER BY min(${since}) IS NULL, min(${since}), r.entity_id LIMIT ?) AS f
     LEFT JOIN users u ON f.kind = 'user' AND u.id = f.entity_id LEFT JOIN groups g ON f.kind = 'group' AND g.id = f.entity_id
     ORDER BY f.since IS NULL, f.since, f.entity_id`,
    [...params, namedAtMost],
  );
  const first = rows.map(
    (row): AttentionItem => ({
      kind: row["kind"] as EntityKind,
      entityId: String(row["entity_id"]),
      name: String(row["name"]),
      sinceMs: row["since"] as number | null,
      error: row["error"] as string | null,
    }),
  );
  return { target, kind, count, sinceMs: counted?.["since"] as number | null, first };
}
