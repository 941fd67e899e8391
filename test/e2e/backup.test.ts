import { existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emails, makeStage, membersIn, type Serving, type Stage, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

const people = emails(20);
const hires = emails(6, "hired");

/** A day in the life of a backup: made, outlived, put back. */
describe("a backup", () => {
  let stage: Stage;
  let serve: Serving;
  let file: string;
  let ids: readonly string[];
  beforeAll(async () => {
    stage = await makeStage({ sections: { guard: { percent: 0, atLeast: 6, atMost: 6, window: "24h" } } });
    file = join(stage.folder, "copy.db");
    serve = await stage.serve();
    ids = await serve.idp.hireAll(people);
    await serve.idp.group("eng", ids.slice(0, 10));
    await until(() => expect([membersIn(stage, "invited").length, inEng().length]).toEqual([people.length, 10]));
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  const settled = () =>
    until(async () => expect((await statusOf(serve)).bitwarden).toMatchObject({ pending: 0, failed: 0, held: 0 }));
  const inEng = (): readonly string[] => stage.bitwarden.state.membersOfGroup("eng");
  /** Who has what, at the vendor. */
  const world = () => ({ invited: membersIn(stage, "invited"), revoked: membersIn(stage, "revoked"), eng: inEng() });

  it("is complete and private, is made while serve runs, and overwrites no file", async () => {
    // Somebody who is away when it is made.
    await serve.idp.setActive(false, ids[19] ?? "");
    await until(() => expect(membersIn(stage, "revoked")).toEqual([people[19]]));
    await settled();
    const writing = Promise.all(emails(40, "meanwhile").map((email) => serve.idp.hire(email)));
    const made = await stage.run("backup", file, "--json");
    await writing;
    expect([made.code, made.json]).toMatchObject([0, { file, head: expect.stringMatching(/^\d+:[0-9a-f]{64}$/) }]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(stage.folder).filter((name) => name.includes("partial"))).toEqual([]);
    const before = statSync(file).mtimeMs;
    const again = await stage.run("backup", file);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("there is a file already")]);
    const nowhere = await stage.run("backup", join(stage.folder, "no-such-folder", "copy.db"));
    expect([nowhere.code, nowhere.stderr]).toEqual([
      1,
      expect.stringMatching(/there is no folder \S+no-such-folder; make/),
    ]);
    expect(statSync(file).mtimeMs).toBe(before);
    expect((await stage.run("audit", "verify", "--head", made.json.head)).code).toBe(0);
  });

  it("that is restored takes access from nobody and gives it back to nobody", async () => {
    // What the copy does not know: people hired, gone, back, and moved between groups.
    await serve.idp.hireAll(hires);
    await serve.idp.setActive(false, ...ids.slice(0, 4));
    await serve.idp.setActive(true, ids[19] ?? "");
    const eng = (await serve.idp.call("GET", '/Groups?filter=displayName eq "eng"')).body.Resources[0].id;
    await serve.idp.join(eng, ids[15] ?? "", ids[16] ?? "");
    await serve.idp.leave(eng, ids[5] ?? "");
    await until(() => expect(membersIn(stage, "revoked")).toEqual(people.slice(0, 4)));
    await settled();
    await serve.stop();
    const before = world();
    expect(before.invited).toEqual(expect.arrayContaining([...hires, people[19]]));

    for (const end of ["", "-wal", "-shm"]) rmSync(stage.database + end, { force: true });
    renameSync(file, stage.database);
    const planned = (await stage.run("plan", "--target", "acme-bitwarden", "--json")).json.targets[0];
    serve = await stage.serve();
    await until(async () => expect((await statusOf(serve)).bitwarden.held).toBeGreaterThan(0));
    await until(async () => expect((await statusOf(serve)).bitwarden).toMatchObject({ pending: 0, failed: 0 }));
    expect(world()).toEqual(before);
    expect(serve.stderr()).toContain("this database is the backup of 20");
    const { heldChanges, heldDigest } = (await statusOf(serve)).bitwarden;
    expect(heldDigest).toBe(planned.heldDigest);
    const asked = heldChanges.map(({ op, email, reason }: { op: string; email?: string; reason: string }) => [
      op,
      email,
      reason,
    ]);
    expect(asked).toEqual(
      expect.arrayContaining([
        ["suspend", people[19], "restored"],
        ...people.slice(0, 4).map((email) => ["restore", email, "restored"]),
      ]),
    );
  });

  it("allows no removal for one window, in the guard as in status, and carries out what a source reports since", async () => {
    const before = world();
    // The identity provider says again who is gone: nothing is left to be held for them.
    await serve.idp.setActive(false, ...ids.slice(0, 2));
    // Somebody leaves: the limit of six may have been used up before the disk was lost.
    await serve.idp.setActive(false, ids[12] ?? "");
    // And somebody comes who was never there.
    await serve.idp.hire("new@example.com");
    await until(() => expect(membersIn(stage, "invited")).toContain("new@example.com"));
    await until(async () => {
      const { heldChanges, budget } = (await statusOf(serve)).bitwarden;
      expect(budget.allowed).toBe(0);
      expect(heldChanges).toContainEqual(
        expect.objectContaining({ op: "suspend", email: people[12], reason: "budget" }),
      );
      expect(
        heldChanges
          .filter(({ op }: { op: string }) => op === "restore")
          .map(({ email }: { email: string }) => email)
          .sort(),
      ).toEqual(people.slice(2, 4));
    });
    expect(membersIn(stage, "revoked")).toEqual(before.revoked);
    expect((await stage.run("audit", "verify")).code).toBe(0);
    expect((await stage.run("audit", "--action", "restore", "--json")).json.rows).toMatchObject([
      { actor: "restore", detail: { targets: ["acme-bitwarden", "acme-1password"] } },
    ]);
  });

  it("carries out the held changes after their approval, also across a restart", async () => {
    await serve.stop();
    serve = await stage.serve();
    await until(async () => expect((await statusOf(serve)).bitwarden).toMatchObject({ pending: 0, failed: 0 }));
    const { heldDigest } = (await statusOf(serve)).bitwarden;
    expect(membersIn(stage, "revoked")).toEqual(expect.arrayContaining(people.slice(0, 4)));
    expect((await stage.run("approve", "acme-bitwarden", heldDigest)).code).toBe(0);
    await until(() => {
      expect(membersIn(stage, "revoked")).toEqual(
        expect.arrayContaining([people[0], people[1], people[12], people[19]]),
      );
      expect(membersIn(stage, "invited")).toEqual(expect.arrayContaining([people[2], people[3], ...hires]));
    });
    await settled();
    expect(existsSync(`${stage.database}.partial`)).toBe(false);
    writeFileSync(file, "");
    expect((await stage.run("backup", file)).code).toBe(1);
  });
});

describe("a backup of a damaged database", () => {
  it("is refused if the audit trail is not intact, and leaves no file", async () => {
    await using other = await makeStage();
    await other.run("token", "create", "--source", "okta");
    const db = new DatabaseSync(other.database);
    db.exec("DROP TRIGGER audit_refuses_update; UPDATE audit SET actor = 'x'");
    db.close();
    const { code, stderr } = await other.run("backup", join(other.folder, "copy.db"));
    expect([code, stderr]).toEqual([1, expect.stringContaining("not intact at row 1")]);
    expect(readdirSync(other.folder).filter((name) => name.includes("copy"))).toEqual([]);
  });
});
