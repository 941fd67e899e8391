import type { HeldReason } from "../../domain/model/plan.ts";
import { type Attention, type AttentionKind, invitationLifeMs } from "../../domain/ports/console-store.ts";
import { type Condition, condition } from "../database/conditions.ts";
import type { Dialect, Driver, SqlValue } from "../database/driver.ts";
import { all, entityKind, first, integer, optional, text } from "../database/table.ts";

/** Maximum number of entities that are named, of each kind. */
const maxNamed = 5;
const dayMs = 24 * 3_600_000;
/** Number of attempts from which on a person sees any error. The first attempts take half a minute together. */
const failingAttempts = 5;

/** Changes, failures and invitations that need a person: see `ConsoleStore`. Each kind has an index. */
export async function attention(
  { read, dialect }: Driver,
  targets: readonly string[],
  nowMs: number,
): Promise<readonly Attention[]> {
  const found: Attention[] = [];
  for (const target of targets) {
    for (const [kind, { from, where, since, error }] of questions(dialect, target, nowMs)) {
      const total = await first(
        read,
        { count: integer, sinceMs: optional(integer) },
        `SELECT count(DISTINCT r.entity_id) AS count, min(${since}) AS since_ms FROM ${from} WHERE ${where.text}`,
        where.params,
      );
      if (total === undefined || total.count === 0) continue;
      const named = await all(
        read,
        { kind: entityKind, entityId: text, name: text, sinceMs: optional(integer), error: optional(text) },
        `SELECT f.kind, f.entity_id, f.since_ms, f.error, coalesce(u.display_name, g.display_name, f.entity_id) AS name FROM
           (SELECT r.kind, r.entity_id, min(${since}) AS since_ms, min(${error}) AS error FROM ${from} WHERE ${where.text}
            GROUP BY r.kind, r.entity_id ORDER BY min(${since}) IS NULL, min(${since}), r.entity_id LIMIT ?) AS f
         LEFT JOIN users u ON f.kind = 'user' AND u.id = f.entity_id LEFT JOIN groups g ON f.kind = 'group' AND g.id = f.entity_id
         ORDER BY f.since_ms IS NULL, f.since_ms, f.entity_id`,
        [...where.params, maxNamed],
      );
      found.push({ target, kind, ...total, first: named });
    }
  }
  return found;
}

interface Question {
  /** The rows, as `r`. */
  readonly from: string;
  readonly where: Condition;
  readonly since: string;
  readonly error: string;
}

function questions(
  { through }: Dialect,
  target: string,
  nowMs: number,
): readonly (readonly [AttentionKind, Question])[] {
  const held = (reason: HeldReason): Question => ({
    from: "held_changes r",
    where: condition(
      "r.target = ? AND r.approved_at_ms IS NULL AND r.dismissed_at_ms IS NULL AND r.reason = ?",
      target,
      reason,
    ),
    since: "r.since_ms",
    error: "NULL",
  });
  const links = (
    index: string,
    text: string,
    params: readonly SqlValue[],
    since = "r.observed_since_ms",
  ): Question => ({
    from: `links r ${through(index)}`,
    where: condition(`r.target = ? AND ${text}`, target, ...params),
    since,
    error: "r.error_message",
  });
  const isFailing =
    "r.kind IN ('user', 'group') AND r.error_code IS NOT NULL AND (r.error_code = 'TARGET_REFUSED' OR r.attempts >= ?)";
  const isExpiring = "r.observed_state = 'invited' AND r.observed_since_ms <= ?";
  return [
    ["held", held("budget")],
    ["scope", held("scope")],
    ["restored", held("restored")],
    ["returning", held("returning")],
    ["handed-on", held("handed-on")],
    ["seats", held("seats")],
    ["failing", links("links_failed", isFailing, [failingAttempts], "r.last_success_at_ms")],
    ["accepted", links("links_observed", "r.observed_state = 'accepted'", [])],
    ["missing", links("links_noted", "r.note = 'not-in-target'", [])],
    ["invitation", links("links_observed", isExpiring, [nowMs - invitationLifeMs + dayMs])],
  ];
}
