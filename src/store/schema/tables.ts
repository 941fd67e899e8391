import { failedOutcome } from "../audit/audit.ts";
import { lostAccessIndexCondition } from "../audit/audit-trail.ts";
import type { Dialect } from "../database/driver.ts";

/**
 * The whole schema, in the SQL that SQLite and PostgreSQL share. Each column is called like its property in the code, in
 * snake case. Times are milliseconds since the epoch (`…_ms`), booleans 0 and 1, JSON text. `seq` orders rows by creation.
 */
export const tables = ({ sequence, clustered, contains, appendOnly }: Dialect): readonly string[] => [
  // ----- The directory: users and groups of all sources -----

  // `source_key` is the source's immutable key, `external_id` the SCIM attribute. A `…_key` is in lower case, for
  // comparisons. `rev` grows with each change of the user, memberships included. A deleted user keeps the row.
  `CREATE TABLE users (
    seq ${sequence}, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, source_key TEXT NOT NULL,
    user_name TEXT NOT NULL, user_name_key TEXT, external_id TEXT, email TEXT,
    display_name TEXT NOT NULL, display_name_key TEXT NOT NULL, is_active INTEGER NOT NULL,
    rev BIGINT NOT NULL, created_at_ms BIGINT NOT NULL, modified_at_ms BIGINT NOT NULL, absent_since_ms BIGINT,
    resource TEXT NOT NULL)`,
  "CREATE UNIQUE INDEX users_key ON users (source, source_key)",
  "CREATE UNIQUE INDEX users_name ON users (source, user_name_key) WHERE absent_since_ms IS NULL",
  "CREATE INDEX users_external ON users (source, external_id)",
  "CREATE INDEX users_email ON users (email)",
  // The present users of a source in order of creation: the pages of a SCIM list.
  "CREATE INDEX users_present ON users (source, seq) WHERE absent_since_ms IS NULL",
  // All columns that the console needs to find and sort users: the rows with their resource are ten times as wide.
  // Without `rev`, which moves with each membership: every such write would flush a page of this index too.
  "CREATE INDEX users_by_name ON users (display_name_key, seq, id, source, is_active, absent_since_ms, user_name_key, email)",

  // All addresses of a user, in lower case, for SCIM filters.
  `CREATE TABLE user_emails (email TEXT NOT NULL, user_seq BIGINT NOT NULL, PRIMARY KEY (email, user_seq)) ${clustered}`,
  "CREATE INDEX user_emails_user ON user_emails (user_seq)",

  // `definition_rev` is the `rev` of the last change of the group itself, memberships not included.
  `CREATE TABLE groups (
    seq ${sequence}, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, source_key TEXT NOT NULL,
    display_name TEXT NOT NULL, display_name_key TEXT NOT NULL, external_id TEXT,
    rev BIGINT NOT NULL, definition_rev BIGINT NOT NULL, created_at_ms BIGINT NOT NULL, modified_at_ms BIGINT NOT NULL,
    absent_since_ms BIGINT, resource TEXT NOT NULL)`,
  "CREATE UNIQUE INDEX groups_key ON groups (source, source_key)",
  "CREATE INDEX groups_name ON groups (source, display_name_key)",
  "CREATE INDEX groups_external ON groups (source, external_id)",

  `CREATE TABLE memberships (group_seq BIGINT NOT NULL, user_seq BIGINT NOT NULL, PRIMARY KEY (group_seq, user_seq)) ${clustered}`,
  "CREATE INDEX memberships_user ON memberships (user_seq, group_seq)",

  // ----- Polled sources: the entries behind users and groups -----

  // `seq` is that of `users` or `groups`, as `kind` says. An entry goes when its user or group becomes absent.
  // `entry_id` is null where it equals `source_key`. `locators` repeats the rows of `directory_locators`, one a line.
  // `missed` is 1 when the last complete read did not show the entry.
  `CREATE TABLE directory_entries (
    source TEXT NOT NULL, kind TEXT NOT NULL, source_key TEXT NOT NULL, entry_id TEXT, seq BIGINT NOT NULL,
    digest TEXT NOT NULL, locators TEXT NOT NULL, is_enabled INTEGER NOT NULL, active_until_ms BIGINT,
    missed INTEGER NOT NULL, PRIMARY KEY (source, kind, source_key)) ${clustered}`,
  "CREATE INDEX directory_entries_id ON directory_entries (source, entry_id) WHERE entry_id IS NOT NULL",
  "CREATE INDEX directory_entries_missed ON directory_entries (source) WHERE missed > 0",
  "CREATE INDEX directory_entries_until ON directory_entries (source, active_until_ms) WHERE active_until_ms IS NOT NULL",

  // The names of an entry by which other entries refer to it.
  `CREATE TABLE directory_locators (
    source TEXT NOT NULL, locator TEXT NOT NULL, kind TEXT NOT NULL, seq BIGINT NOT NULL,
    PRIMARY KEY (source, locator, kind, seq)) ${clustered}`,
  "CREATE INDEX directory_locators_groups ON directory_locators (source, seq) WHERE kind = 'group'",

  // `is_member_of` 0: the group names a member. 1: the user or group names a group that it is a member of.
  `CREATE TABLE directory_edges (
    kind TEXT NOT NULL, seq BIGINT NOT NULL, is_member_of INTEGER NOT NULL, locator TEXT NOT NULL, source TEXT NOT NULL,
    PRIMARY KEY (kind, seq, is_member_of, locator)) ${clustered}`,
  "CREATE INDEX directory_edges_locator ON directory_edges (source, locator)",

  // New and changed entries of a snapshot that is being read, as lists in JSON.
  `CREATE TABLE snapshot_staging (seq ${sequence}, source TEXT NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL)`,

  `CREATE TABLE poll_states (
    source TEXT PRIMARY KEY, snapshot_id TEXT, cursor TEXT, last_success_at_ms BIGINT, last_full_at_ms BIGINT,
    failing_since_ms BIGINT, error_code TEXT, error_message TEXT, unconfirmed_missing INTEGER NOT NULL,
    findings TEXT NOT NULL)`,

  // ----- Targets -----

  // One row for each entity in each target: see `Link`.
  `CREATE TABLE links (
    target TEXT NOT NULL, kind TEXT NOT NULL, entity_id TEXT NOT NULL, remote_id TEXT, ownership TEXT,
    applied_rev BIGINT NOT NULL, has_access INTEGER NOT NULL, observed_state TEXT, observed_since_ms BIGINT,
    is_suspended_by_us INTEGER NOT NULL, note TEXT, attempts INTEGER NOT NULL, attempted_rev BIGINT NOT NULL,
    retry_at_ms BIGINT, error_code TEXT, error_message TEXT, last_success_at_ms BIGINT,
    PRIMARY KEY (target, kind, entity_id)) ${clustered}`,
  "CREATE INDEX links_retry ON links (target, retry_at_ms) WHERE retry_at_ms IS NOT NULL",
  "CREATE INDEX links_entity ON links (entity_id)",
  "CREATE INDEX links_remote ON links (target, remote_id) WHERE remote_id IS NOT NULL",
  "CREATE INDEX links_failed ON links (target, kind, entity_id) WHERE error_code IS NOT NULL",
  "CREATE INDEX links_noted ON links (target, note) WHERE note IS NOT NULL",
  "CREATE INDEX links_observed ON links (target, observed_state, observed_since_ms) WHERE observed_state IS NOT NULL",

  // The vendor's account that the links of a target belong to: another one is refused.
  "CREATE TABLE target_accounts (target TEXT PRIMARY KEY, account TEXT NOT NULL)",

  // The removal limit counts these charges (see `accountChargeId`): when each last lost access. Then the users who got
  // access back that they had lost before the window.
  `CREATE TABLE access_losses (
    target TEXT NOT NULL, charge_id TEXT NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (target, charge_id)) ${clustered}`,
  `CREATE TABLE access_returns (
    target TEXT NOT NULL, user_id TEXT NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (target, user_id)) ${clustered}`,

  // Changes that wait for a person: see `HeldItem`.
  `CREATE TABLE held_changes (
    target TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, entity_id TEXT NOT NULL, reason TEXT NOT NULL,
    change TEXT NOT NULL, since_ms BIGINT NOT NULL, approved_at_ms BIGINT, dismissed_at_ms BIGINT, dismissed_by TEXT,
    PRIMARY KEY (target, key)) ${clustered}`,

  // Users whose invitation the next run sends again.
  `CREATE TABLE reinvite_requests (
    target TEXT NOT NULL, user_id TEXT NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (target, user_id)) ${clustered}`,

  // Counts of runs, by hour: `name` is an outcome, or a class of delivery times.
  `CREATE TABLE hourly_counts (
    target TEXT NOT NULL, hour_ms BIGINT NOT NULL, name TEXT NOT NULL, n BIGINT NOT NULL,
    PRIMARY KEY (target, hour_ms, name)) ${clustered}`,

  // The last success and the present failure of each source and target: see `ConnectionState`.
  `CREATE TABLE connection_states (
    name TEXT NOT NULL, role TEXT NOT NULL, type TEXT NOT NULL, last_success_at_ms BIGINT, failing_since_ms BIGINT,
    retry_at_ms BIGINT, error_code TEXT, error_message TEXT, PRIMARY KEY (role, name))`,

  // ----- A database that was restored from a backup -----

  // Has a row only in a copy that `rollcall backup` made.
  "CREATE TABLE backup_marks (made_at_ms BIGINT NOT NULL)",
  // Targets that still distrust the copy, and the directory as the copy had it.
  "CREATE TABLE restores (target TEXT PRIMARY KEY, at_ms BIGINT NOT NULL, reviewed_at_ms BIGINT)",
  `CREATE TABLE restored_users (id TEXT PRIMARY KEY, modified_at_ms BIGINT NOT NULL) ${clustered}`,
  `CREATE TABLE restored_groups (id TEXT PRIMARY KEY, definition_rev BIGINT NOT NULL) ${clustered}`,
  `CREATE TABLE restored_memberships (user_id TEXT NOT NULL, group_id TEXT NOT NULL, PRIMARY KEY (user_id, group_id)) ${clustered}`,

  // ----- The audit trail -----

  // `hash` is over the row and all rows before it: see `writeAudit`.
  `CREATE TABLE audit (
    seq ${sequence}, at_ms BIGINT NOT NULL, actor TEXT NOT NULL, request_id TEXT, action TEXT NOT NULL, kind TEXT,
    entity_id TEXT, name TEXT, target TEXT, rev BIGINT, detail TEXT NOT NULL, hash TEXT NOT NULL)`,
  "CREATE INDEX audit_entity ON audit (entity_id, seq)",
  // Most rows are changes by identity providers. Calls to targets, failures and lost access are few.
  "CREATE INDEX audit_calls ON audit (target, seq) WHERE target IS NOT NULL",
  `CREATE INDEX audit_failed ON audit (seq) WHERE ${contains("detail", failedOutcome)}`,
  `CREATE INDEX audit_lost_access ON audit (seq) WHERE ${lostAccessIndexCondition}`,
  // Triggers stop mistakes. The chain of hashes shows what somebody changed who can drop a trigger.
  ...appendOnly("audit"),

  // ----- Settings -----

  "CREATE TABLE credentials (name TEXT PRIMARY KEY, type TEXT NOT NULL, key_id TEXT NOT NULL, sealed TEXT NOT NULL, created_at_ms BIGINT NOT NULL, changed_at_ms BIGINT NOT NULL, verified_at_ms BIGINT NOT NULL)",
  `CREATE TABLE scim_tokens (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, hash TEXT NOT NULL, label TEXT NOT NULL, created_at_ms BIGINT NOT NULL,
    revoked_at_ms BIGINT, expires_at_ms BIGINT, last_used_at_ms BIGINT)`,
  // One row, replaced as a whole: what was sent and what is still to be sent belong together.
  "CREATE TABLE alert_state (id INTEGER PRIMARY KEY, state TEXT NOT NULL)",
  // A write that changes nothing finds out whether writes are possible.
  "CREATE TABLE write_probe (at_ms BIGINT)",
];
