import { existsSync } from "node:fs";
import { cp, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { emails, makeStage, membersIn, type Serving, type Stage, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

const people = emails(12);
const hires = emails(3, "hired");

describe("a copy of the database that backup did not make", () => {
  let stage: Stage;
  let serve: Serving;
  let ids: readonly string[];
  beforeEach(async () => {
    stage = await makeStage({ sections: { guard: { percent: 0, atLeast: 6, atMost: 6, window: "24h" } } });
    serve = await stage.serve();
    ids = await serve.idp.hireAll(people);
    await serve.idp.group("eng", ids.slice(0, 6));
    // Somebody who is away when it is made.
    await serve.idp.setActive(false, ids[11] ?? "");
    await until(() => expect([membersIn(stage, "invited").length, inEng().length]).toEqual([11, 6]));
    await settled();
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  const settled = () =>
    until(async () => expect((await statusOf(serve)).bitwarden).toMatchObject({ pending: 0, failed: 0, held: 0 }));
  const inEng = (): readonly string[] => [...stage.bitwarden.state.membersOfGroup("eng")].sort();
  /** Who has what, at the vendor. */
  const world = () => ({ invited: membersIn(stage, "invited"), revoked: membersIn(stage, "revoked"), eng: inEng() });
  const place = () => join(stage.folder, "snapshot");

  /** What a volume has at one moment of a process that writes to it. */
  const snapshot = async (): Promise<void> => {
    await mkdir(place());
    serve.child.kill("SIGSTOP");
    for (const end of ["", "-wal"]) await cp(stage.database + end, join(place(), `rollcall.db${end}`));
    serve.child.kill("SIGCONT");
  };
  /** What the copy does not know: people hired, gone, back, and moved between groups. */
  const goOn = async (): Promise<void> => {
    await serve.idp.hireAll(hires);
    await serve.idp.setActive(false, ...ids.slice(0, 4));
    await serve.idp.setActive(true, ids[11] ?? "");
    const eng = (await serve.idp.call("GET", '/Groups?filter=displayName eq "eng"')).body.Resources[0].id;
    await serve.idp.join(eng, ids[9] ?? "");
    await serve.idp.leave(eng, ids[5] ?? "");
    await until(() => expect(membersIn(stage, "revoked")).toEqual(people.slice(0, 4)));
    await until(() => expect(membersIn(stage, "invited")).toEqual(expect.arrayContaining([...hires, people[11]])));
    await settled();
  };
  const putBack = async (): Promise<void> => {
    for (const end of ["", "-wal", "-shm"]) await rm(stage.database + end, { force: true });
    for (const end of ["", "-wal"]) await rename(join(place(), `rollcall.db${end}`), stage.database + end);
  };
  const restoreRows = async () => (await stage.run("audit", "--action", "restore", "--json")).json.rows;

  it("takes access from nobody and gives it back to nobody after `rollcall restored`", async () => {
    await snapshot();
    await goOn();
    const early = await stage.run("restored");
    expect([early.code, early.stderr]).toEqual([
      1,
      expect.stringMatching(
        `^rollcall: "rollcall serve" or "rollcall sync" works on ${stage.database}: stop it, run this command`,
      ),
    ]);
    await serve.stop();
    const before = world();
    await putBack();
    const said = await stage.run("restored", "--json");
    expect([said.code, said.json]).toMatchObject([
      0,
      { database: stage.database, backupAt: null, newestAt: expect.stringMatching(/^20.*Z$/), repeated: false },
    ]);
    const again = await stage.run("restored");
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining("already marked as an old copy")]);
    const rows = [
      {
        actor: expect.stringMatching(/^cli:restored \(.+\)$/),
        detail: { backupAt: null, newestAt: said.json.newestAt, targets: ["acme-bitwarden", "acme-1password"] },
      },
    ];
    expect(await restoreRows()).toMatchObject(rows);

    const planned = (await stage.run("plan", "--target", "acme-bitwarden", "--json")).json.targets[0];
    expect(planned.changes).toEqual([]);
    serve = await stage.serve();
    await until(async () => expect((await statusOf(serve)).bitwarden.held).toBeGreaterThan(0));
    await until(async () => expect((await statusOf(serve)).bitwarden).toMatchObject({ pending: 0, failed: 0 }));
    expect(world()).toEqual(before);
    const { heldChanges, heldDigest } = (await statusOf(serve)).bitwarden;
    expect(heldDigest).toBe(planned.heldDigest);
    expect(
      heldChanges.map(({ op, email, reason }: { op: string; email?: string; reason: string }) => [op, email, reason]),
    ).toEqual(
      expect.arrayContaining([
        ["suspend", people[11], "restored"],
        ...people.slice(0, 4).map((email) => ["restore", email, "restored"]),
      ]),
    );
    // Somebody leaves: the budget of six may have been used up before the disk was lost. Somebody comes who was never there.
    await serve.idp.setActive(false, ids[8] ?? "");
    await serve.idp.hire("new@example.com");
    await until(() => expect(membersIn(stage, "invited")).toContain("new@example.com"));
    await until(async () =>
      expect((await statusOf(serve)).bitwarden.heldChanges).toContainEqual(
        expect.objectContaining({ op: "suspend", email: people[8], reason: "budget" }),
      ),
    );
    expect(world().revoked).toEqual(before.revoked);
    // The first start adds no row of its own.
    expect(await restoreRows()).toMatchObject(rows);
    expect((await stage.run("audit", "verify")).code).toBe(0);
  });

  it("counts as restored again if an older copy of it is put back later", async () => {
    await serve.stop();
    expect((await stage.run("restored")).code).toBe(0);
    serve = await stage.serve();
    await serve.idp.setActive(false, ids[0] ?? "");
    await until(async () => expect((await statusOf(serve)).bitwarden.held).toBe(1));
    await serve.stop();
    const { code, json } = await stage.run("restored", "--json");
    expect([code, json.repeated]).toEqual([0, false]);
    expect(await restoreRows()).toHaveLength(2);
  });

  it("may also be a backup that was not started yet, and must exist", async () => {
    const file = join(stage.folder, "copy.db");
    expect((await stage.run("backup", file)).code).toBe(0);
    await serve.stop();
    for (const end of ["", "-wal", "-shm"]) await rm(stage.database + end, { force: true });
    const none = await stage.run("restored", "--json");
    expect([none.code, none.json]).toMatchObject([1, { error: { code: "STORE_UNAVAILABLE" } }]);
    expect(existsSync(stage.database)).toBe(false);
    await rename(file, stage.database);
    expect((await stage.run("restored", "--json")).json).toMatchObject({
      backupAt: expect.stringMatching(/^20.*Z$/),
      repeated: false,
    });
    serve = await stage.serve();
    expect(serve.stderr()).not.toContain("this database is the backup of");
    expect(await restoreRows()).toHaveLength(1);
  });
});
