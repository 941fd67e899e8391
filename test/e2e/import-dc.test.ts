import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bitwardenCalls } from "../sandbox/calls.ts";
import { parseConfig } from "../support/config.ts";
import { openldapDialect } from "../support/ldap/dialect.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import type { DirectoryServer } from "../support/ldap/server.ts";
import { type Run, rollcall, scimToken } from "../support/rollcall-process.ts";
import { emails, makeFolder, makeStage, removeFolder, type Stage, statusOf, targetsOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

const organizationId = "0d5a1d5c-6f0d-4f2e-9d6d-3f8b8d1c2a10";

/** Settings of `bwdc`, without the keys for its user interface. */
const ldapSettings = {
  ssl: true,
  startTls: false,
  tlsCaPath: null,
  sslAllowUnauthorized: false,
  sslCertPath: null,
  sslKeyPath: null,
  sslCaPath: "/etc/ssl/corp.pem",
  hostname: "ldap.example.com",
  port: 636,
  domain: null,
  rootPath: "dc=example,dc=org",
  currentUser: false,
  username: "cn=svc,dc=example,dc=org",
  password: "[STORED SECURELY]",
  ad: false,
  pagedSearch: true,
};
const syncSettings = {
  users: true,
  groups: true,
  interval: 30,
  userFilter: "(employeeType=staff)",
  groupFilter: null,
  removeDisabled: true,
  overwriteExisting: false,
  largeImport: false,
  inviteUsersAfterProvisioning: true,
  groupObjectClass: "groupOfNames",
  userObjectClass: "inetOrgPerson",
  groupPath: "ou=groups",
  userPath: "ou=people",
  groupNameAttribute: "cn",
  userEmailAttribute: "mail",
  memberAttribute: "member",
  useEmailPrefixSuffix: false,
  emailPrefixAttribute: "sAMAccountName",
  emailSuffix: null,
  creationDateAttribute: "whenCreated",
  revisionDateAttribute: "whenChanged",
};
const flat = (more: object = {}): object => ({
  stateVersion: 8,
  directoryType: 0,
  organizationId,
  directoryLdap: ldapSettings,
  sync: syncSettings,
  ...more,
});
const env = {
  ROLLCALL_ADMIN_TOKEN: "admin-token-0123456789",
  BW_CLIENT_SECRET: "secret",
  LDAP_BIND_PASSWORD: "bind-password",
  ROLLCALL_SCIM_TOKEN: "scim-token-0123456789",
};

describe("import-dc", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await makeFolder();
  });
  afterEach(() => removeFolder(folder));

  const convert = async (data: object | string, ...args: readonly string[]): Promise<Run> => {
    await writeFile(join(folder, "data.json"), typeof data === "string" ? data : JSON.stringify(data));
    return rollcall(["import-dc", "data.json", ...args], { cwd: folder });
  };
  /** The printed configuration, parsed as at a start. */
  const configOf = ({ code, stdout, stderr }: Run) => {
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return parseConfig(stdout, { fileName: "rollcall.yaml", baseDir: folder, env });
  };

  it("every layout gives the same configuration", async () => {
    const runs = [
      await convert(flat()),
      await convert({
        global: { stateVersion: 4 },
        activeUserId: `organization.${organizationId}`,
        [`organization.${organizationId}`]: {
          directoryConfigurations: { ldap: ldapSettings, azure: {}, gsuite: {} },
          directorySettings: { organizationId, directoryType: 0, sync: syncSettings },
        },
      }),
      await convert({ directoryConfig_0: ldapSettings, syncConfig: syncSettings, directoryType: 0, organizationId }),
    ];
    const [config, ...others] = runs.map(configOf);
    expect(config?.sources).toMatchObject([
      {
        name: "directory",
        type: "ldap",
        preset: "openldap",
        url: ["ldaps://ldap.example.com:636"],
        bind: { kind: "simple", dn: "cn=svc,dc=example,dc=org" },
        tls: { caFile: "/etc/ssl/corp.pem" },
        everyMs: 30 * 60_000,
        users: { baseDn: "ou=people,dc=example,dc=org", filter: "(&(objectClass=inetOrgPerson)(employeeType=staff))" },
        groups: { baseDn: "ou=groups,dc=example,dc=org", filter: "(objectClass=groupOfNames)", name: "cn" },
      },
    ]);
    expect(config?.targets).toMatchObject([
      {
        name: "bitwarden",
        apiUrl: "https://api.bitwarden.com",
        clientId: `organization.${organizationId}`,
        groups: { takeOver: ["*"] },
        onDeactivate: "revoke",
      },
    ]);
    for (const other of others) expect(JSON.stringify(other)).toBe(JSON.stringify(config));
    expect(runs[0]?.stderr).toMatch(/^next: set ROLLCALL_ADMIN_TOKEN, LDAP_BIND_PASSWORD, BW_CLIENT_SECRET; stop/m);
  });

  it("for Active Directory no group is taken over, because the object GUIDs are the same", async () => {
    const config = configOf(
      await convert(
        flat({
          environmentUrls: { base: "https://vault.bitwarden.eu", api: null, identity: null, webVault: null },
          directoryLdap: {
            ...ldapSettings,
            ad: true,
            startTls: true,
            tlsCaPath: "/ca.pem",
            rootPath: "OU=x,DC=corp,DC=example",
          },
          sync: {
            ...syncSettings,
            userObjectClass: "person",
            groupObjectClass: "group",
            groupNameAttribute: "name",
            userPath: "CN=Users",
            groupPath: null,
            removeDisabled: false,
            useEmailPrefixSuffix: true,
            emailSuffix: "@example.com",
          },
        }),
      ),
    );
    expect(config.sources).toMatchObject([
      {
        preset: "activedirectory",
        url: ["ldap://ldap.example.com:636"],
        tls: { startTls: true, caFile: "/ca.pem" },
        users: {
          baseDn: "CN=Users,DC=corp,DC=example",
          filter: "(&(objectCategory=person)(objectClass=user)(employeeType=staff))",
          email: "mail",
          emailPrefix: "sAMAccountName",
          emailSuffix: "@example.com",
        },
        groups: { baseDn: "DC=corp,DC=example", name: "name" },
      },
    ]);
    expect(config.targets).toMatchObject([
      { apiUrl: "https://api.bitwarden.eu", groups: { takeOver: [] }, onDeactivate: "ignore" },
    ]);
  });

  it.each([
    [1, "directoryEntra", "entra", /entra-id\.md/],
    [2, "directoryGsuite", "google", /sends no groups/],
    [3, "directoryOkta", "okta", /okta\.md/],
    [4, "directoryOnelogin", "onelogin", /roles/],
  ] as const)("directory %i becomes a SCIM source", async (directoryType, key, name, told) => {
    const run = await convert(
      flat({
        directoryType,
        [key]: { tenant: "t", applicationId: "a", key: "[STORED SECURELY]" },
        sync: { ...syncSettings, groupFilter: "include:Sales,IT Staff|x=y", userFilter: "excludeGroup:1234" },
      }),
    );
    const config = configOf(run);
    expect(config.sources).toMatchObject([{ name, type: "scim" }]);
    expect(config.targets).toMatchObject([
      { users: { groups: ["Sales", "IT Staff"] }, groups: { include: ["Sales", "IT Staff"], takeOver: ["*"] } },
    ]);
    expect(run.stderr).toMatch(told);
    expect(run.stderr).toMatch(/sync\.userFilter: "excludeGroup:1234" has no equivalent/);
    expect(run.stderr).toMatch(/sync\.groupFilter: "x=y" is a query/);
  });

  it("each setting without an equivalent is reported, and no secret is copied", async () => {
    const run = await convert(
      flat({
        directoryLdap: { ...ldapSettings, password: "hunter2-in-clear", ssl: false, startTls: true, currentUser: true },
        sync: {
          ...syncSettings,
          overwriteExisting: true,
          largeImport: true,
          removeDisabled: false,
          inviteUsersAfterProvisioning: false,
        },
        environmentUrls: { base: "http://vault.example.com" },
      }),
    );
    expect(run.code).toBe(0);
    for (const setting of [
      "secret",
      "ldap.ssl",
      "ldap.currentUser",
      "sync.overwriteExisting",
      "sync.largeImport",
      "sync.removeDisabled",
      "sync.inviteUsersAfterProvisioning",
      "environmentUrls",
      "removals",
    ])
      expect(run.stderr).toMatch(new RegExp(`^${setting.replace(".", "\\.")}: `, "m"));
    expect(run.stdout + run.stderr).not.toContain("hunter2");
  });

  it("a file is written, but never over another one", async () => {
    const first = await convert(flat(), "-o", "out.yaml");
    expect(first).toMatchObject({ code: 0, stdout: "" });
    const written = await readFile(join(folder, "out.yaml"), "utf8");
    expect(parseConfig(written, { fileName: "out.yaml", baseDir: folder, env }).targets).toHaveLength(1);
    await writeFile(join(folder, "out.yaml"), "mine");
    const second = await convert(flat(), "-o", "out.yaml");
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/out\.yaml already exists and is not overwritten/);
    expect(await readFile(join(folder, "out.yaml"), "utf8")).toBe("mine");
  });

  it.each([
    ["text that is not JSON", "{", /is not JSON/],
    ["a list", "[]", /is not a configuration/],
    ["another JSON file", { a: 1 }, /directoryLdap and directoryConfigurations are missing/],
    ["no directory chosen", flat({ directoryType: null }), /names no directory/],
    ["a directory without settings", flat({ directoryType: 3 }), /no settings for its directory \(okta\)/],
    [
      "a value of another type",
      flat({ directoryLdap: { ...ldapSettings, password: "hunter2", port: "x" } }),
      /ldap\.port is not of the type/,
    ],
    ["two accounts", { a: { directoryConfigurations: {} }, b: { directoryConfigurations: {} } }, /2 accounts/],
  ])("refuses %s", async (_title, data, message) => {
    const run = await convert(data);
    expect(run).toMatchObject({ code: 1, stdout: "" });
    expect(run.stderr).toMatch(message);
    expect(run.stderr).not.toContain("hunter2");
  });
});

