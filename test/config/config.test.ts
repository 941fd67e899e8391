import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { type Config, jsonSchema, Secret, scimSources } from "../../src/config/index.ts";
import { hasCode } from "../../src/domain/model/errors.ts";
import { targetDefinitions, targetTypes } from "../../src/targets/registry.ts";
import { loadConfig, parseConfig } from "../support/config.ts";

const dir = mkdtempSync(join(tmpdir(), "rollcall-config-"));
afterAll(() => rmSync(dir, { recursive: true }));

const CANARY = "canary-7f3a9d-canary";
const ENV = { TOKEN: `${CANARY}-token`, SECRET: CANARY, OTHER: "other" };
const parse = (text: string, env: NodeJS.ProcessEnv = ENV): Config =>
  parseConfig(text, { baseDir: dir, env, fileName: "rollcall.yaml" });

/** The lines of the error, without the first one, which names the file. */
function errorsOf(text: string, env?: NodeJS.ProcessEnv): readonly string[] {
  try {
    parse(text, env);
  } catch (error) {
    if (!hasCode(error, "CONFIG_INVALID")) throw error;
    expect(inspect(error, { depth: 9 })).not.toContain("canary");
    const [first, ...lines] = error.message.split("\n");
    expect(first).toBe(`rollcall.yaml has ${lines.length === 1 ? "1 error" : `${lines.length} errors`}:`);
    return lines.map((line) => line.trim());
  }
  return [];
}

const GUID = "00000000-0000-0000-0000-000000000000";
const SCIM = "sources: { okta: { type: scim } }\n";
const bitwarden = (keys: string): string =>
  `${SCIM}targets: { acme: { type: bitwarden, clientId: organization.${GUID}, clientSecret: "\${SECRET}", ${keys} } }`;
const onepassword = (keys: string): string =>
  `${SCIM}targets: { op: { type: onepassword, accountId: ABC, clientId: abc, clientSecret: "\${SECRET}", ${keys} } }`;

describe("a minimal configuration", () => {
  it("a minimal configuration has every default", () => {
    expect(parse(SCIM)).toEqual({
      server: {
        listen: { host: "127.0.0.1", port: 8080 },
        publicUrl: null,
        limits: {
          connections: 1000,
          requestsInFlight: 512,
          requestsInFlightPerSource: 384,
          requestsPerSecond: 5000,
          burst: 50_000,
          wrongTokensPerMinute: 30,
        },
        tls: null,
        trustProxy: false,
      },
      admin: null,
      masterKeys: [],
      store: { kind: "sqlite", path: join(dir, "data/rollcall.db") },
      sources: [{ name: "okta", type: "scim", tokens: [], groupNamesUnique: true, unknownMembers: "skip" }],
      targets: [],
      reconcile: { everyMs: 3_600_000, settleMs: 2_000, driftPolicy: "enforce" },
      alerts: null,
    });
  });

  it("a Bitwarden target has every default", () => {
    expect(parse(bitwarden("region: eu")).targets[0]).toEqual({
      name: "acme",
      type: "bitwarden",
      allowInsecureHttp: false,
      caFile: null,
      apiUrl: "https://api.bitwarden.eu",
      identityUrl: "https://identity.bitwarden.eu",
      clientId: `organization.${GUID}`,
      clientSecret: new Secret(CANARY),
      users: { groups: null },
      groups: { include: ["*"], exclude: [], takeOver: [] },
      onDeactivate: "revoke",
      onDelete: "revoke",
      removeAfterMs: null,
      protect: ["owner"],
      maxSeats: null,
      rateLimit: { perSecond: 4, perMinutePerPath: 55 },
      guard: { percent: 5, atLeast: 3, atMost: 100, windowMs: 86_400_000 },
      account: GUID,
      adminUrl: `https://vault.bitwarden.eu/#/organizations/${GUID}/members`,
      policy: {
        groupInclude: ["*"],
        groupExclude: [],
        groupTakeOver: [],
        protect: ["owner"],
        reactivate: "always",
        onDeactivate: "suspend",
        onDelete: "suspend",
        removeAfterMs: null,
        maxSeats: null,
      },
      open: expect.any(Function),
    });
  });

  it("a 1Password target has every default", () => {
    expect(parse(onepassword("region: ca")).targets[0]).toEqual({
      name: "op",
      type: "onepassword",
      allowInsecureHttp: false,
      caFile: null,
      apiUrl: "https://api.1password.ca",
      apiVersion: "auto",
      accountId: "ABC",
      clientId: "abc",
      clientSecret: new Secret(CANARY),
      users: { groups: null },
      onDeactivate: "suspend",
      onDelete: "suspend",
      reactivate: "own",
      protect: [],
      guard: { percent: 5, atLeast: 3, atMost: 100, windowMs: 86_400_000 },
      account: "ABC",
      adminUrl: "https://start.1password.com/",
      policy: {
        groupInclude: [],
        groupExclude: [],
        groupTakeOver: [],
        protect: [],
        reactivate: "own",
        onDeactivate: "suspend",
        onDelete: "suspend",
        removeAfterMs: null,
        maxSeats: null,
      },
      open: expect.any(Function),
    });
  });
});

