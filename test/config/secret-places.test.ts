import { describe, expect, it } from "vitest";
import { Secret } from "../../src/config/index.ts";
import { parseConfigFile } from "../../src/config/load.ts";
import { targetDefinitions } from "../../src/targets/registry.ts";

const key = Buffer.alloc(32, 1).toString("base64");
const text = `
masterKey: ["\${MASTER}", ${key}]
admin:
  token: "\${TOKEN}"
  operatorToken: inline-operator
  viewerToken: inline-viewer
  publicUrl: https://rollcall.example.com
  oidc: { issuer: "https://id.example.com", clientId: rollcall, clientSecret: inline, roles: { admin: [ops] } }
sources:
  okta: { type: scim, token: [one-token, "file:\${FOLDER}/two"] }
  corp: { type: ldap, preset: openldap, url: "ldaps://ldap.example.com", bindDn: "cn=x", bindPassword: inline, users: { baseDn: "dc=example" } }
targets:
  bw: { type: bitwarden, region: us, clientId: organization.00000000-0000-0000-0000-000000000000, clientSecret: inline }
  op: { type: onepassword, region: com, accountId: A, clientId: b, clientSecret: inline }
alerts:
  channels:
    hook: { type: webhook, url: "https://hook.example.com/x", secret: 0123456789abcdef }
    chat: { type: slack, url: "https://chat.example.com/hooks/x" }
    mail: { type: email, host: mail.example.com, from: a@example.com, to: [b@example.com], user: u, password: inline }
`;

/** Values in wrappers, in a configuration that was parsed. */
const secretsIn = (value: unknown): number => {
  if (value instanceof Secret) return 1;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((sum: number, each) => sum + secretsIn(each), 0);
};

const parse = (written: string) =>
  parseConfigFile(written, {
    types: targetDefinitions,
    fileName: "/etc/rollcall/rollcall.yaml",
    baseDir: "/etc/rollcall",
    env: { TOKEN: "t", MASTER: key, FOLDER: "/nowhere" },
  });

describe("the places of secrets", () => {
  it("every secret of the schema has a place, except the URL of a webhook, which has its own secret", () => {
    const file = parse(text.replace(/"file:[^"]*"/, "two-token"));
    expect(file.secretPlaces).toHaveLength(secretsIn(file.compose([])) - 1);
  });

  it("a place says whether the secret is in the file, in the environment or in which other file", () => {
    const { secretPlaces } = parse(text);
    const of = (name: string) => secretPlaces.find((place) => place.key === name);
    expect(of("admin.token")).toEqual({ key: "admin.token", file: null, isInline: false });
    expect(of("admin.operatorToken")).toMatchObject({ file: null, isInline: true });
    expect(of("sources.okta.token.1")).toMatchObject({ file: "/nowhere/two", isInline: false });
    expect(of("masterKey.1")).toMatchObject({ isInline: true });
    expect(of("alerts.channels.chat.url")).toMatchObject({ isInline: true });
  });
});