/** Members with their state and groups, groups, and the number of mails. The move must not change them. */
const picture = ({ bitwarden }: Stage) => ({
  members: [...bitwarden.state.members.values()]
    .map(({ id, email, status }) => ({ id, email, status, groups: bitwarden.state.groupsOfMember(email) }))
    .sort((a, b) => a.email.localeCompare(b.email)),
  groups: [...bitwarden.state.groups.values()].map(({ id, name }) => ({ id, name })),
  mails: [...bitwarden.state.members.values()].reduce((sum, { email }) => sum + bitwarden.state.mails(email), 0),
});

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "an organization that Directory Connector filled", () => {
  const dialect = openldapDialect();
  const names = ["anna", "ben", "carla", "dora"];
  let server: DirectoryServer;
  let stage: Stage;

  beforeEach(async () => {
    server = await startOpenldap({
      syncprov: true,
      ldif:
        names.map(dialect.person).join("") +
        dialect.group("eng", ["anna", "ben"], []) +
        dialect.group("ops", ["carla"], []),
    });
    stage = await makeStage();
    // The request of libs/services/single-request-builder.ts: for LDAP the external id is the DN.
    const personDn = (name: string): string => `uid=${name},ou=people,${server.suffix}`;
    const call = await bitwardenCalls(stage.bitwarden);
    const imported = await call("POST /organization/import", {
      members: names.map((name) => ({ email: `${name}@example.org`, externalId: personDn(name), deleted: false })),
      groups: [
        {
          name: "eng",
          externalId: `cn=eng,ou=groups,${server.suffix}`,
          memberExternalIds: ["anna", "ben"].map(personDn),
        },
        { name: "ops", externalId: `cn=ops,ou=groups,${server.suffix}`, memberExternalIds: [personDn("carla")] },
      ],
      overwriteExisting: false,
      largeImport: false,
      inviteUsersAfterProvisioning: true,
    });
    expect(imported.status).toBe(200);
    for (const name of ["anna", "carla"]) {
      stage.bitwarden.state.accept(`${name}@example.org`);
      stage.bitwarden.state.confirm(`${name}@example.org`);
    }
  });
  afterEach(async () => {
    await stage[Symbol.asyncDispose]();
    await server.stop();
  });

  it("stays as it is: nobody is invited again, revoked or removed from a group", async () => {
    const before = picture(stage);
    const base = stage.bitwarden.apiUrl.replace(/\/api$/, "");
    await writeFile(
      join(stage.folder, "data.json"),
      JSON.stringify(
        flat({
          organizationId: stage.bitwarden.clientId.replace("organization.", ""),
          environmentUrls: { base, api: stage.bitwarden.apiUrl, identity: stage.bitwarden.identityUrl, webVault: null },
          directoryLdap: {
            ...ldapSettings,
            ssl: false,
            sslCaPath: null,
            hostname: "127.0.0.1",
            port: server.port,
            username: server.bindDn,
            rootPath: server.suffix,
          },
          sync: { ...syncSettings, userFilter: null },
        }),
      ),
    );
    const options = {
      cwd: stage.folder,
      env: { ...env, BW_CLIENT_SECRET: stage.bitwarden.clientSecret, LDAP_BIND_PASSWORD: server.bindPassword },
    };
    expect(await rollcall(["import-dc", "data.json", "-o", "moved.yaml"], options)).toMatchObject({ code: 0 });
    const plan = await rollcall(["plan", "--json", "-c", "moved.yaml"], options);
    expect(plan).toMatchObject({ code: 0 });
    const ops = plan.json.targets[0].changes.map(({ op }: { op: string }) => op).sort();
    expect(ops).toEqual(["adopt", "adopt", "adopt", "adopt", "adoptGroup", "adoptGroup"]);

    const sync = await rollcall(["sync", "--json", "-c", "moved.yaml"], options);
    expect({ code: sync.code, stderr: sync.stderr }).toMatchObject({ code: 0 });
    expect(picture(stage)).toEqual(before);
    const writes = [...stage.bitwarden.requests.byRoute.keys()].filter((route) => !route.startsWith("GET"));
    expect(writes.filter((route) => /invite|revoke|member-ids|group-ids|DELETE|POST \S+members$/.test(route))).toEqual(
      [],
    );
    for (const member of stage.bitwarden.state.members.values())
      if (names.includes(member.email.split("@")[0] ?? "")) expect(member.externalId).toMatch(/^[0-9a-f-]{36}$/);
    expect((await rollcall(["plan", "--detailed-exitcode", "-c", "moved.yaml"], options)).code).toBe(0);
  });

  it("gets a second group without takeOver, and the plan says how to prevent it", async () => {
    await stage.configure({
      sources: {
        corp: {
          type: "ldap",
          preset: "openldap",
          url: `ldap://127.0.0.1:${server.port}`,
          bindDn: server.bindDn,
          bindPassword: server.bindPassword,
          users: { baseDn: `ou=people,${server.suffix}` },
          groups: { baseDn: `ou=groups,${server.suffix}` },
        },
      },
    });
    const plan = await stage.run("plan", "acme-bitwarden");
    expect(plan.stdout).toMatch(/createGroup\s+eng/);
    expect(plan.stdout).toMatch(
      /skipped\s+adoptGroup\s+eng\s+another system's external id is on it \(cn=eng,ou=groups,.*groups\.takeOver/,
    );
  });
});

