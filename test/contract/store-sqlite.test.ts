import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { auditFilter } from "../../src/app/queries.ts";
import { openSqlite } from "../../src/store/database/sqlite.ts";
import { sqliteDatabase } from "../../src/store/database.ts";
import { lockForReconciling, openSqliteStore, openStore } from "../../src/store/index.ts";
import { sqliteHarness } from "./store-sqlite.ts";
import { storeContract } from "./store-suite.ts";

const cause = { actor: "test", requestId: null };
const everyone = { where: { op: "all" }, sort: null, offset: 0, limit: 10_000 } as const;

storeContract("a SQLite file", sqliteHarness);

describe("a SQLite file between processes", () => {
  let folder: string;
  let path: string;
  const children: ChildProcessByStdio<null, Readable, null>[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rollcall-store-"));
    path = join(folder, "rollcall.db");
  });
  afterEach(async () => {
    await Promise.all(children.splice(0).map(kill));
    rmSync(folder, { recursive: true, force: true });
  });

  function start(...args: readonly string[]) {
    const child = spawn(process.execPath, [new URL("../store/writer.ts", import.meta.url).pathname, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    return child;
  }

  async function kill(child: ChildProcessByStdio<null, Readable, null>): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /** All lines until the process is gone, killed after so many of them. */
  async function linesOf(
    child: ChildProcessByStdio<null, Readable, null>,
    killAfter: number,
  ): Promise<readonly string[]> {
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (lines.length === killAfter) child.kill("SIGKILL");
    }
    return lines;
  }

  it("no acknowledged write is lost by a SIGKILL", async () => {
    const acknowledged: string[] = [];
    for (const [round, killAfter] of [3, 17, 40].entries()) {
      const lines = await linesOf(start("write", path, `r${round}-`), killAfter);
      expect(lines.length).toBeGreaterThanOrEqual(killAfter);
      acknowledged.push(...lines);
    }
    const store = await openSqliteStore(path);
    const present = new Set((await store.listUsers("okta", everyone)).records.map((record) => record.id));
    expect(acknowledged.filter((id) => !present.has(id))).toEqual([]);
    expect((await store.verifyAudit(null)).broken).toBeNull();
    // Whole writes only: whoever is there has a row of the audit.
    expect(new Set((await store.newestAuditRows(auditFilter(), 10_000)).map((row) => row.entityId))).toEqual(present);
    await store.close();
  });

  it("every commit is flushed to the disk", async () => {
    const driver = openSqlite(path);
    expect(await driver.transaction((sql) => sql.get("PRAGMA synchronous"))).toEqual({ synchronous: 2 });
    expect(await driver.transaction((sql) => sql.get("PRAGMA journal_mode"))).toEqual({ journal_mode: "wal" });
    await driver.close();
  });

  it("two processes write at the same time", async () => {
    const store = await openSqliteStore(path);
    const lines = linesOf(start("write", path, "theirs-", "160"), Number.POSITIVE_INFINITY);
    for (let index = 0; index < 100; index += 1) {
      await store.createUser(
        "okta",
        {
          resource: {},
          userName: `ours-${index}`,
          externalId: null,
          email: null,
          emails: [],
          displayName: "x",
          isActive: true,
        },
        cause,
      );
    }
    expect(await lines).toHaveLength(160);
    expect((await store.listUsers("okta", everyone)).total).toBe(260);
    expect(await store.verifyAudit(null)).toMatchObject({ rows: 260, head: { seq: 260 }, broken: null });
    await store.close();
  });

  it("one process has the lock until it ends, however it ends", async () => {
    const child = start("lock", path);
    await once(child.stdout, "data");
    expect(() => lockForReconciling(path)).toThrow(
      expect.objectContaining({ code: "STORE_LOCKED", message: expect.stringContaining(path) }),
    );
    // Commands that only read, and approvals, work beside it.
    const store = await openSqliteStore(path);
    await store.assertWritable();
    await store.close();
    await kill(child);
    const lock = lockForReconciling(path);
    expect(() => lockForReconciling(path)).toThrow(expect.objectContaining({ code: "STORE_LOCKED" }));
    lock.release();
    lockForReconciling(path).release();
  });

  it("a database of a newer release is refused, and so is a file that is no database", async () => {
    const driver = openSqlite(path);
    await (await openStore(driver, { now: Date.now })).assertWritable();
    await driver.transaction((sql) => sql.run("UPDATE schema_version SET version = 999"));
    await driver.close();
    await expect(openSqliteStore(path)).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("999"),
    });
    await expect((async () => openSqliteStore(folder))()).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: `database ${folder}: is a directory; name a file in it, as in sqlite:${folder}/rollcall.db`,
    });
    const text = join(folder, "text.db");
    writeFileSync(text, "this is no database, though it is long enough to be looked at as one".repeat(50));
    await expect((async () => openSqliteStore(text))()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it("a database of a development version is refused with advice", async () => {
    const driver = openSqlite(path);
    await driver.transaction((sql) => sql.run("CREATE TABLE schema_steps (id INTEGER PRIMARY KEY)"));
    await driver.close();
    const refusal = { code: "STORE_UNAVAILABLE", message: expect.stringContaining("name a new database") };
    await expect(openSqliteStore(path)).rejects.toMatchObject(refusal);
    await expect(sqliteDatabase(path, { now: Date.now }).openToRead()).rejects.toMatchObject(refusal);
    await expect(sqliteDatabase(path, { now: Date.now }).storedCredentials()).rejects.toMatchObject(refusal);
  });

  it("a database in memory is private and makes no file", async () => {
    const store = await openSqliteStore(":memory:");
    await store.createUser(
      "okta",
      { resource: {}, userName: "ada", externalId: null, email: null, emails: [], displayName: "x", isActive: true },
      cause,
    );
    expect((await store.listUsers("okta", everyone)).total).toBe(1);
    await store.close();
    expect(existsSync(":memory:")).toBe(false);
  });
});
