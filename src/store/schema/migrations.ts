import { RollcallError } from "../../domain/model/errors.ts";
import { chainExisting, failedOutcome } from "../audit/audit.ts";
import { lossIndex } from "../audit/audit-trail.ts";
import type { Dialect, Driver, Sql } from "../database/driver.ts";
import { alertTables } from "../settings/alerts.ts";
import { credentialTables } from "../settings/credentials.ts";
import { dismissals } from "../sync/held.ts";
import { restoreTables } from "../sync/restores.ts";
import { snapshotTables } from "./import-tables.ts";

/** One step of the schema, in the SQL that both databases share. Never edited once released: add a step. */
interface Migration {
  readonly id: number;
  readonly statements: (dialect: Dialect) => readonly string[];
  /** What SQL alone can't say, after the statements, in their transaction. */
  readonly convert?: (sql: Sql, dialect: Dialect) => Promise<void>;
}

const foundation: Migration = {
  id: 1,
  statements: ({ sequence, clustered }) => [
    `CREATE TABLE users (
      seq ${sequence}, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, source_key TEXT NOT NULL,
      user_name TEXT NOT NULL, user_name_key TEXT, external_id TEXT, email TEXT,
      display_name TEXT NOT NULL, display_name_key TEXT NOT NULL, is_active INTEGER NOT NULL,
      rev BIGINT NOT NULL, created_ms BIGINT NOT NULL, modified_ms BIGINT NOT NULL, absent_since_ms BIGINT,
      resource TEXT NOT NULL)`,
    "CREATE UNIQUE INDEX users_key ON users (source, source_key)",
    "CREATE UNIQUE INDEX users_name ON users (source, user_name_key) WHERE absent_since_ms IS NULL",
    "CREATE INDEX users_external ON users (source, external_id)",
    "CREATE INDEX users_email ON users (email)",
    // People whom a source has, in order of creation: what a list pages through.
    "CREATE INDEX users_present ON users (source, seq) WHERE absent_since_ms IS NULL",
    `CREATE TABLE user_emails (email TEXT NOT NULL, user_seq BIGINT NOT NULL, PRIMARY KEY (email, user_seq)) ${clustered}`,
    "CREATE INDEX user_emails_user ON user_emails (user_seq)",
    `CREATE TABLE groups (
      seq ${sequence}, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, source_key TEXT NOT NULL,
      display_name TEXT NOT NULL, display_name_key TEXT NOT NULL, external_id TEXT,
      rev BIGINT NOT NULL, definition_rev BIGINT NOT NULL, created_ms BIGINT NOT NULL, modified_ms BIGINT NOT NULL,
      absent_since_ms BIGINT, resource TEXT NOT NULL)`,
    "CREATE UNIQUE INDEX groups_key ON groups (source, source_key)",
    "CREATE INDEX groups_name ON groups (source, display_name_key)",
    "CREATE INDEX groups_external ON groups (source, external_id)",
    `CREATE TABLE memberships (group_seq BIGINT NOT NULL, user_seq BIGINT NOT NULL, PRIMARY KEY (group_seq, user_seq)) ${clustered}`,
    "CREATE INDEX memberships_user ON memberships (user_seq, group_seq)",
    `CREATE TABLE links (
      target TEXT NOT NULL, kind TEXT NOT NULL, entity_id TEXT NOT NULL, remote_id TEXT, ownership TEXT,
      applied_rev BIGINT NOT NULL, has_access INTEGER NOT NULL, is_suspended_by_us INTEGER NOT NULL, note TEXT,
      attempts INTEGER NOT NULL, attempted_rev BIGINT NOT NULL, retry_at_ms BIGINT, error_code TEXT, error_message TEXT,
      last_success_ms BIGINT, PRIMARY KEY (target, kind, entity_id)) ${clustered}`,
    "CREATE INDEX links_retry ON links (target, retry_at_ms) WHERE retry_at_ms IS NOT NULL",
    "CREATE INDEX links_entity ON links (entity_id)",
    "CREATE INDEX links_remote ON links (target, remote_id) WHERE remote_id IS NOT NULL",
    `CREATE TABLE charges (target TEXT NOT NULL, user_id TEXT NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (target, user_id)) ${clustered}`,
    `CREATE TABLE held (
      target TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, entity_id TEXT NOT NULL, reason TEXT NOT NULL,
      change TEXT NOT NULL, since_ms BIGINT NOT NULL, approved_ms BIGINT, PRIMARY KEY (target, key)) ${clustered}`,
    `CREATE TABLE audit (
      seq ${sequence}, at_ms BIGINT NOT NULL, actor TEXT NOT NULL, request_id TEXT, action TEXT NOT NULL, kind TEXT,
      entity_id TEXT, name TEXT, target TEXT, rev BIGINT, detail TEXT NOT NULL)`,
    "CREATE INDEX audit_entity ON audit (entity_id, seq)",
    `CREATE TABLE tokens (
      id TEXT PRIMARY KEY, source TEXT NOT NULL, hash TEXT NOT NULL, label TEXT NOT NULL, created_ms BIGINT NOT NULL, revoked_ms BIGINT)`,
    // Written to and emptied again to find out whether writes can be taken.
    "CREATE TABLE write_probe (at_ms BIGINT)",
    `CREATE TABLE connections (
      name TEXT NOT NULL, role TEXT NOT NULL, type TEXT NOT NULL, last_success_ms BIGINT, failing_since_ms BIGINT,
      error_code TEXT, error_message TEXT, PRIMARY KEY (role, name))`,
  ],
};

