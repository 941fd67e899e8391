import { chmod, chown, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { authority } from "../support/certificates.ts";
import { makeStage, newKey, type Stage } from "../support/stage.ts";

/** 128 bits and more in the forms that people use. */
const good = ["0123456789abcdef0123456789abcdef", "kJ8-x2Lq_0Zr5vTn1YbW3c", "correct-horse-battery-staple"];
/** What nobody should count on, though some of it is long. */
const poor = [
  "hunter2-hunter2",
  "0123456789abcdef01234567",
  "abababababababababababababababab",
  "31415926535897932384626433",
];

describe("check of secrets", () => {
  let stage: Stage;
  let key: string;
  beforeAll(async () => {
    stage = await makeStage();
    key = newKey();
    const { cert, key: privateKey } = authority().server({ name: "one.example.com" });
    for (const [name, text] of Object.entries({
      "server.pem": cert,
      "server.key": privateKey,
      "master.key": key,
      "admin.token": good[0] ?? "",
    }))
      await writeFile(join(stage.folder, name), text, { mode: 0o600 });
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  const file = (name: string): string => join(stage.folder, name);
  const configure = async (more: object = {}): Promise<void> => {
    await stage.configure({
      server: { listen: "127.0.0.1:0", tls: { certFile: "server.pem", keyFile: "server.key" } },
      admin: { listen: "127.0.0.1:0", token: "file:admin.token" },
      masterKey: "file:master.key",
      sources: { okta: { type: "scim", token: "${OKTA_TOKEN}" } },
      targets: {},
      ...more,
    });
  };
  /** What it warns of, besides that there are no targets. */
  const warnings = async (env: Readonly<Record<string, string>> = {}): Promise<readonly string[]> => {
    const { json, code, stdout } = await stage.runWithEnv({ OKTA_TOKEN: good[1] ?? "", ...env }, "check", "--json");
    expect(code).toBe(0);
    for (const secret of [...poor, ...good, key]) expect(stdout).not.toContain(secret);
    return (json.findings as readonly { name: string; level: string; message: string }[])
      .filter(({ name, level, message }) => name === "configuration" && level === "warning" && !/targets/.test(message))
      .map(({ message }) => message);
  };

  it("accepts files that only this user can read", async () => {
    await configure();
    expect(await warnings()).toEqual([]);
  });

  it("warns about files that other users have rights on, with key and path", async () => {
    await configure();
    await Promise.all([
      chmod(file("server.key"), 0o644),
      chmod(file("master.key"), 0o604),
      chmod(file("admin.token"), 0o620),
    ]);
    expect(await warnings()).toEqual([
      expect.stringMatching(`^server\\.tls\\.keyFile: every user .* ${file("server.key")} \\(mode 0644\\): chmod 600`),
      expect.stringMatching(`^admin\\.token: its group .* ${file("admin.token")} \\(mode 0620\\)`),
      expect.stringMatching(`^masterKey: every user .* ${file("master.key")} \\(mode 0604\\)`),
    ]);
    await Promise.all(["server.key", "master.key", "admin.token"].map((name) => chmod(file(name), 0o600)));
  });

  it("accepts a file of root that only a group can read, also through a link", async (context) => {
    if (process.getuid?.() !== 0) return context.skip("files of root need root");
    await configure();
    // As Kubernetes mounts a secret.
    await writeFile(file("mounted"), key);
    await chmod(file("mounted"), 0o440);
    await symlink("mounted", file("linked.key"));
    await configure({ masterKey: "file:linked.key" });
    expect(await warnings()).toEqual([]);
    await chmod(file("mounted"), 0o444);
    expect(await warnings()).toEqual([expect.stringContaining(`${file("linked.key")} (mode 0444)`)]);
    await chmod(file("mounted"), 0o440);
    await chown(file("mounted"), 1000, 1000);
    expect(await warnings()).toEqual([expect.stringContaining("masterKey: its group")]);
  });

  it("warns about a configuration with secrets that every user can read", async () => {
    await configure({ admin: { listen: "127.0.0.1:0", token: good[2] } });
    await chmod(file("rollcall.yaml"), 0o644);
    expect(await warnings()).toEqual([
      expect.stringMatching(`^${file("rollcall.yaml")} holds secrets \\(admin\\.token\\), and every user .*mode 0644`),
    ]);
    await chmod(file("rollcall.yaml"), 0o640);
    expect(await warnings()).toEqual([]);
    // Without any in it, it may be read.
    await configure();
    await chmod(file("rollcall.yaml"), 0o644);
    expect(await warnings()).toEqual([]);
  });

  it("warns about tokens that are easy to guess, in the file, in a file: and in the environment", async () => {
    await configure({
      admin: { listen: "127.0.0.1:0", token: "file:admin.token", operatorToken: poor[1], viewerToken: poor[2] },
      sources: { okta: { type: "scim", token: ["${OKTA_TOKEN}", good[1], poor[3]] } },
    });
    await chmod(file("rollcall.yaml"), 0o600);
    const found = await warnings({ OKTA_TOKEN: poor[0] ?? "" });
    expect(found.map((message) => message.replace(/ is easy to guess.*openssl rand -hex 32.*/, ""))).toEqual([
      "admin.operatorToken",
      "admin.viewerToken",
      "sources.okta.token.0",
      "sources.okta.token.2",
    ]);
  });
});
