import type { Standing, StandingFilter, SyncState } from "../domain/console.ts";
import type { EntityKind } from "../domain/directory.ts";
import { unreachable } from "../domain/plan.ts";
import type { Condition } from "./criteria.ts";
import type { Driver, Row } from "./driver.ts";
import { linkSelection, toLink } from "./slices.ts";

/** What makes an entity of each kind dirty. */
const revOf = { user: "t.rev", group: "t.definition_rev" } as const;

/** The state of entity `t` under link `l`; takes the connection once. The same order as in `SyncState`. */
export const stateSql = (kind: EntityKind, l = "l"): string => `CASE
  WHEN t.absent_since_ms IS NOT NULL AND ${l}.entity_id IS NOT NULL AND ${l}.remote_id IS NULL AND ${revOf[kind]} <= ${l}.applied_rev THEN NULL
  WHEN t.id IN (SELECT entity_id FROM held WHERE connection = ? AND approved_ms IS NULL) THEN 'held'
  WHEN ${l}.error_code IS NOT NULL THEN 'failed'
  WHEN ${l}.entity_id IS NULL OR ${revOf[kind]} > ${l}.applied_rev THEN 'pending'
  WHEN ${l}.note = 'not-in-target' AND ${l}.attempts = 0 THEN 'missing'
  ELSE 'inSync' END`;

/** So many candidates, and looking at everybody in turn is the cheaper way. */
const candidatesAtMost = 2000;

/** Who stands so with any of these connections: joins and a condition, and whether few rows tell. */
export interface StandingCondition {
  readonly joins: Condition;
  readonly where: Condition;
  readonly isQuick: boolean;
}

export async function standingCondition(
  driver: Driver,
  kind: EntityKind,
  filter: StandingFilter,
  connections: readonly string[],
): Promise<StandingCondition> {
  const parts = await Promise.all(
    connections.map((connection, place) => forOne(driver, kind, filter, connection, `l${place}`)),
  );
  return {
    joins: {
      text: connections
        .map((_, place) => {
          const l = `l${place}`;
          return `LEFT JOIN links ${l} ON ${l}.connection = ? AND ${l}.kind = ? AND ${l}.entity_id = t.id`;
        })
        .join(" "),
      params: connections.flatMap((connection) => [connection, kind]),
    },
    where:
      parts.length === 0
        ? { text: "1 = 0", params: [] }
        : { text: `(${parts.map(({ text }) => text).join(" OR ")})`, params: parts.flatMap(({ params }) => params) },
    isQuick: parts.every(({ isQuick }) => isQuick),
  };
}

async function forOne(driver: Driver, kind: EntityKind, filter: StandingFilter, connection: string, l: string) {
  const candidates = candidatesOf(filter, kind, connection);
  const isQuick = candidates !== null && (await isFew(driver, candidates));
  const among: Condition =
    isQuick && candidates !== null
      ? { text: `t.id IN (${candidates.text}) AND `, params: candidates.params }
      : { text: "", params: [] };
  const put = (text: string, params: Condition["params"]) => ({
    text: `(${among.text}${text})`,
    params: [...among.params, ...params],
    isQuick,
  });
  switch (filter.by) {
    case "state": {
      // The same once more, but told from two numbers: most people are not pending.
      const first =
        filter.state === "pending" ? `(${l}.entity_id IS NULL OR ${revOf[kind]} > ${l}.applied_rev) AND ` : "";
      return put(`${first}${stateSql(kind, l)} = ?`, [connection, filter.state]);
    }
    // Within CASE, so that the database looks at people first, and at links by their key.
    case "note":
      return put(`CASE WHEN ${l}.note = ? THEN 1 ELSE 0 END = 1`, [filter.note]);
    case "seen":
      return put(`CASE WHEN ${l}.seen_state = ? THEN 1 ELSE 0 END = 1`, [filter.seen]);
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

/** How these entities stand with each connection, by id; in the order of `connections`. */
export async function standingsOf(
  driver: Driver,
  kind: EntityKind,
  ids: readonly string[],
  connections: readonly string[],
): Promise<ReadonlyMap<string, readonly Standing[]>> {
  const found = new Map<string, Standing[]>(ids.map((id) => [id, []]));
  for (const connection of connections) {
    const rows = await driver.read.all(
      `SELECT t.id, ${stateSql(kind)} AS state, ${linkSelection}, a.at_ms AS asked_ms FROM ${kind === "user" ? "users" : "groups"} t
       LEFT JOIN links l ON l.connection = ? AND l.kind = ? AND l.entity_id = t.id
       LEFT JOIN asks a ON a.connection = ? AND a.user_id = t.id WHERE t.id IN ${driver.dialect.inList}`,
      [connection, connection, kind, connection, JSON.stringify(ids)],
    );
    for (const row of rows) found.get(String(row["id"]))?.push(toStanding(row, connection));
  }
  return found;
}

function toStanding(row: Row, connection: string): Standing {
  const link = toLink(row);
  return {
    connection,
    state: row["state"] as SyncState | null,
    note: link?.note ?? null,
    remoteId: link?.remoteId ?? null,
    ownership: link?.ownership ?? null,
    hasAccess: link?.hasAccess ?? false,
    seenState: link?.seenState ?? null,
    seenSinceMs: link?.seenSinceMs ?? null,
    reinviteAskedAtMs: row["asked_ms"] as number | null,
    attempts: link?.attempts ?? 0,
    retryAtMs: link?.retryAtMs ?? null,
    errorCode: link?.errorCode ?? null,
    errorMessage: link?.errorMessage ?? null,
    lastSuccessAtMs: link?.lastSuccessAtMs ?? null,
  };
}
