import type { Cause } from "../../domain/model/entities.ts";
import type { TokenStore } from "../../domain/ports/directory-store.ts";
import { isTokenGood, type StoredToken } from "../../domain/ports/scim-store.ts";
import { otherEntry, writeAudit } from "../audit/audit.ts";
import { insertRows } from "../database/batches.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { all, first, integer, optional, type Shape, table, text } from "../database/table.ts";

const shape: Shape<StoredToken> = {
  id: text,
  source: text,
  hash: text,
  label: text,
  createdAtMs: integer,
  revokedAtMs: optional(integer),
  expiresAtMs: optional(integer),
  lastUsedAtMs: optional(integer),
};
const scimTokens = table<StoredToken>("scim_tokens", shape);

/** SCIM tokens by their hashes: see `TokenStore`. */
export function tokenRows({ read, transaction }: Driver): TokenStore {
  return {
    tokens: () => all(read, shape, "SELECT * FROM scim_tokens ORDER BY created_at_ms, id"),

    addToken: (token, cause) => transaction((sql) => add(sql, token, cause)),

    rotateToken: (id, next, untilMs, cause) =>
      transaction(async (sql) => {
        const token = await first(sql, shape, "SELECT * FROM scim_tokens WHERE id = ?", [id]);
        if (token === undefined || !isTokenGood(token, next.createdAtMs)) return false;
        const { expiresAtMs, source, label } = token;
        const endsAtMs = Math.min(untilMs, expiresAtMs ?? untilMs);
        await sql.run("UPDATE scim_tokens SET expires_at_ms = ? WHERE id = ?", [endsAtMs, id]);
        await add(sql, next, cause);
        const detail = { id, source, by: next.id, goodUntil: new Date(endsAtMs).toISOString() };
        await writeAudit(sql, next.createdAtMs, [otherEntry(cause, "token.rotate", { name: label }, detail)]);
        return true;
      }),

    noteTokenUse: (usedAtMs) =>
      transaction(async (sql) => {
        for (const [id, atMs] of usedAtMs)
          await sql.run(
            "UPDATE scim_tokens SET last_used_at_ms = ? WHERE id = ? AND (last_used_at_ms IS NULL OR last_used_at_ms < ?)",
            [atMs, id, atMs],
          );
      }),

    revokeToken: (id, nowMs, cause) =>
      transaction(async (sql) => {
        const revoke = "UPDATE scim_tokens SET revoked_at_ms = ? WHERE id = ? AND revoked_at_ms IS NULL";
        if ((await sql.run(revoke, [nowMs, id])) === 0) return false;
        await writeAudit(sql, nowMs, [otherEntry(cause, "token.revoke", {}, { id })]);
        return true;
      }),
  };
}

async function add(sql: Sql, token: StoredToken, cause: Cause): Promise<void> {
  const { id, source, label, createdAtMs, expiresAtMs } = token;
  await insertRows(sql, scimTokens, [token]);
  const expiry = expiresAtMs === null ? {} : { expiresAt: new Date(expiresAtMs).toISOString() };
  await writeAudit(sql, createdAtMs, [otherEntry(cause, "token.create", { name: label }, { id, source, ...expiry })]);
}
