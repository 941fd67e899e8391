import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openSqliteStore } from "../../src/store/index.ts";

export const targets = ["bitwarden", "onepassword"] as const;

/** A closed database in a folder of its own. */
export interface LargeDirectory extends Disposable {
  readonly folder: string;
  readonly path: string;
}

const id = (kind: number, n: string): string => `printf('00000000-000${kind}-7000-8000-%012d', ${n})`;
const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/**
 * Makes a database with 50,000 users, 5,000 groups and 500,000 audit rows, in the order in which years of use write them.
 * Group 0 contains everybody, each other group 20 users. A few accounts are in every state, most are in sync.
 */
export async function largeDirectory(nowMs: number): Promise<LargeDirectory> {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-bench-"));
  const path = join(folder, "rollcall.db");
  await (await openSqliteStore(path)).close();
  const db = new DatabaseSync(path);
  /** Runs the SQL with a table `n` of the numbers from 0 to below `count`, in its column `i`. */
  const insert = (into: string, count: number, select: string): unknown =>
    db
      .prepare(
        `INSERT OR IGNORE INTO ${into} WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${count}) ${select}`,
      )
      .run();
  db.exec("PRAGMA synchronous = OFF; BEGIN; CREATE TEMP TABLE given (i, name); CREATE TEMP TABLE family (i, name)");
  const given = ["Ada", "Bo", "Chinwe", "Dana", "Emre", "Fatima", "Grace", "Hiro", "Ines", "Jonas", "Kira", "Liang"];
  const family = [
    "Abara",
    "Berg",
    "Costa",
    "Dietrich",
    "Eklund",
    "Farouk",
    "Gupta",
    "Haas",
    "Ito",
    "Jansen",
    "Kowalski",
  ];
  for (const [n, name] of given.entries()) db.prepare("INSERT INTO given VALUES (?, ?)").run(n, name);
  for (const [n, name] of family.entries()) db.prepare("INSERT INTO family VALUES (?, ?)").run(n, name);

  insert(
    `users (id, source, source_key, user_name, user_name_key, external_id, email, display_name, display_name_key,
      is_active, rev, created_at_ms, modified_at_ms, absent_since_ms, resource)`,
    50_000,
    `, person AS (
      SELECT n.i, ${id(1, "n.i")} AS id, given.name || ' ' || family.name || ' ' || n.i AS name,
        lower(given.name || '.' || family.name || '.' || n.i) || '@example.com' AS email,
        ${nowMs} - (50000 - n.i) * 600000 AS at_ms
      FROM n JOIN given ON given.i = n.i % 12 JOIN family ON family.i = n.i % 11)
    SELECT id, 'okta', id, email, email, 'ext-' || i, email, name, lower(name), i % 25 <> 0, 3, at_ms, at_ms,
      iif(i % 50 = 49, ${nowMs - 1000}, NULL),
      iif(i % 50 = 49, '{}', json_object('userName', email, 'displayName', name, 'active', json(iif(i % 25 <> 0, 'true', 'false')),
        'name', json_object('formatted', name), 'title', 'Engineer',
        'emails', json_array(json_object('value', email, 'type', 'work', 'primary', json('true'))),
        'phoneNumbers', json_array(json_object('value', '+49 30 1234567', 'type', 'work')),
        '${enterprise}', json_object('employeeNumber', CAST(i AS TEXT), 'department', 'Department of departments', 'costCenter', '4130')))
    FROM person ORDER BY i`,
  );
  db.exec(`
    INSERT INTO user_emails (email, user_seq) SELECT email, seq FROM users WHERE absent_since_ms IS NULL;
    INSERT INTO memberships (group_seq, user_seq) SELECT 1, seq FROM users WHERE absent_since_ms IS NULL`);
  insert(
    `groups (id, source, source_key, display_name, display_name_key, rev, definition_rev, created_at_ms, modified_at_ms, resource)`,
    5000,
    `SELECT ${id(2, "i")}, 'okta', ${id(2, "i")}, 'Team ' || i, 'team ' || i, 1, 1, ${nowMs}, ${nowMs},
      json_object('displayName', 'Team ' || i) FROM n`,
  );
  insert(
    "memberships (group_seq, user_seq)",
    100_000,
    `SELECT 2 + i / 20 % 4999, users.seq FROM n JOIN users ON users.seq = 1 + i * 7919 % 50000 WHERE users.absent_since_ms IS NULL`,
  );
  for (const target of targets) {
    insert(
      `links (target, kind, entity_id, remote_id, ownership, applied_rev, has_access, is_suspended_by_us, note, attempts,
        attempted_rev, retry_at_ms, error_code, error_message, last_success_at_ms, observed_state, observed_since_ms)`,
      50_000,
      `SELECT '${target}', 'user', ${id(1, "i")}, iif(i % 203 = 7, NULL, 'remote-' || i), 'created', iif(i % 501 = 6, 2, 3),
        i % 25 <> 0, 0, iif(i % 203 = 7, 'not-in-target', NULL), iif(i % 997 = 5, 7, 0), 3,
        iif(i % 997 = 5, ${nowMs + 60_000}, NULL), iif(i % 997 = 5, 'TARGET_REFUSED', NULL),
        iif(i % 997 = 5, '${target}: cannot be invited', NULL), ${nowMs - 1000},
        CASE WHEN i % 203 = 7 THEN 'absent' WHEN i % 25 = 0 THEN 'suspended' WHEN i % 101 = 8 THEN 'invited'
          WHEN i % 103 = 9 THEN 'accepted' ELSE 'active' END, ${nowMs} - i * 10000 FROM n`,
    );
    db.exec(`
      INSERT INTO links (target, kind, entity_id, remote_id, ownership, applied_rev, has_access, is_suspended_by_us, attempts,
        attempted_rev, last_success_at_ms)
        SELECT '${target}', 'group', id, 'group-' || seq, 'created', 1, 0, 0, 0, 1, ${nowMs - 1000} FROM groups;
      INSERT INTO held_changes (target, key, kind, entity_id, reason, change, since_ms)
        SELECT '${target}', 'access:' || id, 'user', id, 'budget', '{"op":"suspend"}', ${nowMs - 5000} FROM users WHERE seq % 2003 = 12`);
  }
  insert(
    "audit (at_ms, actor, request_id, action, kind, entity_id, name, target, rev, detail)",
    500_000,
    `SELECT ${nowMs} - (500000 - i) * 200, iif(i % 2, 'reconcile', 'scim:okta (token 1a2b3c4d)'), iif(i % 2, NULL, 'request-' || i),
      iif(i % 2, 'suspend', 'user.update'), 'user', ${id(1, "i % 50000")}, 'person-' || i % 50000 || '@example.com',
      CASE i % 4 WHEN 1 THEN '${targets[0]}' WHEN 3 THEN '${targets[1]}' END, 3,
      CASE WHEN i % 2 = 0 THEN '{"active":{"from":true,"to":false},"title":{"from":"Engineer","to":"Engineer II"}}'
        WHEN i % 1001 = 1 THEN '{"outcome":"failed","code":"TARGET_REFUSED","error":"no"}' ELSE '{"outcome":"applied"}' END FROM n`,
  );
  db.exec("COMMIT");
  db.close();
  return { folder, path, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