describe("values", () => {
  it("variables are resolved anywhere in a text, and a file reference replaces the whole text", () => {
    writeFileSync(join(dir, "secret"), "from-file ${TOKEN}\n");
    const text = 'sources: { okta: { type: scim, token: ["pre-${TOKEN}-${OTHER}", "file:long"] } }\n';
    writeFileSync(join(dir, "long"), "a-token-of-a-file-\r\n");
    const [source] = scimSources(parse(text));
    expect(source?.tokens.map((token) => token.reveal())).toEqual([`pre-${CANARY}-token-other`, "a-token-of-a-file-"]);
    const config = parse(`${SCIM}admin: { token: "file:${"${DIR}"}/secret" }`, { DIR: dir });
    expect(config.admin?.token.reveal()).toBe("from-file ${TOKEN}");
  });

  it("the value of a variable is not resolved again", () => {
    const config = parse(`${SCIM}admin: { token: "\${X}" }`, { X: "file:${TOKEN}" });
    expect(config.admin?.token.reveal()).toBe("file:${TOKEN}");
  });

  it.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["24h", 86_400_000],
    ["7d", 604_800_000],
  ])("reads %s as %d ms", (text, ms) => {
    expect(parse(`${SCIM}reconcile: { every: ${text} }`).reconcile.everyMs).toBe(ms);
  });

  it.each([
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
    ["'[::1]:65535'", { host: "::1", port: 65_535 }],
    ["localhost:80", { host: "localhost", port: 80 }],
  ])("reads the address %s", (text, address) => {
    expect(parse(`${SCIM}server: { listen: ${text} }`).server.listen).toEqual(address);
  });

  it("the guard of a target overrides keys of the general one", () => {
    const config = parse(`${bitwarden("region: us, guard: { atMost: 7, window: 1h }")}\nguard: { percent: 10 }`);
    expect(config.targets[0]?.guard).toEqual({ percent: 10, atLeast: 3, atMost: 7, windowMs: 3_600_000 });
  });

  it("a self-hosted server has no rate limit unless the configuration sets one", () => {
    const urls = "apiUrl: https://vault.example.com/api/, identityUrl: https://vault.example.com/identity";
    expect(parse(bitwarden(urls)).targets[0]).toMatchObject({
      apiUrl: "https://vault.example.com/api",
      rateLimit: { perSecond: null, perMinutePerPath: null },
    });
    expect(parse(bitwarden(`${urls}, rateLimit: { perSecond: 9 }`)).targets[0]).toMatchObject({
      rateLimit: { perSecond: 9, perMinutePerPath: null },
    });
  });

  it("removeAfter, protected addresses and JSON with tabs are read", () => {
    expect(parse(bitwarden("region: us, removeAfter: 30d")).targets[0]).toMatchObject({ removeAfterMs: 2_592_000_000 });
    expect(parse(onepassword("region: com, protect: [Boss@Example.com]")).targets[0]).toMatchObject({
      protect: ["boss@example.com"],
    });
    expect(parse('{\n\t"sources": {\n\t\t"a": { "type": "scim" }\n\t}\n}').sources[0]?.name).toBe("a");
  });

  it.each([
    "apiUrl: http://127.0.0.1:9000/api, identityUrl: http://localhost:9000/identity",
    "apiUrl: 'http://[::1]:9000', identityUrl: 'http://[::1]:9000'",
    "apiUrl: http://vault/api, identityUrl: http://vault/identity, allowInsecureHttp: true",
  ])("plain http is allowed for %s", (urls) => {
    expect(errorsOf(bitwarden(urls))).toEqual([]);
  });

  it("a configuration is frozen at every depth", () => {
    const config = parse(bitwarden("region: us"));
    for (const part of [config, config.server.listen, config.targets, config.targets[0]?.guard, config.sources[0]]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it("no form of printing shows a secret", () => {
    const config = parse(`${bitwarden("region: us")}\nadmin: { token: "\${SECRET}" }`);
    const { token } = config.admin ?? {};
    for (const text of [
      inspect(config, { depth: 9, showHidden: true }),
      JSON.stringify(config),
      `${token}`,
      String(token),
    ]) {
      expect(text).not.toContain("canary");
    }
    expect(token?.reveal()).toBe(CANARY);
  });
});

describe("the front", () => {
  it("TLS files start from the folder of the configuration, and an authority makes client certificates required", () => {
    const { server, admin } = parse(
      `${SCIM}server: { tls: { certFile: tls/a.pem, keyFile: /etc/a.key } }\nadmin: { token: t, tls: { certFile: a.pem, keyFile: a.key, clientCaFile: ca.pem, minVersion: "1.3" } }`,
    );
    expect(server.tls).toEqual({
      certFile: join(dir, "tls/a.pem"),
      keyFile: "/etc/a.key",
      clientCaFile: null,
      clientCert: "none",
      minVersion: "TLSv1.2",
    });
    expect(admin?.tls).toMatchObject({
      clientCaFile: join(dir, "ca.pem"),
      clientCert: "required",
      minVersion: "TLSv1.3",
    });
  });

  it.each([
    ["1", 1],
    ["16", 16],
    ["[10.0.0.0/8, '::1', 'fd00::/8', loopback]", ["10.0.0.0/8", "::1", "fd00::/8", "loopback"]],
  ])("trustProxy can be %s", (text, value) =>
    expect(parse(`${SCIM}server: { trustProxy: ${text} }`).server.trustProxy).toEqual(value),
  );
});

describe("what is refused", () => {
  const name = "is not a name: 1 to 63 of A-Z, a-z, 0-9, -, _ and ., beginning with a letter or a digit";
  const range = "must be an IP address or a range such as 10.0.0.0/8, or loopback, linklocal or uniquelocal";
  const http = "plain http is for loopback only: use https, or say allowInsecureHttp: true";
  const url = "must be an http:// or https:// URL without user, query and fragment";
  const duration = "must be a duration such as 30s, 5m, 24h or 30d";
  /** Each row: what is given, and the only error. `whole` makes a file of what is given, `path` begins the error. */
  const refuses = (
    title: string,
    path: string,
    whole: (given: string) => string,
    rows: Readonly<Record<string, string>>,
  ) =>
    it.each(Object.entries(rows).map(([given, error]) => ({ given, error: path + error })))(
      `${title}: $given`,
      ({ given, error }) => expect(errorsOf(whole(given), { ...ENV, X: "" })).toEqual([error]),
    );
  refuses("a Bitwarden target", "targets.acme.", bitwarden, {
    "region: ca": "region: must be us or eu",
    "": 'region: is missing: us or eu, or apiUrl and identityUrl instead; or run "rollcall connect bitwarden --name acme"',
    "region: us, apiUrl: https://api.bitwarden.com":
      "region: cannot stand beside apiUrl or identityUrl: keep one or the other",
    "apiUrl: https://vault.example.com/api": "identityUrl: is missing: apiUrl and identityUrl go together",
    "identityUrl: https://vault.example.com/identity": "apiUrl: is missing: apiUrl and identityUrl go together",
    "apiUrl: https://api.bitwarden.com, identityUrl: https://identity.bitwarden.eu":
      "identityUrl: belongs to another Bitwarden cloud or server than apiUrl",
    "apiUrl: https://api.bitwarden.eu, identityUrl: https://identity.bitwarden.com":
      "identityUrl: belongs to another Bitwarden cloud or server than apiUrl",
    "apiUrl: https://vault.example.com/api, identityUrl: https://identity.bitwarden.com":
      "identityUrl: belongs to another Bitwarden cloud or server than apiUrl",
    "apiUrl: https://api.bitwarden.eu, identityUrl: https://vault.example.com/identity":
      "identityUrl: belongs to another Bitwarden cloud or server than apiUrl",
    "apiUrl: http://127.0.0.1.example.com/api, identityUrl: https://vault.example.com": `apiUrl: ${http}`,
    "region: us, users: { groups: [] }": "users.groups: must not be empty",
    "region: us, maxSeats: 0": "maxSeats: must be at least 1",
    "region: us, maxSeats: 1.5": "maxSeats: must be a whole number",
    "region: us, rateLimit: { perSecond: 0 }": "rateLimit.perSecond: must be more than 0",
    "region: us, removeAfter: 0d": `removeAfter: ${duration}, or never`,
    "region: us, on_delete: revoke": "on_delete: unknown key; did you mean 'onDelete'?",
  });
  refuses("a 1Password target", "targets.op.", onepassword, {
    "apiUrl: http://example.com": `apiUrl: ${http}`,
    "apiUrl: https://canary:canary@example.com": `apiUrl: ${url}`,
    "apiUrl: ftp://example.com": `apiUrl: ${url}`,
    "region: com, apiUrl: https://x.example": "region: cannot stand beside apiUrl: keep one or the other",
    "": 'region: is missing: com, ca or eu, or apiUrl instead; or run "rollcall connect onepassword --name op"',
    "region: com, protect: [owner]": "protect[0]: must be an e-mail address",
  });
  refuses("beside a source", "", (given) => SCIM + given, {
    "server: { trustProxy: true }":
      "server.trustProxy: must be false, the number of proxies in front (1 to 16), or a list of their addresses",
    "server: { trustProxy: all }":
      "server.trustProxy: must be false, the number of proxies in front (1 to 16), or a list of their addresses",
    "server: { trustProxy: 0 }": "server.trustProxy: must be at least 1",
    "server: { trustProxy: 99 }": "server.trustProxy: must be at most 16",
    "server: { trustProxy: [] }": "server.trustProxy: must not be empty",
    "server: { trustProxy: [10.0.0.0/33] }": `server.trustProxy[0]: ${range}`,
    "server: { trustProxy: ['::1/129'] }": `server.trustProxy[0]: ${range}`,
    "server: { trustProxy: [example.com] }": `server.trustProxy[0]: ${range}`,
    "server: { trustProxy: [10.0.0.0/0] }": `server.trustProxy[0]: ${range}`,
    "server: { tls: { certFile: a.pem } }": "server.tls.keyFile: is missing",
    "admin: { token: t, tls: { certFile: a.pem, keyFile: a.key, clientCert: required } }":
      "admin.tls.clientCaFile: is missing: clientCert needs the authority that signs client certificates",
    "store: 'postgres://u:canary/%@h:x/db'":
      "store: is not a URL: postgres://USER:PASSWORD@HOST/DATABASE, with / : @ ? # and % of the password written as %2F %3A %40 %3F %23 %25",
    "store: postgres://u:canary@h": "store: has no database: postgres://USER:PASSWORD@HOST/DATABASE",
    "store: postgres:///db": "store: has no host: postgres://USER:PASSWORD@HOST/DATABASE",
    "store: 'postgres://u:canary@a,b/db'":
      "store: has several hosts: give one, or an address that leads to the primary",
    "store: 'postgres://u:canary@h/db?password=canary'":
      "store: has parameters other than host, options, sslmode, sslrootcert, sslcert, sslkey",
    "store: 'postgres://u:canary@h/db?sslmode=canary'":
      "store: sslmode must be one of disable, prefer, require, verify-ca, verify-full, no-verify",
    "store: ./data": "store: must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE",
    "store: 'sqlite::memory:'": "store: must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE",
    "masterKey: canary": "masterKey: must be 32 bytes in base64: openssl rand -base64 32",
    "targets: { x: { type: lastpass } }": `targets.x.type: must be ${targetTypes.join(" or ")}`,
    "server: { publicUrl: http://example.com }": `server.publicUrl: ${http}`,
    "guard: { percent: 101 }": "guard.percent: must be at most 100",
    "guard: { percent: -1 }": "guard.percent: must be at least 0",
    "guard: { atLeast: 9, atMost: 8 }": "guard.atLeast: 9 is more than atMost, 8",
    "reconcile: { every: 30 }": "reconcile.every: must be text: put it in quotes",
    "reconcile: { every: 1w }": `reconcile.every: ${duration}`,
    "reconcile: { every: 8d }": "reconcile.every: must be between 100ms and 7d",
    "server: { listen: 127.0.0.1 }": "server.listen: must be host:port, such as 127.0.0.1:8080",
    'server: { listen: "h:65536" }': "server.listen: the port must be between 0 and 65535",
    'admin: { listen: "h:1" }': "admin.token: is missing",
    "admin: { token: same, viewerToken: same }": "admin.viewerToken: is the same as token: each role needs its own",
    "admin: { token: x, oidc: { issuer: https://id.example.com, clientId: c, clientSecret: s, roles: { viewer: [a] } } }":
      "admin.publicUrl: is needed for oidc: the provider sends people back to it",
    "admin: { token: x, publicUrl: https://r.example.com, oidc: { issuer: http://id.example.com, clientId: c, clientSecret: s, roles: { viewer: [a] } } }": `admin.oidc.issuer: ${http}`,
    "admin: { token: x, publicUrl: https://r.example.com, oidc: { issuer: https://id.example.com, clientId: c, clientSecret: s, roles: {} } }":
      "admin.oidc.roles: must name at least one group",
    'admin: { token: "${X}" }': "admin.token: must not be empty",
    "admin: { token: x, listen: 127.0.0.1:8080 }":
      "admin.listen: must differ from server.listen: the admin pages need their own listener",
    "admin: { token: x, listen: localhost:8080 }":
      "admin.listen: must differ from server.listen: the admin pages need their own listener",
    "admin: { token: x, listen: 0.0.0.0:8080 }":
      "admin.listen: must differ from server.listen: the admin pages need their own listener",
    "admin: { token: x, listen: '[::]:8080' }":
      "admin.listen: must differ from server.listen: the admin pages need their own listener",
    "zebra: 1": "zebra: unknown key",
    "tragets: {}": "tragets: unknown key; did you mean 'targets'?",
    '"<<": { a: 1 }': '"<<": unknown key',
    'admin: { token: "x${NOPE}" }': "admin.token: environment variable NOPE is not set",
    'admin: { token: "${X:-canary}" }':
      "admin.token: ${…} must contain the name of an environment variable: letters, digits and _",
    'admin: { token: "${canary" }':
      "admin.token: ${…} must contain the name of an environment variable: letters, digits and _",
    'admin: { token: "file:nope" }': `admin.token: there is no file ${dir}/nope`,
    'admin: { token: "file:." }': `admin.token: ${dir} is a directory`,
    "---\nx: 1": "line 2, column 1: not valid YAML (multiple docs)",
  });
  refuses("a file", "", (given) => given, {
    "": "must be a mapping",
    "server: {}": "sources: is missing",
    "sources: {}": "sources: needs at least one source",
    "sources: { a: {} }": "sources.a.type: is missing: scim or ldap",
    "sources: { corp: { type: ldap, preset: openldap, users: { baseDn: 'dc=x' } } }":
      "sources.corp.url: is missing: ldaps://host, or domain instead",
    "sources: { .okta: { type: scim } }": `sources.".okta": ${name}`,
    "sources: { 'a b': { type: scim } }": `sources."a b": ${name}`,
    "sources: { a: { type: scim, token: '' } }": "sources.a.token: must not be empty",
    "sources: { a: { type: scim, token: [''] } }": "sources.a.token[0]: must not be empty",
    "sources: { a: { type: scim, token: 'canary canary canary' } }":
      "sources.a.token: must be visible ASCII characters without a space",
    "sources: { a: { type: scim, token: 12345678 } }": "sources.a.token: must be text, or a list of texts",
    'sources: { a: { type: scim, token: "${TOKEN}" }, b: { type: scim, token: ["${TOKEN}"] } }':
      "sources.b.token: source a has the same token: every source needs its own",
    "sources:\n  a: { type: scim }\n  a: { type: scim }": "sources.a: appears twice, again in line 3",
    'admin:\n  token: "canary': "line 2, column 17: not valid YAML (missing char)",
    "admin: { token: !env canary }": "line 1, column 17: not valid YAML (tag resolve failed)",
  });
  it.each([
    {
      given: onepassword("region: com, accountId: 'a/b'").replace("accountId: ABC, ", ""),
      error: "targets.op.accountId: must be the account's id, 26 capital letters and digits",
    },
    {
      given: bitwarden("region: us").replace("organization.", "user."),
      error: "targets.acme.clientId: must be organization.<guid>, the client_id of the organization's API key",
    },
    {
      given: `${bitwarden("region: us, guard: { atMost: 8 }")}\nguard: { atLeast: 9 }`,
      error: "targets.acme.guard.atLeast: 9 is more than atMost, 8",
    },
  ])("$error", ({ given, error }) => expect(errorsOf(given)).toEqual([error]));

  it("all errors are reported at once", () => {
    const text = `
server: { listen: nowhere, publicUrl: http://example.com, port: 1 }
admin: { token: "\${MISSING}" }
sources: { okta: { type: scim, tokn: x } }
targets:
  acme: { type: bitwarden, apiUrl: "\${BASE}", clientId: nobody, clientSecret: "file:gone", guard: { atMost: 1 } }
  op: { type: onepassword, region: de }
guard: { atLeast: 2, percent: many }
`;
    const run = 'is missing: run "rollcall connect onepassword --name op", or set it here';
    expect([...errorsOf(text)].sort()).toEqual(
      [
        "admin.token: environment variable MISSING is not set",
        "guard.percent: must be a number",
        "server.listen: must be host:port, such as 127.0.0.1:8080",
        "server.port: unknown key",
        "server.publicUrl: plain http is for loopback only: use https, or say allowInsecureHttp: true",
        "sources.okta.tokn: unknown key; did you mean 'token'?",
        "targets.acme.apiUrl: environment variable BASE is not set",
        `targets.acme.clientSecret: there is no file ${dir}/gone`,
        "targets.acme.clientId: must be organization.<guid>, the client_id of the organization's API key",
        "targets.acme.guard.atLeast: 2 is more than atMost, 1",
        "targets.acme.identityUrl: is missing: apiUrl and identityUrl go together",
        `targets.op.accountId: ${run}`,
        `targets.op.clientId: ${run}`,
        `targets.op.clientSecret: ${run}`,
        "targets.op.region: must be com or ca or eu",
      ].sort(),
    );
  });

  it.each([
    ["aliases that multiply", `a: &a [${"x,".repeat(9)}]\nb: &b [${"*a,".repeat(9)}]\nc: [${"*b,".repeat(9)}]`],
    ["an alias within itself", "a: &a { b: *a }"],
    ["endless nesting", "[".repeat(100_000)],
  ])("a file with %s is refused", (_, text) => {
    expect(() => parse(text)).toThrowError(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});

describe("loadConfig", () => {
  it("a file is read with the files that it refers to, from any folder", () => {
    writeFileSync(join(dir, "admin-token"), "abc\n");
    writeFileSync(join(dir, "rollcall.yaml"), `${SCIM}admin: { token: "file:admin-token" }`);
    const config = loadConfig(join(dir, "rollcall.yaml"), {});
    expect(config.admin?.token.reveal()).toBe("abc");
    expect(config.store).toEqual({ kind: "sqlite", path: join(dir, "data/rollcall.db") });
  });

  it("the URL of a PostgreSQL database is never printed with its secrets", () => {
    const store = "postgresql://me:${PW}@db.example.com:5433/rollcall?sslmode=verify-full&sslrootcert=tls/ca.pem";
    writeFileSync(join(dir, "rollcall.yaml"), `${SCIM}store: "${store}"`);
    const config = loadConfig(join(dir, "rollcall.yaml"), { PW: "canary%2F" });
    if (config.store.kind !== "postgres") throw new Error("another store");
    expect(config.store.name).toBe("postgres://db.example.com:5433/rollcall");
    expect(config.store.url.reveal()).toBe(
      `postgresql://me:canary%2F@db.example.com:5433/rollcall?sslmode=verify-full&sslrootcert=${encodeURIComponent(join(dir, "tls/ca.pem"))}`,
    );
    expect(JSON.stringify(config) + inspect(config)).not.toContain("canary");
  });

  it("a message says why a file can't be read", () => {
    const path = join(dir, "absent.yaml");
    expect(() => loadConfig(path, {})).toThrowError(`no configuration: there is no file ${path}`);
    writeFileSync(path, "#".repeat(300_000));
    expect(() => loadConfig(path, {})).toThrowError(`the configuration ${path} is larger than 262144 bytes`);
  });
});

describe("the files in config/", () => {
  const read = (name: string): string => readFileSync(new URL(`../../config/${name}`, import.meta.url), "utf8");
  const env = {
    ROLLCALL_ADMIN_TOKEN: "x",
    OKTA_SCIM_TOKEN: "x".repeat(16),
    BW_CLIENT_SECRET: "x",
    OP_CLIENT_SECRET: "x",
  };

  it("the JSON Schema is up to date (npm run schema)", () => {
    expect(JSON.parse(read("rollcall.schema.json"))).toEqual(jsonSchema(targetDefinitions));
  });

  it("the example is valid", () => {
    const config = parse(read("example.yaml"), env);
    expect([...config.sources, ...config.targets].map(({ type }) => type)).toEqual([
      "scim",
      "bitwarden",
      "onepassword",
    ]);
  });

  it("the defaults in the comments of the example are the real defaults", () => {
    const example = read("example.yaml");
    const OPTIONAL = /^( *)# (publicUrl|apiUrl|identityUrl|users|maxSeats|guard: \{ atMost)/;
    const uncommented = example
      .split("\n")
      .filter((line) => !OPTIONAL.test(line))
      .map((line) =>
        line.replace(
          /^( *)# ?( *(server|listen|allowInsecureHttp|store|groupNamesUnique|unknownMembers|groups|on[A-Z]\w+|removeAfter|protect|rateLimit|apiVersion|reactivate|guard|reconcile):)/,
          "$1$2",
        ),
      )
      .filter((line) => !/^# {3}publicUrl/.test(line));
    expect(uncommented.join("\n")).toMatch(/^server:/m);
    expect(JSON.stringify(parse(uncommented.join("\n"), env))).toBe(JSON.stringify(parse(example, env)));
  });
});
