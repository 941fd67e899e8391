import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditHead } from "../../src/domain/model/audit.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import { chainStart, expectedHash } from "../../src/store/audit/audit.ts";
import { openSqlite } from "../../src/store/database/sqlite.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { auditContract } from "./audit-suite.ts";
import { sqliteHarness } from "./store-sqlite.ts";

auditContract("a SQLite file", sqliteHarness);

describe("the audit table of a SQLite file", () => {
  let folder: string;
  let path: string;
  let head: AuditHead | null;
  const rows = 12;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "rollcall-audit-"));
    path = join(folder, "rollcall.db");
    const store = await openSqliteStore(path);
    for (let at = 0; at < rows; at += 1) await hire(store, `person-${at}`);
    head = (await store.verifyAudit(null)).head;
    await store.close();
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const hire = (store: DirectoryStore, userName: string) =>
    store.createUser(
      "okta",
      { resource: {}, userName, externalId: null, email: null, emails: [], displayName: userName, isActive: true },
      { actor: "scim:okta", requestId: null },
    );

  /** Like somebody with a shell and time. */
  function tamper(...statements: readonly string[]): void {
    const db = new DatabaseSync(path);
    try {
      for (const statement of statements) db.exec(statement);
    } finally {
      db.close();
    }
  }
  const withoutTriggers = (...statements: readonly string[]): void =>
    tamper("DROP TRIGGER audit_refuses_update", "DROP TRIGGER audit_refuses_delete", ...statements);

  async function verify(kept: AuditHead | null = null) {
    const store = await openSqliteStore(path);
    try {
      return await store.verifyAudit(kept);
    } finally {
      await store.close();
    }
  }

  it.each(["UPDATE audit SET name = 'x' WHERE seq = 3", "DELETE FROM audit WHERE seq = 3", "DELETE FROM audit"])(
    "is refused: %s",
    async (statement) => {
      expect(() => tamper(statement)).toThrow("the audit trail is append-only");
      expect(await verify()).toMatchObject({ rows, broken: null });
    },
  );

  const columns = [
    "at_ms",
    "actor",
    "request_id",
    "action",
    "kind",
    "entity_id",
    "name",
    "target",
    "rev",
    "detail",
    "hash",
  ];
  it.each(columns)("verification finds a changed %s", async (column) => {
    withoutTriggers(`UPDATE audit SET ${column} = '7' WHERE seq = 5`);
    expect((await verify()).broken).toMatchObject({ seq: 5 });
  });

  it.each([
    { change: "a deleted row", statement: "DELETE FROM audit WHERE seq = 5", seq: 5, reason: "row 5 is missing" },
    {
      change: "deleted first rows",
      statement: "DELETE FROM audit WHERE seq <= 4",
      seq: 1,
      reason: "rows 1 to 4 are missing",
    },
    {
      change: "a deleted row whose gap was closed",
      statement: "DELETE FROM audit WHERE seq = 5; UPDATE audit SET seq = seq - 1 WHERE seq > 5",
      seq: 5,
      reason: "row 5",
    },
    {
      change: "an inserted row",
      statement:
        "UPDATE audit SET seq = -seq WHERE seq >= 5; UPDATE audit SET seq = 1 - seq WHERE seq < 0; INSERT INTO audit SELECT 5, at_ms, actor, request_id, action, kind, entity_id, name, target, rev, detail, hash FROM audit WHERE seq = 4",
      seq: 5,
      reason: "row 5",
    },
    {
      change: "two exchanged rows",
      statement:
        "UPDATE audit SET seq = 99 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6; UPDATE audit SET seq = 6 WHERE seq = 99",
      seq: 5,
      reason: "row 5",
    },
    {
      change: "deleted last rows",
      statement: "DELETE FROM audit WHERE seq > 9",
      seq: 10,
      reason: "rows 10 to 12 are missing",
    },
    { change: "an emptied table", statement: "DELETE FROM audit", seq: 1, reason: "rows 1 to 12 are missing" },
  ])("verification finds $change", async ({ statement, seq, reason }) => {
    withoutTriggers(statement);
    expect((await verify()).broken).toEqual({ seq, reason: expect.stringContaining(reason) });
  });

  it("a kept head shows that the end was cut off without a trace", async () => {
    withoutTriggers("DELETE FROM audit WHERE seq > 9", "UPDATE sqlite_sequence SET seq = 9 WHERE name = 'audit'");
    expect((await verify()).broken).toBeNull();
    expect((await verify(head)).broken).toMatchObject({ seq: 10 });
    // And though the trail has grown past it again.
    const store = await openSqliteStore(path);
    for (let at = 0; at < 5; at += 1) await hire(store, `later-${at}`);
    await store.close();
    expect((await verify()).broken).toBeNull();
    expect((await verify(head)).broken).toMatchObject({ seq: 12, reason: expect.stringContaining("somebody rewrote") });
  });

  it("a kept head shows that the whole chain was rewritten", async () => {
    const db = openSqlite(path);
    await db.transaction(async (sql) => {
      await sql.run("DROP TRIGGER audit_refuses_update");
      await sql.run("DROP TRIGGER audit_refuses_delete");
      await sql.run("UPDATE audit SET name = 'somebody else' WHERE seq = 5");
      let previous = chainStart.hash;
      for (const row of await sql.all("SELECT * FROM audit ORDER BY seq")) {
        previous = expectedHash(previous, row);
        await sql.run("UPDATE audit SET hash = ? WHERE seq = ?", [previous, row["seq"] ?? null]);
      }
    });
    await db.close();
    expect((await verify()).broken).toBeNull();
    expect((await verify(head)).broken).toMatchObject({ seq: 12 });
  });
});
