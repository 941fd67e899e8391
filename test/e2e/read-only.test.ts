import { chmod, cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { openSqliteStore, openSqliteStoreToRead } from "../../src/store/index.ts";
import { readOnly } from "../support/reliability/disk.ts";
import { type ProgramOptions, rollcall, scimToken } from "../support/rollcall-process.ts";
import { makeStage, type Serving, type Stage } from "../support/stage.ts";
import { readableCopy } from "./readable-copy.ts";

/** Commands that read, with what they show of the one person there is. */
const reading: readonly (readonly [readonly string[], RegExp])[] = [
  [["status"], /okta +scim +1 user/],
  [["plan"], /acme-bitwarden/],
  [["user", "ann@example.com"], /state +active/],
  [["token", "list"], /okta.*for the test/],
  [["audit", "list"], /user\.create +ann@example\.com/],
  [["audit", "verify"], /^intact: \d rows/m],
  [["audit", "export"], /"action":"user\.create"/],
  [["connections"], /acme-bitwarden/],
];
const writing: readonly (readonly string[])[] = [
  ["token", "create", "--source", "okta"],
  ["approve", "acme-bitwarden", "0123456789abcdef"],
  ["sync"],
  ["serve"],
];

describe("a database that can't be written", () => {
  let stage: Stage;
  let serve: Serving | null = null;
  const undo: (() => void)[] = [];
  beforeEach(async () => {
    stage = await makeStage();
    serve = await stage.serve();
    await serve.idp.hire("ann@example.com");
    expect((await stage.run("token", "create", "--source", "okta", "--label", "for the test")).code).toBe(0);
  });
  afterEach(async () => {
    for (const step of undo.splice(0)) step();
    await stage[Symbol.asyncDispose]();
  });

  const state = () => join(stage.folder, "data");
  /** A configuration that has its database elsewhere. */
  const configured = async (store: string): Promise<string> => {
    await stage.configure({ store: `sqlite:${store}` });
    return store;
  };

  it("can be read on a read-only mount, and a writing command names the file, the reason and the remedy", async (context: TestContext) => {
    await serve?.stop();
    const unmount = readOnly(state());
    if (unmount === null) return context.skip("a read-only mount needs root on Linux");
    undo.push(unmount);
    const shown = reading.map(async ([command, what]) => {
      const { code, stdout, stderr } = await stage.run(...command);
      expect([command, code, stdout, stderr]).toEqual([command, 0, expect.stringMatching(what), expect.anything()]);
    });
    await Promise.all(shown);
    for (const command of writing) {
      const { code, stderr } = await stage.run(...command);
      expect([command, code, stderr]).toEqual([
        command,
        1,
        `rollcall: database ${stage.database}: can't be written: it is on a read-only file system; mount it writable, or give "store" another place\n`,
      ]);
    }
    const { code, json } = await stage.run("check", "--json");
    expect(code).toBe(1);
    // What can be tried is.
    expect(json.findings).toEqual(
      expect.arrayContaining([
        { name: "store", level: "error", message: expect.stringContaining("read-only file system") },
        expect.objectContaining({ name: "acme-bitwarden", level: "ok" }),
      ]),
    );
    const copy = join(stage.folder, "copy.db");
    expect((await stage.run("backup", copy, "--json")).json).toMatchObject({ file: copy, head: expect.anything() });
  });

  it("can be read with the newest writes of `serve` through a read-only view", async (context: TestContext) => {
    const view = join(stage.folder, "view");
    const unmount = readOnly(state(), view);
    if (unmount === null) return context.skip("a read-only mount needs root on Linux");
    undo.push(unmount);
    await configured(join(view, "rollcall.db"));
    for (const name of ["bob", "cyd"]) {
      await serve?.idp.hire(`${name}@example.com`);
      expect((await stage.run("user", `${name}@example.com`)).stdout).toMatch(/state +active/);
    }
    const create = await stage.run("token", "create", "--source", "okta");
    expect([create.code, create.stderr]).toEqual([1, expect.stringContaining("read-only file system")]);
  });

  it("is not read without the log that holds its newest changes", async (context: TestContext) => {
    const place = join(stage.folder, "snapshot");
    await mkdir(place);
    for (const end of ["", "-wal"]) await cp(stage.database + end, join(place, `rollcall.db${end}`));
    const unmount = readOnly(place);
    if (unmount === null) return context.skip("a read-only mount needs root on Linux");
    undo.push(unmount);
    const store = await configured(join(place, "rollcall.db"));
    for (const command of [["status"], ["user", "ann@example.com"], ["audit", "verify"], ["plan"]]) {
      const { code, stderr } = await stage.run(...command);
      expect([command, code, stderr]).toEqual([
        command,
        1,
        expect.stringMatching(`${store}: its newest changes are in ${store}-wal\\. .* Copy the database and its -wal`),
      ]);
    }
  });

  it("of another user can be read if its mode allows, without new files there, and never counts as empty", async (context: TestContext) => {
    if (process.getuid?.() !== 0) return context.skip("to become another user needs root");
    await serve?.stop();
    const file = join(stage.folder, "rollcall.yaml");
    // A compile cache of their own: this user can't write to that of the checkout.
    const cache = join(stage.folder, "cache");
    await mkdir(cache);
    await chmod(cache, 0o777);
    const env = { BW_SECRET: stage.bitwarden.clientSecret, NODE_COMPILE_CACHE: cache };
    const program = await readableCopy(join(stage.folder, "program"));
    const options: ProgramOptions = { cwd: stage.folder, env, uid: 65_534, program };
    await chmod(stage.folder, 0o755);
    await chmod(file, 0o644);
    expect(await rollcall(["--version"], options)).toMatchObject({ code: 0, stderr: "" });
    const asked = async (...args: string[]) => {
      const { code, stdout, stderr } = await rollcall([...args, "-c", file], options);
      return { code, text: stdout + stderr };
    };
    await chmod(state(), 0o700);
    const hidden = [["status"], ["user", "ann@example.com"], ["audit"], ["serve"]];
    const refused = {
      code: 1,
      text: expect.stringMatching(
        `^rollcall: database ${stage.database}: .*user 65534 may not read ${state()}, which belongs to user 0; run this as`,
      ),
    };
    await Promise.all(
      hidden.map(async (command) => expect([command, await asked(...command)]).toEqual([command, refused])),
    );
    await chmod(state(), 0o755);
    expect(await asked("status")).toMatchObject({
      code: 1,
      text: expect.stringContaining("can't be read: user 65534 may not read it"),
    });
    await chmod(stage.database, 0o644);
    await Promise.all(
      reading.map(async ([command, what]) =>
        expect([command, await asked(...command)]).toEqual([command, { code: 0, text: expect.stringMatching(what) }]),
      ),
    );
    for (const command of writing)
      expect([command, await asked(...command)]).toEqual([
        command,
        { code: 1, text: expect.stringMatching(/rollcall\.db(-lock)?: can't be .*user 65534 may not write/) },
      ]);
    // A file of theirs beside the database would keep its owner from working on it.
    await chmod(state(), 0o777);
    expect((await asked("status")).code).toBe(0);
    serve = await stage.serve();
    expect((await fetch(`${serve.scimUrl}/Users`, { headers: { authorization: `Bearer ${scimToken}` } })).status).toBe(
      200,
    );
  });

  it("of an older release must be brought up to date first, and the error says so", async (context: TestContext) => {
    await serve?.stop();
    const db = new DatabaseSync(stage.database);
    db.exec("DELETE FROM schema_version");
    db.close();
    const unmount = readOnly(state());
    if (unmount === null) return context.skip("a read-only mount needs root on Linux");
    undo.push(unmount);
    expect(await stage.run("status")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/has schema 0, .* works with \d+, .*can't be brought up to date: .*read-only/),
    });
  });

  it("is not read further after an unnoticed write of another process", async (context: TestContext) => {
    await serve?.stop();
    const view = join(stage.folder, "view");
    const unmount = readOnly(state(), view);
    if (unmount === null) return context.skip("a read-only mount needs root on Linux");
    undo.push(unmount);
    const store = await openSqliteStoreToRead(join(view, "rollcall.db"), { now: Date.now });
    expect(await store?.tokens()).toHaveLength(1);
    const writer = await openSqliteStore(stage.database);
    await writer.assertWritable();
    await expect(store?.tokens()).rejects.toThrow(
      `database ${view}/rollcall.db: was written by another process while it was read; try again`,
    );
    await writer.close();
    await store?.close();
  });
});
