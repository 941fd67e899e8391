import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PollReport } from "../../src/sources/ldap/poller.ts";
import { activeDirectoryDialect } from "../support/ldap/dialect.ts";
import { activeDirectoryLimits, emptyPagesFirst } from "../support/ldap/faults.ts";
import { type LdapProxy, type Meddler, startProxy } from "../support/ldap/proxy.ts";
import { noSamba, startSamba } from "../support/ldap/samba.ts";
import { type DirectoryServer, modify } from "../support/ldap/server.ts";
import { type LdapTestOptions, optionsFor } from "../support/ldap/settings.ts";
import { type PolledWorld, polledWorld } from "../support/ldap/world.ts";
import { run } from "../support/server-process.ts";

const dialect = activeDirectoryDialect();
const names = Array.from({ length: 25 }, (_, index) => `u${String(index).padStart(2, "0")}`);
const withLines = (ldif: string, ...lines: readonly string[]): string => [ldif.trimEnd(), ...lines, "", ""].join("\n");
/** A person with this address; null: without one. */
const withMail = (name: string, mail: string | null): string =>
  dialect.person(name).replace(/^mail: .*\n/m, mail === null ? "" : `mail: ${mail}\n`);
const accountExpires = (ms: number): string => `accountExpires: ${(BigInt(ms) + 11_644_473_600_000n) * 10_000n}`;

describe.skipIf(noSamba !== null)(noSamba ?? "Active Directory", () => {
  let server: DirectoryServer;
  let proxy: LdapProxy;
  let options: LdapTestOptions;

  beforeAll(async () => {
    server = await startSamba();
    proxy = await startProxy(server.port);
    const { suffix } = server;
    modify(
      server,
      [
        ...names.map((name) =>
          withLines(
            dialect.person(name),
            `proxyAddresses: smtp:alias-${name}@example.org`,
            `proxyAddresses: SMTP:Primary.${name}@Example.org`,
          ),
        ),
        withLines(dialect.person("expired"), accountExpires(Date.UTC(2012, 11, 14))),
        withLines(dialect.person("expiring"), accountExpires(Date.now() + 3_600_000)),
        withMail("nomail", null),
        withMail("twin1", "twin@example.org"),
        withMail("twin2", "twin@example.org"),
        `dn: CN=partner,OU=people,${suffix}\nobjectClass: contact\nmail: partner@elsewhere.example\n\n`,
        dialect.group("large", names, []),
      ].join(""),
    );
    options = {
      ...optionsFor("activedirectory", server, proxy.port),
      pageSize: 7,
      groups: { baseDn: suffix, filter: "(|(cn=large)(cn=Domain Users))" },
    };
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });

  /** A world after one poll. */
  async function polled(
    more: Partial<LdapTestOptions["users"]> = {},
    meddler: () => Meddler = () => ({}),
  ): Promise<PolledWorld & { readonly report: PollReport }> {
    proxy.meddle(meddler);
    const world = await polledWorld({ ...options, users: { ...options.users, ...more } });
    return { ...world, report: await world.poll() };
  }
  const membersOf = async (group: string, world: PolledWorld): Promise<readonly string[]> => {
    const people = await world.people();
    return names.filter((name) => people[`${name}@example.org`]?.groups.includes(group));
  };

  it("a group with more members than one answer holds is read whole", async () => {
    await using world = await polled({}, activeDirectoryLimits({ entries: 10, values: 10 }));
    expect(await membersOf("large", world)).toEqual(names);
    expect(world.report.searches).toBeGreaterThan(7);
  });

  it("all users are read if empty pages come first", async () => {
    await using world = await polled({}, emptyPagesFirst(3));
    // 25 + 2 expiring + 1 without an address + 2 with one address, which is one key here.
    expect(Object.keys(await world.people())).toHaveLength(29);
  });

  it("a user is a member of the primary group", async () => {
    await using world = await polled();
    expect(Object.values(await world.people()).every(({ groups }) => groups.includes("Domain Users"))).toBe(true);
  });

  it("memberships can be read from the users", async () => {
    await using world = await polled({ memberOf: "memberOf" });
    expect(await membersOf("large", world)).toEqual(names);
  });

  it.each([
    {
      title: "the address is the primary one of proxyAddresses",
      users: { email: "proxyAddresses", filter: "(&(objectClass=user)(cn=u03))" },
      address: "primary.u03@example.org",
    },
    {
      title: "the address can come from a prefix and a suffix",
      users: { emailPrefix: "sAMAccountName", emailSuffix: "@corp.example", filter: "(cn=u03)" },
      address: "u03@corp.example",
    },
  ])("$title", async ({ users, address }) => {
    await using world = await polled(users);
    expect(Object.keys(await world.people())).toEqual([address]);
  });

  it("an account expires without a change in the directory", async () => {
    await using world = await polled();
    expect(await world.people()).toMatchObject({
      "expired@example.org": { active: false },
      "expiring@example.org": { active: true },
    });
    world.clock.nowMs += 7_200_000;
    expect(await world.poll()).toMatchObject({ mode: "delta", entries: 0, result: { usersChanged: 1 } });
    expect(await world.people()).toMatchObject({ "expiring@example.org": { active: false } });
  });

  it("contacts, users without an address and shared addresses are reported", async () => {
    await using world = await polled();
    const findings = new Map((await world.store.findings("corp")).map(({ kind, ...finding }) => [kind, finding]));
    expect(findings.get("contact")).toEqual({ count: 1, examples: [expect.stringMatching(/^CN=partner,OU=people/i)] });
    expect(findings.get("without-email")).toEqual({ count: 1, examples: ["nomail@ad.example.test"] });
    expect(findings.get("duplicate-email")).toMatchObject({ count: 2 });
  });

  it("references are reported and not followed", async () => {
    await using world = await polled({ baseDn: server.suffix });
    const referral = (await world.store.findings("corp")).find(({ kind }) => kind === "referral");
    expect(referral?.examples[0]).toMatch(/^ldap:\/\/ad\.example\.test\/CN=Configuration/);
  });

  it("objectGUID is printed as the tools of Active Directory print it", async () => {
    await using world = await polled({ filter: "(cn=u00)" });
    const [row] = await world.driver.read.all("SELECT source_key FROM users");
    const { adminDn, adminPassword, port } = server;
    const bind = ["-x", "-LLL", "-H", `ldap://127.0.0.1:${port}`, "-D", adminDn, "-w", adminPassword];
    const found = run("ldapsearch", [...bind, "-s", "base", "-b", `<GUID=${String(row?.["source_key"])}>`, "cn"]);
    expect(found).toContain("cn: u00");
  });

  it("everything is read if another domain controller answers", async () => {
    await using world = await polled();
    expect((await world.poll()).mode).toBe("delta");
    const cursor = String((await world.store.pollState("corp")).cursor);
    const other = '"invocationId":"00000000-0000-0000-0000-000000000000"';
    await world.driver.transaction((sql) =>
      sql.run("UPDATE poll_states SET cursor = ?", [cursor.replace(/"invocationId":"[^"]+"/, other)]),
    );
    expect(await world.poll()).toMatchObject({
      mode: "full",
      fullBecause: expect.stringContaining("another domain controller"),
    });
  });
});
