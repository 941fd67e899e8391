import type { Cause } from "../../domain/model/entities.ts";
import type { CredentialStore, StoredCredential } from "../../domain/ports/credential-store.ts";
import { otherEntry, writeAudit } from "../audit/audit.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { all, integer, type Shape, table, text } from "../database/table.ts";
import { joinRestore } from "../sync/restores.ts";

const shape: Shape<StoredCredential> = {
  name: text,
  type: text,
  keyId: text,
  sealed: text,
  createdAtMs: integer,
  changedAtMs: integer,
  verifiedAtMs: integer,
};
const credentials = table<StoredCredential>("credentials", shape);
const upsertCredential = credentials.upsert(["name"], ["createdAtMs"]);

export const readCredentials = (sql: Sql): Promise<readonly StoredCredential[]> =>
  all(sql, shape, "SELECT * FROM credentials ORDER BY name");

/** The sealed credentials that `rollcall connect` stored. */
export const credentialRows = (
  { read, transaction }: Driver,
  { now }: { readonly now: () => number },
): CredentialStore => ({
  credentials: () => readCredentials(read),

  putCredential: (credential, cause) =>
    transaction(async (sql) => {
      const { name, type, keyId, changedAtMs } = credential;
      const isNew = (await sql.get("SELECT name FROM credentials WHERE name = ?", [name])) === undefined;
      await sql.run(upsertCredential, credentials.values(credential));
      if (isNew) await joinRestore(sql, name);
      await audit(sql, changedAtMs, cause, isNew ? "connect" : "change", name, { type, keyId });
    }),

  removeCredential: (name, cause) =>
    transaction(async (sql) => {
      if ((await sql.run("DELETE FROM credentials WHERE name = ?", [name])) === 0) return false;
      await audit(sql, now(), cause, "disconnect", name, {});
      return true;
    }),

  resealCredentials: (reseal, nowMs, cause) =>
    transaction(async (sql) => {
      let changed = 0;
      for (const row of await readCredentials(sql)) {
        const { keyId, sealed } = reseal(row);
        if (keyId === row.keyId) continue;
        await sql.run("UPDATE credentials SET key_id = ?, sealed = ? WHERE name = ?", [keyId, sealed, row.name]);
        await audit(sql, nowMs, cause, "rekey", row.name, { from: row.keyId, to: keyId });
        changed += 1;
      }
      return changed;
    }),
});

const audit = (
  sql: Sql,
  atMs: number,
  cause: Cause,
  action: string,
  name: string,
  detail: Readonly<Record<string, string>>,
): Promise<void> => writeAudit(sql, atMs, [otherEntry(cause, `connection.${action}`, { name, target: name }, detail)]);
