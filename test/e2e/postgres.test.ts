import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noPostgres, type PostgresServer, password, startPostgres } from "../support/postgres.ts";
import { adminToken } from "../support/rollcall-process.ts";
import { person } from "../support/scim-client.ts";
import { emails, makeStage, membersIn, type Serving, type Stage, stateOf, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

let server: PostgresServer;
beforeAll(async () => {
  // Whoever gets a transaction id here is Rollcall.
  if (noPostgres === null) server = await startPostgres({ settings: ["autovacuum = off"] });
});
afterAll(() => server?.close());

/** A stage with a database on the server; the URL comes from the environment, as it should. */
async function stageOnPostgres(sections: object = {}): Promise<{ readonly stage: Stage; readonly url: string }> {
  const url = await server.makeDatabase();
  const stage = await makeStage({
    sections: { store: "${STORE_URL}", reconcile: { settle: "0s" }, ...sections },
    env: { STORE_URL: url },
  });
  return { stage, url };
}

const settled = (serve: Serving) =>
  until(async () => expect((await statusOf(serve)).bitwarden).toMatchObject({ pending: 0, failed: 0 }));

/** Everybody in the directory by id. */
async function everybody({ idp }: Serving): Promise<ReadonlyMap<string, string>> {
  const { body } = await idp.call("GET", "/Users?count=1000&attributes=userName");
  return new Map(body.Resources.map(({ id, userName }: { id: string; userName: string }) => [id, userName]));
}

async function expectNothingToDo(stage: Stage): Promise<void> {
  const { code, json } = await stage.run("plan", "--json", "--detailed-exitcode");
  expect([code, json.targets.flatMap((target: { changes: unknown[] }) => target.changes)]).toEqual([0, []]);
}

async function expectOneMailEach(stage: Stage, people: Iterable<string>): Promise<void> {
  const invited = Object.fromEntries([...people].map((email) => [email, 1]));
  await until(() => expect(Object.fromEntries(stage.bitwarden.state.allMails)).toEqual(invited));
}

describe.skipIf(noPostgres !== null)(`serve on PostgreSQL${noPostgres === null ? "" : ` (${noPostgres})`}`, () => {
  it("follows people who join, leave and return, beside every other command and across a SIGKILL", async () => {
    const { stage, url } = await stageOnPostgres({ guard: { percent: 1, atLeast: 1, atMost: 1 } });
    await using _ = stage;
    // Nothing is there yet, and asking makes nothing.
    expect((await stage.run("status", "--json")).json.sources).toMatchObject([{ name: "okta", users: 0 }]);
    expect((await stage.run("plan")).code).toBe(0);
    expect(await server.administer(url, "SELECT to_regclass('users') AS users")).toEqual([{ users: null }]);

    let serve = await stage.serve();
    const people = emails(6);
    const ids = await serve.idp.hireAll(people);
    const [ada = "", bob = "", cy = ""] = ids;
    await until(() => expect(membersIn(stage, "invited")).toEqual(people));
    await settled(serve);

    const refused = await Promise.all([stage.run("restored"), stage.run("sync", "--json")]);
    for (const { code, stderr } of refused) {
      expect(code).toBe(1);
      expect(stderr).toContain("works on postgres://127.0.0.1:");
    }
    expect(refused[1]?.json.error.code).toBe("STORE_LOCKED");

    // One of three may lose access; somebody approves the others beside "serve".
    await serve.idp.setActive(false, ada, bob, cy);
    await until(async () => expect((await statusOf(serve)).bitwarden).toMatchObject({ held: 2 }));
    const held = (await stage.run("status", "--json")).json.targets[0].heldDigest;
    expect((await stage.run("approve", "acme-bitwarden", held)).code).toBe(0);
    await until(() => expect(membersIn(stage, "revoked")).toHaveLength(3));
    const made = await stage.run("token", "create", "--source", "okta", "--json");
    expect(made.code).toBe(0);
    const about = await stage.run("user", ada);
    expect([about.code, about.stdout]).toEqual([0, expect.stringContaining("inactive")]);
    const backup = await stage.run("backup", "copy.db");
    expect([backup.code, backup.stderr]).toEqual([1, expect.stringContaining("pg_dump")]);
    const check = await stage.run("check");
    expect([check.code, check.stdout]).toEqual([0, expect.stringMatching(/PostgreSQL 1\d\./)]);

    await serve.stop("SIGKILL");
    serve = await stage.serve();
    await serve.idp.setActive(true, ada);
    await until(() => expect(stateOf(stage, people[0] ?? "")).toBe("invited"));
    await settled(serve);
    await expectOneMailEach(stage, people);
    expect((await serve.stop()).code).toBe(0);

    // Nothing is written by what only looks: no transaction that changes something was begun.
    const begun = () => server.administer(url, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next");
    const before = await begun();
    await expectNothingToDo(stage);
    expect((await stage.run("status")).code).toBe(0);
    expect((await stage.run("audit", "verify")).stdout).toContain("intact");
    expect((await stage.run("token", "list")).stdout).toContain(made.json.id);
    expect(await begun()).toEqual(before);

    expect((await stage.run("restored")).code).toBe(0);
    expect((await stage.run("audit", "verify")).code).toBe(0);
    expect((await stage.run("sync")).code).toBe(0);
  });

  it("loses no acknowledged write when PostgreSQL crashes, and continues by itself", async () => {
    const { stage } = await stageOnPostgres();
    await using _ = stage;
    stage.bitwarden.faults.latencyMs = 10;
    const serve = await stage.serve("--log-level", "debug");
    const people = emails(240, "burst");
    const waiting = [...people];
    const acknowledged = new Map<string, string>();
    const refused = new Set<number>();
    /** As identity providers do: what was not acknowledged is sent again; it may be there already. */
    const send = async (): Promise<void> => {
      for (let email = waiting.shift(); email !== undefined; email = waiting.shift()) {
        for (;;) {
          const { status, body } = await serve.idp.call("POST", "/Users", person(email));
          if (status === 201) acknowledged.set(body.id, email);
          if (status === 201 || status === 409) break;
          refused.add(status);
          await new Promise((next) => setTimeout(next, 20));
        }
      }
    };
    const senders = Array.from({ length: 8 }, send);
    for (const share of [40, 120]) {
      await until(() => expect(acknowledged.size).toBeGreaterThan(share));
      const ready = () => fetch(`${serve.baseUrl}/readyz`);
      await server.crash();
      await until(async () => {
        const answer = await ready();
        expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining("postgres://127.0.0.1")]);
      });
      await until(() => expect(refused).toContain(503));
      expect((await fetch(`${serve.baseUrl}/healthz`)).status).toBe(200);
      await server.start();
      await until(async () => expect((await ready()).status).toBe(200));
    }
    await Promise.all(senders);
    expect([...refused]).toEqual([503]);
    const kept = await everybody(serve);
    expect([...acknowledged].filter(([id, email]) => kept.get(id) !== email)).toEqual([]);
    expect([...kept.values()].sort()).toEqual([...people].sort());
    await expectOneMailEach(stage, people);
    await settled(serve);
    expect(serve.isOver()).toBe(false);
    expect((await stage.run("audit", "verify")).code).toBe(0);
    await expectNothingToDo(stage);
    const { code, stderr } = await serve.stop();
    expect(code).toBe(0);
    expect(stderr).toContain("this process is no longer the leader: the connection that holds the lock was lost");
    expect(stderr).toContain("this process is the leader now");
    expect(stderr).not.toContain(encodeURIComponent(password));
    expect(stderr).not.toContain(password);
  });

  it("serves from several processes: one reconciles, and the next takes over when that one is gone", async () => {
    const { stage, url } = await stageOnPostgres();
    await using _ = stage;
    const leader = await stage.serve();
    const standby = await stage.serve();
    const isLeading = async ({ adminUrl }: Serving): Promise<boolean> => {
      const answer = await fetch(`${adminUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
      return /^rollcall_leader 1$/m.test(await answer.text());
    };
    expect(await Promise.all([leader, standby].map(isLeading))).toEqual([true, false]);
    expect((await fetch(`${standby.baseUrl}/readyz`)).status).toBe(200);

    // Whoever takes the write, it is delivered at once.
    const people = emails(30);
    await Promise.all(people.map((email, at) => (at % 2 === 0 ? leader : standby).idp.hire(email)));
    await expectOneMailEach(stage, people);
    await settled(standby);
    const readsBefore = stage.bitwarden.requests.entries.length;
    const asked = await fetch(`${standby.adminUrl}/api/v1/targets/acme-bitwarden/sync`, {
      method: "POST",
      headers: { authorization: `Bearer ${adminToken}` },
    });
    expect(asked.ok).toBe(true);
    await until(() => expect(stage.bitwarden.requests.entries.length).toBeGreaterThan(readsBefore));

    // The leader loses its connection, and waits like any other; then it takes over from one that is killed.
    const holder =
      "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1383033956";
    await server.administer(url, holder);
    await until(async () => expect(await Promise.all([leader, standby].map(isLeading))).toContain(true));
    const [first, second] = (await isLeading(leader)) ? [leader, standby] : [standby, leader];
    const more = emails(40, "more");
    const hired = Promise.all(more.map((email) => second.idp.hire(email)));
    await until(() => expect(stage.bitwarden.state.allMails.size).toBeGreaterThan(people.length));
    await first.stop("SIGKILL");
    await hired;
    await until(async () => expect(await isLeading(second)).toBe(true));
    await second.idp.hire("last@example.com");
    await expectOneMailEach(stage, [...people, ...more, "last@example.com"]);
    await settled(second);
    await expectNothingToDo(stage);
    expect((await stage.run("audit", "verify")).code).toBe(0);
    expect((await second.stop()).code).toBe(0);
  });

  it("explains what is wrong with a database, and never shows its password", async () => {
    const { stage, url } = await stageOnPostgres();
    await using _ = stage;
    const wrong = "another-password-0123456789";
    const at = (change: (url: URL) => void): string => {
      const changed = new URL(url);
      change(changed);
      return changed.href;
    };
    await server.administer(
      url,
      "CREATE ROLE reader LOGIN PASSWORD 'reader'",
      "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0 OWNER rollcall",
    );
    const cases: readonly (readonly [store: string, said: string])[] = [
      [at((each) => (each.password = wrong)), 'password authentication failed for user "rollcall"'],
      [at((each) => (each.pathname = "/absent")), 'database "absent" does not exist; create it first'],
      [at((each) => (each.port = "1")), "ECONNREFUSED"],
      [at((each) => (each.search = "?sslmode=require")), "The server does not support SSL connections"],
      [at((each) => (each.search = "?sslmode=verify-full&sslrootcert=absent.pem")), "absent.pem"],
      [
        at((each) => Object.assign(each, { username: "reader", password: "reader" })),
        "permission denied for schema public; let the user own the schema",
      ],
      [at((each) => (each.pathname = "/latin")), "has the encoding LATIN1"],
    ];
    for (const [store, said] of cases) {
      await stage.configure({ store });
      for (const { code, stdout, stderr } of await Promise.all([stage.run("check"), stage.run("serve")])) {
        expect([code, stdout + stderr]).toEqual([1, expect.stringContaining(said)]);
        for (const secret of [wrong, password, new URL(url).password]) expect(stdout + stderr).not.toContain(secret);
      }
    }
  });
});
