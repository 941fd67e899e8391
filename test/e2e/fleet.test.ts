import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createKeyRing } from "../../src/crypto/key-ring.ts";
import { messageOf } from "../../src/domain/model/errors.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { adminToken, start } from "../support/rollcall-process.ts";
import { emails, makeStage, membersIn, newKey, type Serving, type Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const connect = (stage: Stage, secret = stage.bitwarden.clientSecret, name = "acme") =>
  stage.runWith(
    secret,
    ...["connect", "bitwarden", "--name", name, "--client-id", stage.bitwarden.clientId],
    ...["--api-url", stage.bitwarden.apiUrl, "--identity-url", stage.bitwarden.identityUrl],
  );

const targetsServed = async ({ adminUrl }: Serving): Promise<readonly string[]> => {
  const headers = { authorization: `Bearer ${adminToken}` };
  const status = (await (await fetch(`${adminUrl}/api/v1/status`, { headers })).json()) as {
    readonly targets: readonly { readonly name: string }[];
  };
  return status.targets.map(({ name }) => name);
};

const metricsOf = async ({ adminUrl }: Serving): Promise<string> =>
  (await fetch(`${adminUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } })).text();

describe("a running serve", () => {
  it("serves a connection that another process connects, changes or disconnects, without a restart", async () => {
    await using stage = await makeStage({ sections: { targets: {}, masterKey: newKey() } });
    const serve = await stage.serve();
    const [ada = "", bob = "", eve = ""] = emails(3);
    await serve.idp.hire(ada);
    expect(await targetsServed(serve)).toEqual([]);

    const refused = await connect(stage, "wrong");
    expect(refused.code).toBe(1);
    const connected = await connect(stage);
    expect(connected.stderr).toContain("invites everybody who is missing");
    await until(() => expect(membersIn(stage, "invited")).toEqual([ada]));
    expect(await targetsServed(serve)).toEqual(["acme"]);

    // The same again is a new row with the same content: nothing starts again.
    const tokensBefore = stage.bitwarden.requests.count({ path: /connect\/token/ });
    expect((await connect(stage)).code).toBe(0);
    await serve.idp.hire(bob);
    await until(() => expect(membersIn(stage, "invited")).toEqual([ada, bob]));
    const asked = stage.bitwarden.requests.count({ path: /connect\/token/ }) - tokensBefore;
    expect(asked).toBe(1);

    expect((await metricsOf(serve)).includes('target="acme"')).toBe(true);
    expect((await stage.run("disconnect", "acme", "--yes")).code).toBe(0);
    await until(async () => expect(await targetsServed(serve)).toEqual([]));
    await serve.idp.hire(eve);
    await until(() => expect(serve.stderr()).toContain("target acme: disconnected"));
    // Ten times as long as an invitation waits.
    const endMs = performance.now() + 1000;
    await until(() => {
      expect(membersIn(stage, "invited")).toEqual([ada, bob]);
      expect(performance.now()).toBeGreaterThan(endMs);
    });
    expect(membersIn(stage, "invited")).toEqual([ada, bob]);
    expect(await metricsOf(serve)).not.toMatch(/^rollcall_(entities|budget|target_failing)\S*\{target="acme"/m);

    expect((await connect(stage)).code).toBe(0);
    await until(() => expect(membersIn(stage, "invited")).toEqual([ada, bob, eve]));
    expect((await serve.stop()).code).toBe(0);
  });

  it("replaces a changed connection, and gives back the access token of the old one", async () => {
    await using stage = await makeStage({ sections: { targets: {}, masterKey: newKey() } });
    const { onePassword } = stage;
    const connectOne = (apiUrl = onePassword.apiUrl) =>
      stage.runWith(
        onePassword.clientSecret,
        ...["connect", "onepassword", "--api-url", apiUrl, "--account-id", onePassword.accountId],
        ...["--client-id", onePassword.clientId],
      );
    expect((await connectOne()).code).toBe(0);
    const serve = await stage.serve();
    await until(async () => expect(await targetsServed(serve)).toEqual(["onepassword"]));
    await until(async () => expect((await stage.run("status", "--json")).json.targets[0].lastSuccessAt).not.toBeNull());
    const revoked = () => onePassword.requests.count({ path: /revoke/ });
    const before = revoked();
    // The same account by another name of its host; connecting gives back a token of its own.
    expect((await connectOne(onePassword.apiUrl.replace("127.0.0.1", "localhost"))).code).toBe(0);
    await until(() => expect(serve.stderr()).toContain("target onepassword: changed, and served from now on"));
    expect(revoked()).toBe(before + 2);
    expect((await stage.run("disconnect", "onepassword", "--yes")).code).toBe(0);
    await until(() => expect(revoked()).toBe(before + 3));
    expect((await serve.stop()).code).toBe(0);
  });

  it("keeps the former credentials of a target if the stored ones can't be used, and logs it", async () => {
    const key = newKey();
    await using stage = await makeStage({ sections: { targets: {}, masterKey: key } });
    expect((await connect(stage)).code).toBe(0);
    const serve = await stage.serve();
    const [ada = "", bob = ""] = emails(2);
    await serve.idp.hire(ada);
    await until(() => expect(membersIn(stage, "invited")).toEqual([ada]));
    // Somebody stores with another key, which this configuration does not have.
    const store = await openSqliteStore(stage.database);
    const [row] = await store.credentials();
    if (row === undefined) throw new Error("nothing stored");
    const foreign = createKeyRing([newKey()]).seal("{}", row);
    await store.putCredential({ ...row, ...foreign }, { actor: "test", requestId: null });
    await store.close();
    await until(
      () => expect(serve.stderr()).toMatch(/target acme: .*does not open it.*it keeps its former credentials/),
      3000,
    );
    await serve.idp.hire(bob);
    await until(() => expect(membersIn(stage, "invited")).toEqual([ada, bob]));
    expect((await serve.stop()).code).toBe(0);
  });
});

describe("rekey", () => {
  it("replaces the key while serve runs, and serve reads the new key", async () => {
    const [old, fresh] = [newKey(), newKey()];
    await using stage = await makeStage({ sections: { targets: {}, masterKey: old } });
    expect((await connect(stage)).code).toBe(0);
    const serve = await stage.serve();
    await until(async () => expect(await targetsServed(serve)).toEqual(["acme"]));

    expect((await stage.run("rekey")).stdout).toMatch(/^0 connections encrypted again .*1 of 1 were already/);
    await stage.configure({ targets: {}, masterKey: fresh });
    const without = await stage.run("rekey");
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining("does not open it")]);
    await stage.configure({ targets: {}, masterKey: [fresh, old] });
    expect((await stage.run("rekey", "--json")).json).toMatchObject({ resealed: 1, total: 1 });
    await stage.configure({ targets: {}, masterKey: fresh });
    expect((await stage.run("check")).code).toBe(0);

    await until(() => expect(serve.stderr()).toContain("masterKey read again"));
    const [ada = ""] = emails(1);
    await serve.idp.hire(ada);
    await until(() => expect(membersIn(stage, "invited")).toEqual([ada]));
    expect(serve.stderr()).not.toMatch(/target acme: (changed|disconnected)|does not open/);
    expect((await connect(stage)).code).toBe(0);
    expect((await serve.stop()).code).toBe(0);
  });

  it("killed at any moment leaves all credentials under one key", async () => {
    const [old, fresh] = [newKey(), newKey()];
    await using stage = await makeStage({ sections: { targets: {}, masterKey: old } });
    const rings = { old: createKeyRing([old]), new: createKeyRing([fresh]), both: createKeyRing([fresh, old]) };
    const cause = { actor: "test", requestId: null };
    const rows = 400;
    const reset = async (): Promise<void> => {
      const store = await openSqliteStore(stage.database);
      // Together they are one commit.
      await Promise.all(
        Array.from({ length: rows }, (_, index) => {
          const place = { name: `c${index}`, type: "bitwarden" };
          const times = { createdAtMs: 1, changedAtMs: 1, verifiedAtMs: 1 };
          const keys = JSON.stringify({ type: "bitwarden", clientSecret: `secret-${index}` });
          return store.putCredential({ ...place, ...rings.old.seal(keys, place), ...times }, cause);
        }),
      );
      await store.close();
    };
    /** How many rows each key opens. */
    const opened = async (): Promise<readonly [old: number, fresh: number, both: number]> => {
      const store = await openSqliteStore(stage.database);
      const stored = await store.credentials();
      await store.close();
      const count = (ring: (typeof rings)["old"]): number =>
        stored.filter((row) => {
          try {
            return ring.open(row, row).includes(`"secret-${row.name.slice(1)}"`);
          } catch (error) {
            return messageOf(error).includes("opened");
          }
        }).length;
      return [count(rings.old), count(rings.new), count(rings.both)];
    };
    await reset();
    await stage.configure({ targets: {}, masterKey: [fresh, old] });
    const config = join(stage.folder, "rollcall.yaml");
    const run = () => start(["rekey", "-c", config], { cwd: stage.folder });
    const seen = new Set<string>();
    // How long a whole one takes; then each kill comes nearer to the moment that decides.
    const startMs = performance.now();
    expect((await run().exit).code).toBe(0);
    const wholeMs = performance.now() - startMs;
    expect(await opened()).toEqual([0, rows, rows]);
    let [earlyMs, lateMs] = [0, wholeMs * 1.5];
    for (let kill = 0; kill < 10; kill += 1) {
      await reset();
      const running = run();
      const killMs = kill % 4 === 3 ? Math.random() * wholeMs : (earlyMs + lateMs) / 2;
      await new Promise((resolve) => setTimeout(resolve, killMs));
      await running.stop("SIGKILL");
      const [underOld, underNew, underBoth] = await opened();
      expect([underOld, underNew, underBoth]).toEqual(underNew > 0 ? [0, rows, rows] : [rows, 0, rows]);
      seen.add(underNew > 0 ? "new" : "old");
      if (underNew > 0) lateMs = killMs;
      else earlyMs = killMs;
    }
    expect([...seen].sort()).toEqual(["new", "old"]);
  });
});
