import { DatabaseSync } from "node:sqlite";
import { newId } from "../../src/store/database/ids.ts";
import { Random } from "../../test/support/random.ts";

/** How much of each. */
export interface LargeDirectory {
  readonly people: number;
  readonly groups: number;
  readonly membersPerGroup: number;
  readonly auditRows: number;
  readonly connections: readonly string[];
  readonly nowMs: number;
}

const given = ["Ada", "Bo", "Chinwe", "Dana", "Emre", "Fatima", "Grace", "Hiro", "Ines", "Jonas", "Kira", "Liang"];
const family = ["Abara", "Berg", "Costa", "Dietrich", "Eklund", "Farouk", "Gupta", "Haas", "Ito", "Jansen", "Kowalski"];

/** Fills the tables of an existing, closed database as years of use would: rows lie in the order in which they came. */
export function fillLarge(path: string, options: LargeDirectory): void {
  const db = new DatabaseSync(path);
  const random = new Random(7);
  const { people, groups, membersPerGroup, auditRows, connections, nowMs } = options;
  db.exec("PRAGMA synchronous=OFF; BEGIN");
  const ids: string[] = [];
  const user = db.prepare(
    `INSERT INTO users (id, source, source_key, user_name, user_name_key, external_id, email, display_name, display_name_key,
       is_active, rev, created_ms, modified_ms, absent_since_ms, resource) VALUES (?, 'okta', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const address = db.prepare("INSERT INTO user_emails (email, user_seq) VALUES (?, ?)");
  for (let n = 0; n < people; n += 1) {
    const createdMs = nowMs - (people - n) * 600_000;
    const id = newId(createdMs);
    ids.push(id);
    const first = random.pick(given) ?? "";
    const last = random.pick(family) ?? "";
    const email = `${first}.${last}.${n}@example.com`.toLowerCase();
    const name = `${first} ${last} ${n}`;
    const isGone = n % 50 === 49;
    const resource = {
      userName: email,
      name: { givenName: first, familyName: last, formatted: name },
      displayName: name,
      active: n % 25 !== 0,
      emails: [{ value: email, type: "work", primary: true }],
      title: "Engineer of things",
      "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
        employeeNumber: String(n),
        department: "Department of departments",
        costCenter: "4130",
        organization: "Example",
        manager: { value: ids[0], displayName: "A manager" },
      },
      phoneNumbers: [{ value: "+49 30 1234567", type: "work" }],
    };
    user.run(
      id,
      id,
      email,
      email,
      `ext-${n}`,
      email,
      name,
      name.toLowerCase(),
      n % 25 === 0 ? 0 : 1,
      3,
      createdMs,
      createdMs,
      isGone ? nowMs - 1000 : null,
      isGone ? "{}" : JSON.stringify(resource),
    );
    if (!isGone) address.run(email, n + 1);
  }
  const group = db.prepare(
    `INSERT INTO groups (id, source, source_key, display_name, display_name_key, external_id, rev, definition_rev, created_ms,
       modified_ms, absent_since_ms, resource) VALUES (?, 'okta', ?, ?, ?, null, 1, 1, ?, ?, null, ?)`,
  );
  const membership = db.prepare("INSERT OR IGNORE INTO memberships (group_seq, user_seq) VALUES (?, ?)");
  const groupIds: string[] = [];
  for (let n = 0; n < groups; n += 1) {
    const id = newId(nowMs - (groups - n) * 60_000);
    groupIds.push(id);
    group.run(id, id, `Team ${n}`, `team ${n}`, nowMs, nowMs, JSON.stringify({ displayName: `Team ${n}` }));
    // The first group holds everybody.
    const size = n === 0 ? people : membersPerGroup;
    for (let each = 0; each < size; each += 1) {
      const seq = n === 0 ? each + 1 : random.below(people) + 1;
      if (seq % 50 !== 0) membership.run(n + 1, seq);
    }
  }
  fillLinks(db, connections, ids, groupIds, nowMs);
  fillAudit(db, auditRows, ids, connections, nowMs);
  db.exec("COMMIT");
  db.close();
}

function fillLinks(
  db: DatabaseSync,
  connections: readonly string[],
  ids: readonly string[],
  groupIds: readonly string[],
  nowMs: number,
): void {
  const link = db.prepare(
    `INSERT INTO links (target, kind, entity_id, remote_id, ownership, applied_rev, has_access, is_suspended_by_us, note,
       attempts, attempted_rev, retry_at_ms, error_code, error_message, last_success_ms, seen_state, seen_since_ms)
     VALUES (?, ?, ?, ?, 'created', ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const held = db.prepare(
    `INSERT INTO held (target, key, kind, entity_id, reason, change, since_ms, approved_ms) VALUES (?, ?, 'user', ?, 'budget', '{"op":"suspend"}', ?, null)`,
  );
  for (const connection of connections) {
    for (const [n, id] of ids.entries()) {
      link.run(...linkRow(connection, n, id, nowMs));
      if (n % 2003 === 11) held.run(connection, `access:${id}`, id, nowMs - 5000);
    }
    for (const [n, id] of groupIds.entries())
      link.run(connection, "group", id, `group-${n}`, 1, 0, null, 0, 1, null, null, null, nowMs - 1000, null, null);
  }
}

/** A few in every state, the most in sync. */
function linkRow(connection: string, n: number, id: string, nowMs: number) {
  const isMissing = n % 203 === 7;
  const seen = seenStates.find(({ every, at }) => n % every === at)?.state ?? "active";
  const failure =
    n % 997 === 5
      ? { attempts: 7, retryMs: nowMs + 60_000, code: "TARGET_REFUSED", message: `${connection}: cannot be invited` }
      : { attempts: 0, retryMs: null, code: null, message: null };
  return [
    connection,
    "user",
    id,
    isMissing ? null : `remote-${n}`,
    n % 501 === 6 ? 2 : 3,
    seen === "suspended" ? 0 : 1,
    isMissing ? "not-in-target" : null,
    failure.attempts,
    3,
    failure.retryMs,
    failure.code,
    failure.message,
    nowMs - 1000,
    isMissing ? "absent" : seen,
    nowMs - n * 10_000,
  ] as const;
}

const seenStates = [
  { every: 25, at: 0, state: "suspended" },
  { every: 101, at: 8, state: "invited" },
  { every: 103, at: 9, state: "accepted" },
] as const;

function fillAudit(
  db: DatabaseSync,
  rows: number,
  ids: readonly string[],
  connections: readonly string[],
  nowMs: number,
): void {
  const audit = db.prepare(
    "INSERT INTO audit (at_ms, actor, request_id, action, kind, entity_id, name, target, rev, detail) VALUES (?, ?, ?, ?, 'user', ?, ?, ?, ?, ?)",
  );
  for (let n = 0; n < rows; n += 1) {
    const id = ids[n % ids.length] ?? "";
    const atMs = nowMs - (rows - n) * 200;
    const isCall = n % 2 === 1;
    const outcome =
      n % 1001 === 1 ? '{"outcome":"failed","code":"TARGET_REFUSED","error":"no"}' : '{"outcome":"applied"}';
    const detail = isCall
      ? outcome
      : '{"active":{"from":true,"to":false},"title":{"from":"Engineer","to":"Engineer II"}}';
    audit.run(
      atMs,
      isCall ? "reconcile" : "scim:okta (token 1a2b3c4d)",
      isCall ? null : `request-${n}`,
      isCall ? "suspend" : "user.update",
      id,
      `person${n % ids.length}@example.com`,
      isCall ? (connections[n % connections.length === 0 ? 0 : n % connections.length] ?? null) : null,
      3,
      detail,
    );
  }
}
