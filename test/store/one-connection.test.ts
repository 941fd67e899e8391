import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { groupCommit } from "../../src/store/database/group-commit.ts";
import { openSqlite } from "../../src/store/database/sqlite.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rollcall-store-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("no read sees an uncommitted row, and every read sees a committed one at once", async () => {
  const driver = openSqlite(join(folder, "a.db"));
  await driver.transaction((sql) => sql.run("CREATE TABLE notes (text TEXT)"));
  const count = async () => (await driver.read.get("SELECT count(*) AS n FROM notes"))?.["n"];
  const written = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const refused = driver.transaction(async (sql) => {
    await sql.run("INSERT INTO notes VALUES ('taken back')");
    written.resolve();
    await goOn.promise;
    throw new Error("no");
  });
  await written.promise;
  expect(await count()).toBe(0);
  goOn.resolve();
  await expect(refused).rejects.toThrow("no");
  expect(await count()).toBe(0);
  await driver.transaction((sql) => sql.run("INSERT INTO notes VALUES ('kept')"));
  expect(await count()).toBe(1);
  await driver.close();
});

test("a commit of another process is read", async () => {
  const path = join(folder, "a.db");
  const [one, other] = [openSqlite(path), openSqlite(path)];
  await one.transaction((sql) => sql.run("CREATE TABLE notes (text TEXT)"));
  expect(await one.read.all("SELECT * FROM notes")).toEqual([]);
  await other.transaction((sql) => sql.run("INSERT INTO notes VALUES ('from elsewhere')"));
  expect(await one.read.all("SELECT * FROM notes")).toEqual([{ text: "from elsewhere" }]);
  await one.close();
  await other.close();
});

const turn = (): Promise<void> => new Promise((next) => setImmediate(next));

test("writes of eight event loop iterations share a commit, and a single write waits one iteration", async () => {
  let commits = 0;
  const nothing = (): void => undefined;
  const no = () => Promise.reject(new Error("not asked for"));
  const { transaction } = groupCommit({
    sql: { all: no, get: no, run: no },
    maxJobs: 64,
    begin: nothing,
    savepoint: nothing,
    release: nothing,
    undo: nothing,
    commit: () => {
      commits += 1;
    },
    rollback: nothing,
    isOpen: () => false,
    unavailable: () => new Error("unavailable"),
  });
  const write = () => transaction(async () => undefined);
  /** One in each turn of the event loop, before what was waited for in it goes on. */
  const arriving = async (count: number): Promise<void> => {
    const next = count > 1 ? turn().then(() => arriving(count - 1)) : undefined;
    await write();
    await next;
  };
  await arriving(4);
  expect(commits).toBe(1);

  let turns = 0;
  let isOver = false;
  const alone = write().then(() => {
    isOver = true;
  });
  while (!isOver) {
    await turn();
    turns += 1;
  }
  await alone;
  expect(turns).toBe(1);

  await arriving(50);
  expect(commits).toBeGreaterThan(4);
});
