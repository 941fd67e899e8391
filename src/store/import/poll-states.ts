import type { EntityKind } from "../../domain/model/entities.ts";
import type { ImportStore, PollFinding, PollRecord, PollState } from "../../domain/ports/import-store.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { all, count, first, integer, json, optional, type Shape, text } from "../database/table.ts";

const maxExamples = 50;

const stateShape: Shape<Omit<PollState, "users" | "groups">> = {
  cursor: optional(text),
  lastSuccessAtMs: optional(integer),
  lastFullAtMs: optional(integer),
  failingSinceMs: optional(integer),
  errorCode: optional(text),
  errorMessage: optional(text),
  unconfirmedMissing: integer,
};

/** The state of each polled source: see `ImportStore`. */
export const pollStates = ({
  read,
  transaction,
}: Driver): Pick<ImportStore, "pollState" | "originOf" | "findings" | "recordPoll"> => ({
  async pollState(source) {
    const state = await first(read, stateShape, "SELECT * FROM poll_states WHERE source = ?", [source]);
    const entries = (kind: EntityKind) =>
      count(read, "FROM directory_entries WHERE source = ? AND kind = ?", [source, kind]);
    return {
      cursor: null,
      lastSuccessAtMs: null,
      lastFullAtMs: null,
      failingSinceMs: null,
      errorCode: null,
      errorMessage: null,
      unconfirmedMissing: 0,
      ...state,
      users: await entries("user"),
      groups: await entries("group"),
    };
  },

  async originOf(source) {
    const user = await first(
      read,
      { entries: integer },
      `SELECT (SELECT count(*) FROM directory_entries e WHERE e.source = u.source AND e.kind = 'user' AND e.source_key = u.source_key) AS entries
       FROM users u WHERE u.source = ? AND u.absent_since_ms IS NULL LIMIT 1`,
      [source],
    );
    if (user === undefined) return null;
    return user.entries > 0 ? "polled" : "written";
  },

  async findings(source) {
    const state = await first(
      read,
      { findings: json<readonly PollFinding[]>() },
      "SELECT findings FROM poll_states WHERE source = ?",
      [source],
    );
    return state === undefined ? [] : [...state.findings, ...(await findingsInRows(read, source))];
  },

  recordPoll: (source, record) => transaction((sql) => writeRecord(sql, source, record)),
});

/** Makes sure that the source has a row. */
export const ensureState = (sql: Sql, source: string): Promise<number> =>
  sql.run(
    "INSERT INTO poll_states (source, unconfirmed_missing, findings) VALUES (?, 0, '[]') ON CONFLICT (source) DO NOTHING",
    [source],
  );

/** Findings that follow from the users, at any time. */
async function findingsInRows(sql: Sql, source: string): Promise<readonly PollFinding[]> {
  const find = async (kind: PollFinding["kind"], where: string, name: string): Promise<readonly PollFinding[]> => {
    const from = `FROM users u WHERE u.source = ? AND u.absent_since_ms IS NULL AND ${where}`;
    const n = await count(sql, from, [source]);
    if (n === 0) return [];
    const examples = `SELECT ${name} AS name ${from} ORDER BY 1 LIMIT ${maxExamples}`;
    const users = await all(sql, { name: text }, examples, [source]);
    return [{ kind, count: n, examples: users.map((user) => user.name) }];
  };
  const isShared =
    "EXISTS (SELECT 1 FROM users o WHERE o.email = u.email AND o.source = u.source AND o.seq <> u.seq AND o.absent_since_ms IS NULL)";
  return [
    ...(await find("without-email", "u.email IS NULL", "u.user_name")),
    ...(await find("duplicate-email", isShared, "u.email || ' (' || u.user_name || ')'")),
  ];
}

async function writeRecord(sql: Sql, source: string, record: PollRecord): Promise<void> {
  await ensureState(sql, source);
  if (!record.ok) {
    await sql.run(
      "UPDATE poll_states SET failing_since_ms = coalesce(failing_since_ms, ?), error_code = ?, error_message = ? WHERE source = ?",
      [record.atMs, record.errorCode, record.errorMessage, source],
    );
    return;
  }
  await sql.run(
    "UPDATE poll_states SET last_success_at_ms = ?, failing_since_ms = NULL, error_code = NULL, error_message = NULL WHERE source = ?",
    [record.atMs, source],
  );
  if (record.isFull)
    await sql.run("UPDATE poll_states SET last_full_at_ms = ? WHERE source = ?", [record.atMs, source]);
  if (record.findings !== null)
    await sql.run("UPDATE poll_states SET findings = ? WHERE source = ?", [JSON.stringify(record.findings), source]);
}
