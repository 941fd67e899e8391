import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ldapSources } from "../../src/config/index.ts";
import { hasCode } from "../../src/domain/model/errors.ts";
import { ldapPresets } from "../../src/domain/model/ldap-source.ts";
import { loadConfig, parseConfig } from "../support/config.ts";

const examples = join(import.meta.dirname, "../../config/examples");
const parse = (source: string) =>
  parseConfig(`sources: { corp: { type: ldap, preset: openldap, ${source} } }`, {
    baseDir: "/",
    env: {},
    fileName: "test.yaml",
  });
const errorsOf = (source: string): string => {
  try {
    parse(source);
  } catch (error) {
    if (hasCode(error, "CONFIG_INVALID")) return error.message;
    throw error;
  }
  return "";
};

describe("an LDAP source", () => {
  it("needs a URL and a base, and has defaults for all other keys", () => {
    const [source] = ldapSources(
      parse("url: ldaps://dc1.example.com, users: { baseDn: 'ou=people,dc=example,dc=com' }"),
    );
    expect(source).toMatchObject({
      name: "corp",
      url: ["ldaps://dc1.example.com"],
      everyMs: 300_000,
      fullEveryMs: 86_400_000,
      pageSize: 1000,
      minKeptPercent: 80,
      delta: "auto",
      bind: { kind: "anonymous" },
      tls: {},
      domain: null,
    });
    expect(source?.groups).toBeUndefined();
  });

  it.each([
    ["users: { baseDn: 'dc=x' }", "sources.corp.url: is missing"],
    ["url: http://x, users: { baseDn: 'dc=x' }", "sources.corp.url"],
    ["url: 'ldap://u:p@x', users: { baseDn: 'dc=x' }", "sources.corp.url"],
    ["url: ldap://x, bindDn: 'cn=a', users: { baseDn: 'dc=x' }", "sources.corp.bindPassword: is missing"],
    ["url: ldap://x, users: { baseDn: 'dc=x', filter: 'objectClass=x' }", "sources.corp.users.filter"],
    ["url: ldap://x, users: { baseDn: 'dc=x', emial: mail }", "did you mean 'email'"],
    ["url: ldap://x, bindDn: 'cn=a', bindPassword: '', users: { baseDn: 'dc=x' }", "sources.corp.bindPassword"],
    ["url: ldap://x, domain: x, users: { baseDn: 'dc=x' }", "sources.corp.domain: conflicts with url"],
    ["url: ldap://x, users: { baseDn: 'dc=x', emailPrefix: uid }", "emailPrefix and emailSuffix go together"],
    ["url: ldap://x, pageSize: 5000, users: { baseDn: 'dc=x' }", "sources.corp.pageSize"],
    ["url: ldap://x, minKeptPercent: 101, users: { baseDn: 'dc=x' }", "sources.corp.minKeptPercent"],
  ])("refuses %s", (source, expected) => {
    expect(errorsOf(source)).toContain(expected);
  });
});

describe("config/examples", () => {
  it.each(ldapPresets)("preset %s has an example and a row in the guides", (preset) => {
    expect(readdirSync(examples)).toContain(`${preset}.yaml`);
    expect(readFileSync(join(examples, "../../docs/guides/README.md"), "utf8")).toContain(`\`${preset}\``);
  });

  it.each(readdirSync(examples).filter((name) => name.endsWith(".yaml")))("%s is complete and valid", (name) => {
    const env = new Proxy(
      {},
      { get: (_, key) => (typeof key === "string" ? "organization-or-any-long-value" : undefined) },
    );
    let message = "";
    try {
      loadConfig(join(examples, name), env);
    } catch (error) {
      message = error instanceof Error ? error.message : String(error);
    }
    // Only secrets and certificates may be missing: they are files of the reader's machine.
    expect(
      message
        .split("\n")
        .slice(1)
        .filter((line) => !line.includes("there is no file")),
    ).toEqual([]);
  });
});
