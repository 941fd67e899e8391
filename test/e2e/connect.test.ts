import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listen } from "../support/listen.ts";
import type { Run } from "../support/rollcall-process.ts";
import { makeStage, newKey, type Stage } from "../support/stage.ts";

const place = ({ bitwarden }: Stage): string[] => [
  "--api-url",
  bitwarden.apiUrl,
  "--identity-url",
  bitwarden.identityUrl,
  "--client-id",
  bitwarden.clientId,
];

/** Everything that lies in the folder of the database. */
const kept = ({ folder }: Stage): string =>
  readdirSync(join(folder, "data"))
    .map((name) => readFileSync(join(folder, "data", name), "latin1"))
    .join("\n");

describe("connect", () => {
  let stage: Stage;
  const everythingSaid: string[] = [];
  beforeAll(async () => {
    stage = await makeStage({
      sections: { targets: {}, masterKey: newKey() },
      onePassword: { scopes: ["list", "reactivate"] },
    });
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  const connect = async (input: string, ...args: string[]): Promise<Run> => {
    const run = await stage.runWith(input, "connect", ...args);
    everythingSaid.push(run.stdout, run.stderr);
    return run;
  };
  const names = async (): Promise<readonly string[]> =>
    (await stage.run("connections", "--json")).json.connections.map((each: { name: string }) => each.name);

  it.each<[string, (s: Stage) => readonly string[], string, RegExp]>([
    [
      "a wrong secret",
      (s) => ["bitwarden", ...place(s)],
      "wrong-secret-canary",
      /^rollcall: bitwarden is not connected, nothing was stored:\n {2}client secret: the token endpoint answered "invalid_client"; check client id and secret .*the region/m,
    ],
    ["no secret", (s) => ["bitwarden", ...place(s)], "\n", /no secret: standard input is empty/],
    [
      "an API of one cloud and an identity server of the other",
      (s) => [
        "bitwarden",
        "--api-url",
        "https://api.bitwarden.com",
        "--identity-url",
        "https://identity.bitwarden.eu",
        "--client-id",
        s.bitwarden.clientId,
      ],
      "x",
      /--identity-url: belongs to another Bitwarden cloud or server than apiUrl/,
    ],
    [
      "no place",
      (s) => ["bitwarden", "--client-id", s.bitwarden.clientId],
      "x",
      /--region: is missing: us or eu, or apiUrl and identityUrl instead/,
    ],
    [
      "a key of a person",
      (s) => ["bitwarden", ...place(s), "--client-id", "user.123"],
      "x",
      /--client-id: must be organization\.<guid>/,
    ],
    [
      "a server that is not there",
      (s) => [
        "bitwarden",
        ...place(s),
        "--api-url",
        "http://127.0.0.1:4/api",
        "--identity-url",
        "http://127.0.0.1:4/id",
      ],
      "x",
      /--api-url: token\.get: no connection to 127\.0\.0\.1:4 \(ECONNREFUSED 127\.0\.0\.1:4\)$/m,
    ],
    ["another vendor", () => ["lastpass"], "x", /no target type "lastpass"; the types are: bitwarden, onepassword/],
    [
      "a secret as an argument",
      (s) => ["bitwarden", ...place(s), "--client-secret", "canary-argument"],
      "",
      /a secret can't be an argument/,
    ],
    ["a bad name", (s) => ["bitwarden", ...place(s), "--name", "a b"], "x", /--name: is not a name/],
  ])("refuses %s, and stores nothing", async (_, args, input, expected) => {
    const run = await connect(input, ...args(stage));
    expect([run.code, run.stdout]).toEqual([1, ""]);
    expect(run.stderr).toMatch(expected);
    expect(await names()).toEqual([]);
  });

  it("refuses a server that answers with a web page", async () => {
    const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<html>log in"));
    const { url, close } = await listen(server);
    const run = await connect("x", "bitwarden", ...place(stage), "--api-url", url, "--identity-url", url);
    await close();
    expect(run.stderr).toMatch(
      /--api-url: the token endpoint answered 200 with 12 characters of text\/html.*check the URLs/,
    );
    expect(await names()).toEqual([]);
  });

  it("shows the organization, stores the credentials encrypted, and every command has the target", async () => {
    const run = await connect(`${stage.bitwarden.clientSecret}\n`, "bitwarden", ...place(stage), "--json");
    expect(run.code).toBe(0);
    expect(run.stderr).toMatch(/Bitwarden organization 5a1db0c5-\S+ at 127\.0\.0\.1:\d+: 0 members, 0 groups/);
    expect(run.stderr).toContain("key acts as an owner");
    expect(run.json).toMatchObject({ name: "bitwarden", stored: true, survey: { members: 0, groups: 0 } });
    expect(await names()).toEqual(["bitwarden"]);
    const listed = (await stage.run("connections", "--json")).json.connections[0];
    expect(listed).toMatchObject({
      type: "bitwarden",
      from: "stored",
      state: "new",
      clientId: stage.bitwarden.clientId,
    });
    const [checked, status] = [await stage.run("check"), await stage.run("status", "--json")];
    expect([checked.code, status.json.targets[0].name]).toEqual([0, "bitwarden"]);
    expect(kept(stage)).toContain("connection.connect");
  });

  it("shows missing permissions of 1Password, and warns about automated provisioning", async () => {
    const { onePassword } = stage;
    const run = await connect(
      onePassword.clientSecret,
      ...["onepassword", "--name", "acme", "--api-url", onePassword.apiUrl],
      ...["--account-id", onePassword.accountId, "--client-id", onePassword.clientId],
    );
    expect(run.code).toBe(0);
    expect(run.stderr).toContain("accounts with automated provisioning");
    expect(run.stderr).toContain('seem to lack the permission "Get a user"');
    expect(run.stderr).toContain('seem to lack the permission "Suspend a user"');
    expect(run.stderr).not.toContain('permission "Reactivate a user"');
    expect(run.stderr).not.toContain('permission "List users"');
    expect(await names()).toEqual(["acme", "bitwarden"]);
  });

  it("refuses another account under the same name", async () => {
    const other = "organization.00000000-0000-4000-8000-00000000000f";
    const run = await connect("x", "bitwarden", ...place(stage), "--client-id", other);
    expect(run.stderr).toContain('--name: "bitwarden" is already the name of another organization (5a1db0c5');
  });

  it("stores no value that the file overrides", async () => {
    const own = { type: "bitwarden", clientSecret: "in the file" };
    await using second = await makeStage({ sections: { targets: { bitwarden: own }, masterKey: newKey() } });
    const run = await second.runWith("x", "connect", "bitwarden", ...place(second));
    expect(run.stderr).toMatch(
      /--name: targets\.bitwarden\.clientSecret is in \S+ and would be used instead of the stored secret/,
    );
  });

  it("sends no secret to a server that the file does not name", async () => {
    const own = { apiUrl: "http://127.0.0.1:4/api", identityUrl: "http://127.0.0.1:4/identity" };
    await using second = await makeStage({ sections: { targets: { bitwarden: own }, masterKey: newKey() } });
    const run = await second.runWith("x", "connect", "bitwarden", ...place(second));
    for (const key of ["api-url: .*bitwarden.apiUrl", "identity-url: .*bitwarden.identityUrl"])
      expect(run.stderr).toMatch(new RegExp(`--${key}, which would win: make them the same, or remove it there`));
    expect(run.stderr).not.toContain("stored connection");
  });

  it("says how to make a master key if there is none", async () => {
    await using second = await makeStage({ sections: { targets: {} } });
    const run = await second.runWith("x", "connect", "bitwarden", ...place(second));
    expect([run.code, run.stderr]).toEqual([
      1,
      expect.stringMatching(/no masterKey is configured; make one with .*openssl rand -base64 32/),
    ]);
  });

  it("is undone by disconnect, which shows the consequences and asks", async () => {
    const unsure = await stage.run("disconnect", "acme");
    expect([unsure.code, unsure.stderr]).toEqual([
      1,
      expect.stringMatching(/Nobody's access is taken away: 1Password[\s\S]*--yes is needed/),
    ]);
    expect(await names()).toEqual(["acme", "bitwarden"]);
    const sure = await stage.run("disconnect", "acme", "--yes", "--json");
    expect([sure.code, sure.json.disconnected]).toEqual([0, true]);
    expect(await names()).toEqual(["bitwarden"]);
    const again = await stage.run("disconnect", "acme", "--yes");
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('there is no connection "acme"')]);
  });

  it("names the missing key, keeps the stored credentials, and lets a person replace or delete them", async () => {
    await using second = await makeStage({ sections: { targets: {}, masterKey: newKey() } });
    const secret = second.bitwarden.clientSecret;
    expect((await second.runWith(secret, "connect", "bitwarden", ...place(second))).code).toBe(0);
    await second.configure({ targets: {}, masterKey: newKey() });
    const status = await second.run("status");
    expect([status.code, status.stderr]).toEqual([
      1,
      expect.stringMatching(
        /targets\.bitwarden\.clientSecret: the credentials of bitwarden, stored on 2\S+Z, can't be decrypted: masterKey \(key id [0-9a-f]{16}\) does not open it; it was stored under key id [0-9a-f]{16}; nothing is lost/,
      ),
    ]);
    expect((await second.run("connections", "--json")).json.connections[0].state).toBe("unreadable");
    // What needs no credentials works without the key.
    expect((await second.run("token", "list")).code).toBe(0);
    expect((await second.run("audit", "verify")).code).toBe(0);
    expect((await second.runWith(secret, "connect", "bitwarden", ...place(second))).code).toBe(0);
    expect((await second.run("status")).code).toBe(0);
    await second.configure({ targets: {} });
    expect((await second.run("status")).stderr).toMatch(/no masterKey is configured; it was stored under key id/);
    expect((await second.run("disconnect", "bitwarden", "--yes")).code).toBe(0);
    expect((await second.run("status")).code).toBe(0);
  });

  it("writes no secret anywhere", () => {
    expect(everythingSaid.join("\n")).toContain("invalid_client");
    for (const secret of [stage.bitwarden.clientSecret, stage.onePassword.clientSecret, "canary"])
      expect(`${everythingSaid.join("\n")}${kept(stage)}`.includes(secret), secret.slice(0, 9)).toBe(false);
  });
});
