import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listen } from "../support/listen.ts";
import { rollcall } from "../support/rollcall-process.ts";
import { makeFolder, makeStage, removeFolder, stateOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

let folder: string;
beforeAll(async () => {
  folder = await makeFolder();
});
afterAll(() => removeFolder(folder));

const run = async (
  text: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  name = "rollcall.yaml",
) => {
  await writeFile(join(folder, name), text);
  return rollcall([...args, "-c", name], { cwd: folder, env });
};

const wrong = `
server: { listen: 127.0.0.1 }
admn: { listen: 127.0.0.1:8081 }
sources:
  okta: { type: scim, token: "\${OKTA_TOKEN}" }
  corp: { type: scim, tokn: hunter2hunter2hunter2 }
targets:
  acme:
    type: bitwarden
    apiUrl: https://api.bitwarden.com
    identityUrl: https://identity.bitwarden.eu
    clientId: organization.00000000-0000-0000-0000-000000000000
    clientSecret: file:missing-secret
    onDelete: destroy
guard: { percent: 500, window: soon }
`;

describe("a wrong configuration", () => {
  it.each(["serve", "token list"])("is refused by %s with all mistakes, each with its path", async (command) => {
    const { code, stdout, stderr } = await run(wrong, command.split(" "));
    expect([code, stdout]).toEqual([1, ""]);
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => line.trim());
    expect(lines[0]).toMatch(/rollcall\.yaml has 9 errors:$/);
    for (const place of [
      "server.listen",
      "admn",
      "sources.okta.token",
      "sources.corp.tokn",
      "targets.acme.identityUrl",
      "targets.acme.clientSecret",
      "targets.acme.onDelete",
      "guard.percent",
      "guard.window",
    ]) {
      expect(
        lines.filter((line) => line.startsWith(`${place}: `)),
        place,
      ).toHaveLength(1);
    }
    expect(stderr).toMatch(/admn: .*did you mean 'admin'/);
    expect(stderr).toMatch(/tokn: .*did you mean 'token'/);
    expect(stderr).toContain("environment variable OKTA_TOKEN is not set");
    expect(stderr).not.toContain("hunter2");
    expect(stderr).not.toContain("    at ");
  });

  it("is one JSON document with --json", async () => {
    const { code, json } = await run(wrong, ["check", "--json"]);
    expect([code, json.error.code]).toEqual([1, "CONFIG_INVALID"]);
    expect(json.error.message).toContain("guard.percent");
  });

  it.each([
    ["is not YAML", "sources: [", /line 1, column/],
    ["is empty", "", /must be a mapping/],
    [
      "asks for a PostgreSQL that is not there",
      "store: postgres://u:hunter2@127.0.0.1:1/db\nsources: { okta: { type: scim } }",
      /database postgres:\/\/127\.0\.0\.1:1\/db: .*ECONNREFUSED/,
    ],
    [
      "sends secrets in the clear",
      "sources: { okta: { type: scim } }\ntargets: { op: { type: onepassword, apiUrl: 'http://op.example.com', accountId: A, clientId: b, clientSecret: hunter2 } }",
      /plain http is for loopback only/,
    ],
  ])("that %s is refused in words", async (_, text, message) => {
    const { code, stdout, stderr } = await run(text, ["serve"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/hunter2| {4}at /);
  });

  it("that is missing is reported with what to do", async () => {
    const options = { cwd: await makeFolder() };
    const missing = await rollcall(["serve", "-c", "nowhere.yaml"], options);
    expect([missing.code, missing.stderr]).toEqual([
      1,
      expect.stringMatching(/no configuration: there is no file .*nowhere\.yaml$/m),
    ]);
    const none = await rollcall(["status"], options);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("ROLLCALL_CONFIG")]);
    await removeFolder(options.cwd);
  });
});

