import type { Cause } from "../../domain/model/entities.ts";
import type { CredentialStore, StoredCredential } from "../../domain/ports/credential-store.ts";
import { writeAudit } from "../audit/audit.ts";
import type { Driver, Row, Sql } from "../database/driver.ts";
import { joinRestore } from "../sync/restores.ts";

/** The tables of step 4. */
export const credentialTables = (): readonly string[] => [
  `CREATE TABLE credentials (
    name TEXT PRIMARY KEY, type TEXT NOT NULL, key_id TEXT NOT NULL, sealed TEXT NOT NULL,
    created_ms BIGINT NOT NULL, changed_ms BIGINT NOT NULL, verified_ms BIGINT NOT NULL)`,
];

export const selectCredentials = "SELECT * FROM credentials ORDER BY name";

/** A row as read. */
export const toCredential = (row: Row): StoredCredential => ({
  name: String(row["name"]),
  type: String(row["type"]),
  keyId: String(row["key_id"]),
  sealed: String(row["sealed"]),
  createdAtMs: Number(row["created_ms"]),
  changedAtMs: Number(row["changed_ms"]),
  verifiedAtMs: Number(row["verified_ms"]),
});

/** What `connect` stored. What is sealed is not looked into here. */
export const credentialRows = (driver: Driver, { now }: { readonly now: () => number }): CredentialStore => ({
  credentials: async () => (await driver.read.all(selectCredentials)).map(toCredential),
  putCredential: (each, cause) =>
    driver.transaction(async (sql) => {
      const isNew = (await sql.get("SELECT name FROM credentials WHERE name = ?", [each.name])) === undefined;
      await sql.run(
        `INSERT INTO credentials (name, type, key_id, sealed, created_ms, changed_ms, verified_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET type = excluded.type, key_id = excluded.key_id, sealed = excluded.sealed,
         changed_ms = excluded.changed_ms, verified_ms = excluded.verified_ms`,
        [each.name, each.type, each.keyId, each.sealed, each.createdAtMs, each.changedAtMs, each.verifiedAtMs],
      );
      if (isNew) await joinRestore(sql, each.name);
      const action = isNew ? "connection.connect" : "connection.change";
      await note(sql, each.changedAtMs, cause, action, each.name, { type: each.type, keyId: each.keyId });
    }),
  removeCredential: (name, cause) =>
    driver.transaction(async (sql) => {
      if ((await sql.run("DELETE FROM credentials WHERE name = ?", [name])) === 0) return false;
      await note(sql, now(), cause, "connection.disconnect", name, {});
      return true;
    }),
  resealCredentials: (reseal, nowMs, cause) =>
    driver.transaction(async (sql) => {
      let changed = 0;
      for (const row of (await sql.all(selectCredentials)).map(toCredential)) {
        const { keyId, sealed } = reseal(row);
        if (keyId === row.keyId) continue;
        await sql.run("UPDATE credentials SET key_id = ?, sealed = ? WHERE name = ?", [keyId, sealed, row.name]);
        await note(sql, nowMs, cause, "connection.rekey", row.name, { from: row.keyId, to: keyId });
        changed += 1;
      }
      return changed;
    }),
});

const note = (
  sql: Sql,
  atMs: number,
  cause: Cause,
  action: string,
  target: string,
  detail: Readonly<Record<string, string>>,
): Promise<void> =>
  writeAudit(sql, atMs, [{ ...cause, action, kind: null, entityId: null, name: target, target, rev: null, detail }]);
