import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminToken, scimToken } from "../support/rollcall-process.ts";
import { scimClient } from "../support/scim-client.ts";
import { makeStage, type Serving, type Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

describe("tokens", () => {
  let stage: Stage;
  let serve: Serving;
  const secrets: string[] = [];
  beforeAll(async () => {
    stage = await makeStage();
    serve = await stage.serve("--log-level", "debug");
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  /** Moves the end of a token into the past, as if its time had passed. */
  const expireNow = (id: string): void => {
    const database = new DatabaseSync(stage.database, { timeout: 60_000 });
    database.prepare("UPDATE scim_tokens SET expires_at_ms = ? WHERE id = ?").run(Date.now() - 1, id);
    database.close();
  };
  const statusWith = async (token: string): Promise<number> =>
    (await scimClient(serve.scimUrl, token).call("GET", "/Users")).status;

  it("work at once in a running serve, and end soon after they are revoked", async () => {
    const made = await stage.run("token", "create", "--source", "okta", "--label", "the second one", "--json");
    expect([made.code, made.json]).toEqual([
      0,
      { id: expect.any(String), source: "okta", token: expect.stringMatching(/^rollcall_\S{40,}$/) },
    ]);
    const { id, token } = made.json;
    secrets.push(token);
    expect(await statusWith(token)).toBe(200);
    expect(await statusWith(scimToken)).toBe(200);

    const listed = await stage.run("token", "list", "--json");
    expect(listed.json.tokens).toMatchObject([{ id, source: "okta", label: "the second one", revokedAt: null }]);
    expect(listed.stdout).not.toContain(token);

    expect((await stage.run("token", "revoke", id)).code).toBe(0);
    await until(async () => expect(await statusWith(token)).toBe(401));
    expect(await statusWith(scimToken)).toBe(200);
    expect((await stage.run("token", "revoke", id)).code).toBe(1);
    expect((await stage.run("token", "list")).stdout).toMatch(
      new RegExp(`^${id} {2}okta {2}[0-9a-f]{8} {2}made 20\\S+ {2}used 20\\S+ {2}revoked 20\\S+ {4}the second one\n$`),
    );
  });

  it("are printed once, alone on the first line", async () => {
    const { code, stdout } = await stage.run("token", "create", "--source", "okta");
    expect(code).toBe(0);
    const [token = "", empty] = stdout.split("\n");
    secrets.push(token);
    expect([token, empty]).toEqual([expect.stringMatching(/^rollcall_\S+$/), ""]);
    expect(await statusWith(token)).toBe(200);
    await scimClient(serve.scimUrl, token).hire("ada@example.com");
    const unknown = await stage.run("token", "create", "--source", "nope", "--json");
    expect([unknown.code, unknown.json.error.message]).toEqual([
      1,
      'no SCIM source "nope" in the configuration; there is: okta',
    ]);
  });

  it("expire, are listed with their last use, and are announced before they expire", async () => {
    const made = await stage.run(
      "token",
      "create",
      "--source",
      "okta",
      "--label",
      "short",
      "--expires",
      "1h",
      "--json",
    );
    const { id, token, expiresAt } = made.json;
    secrets.push(token);
    expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now() - 1000);
    expect(await statusWith(token)).toBe(200);
    const state = async () =>
      (await stage.run("token", "list", "--json")).json.tokens.find((each: { id: string }) => each.id === id);
    await until(async () =>
      expect(await state()).toMatchObject({ lastUsedAt: expect.stringMatching(/^20/), expiresAt }),
    );
    expireNow(id);
    await until(async () => expect(await statusWith(token)).toBe(401));
    expect((await state()).state).toBe("expired");
    expect((await stage.run("token", "rotate", id)).code).toBe(1);

    const soon = (
      await stage.run("token", "create", "--source", "okta", "--label", "soon", "--expires", "10d", "--json")
    ).json;
    secrets.push(soon.token);
    const listed = await stage.run("token", "list");
    expect(listed.stderr).toContain(`token ${soon.id} of source okta expires within 14 days`);
    expect(listed.stderr).not.toContain(id);
    const { json } = await stage.run("status", "--json");
    expect(json.tokens).toEqual([{ id: soon.id, source: "okta", label: "soon", expiresAt: soon.expiresAt }]);
    expect((await stage.run("status")).stdout).toContain(`rollcall token rotate ${soon.id}`);
    expect((await stage.run("token", "create", "--source", "okta", "--expires", "soon")).code).toBe(1);
  });

  it("are rotated without an interruption: both are valid in the grace period, then only the new one", async () => {
    const old = (await stage.run("token", "create", "--source", "okta", "--label", "prod", "--json")).json;
    const made = await stage.run("token", "rotate", old.id, "--grace", "1h", "--json");
    secrets.push(old.token, made.json.token);
    expect([made.code, made.json]).toMatchObject([
      0,
      { source: "okta", replaces: old.id, token: expect.stringMatching(/^rollcall_/) },
    ]);
    expect([await statusWith(old.token), await statusWith(made.json.token)]).toEqual([200, 200]);
    expect(Date.parse(made.json.oldGoodUntil)).toBeGreaterThan(Date.now());
    expireNow(old.id);
    await until(async () => expect(await statusWith(old.token)).toBe(401));
    expect(await statusWith(made.json.token)).toBe(200);
    const rows = (await stage.run("audit", "--action", "token", "--json")).json.rows;
    expect(rows.at(-1)).toMatchObject({ action: "token.rotate", detail: { id: old.id, by: made.json.id } });
  });

  it("and all other secrets are neither in the database nor in the logs", async () => {
    await fetch(`${serve.scimUrl}/Users?access_token=${secrets[0]}`, {
      headers: { authorization: `Bearer ${secrets[0]}x` },
    });
    await serve.idp.hire("alan@example.com", { password: "correct horse battery staple" });
    await until(() => expect(stage.bitwarden.state.members.size).toBe(2));
    expect((await serve.stop()).code).toBe(0);
    const kept = readdirSync(join(stage.folder, "data")).map((name) =>
      readFileSync(join(stage.folder, "data", name), "latin1"),
    );
    const everything = [...kept, serve.stderr()].join("\n");
    expect(everything).toContain("ada@example.com");
    for (const secret of [
      ...secrets,
      scimToken,
      adminToken,
      stage.bitwarden.clientSecret,
      stage.onePassword.clientSecret,
      "correct horse",
    ])
      expect(everything.includes(secret), secret.slice(0, 12)).toBe(false);
  });
});

describe("--json", () => {
  it("is one document on standard output with every command, and logs are JSON lines on standard error", async () => {
    await using stage = await makeStage();
    const serve = await stage.serve("--log-level", "debug");
    const id = await serve.idp.hire("ada@example.com");
    await until(() => expect(stage.bitwarden.state.members.size).toBe(1));
    const debug = ["--json", "--log-level", "debug"];
    const runs = await Promise.all(
      [
        ["status"],
        ["plan"],
        ["check"],
        ["user", id],
        ["user", "nobody"],
        ["approve", "acme-bitwarden", "0123456789abcdef"],
        ["token", "list"],
        ["token", "revoke", "x"],
        ["sync"],
        ["nonsense"],
        ["plan", "--nonsense"],
      ].map(async (args) => [args.join(" "), await stage.run(...args, ...debug)] as const),
    );
    const stopped = await serve.stop();
    for (const [name, run] of [...runs, ["serve", stopped] as const]) {
      expect(() => run.json, `${name}: ${run.stdout}`).not.toThrow();
      expect(typeof run.json, name).toBe("object");
      for (const line of run.stderr.split("\n").filter((each) => each.startsWith("{")))
        expect(JSON.parse(line), name).toMatchObject({
          time: expect.any(String),
          level: expect.any(String),
          message: expect.any(String),
        });
    }
    expect(runs.map(([, { code }]) => code)).toEqual([0, 0, 0, 0, 1, 1, 0, 1, 1, 1, 1]);
    expect(
      stopped.stderr
        .trim()
        .split("\n")
        .every((line) => line.startsWith("{")),
    ).toBe(true);
    const synced = await stage.run("sync", ...debug);
    expect([synced.code, synced.json.targets.length]).toEqual([0, 2]);
  });
});