describe("an organization that Bitwarden's own SCIM filled", () => {
  it("stays as it is, once the directory is complete", async () => {
    await using stage = await makeStage();
    const people = emails(5);
    // What the identity provider sent as externalId (bitwarden/server, ScimUserRequestModel, ScimGroupRequestModel).
    const members = people.map((email, index) =>
      stage.bitwarden.state.addMember({ email, externalId: `00u${index}`, status: 2 }),
    );
    const group = stage.bitwarden.state.addGroup({ name: "eng", externalId: "Xq2vB81kPz0aLmN" });
    stage.bitwarden.state.setGroupMembers(
      group.id,
      members.slice(0, 3).map(({ id }) => id),
    );
    const before = picture(stage);

    // Without a target at first: groups come member by member, and must not be written half.
    await stage.configure({ targets: {} });
    const filling = await stage.serve();
    const ids = await filling.idp.hireAll(people);
    await filling.idp.group("eng", ids.slice(0, 3));
    expect((await filling.stop()).code).toBe(0);

    const { "acme-bitwarden": bitwarden } = targetsOf(stage.bitwarden, stage.onePassword);
    await stage.configure({
      sources: { okta: { type: "scim", token: scimToken } },
      targets: { "acme-bitwarden": { ...bitwarden, groups: { takeOver: ["*"] } } },
    });
    const plan = await stage.run("plan", "--json");
    expect(plan.json.targets[0].changes.map(({ op }: { op: string }) => op).sort()).toEqual([
      ...people.map(() => "adopt"),
      "adoptGroup",
    ]);
    const serving = await stage.serve();
    await until(async () => {
      const { bitwarden: status } = await statusOf(serving);
      expect(status).toMatchObject({ inSync: 6, pending: 0, failed: 0, held: 0 });
    });
    expect(picture(stage)).toEqual(before);
    expect(stage.bitwarden.state.groupByName("eng")?.externalId).not.toBe("Xq2vB81kPz0aLmN");
  });
});
