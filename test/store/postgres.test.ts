import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { DirectoryStore, Notice } from "../../src/domain/ports/directory-store.ts";
import { numberedParameters, openPostgres } from "../../src/store/database/postgres.ts";
import { openSqlite } from "../../src/store/database/sqlite.ts";
import { postgresDatabase } from "../../src/store/database.ts";
import { openStore } from "../../src/store/index.ts";
import { cause } from "../contract/store-world.ts";
import { userWrite } from "../support/entities.ts";
import { certificates } from "../support/ldap/certificates.ts";
import { noPostgres, type PostgresServer, startPostgres } from "../support/postgres.ts";
import { untilTrue } from "../support/until.ts";

const options = { now: Date.now };
const hire = (store: DirectoryStore, userName: string) => store.createUser("okta", userWrite(userName), cause);
const unavailable = expect.objectContaining({ code: "STORE_UNAVAILABLE" });

it("parameters are numbered, but not in a constant or a comment", () => {
  expect(numberedParameters("SELECT ?, 'what?', '?''?' -- nobody's?\n WHERE a LIKE ? ESCAPE '\\' AND b = ?")).toBe(
    "SELECT $1, 'what?', '?''?' -- nobody's?\n WHERE a LIKE $2 ESCAPE '\\' AND b = $3",
  );
});

