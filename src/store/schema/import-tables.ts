import type { Dialect } from "../database/driver.ts";

/**
 * What a polled source keeps beside its people and groups. `seq` is that of `users` or `groups`, as `kind` says; rows of
 * who is absent are gone from here. `entry_id` is null where it is the same as `source_key`; `locators` repeats the
 * entry's own rows, one a line, to be compared and removed without an index of their own. `is_up` 0: a group names a member; 1: a person or group names its group.
 */
export const snapshotTables = ({ clustered, sequence }: Dialect): readonly string[] => [
  `CREATE TABLE directory_entries (
    source TEXT NOT NULL, kind TEXT NOT NULL, source_key TEXT NOT NULL, entry_id TEXT, seq BIGINT NOT NULL,
    digest TEXT NOT NULL, locators TEXT NOT NULL, is_enabled INTEGER NOT NULL, active_until_ms BIGINT, missed INTEGER NOT NULL,
    PRIMARY KEY (source, kind, source_key)) ${clustered}`,
  "CREATE INDEX directory_entries_id ON directory_entries (source, entry_id) WHERE entry_id IS NOT NULL",
  "CREATE INDEX directory_entries_missed ON directory_entries (source) WHERE missed > 0",
  "CREATE INDEX directory_entries_until ON directory_entries (source, active_until_ms) WHERE active_until_ms IS NOT NULL",
  `CREATE TABLE directory_locators (
    source TEXT NOT NULL, locator TEXT NOT NULL, kind TEXT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (source, locator, kind, seq)) ${clustered}`,
  "CREATE INDEX directory_locators_groups ON directory_locators (source, seq) WHERE kind = 'group'",
  `CREATE TABLE directory_edges (
    kind TEXT NOT NULL, seq BIGINT NOT NULL, is_up INTEGER NOT NULL, locator TEXT NOT NULL, source TEXT NOT NULL,
    PRIMARY KEY (kind, seq, is_up, locator)) ${clustered}`,
  "CREATE INDEX directory_edges_locator ON directory_edges (source, locator)",
  `CREATE TABLE snapshot_staging (seq ${sequence}, source TEXT NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL)`,
  `CREATE TABLE poll_states (
    source TEXT PRIMARY KEY, snapshot_id TEXT, cursor_text TEXT, last_success_ms BIGINT, last_full_ms BIGINT, failing_since_ms BIGINT,
    error_code TEXT, error_message TEXT, unconfirmed INTEGER NOT NULL, findings TEXT NOT NULL)`,
];
