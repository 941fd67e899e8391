import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { activeDirectoryLimits, emptyPagesFirst } from "../support/ldap/faults.ts";
import { type LdapProxy, type Meddler, startProxy } from "../support/ldap/proxy.ts";
import { noSamba, startSamba } from "../support/ldap/samba.ts";
import { type DirectoryServer, modify } from "../support/ldap/server.ts";
import { bindAs, type LdapTestOptions } from "../support/ldap/settings.ts";
import { polledWorld } from "../support/ldap/world.ts";

const suffix = "DC=ad,DC=example,DC=test";
const names = Array.from({ length: 25 }, (_, index) => `u${String(index).padStart(2, "0")}`);
const dnOf = (name: string): string => `CN=${name},OU=people,${suffix}`;
const user = (name: string, ...more: readonly string[]): string =>
  [
    `dn: ${dnOf(name)}`,
    "objectClass: user",
    `sAMAccountName: ${name}`,
    `userPrincipalName: ${name}@ad.example.test`,
    `displayName: ${name}`,
    "userAccountControl: 512",
    ...more,
    "",
    "",
  ].join("\n");

describe.skipIf(noSamba !== null)(noSamba ?? "Active Directory", () => {
  let server: DirectoryServer;
  let proxy: LdapProxy;
  let options: LdapTestOptions;

  beforeAll(async () => {
    server = await startSamba();
    proxy = await startProxy(server.port);
    modify(
      server,
      [
        ...names.map((name) =>
          user(
            name,
            `mail: ${name}@example.org`,
            `proxyAddresses: smtp:alias-${name}@example.org`,
            `proxyAddresses: SMTP:Primary.${name}@Example.org`,
          ),
        ),
        user("expired", "mail: expired@example.org", "accountExpires: 130000000000000000"),
        user(
          "expiring",
          "mail: expiring@example.org",
          `accountExpires: ${(BigInt(Date.now() + 3_600_000) + 11_644_473_600_000n) * 10_000n}`,
        ),
        user("nomail"),
        user("twin1", "mail: twin@example.org"),
        user("twin2", "mail: twin@example.org"),
        `dn: CN=partner,OU=people,${suffix}\nobjectClass: contact\nmail: partner@elsewhere.example\n\n`,
        `dn: CN=large,OU=groups,${suffix}\nobjectClass: group\nsAMAccountName: large\n${names.map((name) => `member: ${dnOf(name)}`).join("\n")}\n\n`,
      ].join(""),
    );
    options = {
      preset: "activedirectory",
      url: [`ldap://127.0.0.1:${proxy.port}`],
      bind: bindAs(server),
      pageSize: 7,
      users: { baseDn: `OU=people,${suffix}` },
      groups: { baseDn: suffix, filter: "(|(cn=large)(cn=Domain Users))" },
    };
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });

  const poll = async (given: LdapTestOptions, meddler: () => Meddler = () => ({})) => {
    proxy.meddle(meddler);
    const world = await polledWorld(given);
    const report = await world.poll();
    return { world, report };
  };

  it("reads a group of more members than the server gives at once", async () => {
    const { world, report } = await poll(options, activeDirectoryLimits({ entries: 10, values: 10 }));
    const people = await world.people();
    expect(names.filter((name) => people[`${name}@example.org`]?.groups.includes("large"))).toEqual(names);
    expect(report.searches).toBeGreaterThan(7);
    await world.close();
  });

  it("reads everybody where empty pages come first", async () => {
    // Two people share one address, and one key here.
    const { world } = await poll(options, emptyPagesFirst(3));
    expect(Object.keys(await world.people())).toHaveLength(29);
    await world.close();
  });

  it("counts everybody whose primary group it is as a member", async () => {
    const { world } = await poll(options);
    const people = await world.people();
    expect(Object.values(people).every(({ groups }) => groups.includes("Domain Users"))).toBe(true);
    await world.close();
  });

  it("reads memberships from the people's side as well", async () => {
    const { world } = await poll({ ...options, users: { ...options.users, memberOf: "memberOf" } });
    const people = await world.people();
    expect(names.filter((name) => people[`${name}@example.org`]?.groups.includes("large"))).toEqual(names);
    await world.close();
  });

  it("takes the primary address of proxyAddresses", async () => {
    const { world } = await poll({
      ...options,
      users: { ...options.users, email: "proxyAddresses", filter: "(&(objectClass=user)(cn=u03))" },
    });
    expect(Object.keys(await world.people())).toEqual(["primary.u03@example.org"]);
    await world.close();
  });

  it("makes e-mail addresses of a prefix and a suffix", async () => {
    const { world } = await poll({
      ...options,
      users: { ...options.users, emailPrefix: "sAMAccountName", emailSuffix: "@corp.example", filter: "(cn=u03)" },
    });
    expect(Object.keys(await world.people())).toEqual(["u03@corp.example"]);
    await world.close();
  });

  it("finds an account that expires, although nothing changes in the directory", async () => {
    const { world } = await poll(options);
    expect(await world.people()).toMatchObject({
      "expired@example.org": { active: false },
      "expiring@example.org": { active: true },
    });
    world.clock.nowMs += 7_200_000;
    const later = await world.poll();
    expect(later).toMatchObject({ mode: "delta", entries: 0, result: { usersChanged: 1 } });
    expect(await world.people()).toMatchObject({ "expiring@example.org": { active: false } });
    await world.close();
  });

  it("names contacts, people without e-mail and addresses claimed twice", async () => {
    const { world } = await poll(options);
    const findings = new Map((await world.store.findings("corp")).map(({ kind, ...finding }) => [kind, finding]));
    expect(findings.get("contact")).toEqual({ count: 1, examples: [expect.stringMatching(/^CN=partner,OU=people/i)] });
    expect(findings.get("without-email")).toEqual({ count: 1, examples: ["nomail@ad.example.test"] });
    expect(findings.get("duplicate-email")).toMatchObject({ count: 2 });
    await world.close();
  });

  it("reports references and goes on", async () => {
    const { world } = await poll({ ...options, users: { ...options.users, baseDn: suffix } });
    const referral = (await world.store.findings("corp")).find(({ kind }) => kind === "referral");
    expect(referral?.examples[0]).toMatch(/^ldap:\/\/ad\.example\.test\/CN=Configuration/);
    await world.close();
  });

  it("prints objectGUID as the tools of Active Directory do", async () => {
    const { world } = await poll({ ...options, users: { ...options.users, filter: "(cn=u00)" } });
    const [row] = await world.driver.read.all("SELECT source_key FROM users");
    const { run } = await import("../support/ldap/process.ts");
    const found = run("ldapsearch", [
      "-x",
      "-LLL",
      "-H",
      `ldap://127.0.0.1:${server.port}`,
      "-D",
      server.adminDn,
      "-w",
      server.adminPassword,
      "-s",
      "base",
      "-b",
      `<GUID=${String(row?.["source_key"])}>`,
      "cn",
    ]);
    expect(found).toContain("cn: u00");
    await world.close();
  });

  it("reads everything when another domain controller answers", async () => {
    const { world } = await poll(options);
    expect((await world.poll()).mode).toBe("delta");
    const state = await world.store.pollState("corp");
    await world.driver.transaction((sql) =>
      sql.run("UPDATE poll_states SET cursor_text = ?", [
        String(state.cursor).replace(/"invocationId":"[^"]+"/, '"invocationId":"00000000-0000-0000-0000-000000000000"'),
      ]),
    );
    expect(await world.poll()).toMatchObject({
      mode: "full",
      fullBecause: expect.stringContaining("another domain controller"),
    });
    await world.close();
  });
});