describe("a configuration", () => {
  it("without targets stores users and groups, and `check` warns", async () => {
    await using stage = await makeStage({ sections: { targets: {} } });
    const serve = await stage.serve();
    await serve.idp.hire("ada@example.com");
    const check = await stage.run("check", "--json");
    expect(check.code).toBe(0);
    expect(check.json.findings).toContainEqual({
      name: "configuration",
      level: "warning",
      message: expect.stringContaining("no targets"),
    });
    expect((await stage.run("sync")).code).toBe(1);
    expect((await serve.stop()).code).toBe(0);
    expect((await stage.run("sync", "--json")).json).toMatchObject({ targets: [] });
    expect((await stage.run("status", "--json")).json).toMatchObject({ sources: [{ users: 1 }], targets: [] });
  });

  it("may be JSON, may come from ROLLCALL_CONFIG, and its secrets from files", async () => {
    await using stage = await makeStage();
    await writeFile(join(stage.folder, "secret"), `${stage.onePassword.clientSecret}\n`);
    const config = {
      sources: { okta: { type: "scim" } },
      targets: {
        op: {
          type: "onepassword",
          apiUrl: stage.onePassword.apiUrl,
          accountId: stage.onePassword.accountId,
          clientId: "${OP_ID}",
          clientSecret: "file:secret",
        },
      },
    };
    await writeFile(join(stage.folder, "rollcall.json"), JSON.stringify(config));
    const options = {
      cwd: "/",
      env: { ROLLCALL_CONFIG: join(stage.folder, "rollcall.json"), OP_ID: stage.onePassword.clientId },
    };
    const check = await rollcall(["check", "--json"], options);
    expect(check.json.findings).toContainEqual({
      name: "op",
      level: "ok",
      message: expect.stringContaining("signed in"),
    });
    // No token was made for the source, and that is the one thing that is missing.
    expect(check.json.findings.filter(({ level }: { level: string }) => level === "error")).toEqual([
      { name: "okta", level: "error", message: expect.stringContaining("rollcall token create --source okta") },
    ]);
    expect(check.code).toBe(1);
    expect((await rollcall(["token", "create", "--source", "okta"], options)).code).toBe(0);
    expect((await rollcall(["check"], options)).code).toBe(0);
    // -c wins.
    expect((await rollcall(["status", "-c", "/nowhere.yaml"], options)).code).toBe(1);
  });

  it("decides which users and groups belong to a target", async () => {
    await using stage = await makeStage();
    const { clientId, clientSecret, apiUrl, identityUrl } = stage.bitwarden;
    const target = {
      type: "bitwarden",
      apiUrl,
      identityUrl,
      clientId,
      clientSecret,
      users: { groups: ["vault-*"] },
      groups: { include: ["eng*"] },
    };
    await stage.configure({ targets: { bw: target } });
    const serve = await stage.serve();
    const [ada, alan] = await serve.idp.hireAll(["ada@example.com", "alan@example.com"]);
    const vault = await serve.idp.group("Vault-Users", [ada ?? ""]);
    await serve.idp.group("Engineering", [ada ?? "", alan ?? ""]);
    await until(() => expect(stage.bitwarden.state.groupByName("Engineering")).toBeDefined());
    await until(() => expect(stage.bitwarden.state.membersOfGroup("Engineering")).toEqual(["ada@example.com"]));
    expect([...stage.bitwarden.state.groups.values()].map(({ name }) => name)).toEqual(["Engineering"]);
    // Leaving the scope is a deactivation.
    await serve.idp.leave(vault, ada ?? "");
    await until(() => expect(stateOf(stage, "ada@example.com")).toBe("revoked"));
    expect(stage.bitwarden.state.mails("alan@example.com")).toBe(0);
  });

  it("with an address that is in use ends the process with an error", async () => {
    await using stage = await makeStage();
    const { port, close } = await listen(createServer());
    // The SCIM listener is up already when the admin listener fails.
    await stage.configure({ admin: { listen: `127.0.0.1:${port}`, token: "x" } });
    const { code, stdout, stderr } = await stage.run("serve");
    await close();
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`cannot listen on 127.0.0.1:${port}: another process listens there`);
  });
});

describe("the command line", () => {
  it.each([
    [["statsu"], /unknown command 'statsu'\n\(Did you mean status\?\)/],
    [["-c", "rollcall.yaml", "status"], /unknown option '-c'\n.*options come after the command: rollcall status -c/],
    [["status", "--jsn"], /unknown option '--jsn'\n\(Did you mean --json\?\)/],
    [
      ["plan", "--detailed-exit-code"],
      /unknown option.*\n.*Did you mean --detailed-exitcode.*\n.*try "rollcall plan --help"/,
    ],
    [["token", "revoke"], /missing required argument 'id'\n\(try "rollcall token revoke --help"\)/],
    [["sync", "--timeout", "soon"], /a duration looks like 30s, 10m or 2h/],
    [["serve", "now"], /too many arguments/],
  ])("refuses %j with a hint", async (args, hint) => {
    const { code, stdout, stderr } = await rollcall(args, { cwd: folder });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(hint);
  });

  it("has a help text for every command", async () => {
    const commands = ["serve", "plan", "approve", "token"];
    const [all, version, ...each] = await Promise.all(
      [["--help"], ["--version"], ...commands.map((name) => [name, "--help"])].map((args) =>
        rollcall(args, { cwd: folder }),
      ),
    );
    for (const name of [...commands, "sync", "status", "check", "user", "sandbox"])
      expect(all?.stdout).toMatch(new RegExp(`^ {2}${name}\\b`, "m"));
    expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: "" });
    for (const [index, name] of commands.entries()) {
      expect(each[index]).toMatchObject({ code: 0, stderr: "" });
      expect(each[index]?.stdout).toMatch(
        new RegExp(`\nExamples:\n {2}rollcall ${name === "approve" ? "plan" : name}`),
      );
    }
  });
});
