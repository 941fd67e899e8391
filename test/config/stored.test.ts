import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { type ConfigFile, readConfigFile, type StoredTarget } from "../../src/config/index.ts";
import { parseConfigFile } from "../../src/config/load.ts";
import { messageOf } from "../../src/domain/model/errors.ts";
import { targetDefinitions, targetTypes } from "../../src/targets/registry.ts";

const dir = mkdtempSync(join(tmpdir(), "rollcall-config-"));
afterAll(() => rmSync(dir, { recursive: true }));

const KEY = Buffer.alloc(32, 1).toString("base64");
const ID = "organization.00000000-0000-0000-0000-000000000000";
const keys = { type: "bitwarden", region: "eu", clientId: ID, clientSecret: "canary-stored" };
const acme: StoredTarget = { name: "acme", keys };
const file = (targets: string, more = ""): ConfigFile =>
  parseConfigFile(`sources: { okta: { type: scim } }\n${more}\ntargets: ${targets}`, {
    types: targetDefinitions,
    baseDir: dir,
    env: { OWN: "canary-own" },
    fileName: "rollcall.yaml",
  });
const errorsOf = (work: () => unknown): readonly string[] => {
  try {
    work();
  } catch (error) {
    expect(inspect(error, { depth: 9 })).not.toContain("canary");
    return messageOf(error)
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
};

describe("a stored connection", () => {
  it("a stored connection that the file does not name is a target with all defaults", () => {
    const [target, ...others] = file("{}").compose([acme]).targets;
    expect(others).toEqual([]);
    expect(target).toMatchObject({
      name: "acme",
      type: "bitwarden",
      apiUrl: "https://api.bitwarden.eu",
      clientId: ID,
      onDeactivate: "revoke",
      users: { groups: null },
      rateLimit: { perSecond: 4 },
    });
    expect(target?.clientSecret.reveal()).toBe("canary-stored");
    expect(inspect(target, { depth: 9 })).not.toContain("canary");
  });

  it("a stored connection that the file names gets the settings of the file", () => {
    for (const own of ["{ maxSeats: 7 }", `{ type: bitwarden, region: eu, clientId: ${ID}, maxSeats: 7 }`]) {
      const [target] = file(`{ acme: ${own} }`).compose([acme]).targets;
      expect(target).toMatchObject({ type: "bitwarden", maxSeats: 7, apiUrl: "https://api.bitwarden.eu" });
      expect(target?.clientSecret.reveal()).toBe("canary-stored");
    }
    expect(file("{ acme: }").compose([acme]).targets).toHaveLength(1);
  });

  it("a stored secret goes to no other server than the verified one", () => {
    const why = (value: string): string =>
      `differs from the stored connection${value}, whose secret is only for that one: make them the same, set clientSecret here, or run "rollcall connect" again`;
    const other = ID.replace(/0$/, "1");
    const elsewhere = "apiUrl: https://evil.example/api, identityUrl: https://evil.example/identity";
    expect(errorsOf(() => file(`{ acme: { clientId: ${other} } }`).compose([acme]))).toEqual([
      `targets.acme.clientId: ${why(` (${ID})`)}`,
    ]);
    expect(errorsOf(() => file("{ acme: { region: us } }").compose([acme]))).toEqual([
      `targets.acme.region: ${why(" (eu)")}`,
    ]);
    expect(errorsOf(() => file(`{ acme: { ${elsewhere} } }`).compose([acme]))).toEqual([
      `targets.acme.apiUrl: ${why("")}`,
      `targets.acme.identityUrl: ${why("")}`,
      "targets.acme.region: cannot stand beside apiUrl or identityUrl: keep one or the other",
    ]);
    expect(errorsOf(() => file("{ acme: { type: onepassword } }").compose([acme]))[0]).toBe(
      `targets.acme.type: ${why(" (bitwarden)")}`,
    );
  });

  it("a secret in the file replaces the stored one and its place", () => {
    const own = "apiUrl: https://v.example/api, identityUrl: https://v.example/identity, clientSecret: '${OWN}'";
    const [target] = file(`{ acme: { ${own} } }`).compose([acme]).targets;
    expect(target).toMatchObject({ apiUrl: "https://v.example/api", clientId: ID });
    expect(target?.clientSecret.reveal()).toBe("canary-own");
    const locked: StoredTarget = { name: "acme", problem: "can't be opened" };
    const whole = `{ acme: { type: bitwarden, clientId: ${ID}, ${own} } }`;
    expect(file(whole).compose([locked]).targets).toHaveLength(1);
  });

  it("a stored connection that can't be decrypted is reported once, at its path", () => {
    const locked: StoredTarget = { name: "acme", problem: "masterKey (key id 1) does not open it" };
    expect(errorsOf(() => file("{ acme: { type: bitwarden, region: us } }").compose([locked]))).toEqual([
      "targets.acme.clientSecret: masterKey (key id 1) does not open it",
    ]);
    expect(errorsOf(() => file("{}").compose([locked]))).toEqual([
      "targets.acme.clientSecret: masterKey (key id 1) does not open it",
    ]);
  });

  it("stored keys are validated like keys of the file", () => {
    expect(errorsOf(() => file("{}").compose([{ name: "acme", keys: { ...keys, region: "de" } }]))).toEqual([
      "targets.acme.region: must be us or eu",
    ]);
  });

  it("a missing credential is reported with the command that stores it", () => {
    const run = 'run "rollcall connect bitwarden --name acme"';
    expect(errorsOf(() => file("{ acme: { maxSeats: 7 } }").compose([]))).toEqual([
      `targets.acme.type: is missing: ${targetTypes.join(" or ")}; or run "rollcall connect ${targetTypes.join("|")} --name acme"`,
    ]);
    expect(errorsOf(() => file("{ acme: { maxSeats: 7 } }").compose([{ name: "acme", problem: "locked" }]))).toEqual([
      "targets.acme.clientSecret: locked",
    ]);
    expect(errorsOf(() => file("{ acme: { type: bitwarden } }").compose([]))).toEqual([
      `targets.acme.clientSecret: is missing: ${run}, or set it here`,
      `targets.acme.clientId: is missing: ${run}, or set it here`,
      `targets.acme.region: is missing: us or eu, or apiUrl and identityUrl instead; or ${run}`,
    ]);
  });
});

describe("the settings before stored connections", () => {
  it("the store and the master keys are known even when the rest of the file is invalid", () => {
    const { store, masterKeys } = file("{ acme: { type: nonsense } }", `masterKey: ${KEY}`).settings();
    expect(store).toEqual({ kind: "sqlite", path: join(dir, "data/rollcall.db") });
    expect(masterKeys.map((key) => key.reveal())).toEqual([KEY]);
    expect(file("{}").settings().masterKeys).toEqual([]);
    expect(file("{}", `masterKey: [${KEY}, ${KEY}]`).settings().masterKeys).toHaveLength(2);
  });

  it("an invalid store is reported with all other errors, except credentials that may be stored", () => {
    const broken = file("{ acme: { type: bitwarden, maxSeats: 0 } }", "masterKey: canary");
    expect(errorsOf(() => broken.settings())).toEqual([
      "masterKey: must be 32 bytes in base64: openssl rand -base64 32",
      "targets.acme.maxSeats: must be at least 1",
    ]);
  });

  it("the settings are enough to open stored connections", () => {
    const path = join(dir, "rollcall.yaml");
    writeFileSync(join(dir, "key"), `${KEY}\n`);
    writeFileSync(path, "sources: { okta: { type: scim } }\nmasterKey: file:key\n");
    const read = readConfigFile(path, {}, targetDefinitions);
    const { store, masterKeys } = read.settings();
    expect([store, masterKeys[0]?.reveal()]).toEqual([{ kind: "sqlite", path: join(dir, "data/rollcall.db") }, KEY]);
    const config = read.compose([acme]);
    expect(config.targets.map(({ name }) => name)).toEqual(["acme"]);
  });
});

describe("a draft", () => {
  it("a draft is a target, or has the errors by field", () => {
    const found = file("{ acme: { maxSeats: 7 } }").draft("acme", keys);
    expect("target" in found && found.target).toMatchObject({ name: "acme", maxSeats: 7, type: "bitwarden" });
    const mixed = {
      ...keys,
      region: undefined,
      apiUrl: "https://api.bitwarden.com",
      identityUrl: "https://identity.bitwarden.eu",
      clientId: "user.1",
    };
    const given = Object.fromEntries(Object.entries(mixed).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
    expect(file("{}").draft("acme", given)).toEqual({
      problems: [
        {
          field: "clientId",
          message: "must be organization.<guid>, the client_id of the organization's API key",
        },
        { field: "identityUrl", message: "belongs to another Bitwarden cloud or server than apiUrl" },
      ],
    });
    expect(file("{}").draft("a b", keys)).toMatchObject({ problems: [{ field: "name" }] });
  });

  it("errors elsewhere in the file do not matter to a draft", () => {
    expect(file("{ other: { type: nonsense } }").draft("acme", keys)).toMatchObject({ target: { name: "acme" } });
  });
});