describe.skipIf(noPostgres !== null)(`a database of PostgreSQL${noPostgres === null ? "" : ` (${noPostgres})`}`, () => {
  let server: PostgresServer;
  let url: string;
  beforeAll(async () => {
    server = await startPostgres();
  });
  beforeEach(async () => {
    url = await server.makeDatabase();
  });
  afterAll(() => server?.close());

  it("PostgreSQL sorts and compares by bytes, as SQLite does, whatever its locale", async () => {
    const words = ["b", "a", "z", "é", "e", "_", "~", "ß", "ss", "🦉", "a b", "a-b", "ab", "10", "9"];
    const shown = async (store: DirectoryStore) => {
      for (const word of words) await hire(store, word);
      const list = (where: Parameters<DirectoryStore["listUsers"]>[1]["where"]) =>
        store.listUsers("okta", { where, sort: { field: "displayName", isDescending: false }, offset: 0, limit: 100 });
      const found = await Promise.all([
        list({ op: "all" }),
        list({ op: "gt", field: "displayName", value: "a b" }),
        list({ op: "sw", field: "displayName", value: "A" }),
        list({ op: "co", field: "displayName", value: "_" }),
      ]);
      const people = await store.people({
        search: "",
        source: null,
        presence: null,
        syncStatus: null,
        groupId: null,
        targets: [],
        cursor: null,
        limit: 100,
      });
      await store.close();
      const names = new Map(people.items.map(({ id, displayName }) => [id, displayName]));
      return [...found.map(({ records }) => records.map(({ id }) => names.get(id))), [...names.values()]];
    };
    const onPostgres = await shown(await postgresDatabase(url, options).open());
    expect(onPostgres).toEqual(await shown(await openStore(openSqlite(":memory:"), options)));
    expect(onPostgres[0]).toHaveLength(words.length);
  });

  it("a text that PostgreSQL can't store is refused permanently", async () => {
    const store = await postgresDatabase(url, options).open();
    for (const name of ["x\0y", Array.from({ length: 4000 }, (_, at) => at.toString(36)).join("")])
      await expect(hire(store, name)).rejects.toMatchObject({ code: "TEXT_REFUSED", isPermanent: true });
    await hire(store, "ada");
    await store.close();
  });

  it("a commit waits for the disk, whatever the settings of the role", async () => {
    await server.administer(url, "ALTER ROLE rollcall SET synchronous_commit = off");
    const driver = openPostgres(url);
    const setting = "SELECT current_setting('synchronous_commit') AS setting";
    expect(await driver.transaction((sql) => sql.get(setting))).toEqual({ setting: "on" });
    await driver.close();
    await server.administer(url, "ALTER ROLE rollcall RESET synchronous_commit");
  });

  it("one write is rolled back alone, and no write of a failed commit is acknowledged", async () => {
    const driver = openPostgres(url);
    await driver.transaction((sql) => sql.run("CREATE TABLE notes (text TEXT PRIMARY KEY)"));
    const write = (text: string) => driver.transaction((sql) => sql.run("INSERT INTO notes VALUES (?)", [text]));
    const together = await Promise.allSettled([write("a"), write("a"), write("b")]);
    expect(together.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    // PostgreSQL answers COMMIT with ROLLBACK after an error, though nobody minded it.
    const careless = driver.transaction(async (sql) => {
      await sql.run("INSERT INTO notes VALUES ('c')");
      await sql.run("INSERT INTO notes VALUES ('a')").catch(() => 0);
    });
    await expect(careless).rejects.toEqual(unavailable);
    // The target ends under three writes that share a commit.
    const suicide = driver.transaction((sql) => sql.get("SELECT pg_terminate_backend(pg_backend_pid())"));
    const lost = await Promise.allSettled([write("d"), suicide, write("e")]);
    expect(lost.map((each) => (each.status === "rejected" ? each.reason : null))).toEqual([
      unavailable,
      unavailable,
      unavailable,
    ]);
    await write("f");
    expect(await driver.read.all("SELECT text FROM notes ORDER BY text")).toEqual(
      ["a", "b", "f"].map((text) => ({ text })),
    );
    await driver.close();
  });

  it("audit rows can't be changed or deleted, and verification finds what an administrator changed", async () => {
    const store = await postgresDatabase(url, options).open();
    for (const name of ["ada", "bob", "cy"]) await hire(store, name);
    const refused = ["UPDATE audit SET name = 'x'", "DELETE FROM audit WHERE seq = 2", "TRUNCATE audit"];
    for (const statement of refused)
      await expect(server.administer(url, statement)).rejects.toThrow("the audit trail is append-only");
    expect((await store.verifyAudit(null)).broken).toBeNull();
    await server.administer(url, "ALTER TABLE audit DISABLE TRIGGER ALL", "UPDATE audit SET name = 'x' WHERE seq = 2");
    expect((await store.verifyAudit(null)).broken).toMatchObject({ seq: 2 });
    await store.close();
  });

  it("the leader hears what others commit, and a process that lost the lock can't write a run", async () => {
    const [ours, theirs] = [postgresDatabase(url, options), postgresDatabase(url, options)];
    const [store, other] = [await ours.open(), await theirs.open()];
    const lock = await ours.lock();
    await expect(theirs.lock()).rejects.toMatchObject({ code: "STORE_LOCKED" });
    const heard: Notice[] = [];
    lock.listen((notice) => heard.push(notice));
    const { id } = await hire(other, "ada");
    other.requestFullRun("bw");
    await untilTrue(() => heard.length === 2, "two notices arrive");
    expect(heard).toEqual([
      { kind: "changed", refs: [{ kind: "user", id }] },
      { kind: "look", target: "bw" },
    ]);
    const run = () => store.commit("bw", { held: { considered: null, items: [], keep: new Set() } }, Date.now());
    await run();
    await server.administer(url, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
    await untilTrue(() => lock.lost.aborted, "the loss is noticed");
    const next = await theirs.lock();
    await expect(run()).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await hire(store, "bob");
    await next.release();
    const again = await ours.lock();
    await run();
    await again.release();
    await Promise.all([store.close(), other.close()]);
  });

  it("every sslmode with TLS except no-verify verifies certificate and name of the server", async () => {
    const tls = await certificates();
    const settings = ["fsync = off", "listen_addresses = '127.0.0.1, 127.0.0.2'"];
    const encrypted = await startPostgres({ tls, settings });
    try {
      const plain = await encrypted.makeDatabase();
      const check = (search: string, host = "127.0.0.1") =>
        postgresDatabase(`${plain.replace("127.0.0.1", host)}?${search}`, options).check();
      const ca = `sslrootcert=${encodeURIComponent(`${tls}/ca.pem`)}`;
      for (const mode of ["prefer", "require", "verify-ca", "verify-full"]) {
        await expect(check(`sslmode=${mode}`)).rejects.toThrow(/certificate/);
        expect((await check(`sslmode=${mode}&${ca}`))[0]).toMatchObject({ level: "ok" });
        // The certificate names localhost and 127.0.0.1.
        await expect(check(`sslmode=${mode}&${ca}`, "127.0.0.2")).rejects.toThrow(/altnames/);
      }
      expect(await check("sslmode=no-verify")).toHaveLength(2);
    } finally {
      await encrypted.close();
    }
  });
});
