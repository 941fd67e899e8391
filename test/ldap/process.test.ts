import { existsSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { activeDirectoryDialect, openldapDialect } from "../support/ldap/dialect.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import { noSamba, startSamba } from "../support/ldap/samba.ts";
import { type DirectoryServer, modify } from "../support/ldap/server.ts";
import { adminToken, type Run, scimToken } from "../support/rollcall-process.ts";
import { makeStage, membersIn, type Stage, stateOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

const address = (name: string): string => `${name}@example.org`;
const names = ["anna", "ben", "carla", "dora", "emil", "frieda"];

/** A source as in the configuration file. */
const sourceOf = (server: DirectoryServer, preset: string, more: object = {}) => ({
  type: "ldap",
  preset,
  url: `ldap://127.0.0.1:${server.port}`,
  bindDn: server.bindDn,
  bindPassword: server.bindPassword,
  timeout: "5s",
  users: { baseDn: `ou=people,${server.suffix}` },
  groups: { baseDn: `ou=groups,${server.suffix}` },
  ...more,
});

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "the program with a directory", () => {
  const dialect = openldapDialect();
  let server: DirectoryServer;
  let stage: Stage;

  beforeEach(async () => {
    const ldif = names.map(dialect.person).join("") + dialect.group("eng", ["anna", "ben"], []);
    server = await startOpenldap({ syncprov: true, ldif });
    stage = await makeStage();
    for (const name of names) stage.onePassword.state.addUser({ email: address(name) });
    await configure();
  });
  afterEach(async () => {
    await stage[Symbol.asyncDispose]();
    await server.stop();
  });

  /** Configures the directory beside a SCIM source. */
  const configure = (more: object = {}) =>
    stage.configure({
      sources: { okta: { type: "scim", token: scimToken }, corp: sourceOf(server, "openldap", more) },
      guard: { percent: 100, atLeast: 1000, atMost: 1000 },
    });
  const everybodyIsIn = (): void => {
    expect(membersIn(stage, "invited")).toEqual(names.map(address));
    expect(stage.onePassword.state.emailsIn("ACTIVE")).toEqual(names.map(address));
  };

  it("plan writes nothing, check shows three people, and sync delivers", async () => {
    const plan = await stage.run("plan", "--json", "--detailed-exitcode");
    expect(plan).toMatchObject({ code: 2, stderr: "" });
    const [{ changes }] = plan.json.targets;
    expect(changes).toMatchObject(
      expect.arrayContaining([
        ...names.map((name) => expect.objectContaining({ op: "invite", email: address(name) })),
        expect.objectContaining({ op: "createGroup", name: "eng" }),
      ]),
    );
    expect(existsSync(stage.database)).toBe(false);
    expect(stage.bitwarden.requests.countWrites()).toBe(0);

    const check = await stage.run("check", "--json");
    expect(check.code).toBe(0);
    const shown = check.json.findings.filter(({ message }: { message: string }) =>
      /^\w+: userName \w+, e-mail/.test(message),
    );
    expect(shown).toHaveLength(3);
    expect(shown[0].message).toMatch(/^anna: userName anna, e-mail anna@example.org, active, id [0-9a-f-]{36}$/);

    const sync = await stage.run("sync", "--json");
    expect(sync.code).toBe(0);
    expect(sync.json.sources).toMatchObject([
      {
        name: "corp",
        mode: "full",
        fullBecause: "first poll",
        entries: 7,
        result: { usersAdded: 6, groupsAdded: 1, membershipsAdded: 2 },
        error: null,
      },
    ]);
    expect(sync.json.targets).toMatchObject([
      { name: "acme-bitwarden", inSync: 7, pending: 0, failed: 0, error: null },
      { name: "acme-1password", error: null },
    ]);
    everybodyIsIn();
    expect(stage.bitwarden.state.membersOfGroup("eng")).toEqual(["anna", "ben"].map(address));

    // Text output, and only the changes.
    modify(server, dialect.leave("eng", "ben") + dialect.disable("dora"));
    const again = await stage.run("sync");
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(/^corp: delta, 2 entries in \d+\.\d\d s; people: 1 changed; memberships: \+0 -1$/m);
    expect(stateOf(stage, address("dora"))).toBe("revoked");
    expect(stage.onePassword.state.stateOf(address("dora"))).toBe("SUSPENDED");
    expect(stage.bitwarden.state.membersOfGroup("eng")).toEqual([address("anna")]);
    expect((await stage.run("plan", "--detailed-exitcode")).code).toBe(0);
  });

  it("check and plan report a wrong attribute and a wrong password", async () => {
    await configure({ users: { baseDn: `ou=people,${server.suffix}`, email: "mial" } });
    const check = await stage.run("check");
    expect(check.code).toBe(1);
    expect(check.stdout).toMatch(/ERROR\s+corp\s+users\.email: mial: 6 of 6 people have no e-mail address/);
    await configure({ bindPassword: "wrong" });
    const [refused, plan] = await Promise.all([stage.run("check"), stage.run("plan", "--json")]);
    expect(refused.stdout).toMatch(/ERROR\s+corp\s+.*invalidCredentials \(49\)/);
    expect(plan.code).toBe(1);
    expect(plan.json.errors).toMatchObject([
      { name: "corp", message: expect.stringContaining("invalidCredentials (49)") },
    ]);
    for (const { stdout, stderr } of [refused, plan]) expect(stdout + stderr).not.toContain("wrong");
  });

  it("sync refuses a shrink with exit code 1, and accepts one with --accept-shrink", async () => {
    expect((await stage.run("sync")).code).toBe(0);
    await configure({ users: { baseDn: `ou=people,${server.suffix}`, filter: "(|(uid=anna)(uid=ben))" } });
    const refused = await stage.run("sync", "--json");
    expect(refused.code).toBe(1);
    expect(refused.json.sources).toMatchObject([{ name: "corp", error: expect.stringContaining("2 of 6 people") }]);
    expect(refused.json.sources[0].error).toContain("rollcall sync --accept-shrink");
    everybodyIsIn();

    // The second snapshot confirms the first one.
    const accepted = await stage.run("sync", "--accept-shrink", "--json");
    expect(accepted.code).toBe(0);
    expect(accepted.json.sources[0].result).toMatchObject({ usersRemoved: 0, unconfirmedMissing: 4 });
    everybodyIsIn();
    const believed = await stage.run("sync", "--json");
    expect(believed.code).toBe(0);
    expect(believed.json.sources[0].result).toMatchObject({ usersRemoved: 4, unconfirmedMissing: 0 });
    expect(membersIn(stage, "invited")).toEqual(["anna", "ben"].map(address));
    expect(stage.onePassword.state.emailsIn("ACTIVE")).toEqual(["anna", "ben"].map(address));
  });

  it("serve polls beside SCIM; while the directory fails, status shows since when and nobody loses access", async () => {
    await configure({ every: "1s" });
    const serve = await stage.serve();
    await until(everybodyIsIn);
    await serve.idp.hire("scim@example.com");
    modify(server, dialect.person("gustav"));
    await until(() => {
      expect(stateOf(stage, address("gustav"))).toBe("invited");
      expect(stateOf(stage, "scim@example.com")).toBe("invited");
    });

    const headers = { authorization: `Bearer ${adminToken}` };
    // The source as in `status --json`, without a new process.
    const corp = async () => {
      const response = await fetch(`${serve.adminUrl}/api/v1/status`, { headers });
      const { sources } = (await response.json()) as Run["json"];
      return sources.find(({ name }: { name: string }) => name === "corp");
    };
    expect(await corp()).toMatchObject({ type: "ldap", users: 7, groups: 1, failingSince: null, error: null });
    await server.interrupt();
    const failing = await until(async () => {
      const state = await corp();
      expect(state.error).toMatchObject({ code: "SOURCE_UNAVAILABLE" });
      return state;
    });
    expect(Date.parse(failing.failingSince)).toBeGreaterThan(Date.now() - 20_000);
    expect((await stage.run("status")).stdout).toContain(`FAILING since ${failing.failingSince}: `);
    expect((await stage.run("status", "--json")).json.sources.at(-1)).toMatchObject({
      name: "corp",
      failingSince: failing.failingSince,
    });
    await serve.idp.hire("scim2@example.com");
    await until(() => expect(stateOf(stage, "scim2@example.com")).toBe("invited"));
    expect((await corp()).failingSince).toBe(failing.failingSince);
    expect(membersIn(stage, "revoked")).toEqual([]);

    await server.restart();
    modify(server, dialect.remove("gustav"));
    await until(() => expect(stateOf(stage, address("gustav"))).toBe("revoked"));
    expect(await corp()).toMatchObject({ users: 6, failingSince: null, error: null });
    expect(membersIn(stage, "revoked")).toEqual([address("gustav")]);
    expect(await (await fetch(`${serve.adminUrl}/metrics`, { headers })).text()).toMatch(
      /rollcall_ldap_poll_seconds_count\{source="corp",mode="delta"\} \d+/,
    );
    expect((await serve.stop()).code).toBe(0);
  });
});

describe.skipIf(noSamba !== null)(noSamba ?? "the program with Active Directory", () => {
  const dialect = activeDirectoryDialect();
  let server: DirectoryServer;
  beforeAll(async () => {
    server = await startSamba();
  });
  afterAll(() => server.stop());

  it("status lists people who can't have an account", async () => {
    const contact = `dn: CN=press,ou=people,${server.suffix}\nobjectClass: contact\nmail: press@example.org\n\n`;
    modify(
      server,
      names.map(dialect.person).join("") +
        dialect.setMail("emil", address("dora")) +
        dialect.setMail("frieda", "none") +
        contact,
    );
    await using stage = await makeStage();
    await stage.configure({ sources: { corp: sourceOf(server, "activedirectory") } });
    // Two people have one address. Everybody else is delivered.
    expect((await stage.run("sync")).code).toBe(0);
    expect(membersIn(stage, "invited")).toEqual(["anna", "ben", "carla", "dora"].map(address));

    const { json } = await stage.run("status", "--json");
    const findings: readonly { kind: string; count: number; examples: readonly string[] }[] = json.sources[0].findings;
    const found = (kind: string) => findings.find((finding) => finding.kind === kind);
    expect(found("without-email")).toMatchObject({ count: 1, examples: ["frieda@ad.example.test"] });
    expect(found("contact")?.examples).toEqual([`CN=press,OU=people,${server.suffix}`]);
    expect(found("duplicate-email")).toMatchObject({
      count: 2,
      examples: ["dora@example.org (dora@ad.example.test)", "dora@example.org (emil@ad.example.test)"],
    });
    const { stdout } = await stage.run("status");
    expect(stdout).toContain("1 people without an e-mail address: frieda@ad.example.test");
    expect(stdout).toContain(`1 contacts, who can't have an account: CN=press,OU=people,${server.suffix}`);
    expect(stdout).toContain("2 e-mail addresses that several people have: dora@example.org (dora@ad.example.test), ");
  });
});