/** The step from which on the audit trail is chained. */
export const auditChainStep = 3;

/** Each audit row carries the hash of all before it: see `writeAudit`. Beside it what a restore and tokens need to know. */
const auditChain: Migration = {
  id: auditChainStep,
  statements: (dialect) => [
    "ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE tokens ADD COLUMN expires_ms BIGINT",
    "ALTER TABLE tokens ADD COLUMN last_used_ms BIGINT",
    ...restoreTables(dialect),
  ],
  convert: chainExisting,
};

/** What the console and the API read. Nothing here is touched by a SCIM write but `users_shown`. */
const consoleReads: Migration = {
  id: 5,
  statements: ({ clustered, contains }) => [
    "ALTER TABLE links ADD COLUMN seen_state TEXT",
    "ALTER TABLE links ADD COLUMN seen_since_ms BIGINT",
    `CREATE TABLE asks (
      target TEXT NOT NULL, user_id TEXT NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (target, user_id)) ${clustered}`,
    `CREATE TABLE tallies (
      target TEXT NOT NULL, hour_ms BIGINT NOT NULL, what TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (target, hour_ms, what)) ${clustered}`,
    // Without the rev: it moves with every change, memberships included, and each would be written here too.
    // All that finding and sorting people takes: the rows themselves carry the SCIM resource and are ten times as wide.
    "CREATE INDEX users_shown ON users (display_name_key, seq, id, source, is_active, absent_since_ms, user_name_key, email)",
    "CREATE INDEX links_failed ON links (target, kind, entity_id) WHERE error_code IS NOT NULL",
    "CREATE INDEX links_noted ON links (target, note) WHERE note IS NOT NULL",
    "CREATE INDEX links_seen ON links (target, seen_state, seen_since_ms) WHERE seen_state IS NOT NULL",
    // Calls to targets and what is about no entity are few beside what identity providers write.
    "CREATE INDEX audit_calls ON audit (target, seq) WHERE target IS NOT NULL",
    `CREATE INDEX audit_failed ON audit (seq) WHERE ${contains("detail", failedOutcome)}`,
  ],
};

/** In order. A second driver runs the same list. */
export const migrations: readonly Migration[] = [
  foundation,
  { id: 2, statements: snapshotTables },
  auditChain,
  { id: 4, statements: credentialTables },
  consoleReads,
  { id: 6, statements: alertTables },
  { id: 7, statements: () => [...dismissals(), lossIndex] },
  { id: 8, statements: () => ["CREATE TABLE accounts (target TEXT PRIMARY KEY, account TEXT NOT NULL)"] },
  {
    id: 9,
    statements: ({ clustered }) => [
      `CREATE TABLE returns (target TEXT NOT NULL, user_id TEXT NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (target, user_id)) ${clustered}`,
    ],
  },
  { id: 10, statements: () => ["ALTER TABLE connections ADD COLUMN retry_ms BIGINT"] },
];

/** What this release works with. */
export const newestStep = migrations.reduce((newest, { id }) => Math.max(newest, id), 0);

/**
 * Brings the schema up to date, each step in a transaction of its own.
 * @throws `STORE_UNAVAILABLE` when the database was written by a newer Rollcall.
 */
export async function migrate(driver: Driver): Promise<void> {
  const { dialect } = driver;
  const newest = newestStep;
  const present = await presentStep(driver);
  // Commands that only read must not write, not even the same again.
  if (present === newest && (await stepsMade(driver)) === migrations.length) return;
  assertKnown(present);
  await driver.transaction((sql) => sql.run("CREATE TABLE IF NOT EXISTS schema_steps (id INTEGER PRIMARY KEY)"));
  for (const migration of migrations) {
    await driver.transaction(async (sql) => {
      // Looked at inside the transaction: another process may have made the same step meanwhile.
      if ((await sql.get("SELECT id FROM schema_steps WHERE id = ?", [migration.id])) !== undefined) return;
      for (const statement of migration.statements(dialect)) await sql.run(dialect.definition(statement));
      await migration.convert?.(sql, dialect);
      await sql.run("INSERT INTO schema_steps (id) VALUES (?)", [migration.id]);
    });
  }
}

/** @throws `STORE_UNAVAILABLE` for the schema of a newer release */
export function assertKnown(step: number): void {
  if (step > newestStep) {
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      `the database has schema ${step}, this Rollcall knows ${newestStep}: run the newer release, or restore a backup`,
    );
  }
}

/** Fewer than there are, with the newest among them: a build in between lacked one. */
const stepsMade = async ({ read }: Pick<Driver, "read">): Promise<number> =>
  Number((await read.get("SELECT count(*) AS n FROM schema_steps"))?.["n"] ?? 0);

/** 0 for a database without a schema. */
export async function presentStep(driver: Pick<Driver, "read">): Promise<number> {
  try {
    return Number((await driver.read.get("SELECT coalesce(max(id), 0) AS id FROM schema_steps"))?.["id"] ?? 0);
  } catch {
    // No such table: a new database. Anything worse shows at the first migration.
    return 0;
  }
}
