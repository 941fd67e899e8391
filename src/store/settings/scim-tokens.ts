import type { AuditEntry } from "../../domain/model/audit.ts";
import type { Cause } from "../../domain/model/entities.ts";
import type { TokenStore } from "../../domain/ports/directory-store.ts";
import { isTokenGood, type StoredToken } from "../../domain/ports/scim-store.ts";
import { writeAudit } from "../audit/audit.ts";
import type { Driver, Row, Sql } from "../database/driver.ts";

const toToken = (row: Row): StoredToken => ({
  id: String(row["id"]),
  source: String(row["source"]),
  hash: String(row["hash"]),
  label: String(row["label"]),
  createdAtMs: Number(row["created_ms"]),
  revokedAtMs: row["revoked_ms"] as number | null,
  expiresAtMs: row["expires_ms"] as number | null,
  lastUsedAtMs: row["last_used_ms"] as number | null,
});

/** SCIM tokens by their hashes: see `TokenStore`. */
export function tokenRows(driver: Driver): TokenStore {
  return {
    tokens: async () => (await driver.read.all("SELECT * FROM tokens ORDER BY created_ms, id")).map(toToken),

    addToken: (token, cause) => driver.transaction((sql) => add(sql, token, cause)),

    rotateToken: (id, next, untilMs, cause) =>
      driver.transaction(async (sql) => {
        const row = await sql.get("SELECT * FROM tokens WHERE id = ?", [id]);
        if (row === undefined || !isTokenGood(toToken(row), next.createdAtMs)) return false;
        const { expiresAtMs, source, label } = toToken(row);
        const endsAtMs = Math.min(untilMs, expiresAtMs ?? untilMs);
        await sql.run("UPDATE tokens SET expires_ms = ? WHERE id = ?", [endsAtMs, id]);
        await add(sql, next, cause);
        const detail = { id, source, by: next.id, goodUntil: new Date(endsAtMs).toISOString() };
        await writeAudit(sql, next.createdAtMs, [{ ...cause, ...about, action: "token.rotate", name: label, detail }]);
        return true;
      }),

    noteTokenUse: (usedAtMs) =>
      driver.transaction(async (sql) => {
        for (const [id, atMs] of usedAtMs)
          await sql.run(
            "UPDATE tokens SET last_used_ms = ? WHERE id = ? AND (last_used_ms IS NULL OR last_used_ms < ?)",
            [atMs, id, atMs],
          );
      }),

    revokeToken: (id, nowMs, cause) =>
      driver.transaction(async (sql) => {
        if ((await sql.run("UPDATE tokens SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL", [nowMs, id])) === 0)
          return false;
        await writeAudit(sql, nowMs, [{ ...cause, ...about, action: "token.revoke", name: null, detail: { id } }]);
        return true;
      }),
  };
}

/** A token is about nobody. */
const about = { kind: null, entityId: null, target: null, rev: null } satisfies Partial<AuditEntry>;

async function add(sql: Sql, token: StoredToken, cause: Cause): Promise<void> {
  const { id, source, hash, label, createdAtMs, revokedAtMs, expiresAtMs, lastUsedAtMs } = token;
  await sql.run(
    "INSERT INTO tokens (id, source, hash, label, created_ms, revoked_ms, expires_ms, last_used_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [id, source, hash, label, createdAtMs, revokedAtMs, expiresAtMs, lastUsedAtMs],
  );
  const expiry = expiresAtMs === null ? {} : { expiresAt: new Date(expiresAtMs).toISOString() };
  await writeAudit(sql, createdAtMs, [
    { ...cause, ...about, action: "token.create", name: label, detail: { id, source, ...expiry } },
  ]);
}
