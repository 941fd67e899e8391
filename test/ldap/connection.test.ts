import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkLdap } from "../../src/sources/ldap/check.ts";
import { connectLdap } from "../../src/sources/ldap/protocol/connection.ts";
import { certificates } from "../support/ldap/certificates.ts";
import { no389, start389 } from "../support/ldap/ds389.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import { freePort } from "../support/ldap/process.ts";
import { type DirectoryServer, modify } from "../support/ldap/server.ts";
import { bindAs, type LdapTestOptions, ldapSettings } from "../support/ldap/settings.ts";

const suffix = "dc=example,dc=org";
const signal = AbortSignal.timeout(60_000);
const connectWith = async (options: LdapTestOptions, preferred: string | null = null): Promise<string> => {
  const { session, url } = await connectLdap(ldapSettings(options), preferred, signal);
  session.close();
  return url;
};

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "connecting", () => {
  let server: DirectoryServer;
  let base: LdapTestOptions;
  let tls: { readonly ca: string; readonly cert: string; readonly key: string };

  beforeAll(async () => {
    const folder = await certificates();
    tls = {
      ca: readFileSync(join(folder, "ca.pem"), "utf8"),
      cert: readFileSync(join(folder, "client.pem"), "utf8"),
      key: readFileSync(join(folder, "client.key"), "utf8"),
    };
    const anna = `dn: uid=anna,ou=people,${suffix}\nobjectClass: inetOrgPerson\nuid: anna\ncn: Anna\nsn: A\nmail: Anna@Example.org\n\n`;
    server = await startOpenldap({
      ldif: `${anna}dn: cn=eng,ou=groups,${suffix}\nobjectClass: groupOfNames\ncn: eng\nmember: uid=anna,ou=people,${suffix}\n\n`,
    });
    base = {
      preset: "openldap",
      bind: bindAs(server),
      users: { baseDn: `ou=people,${suffix}` },
      groups: { baseDn: `ou=groups,${suffix}` },
    };
  });
  afterAll(() => server.stop());
  const plain = (): string => `ldap://127.0.0.1:${server.port}`;
  const secure = (host: string): string => `ldaps://${host}:${server.tlsPort}`;

  it.each([
    ["ldaps by name", () => ({ ...base, url: [secure("localhost")], tls: { ca: tls.ca } })],
    ["ldaps by address", () => ({ ...base, url: [secure("127.0.0.1")], tls: { ca: tls.ca } })],
    [
      "StartTLS by name",
      () => ({ ...base, url: [`ldap://localhost:${server.port}`], tls: { ca: tls.ca, startTls: true } }),
    ],
    ["StartTLS by address", () => ({ ...base, url: [plain()], tls: { ca: tls.ca, startTls: true } })],
    [
      "SASL EXTERNAL over ldaps",
      () => ({
        preset: "openldap" as const,
        users: base.users,
        bind: { kind: "external" } as const,
        url: [secure("localhost")],
        tls,
      }),
    ],
    [
      "SASL EXTERNAL over StartTLS",
      () => ({
        preset: "openldap" as const,
        users: base.users,
        bind: { kind: "external" } as const,
        url: [plain()],
        tls: { ...tls, startTls: true },
      }),
    ],
    ["anonymous", () => ({ preset: "openldap" as const, users: base.users, url: [plain()] })],
    ["simple", () => ({ ...base, url: [plain()] })],
  ])("connects with %s", async (_title, options) => {
    expect(await connectWith(options())).toBe(options().url[0]);
  });

  it.each([
    ["an unknown authority", () => ({ ...base, url: [secure("localhost")] }), /tls\.caFile/],
    [
      "an unknown authority behind StartTLS",
      () => ({ ...base, url: [plain()], tls: { startTls: true } }),
      /tls\.caFile/,
    ],
    [
      "a certificate for another name",
      () => ({ ...base, url: [secure("localhost")], tls: { ca: tls.ca, servername: "dc1.example.com" } }),
      /tls\.servername/,
    ],
    [
      "EXTERNAL without a certificate",
      () => ({
        preset: "openldap" as const,
        users: base.users,
        bind: { kind: "external" } as const,
        url: [secure("localhost")],
        tls: { ca: tls.ca },
      }),
      /authMethodNotSupported \(7\)/,
    ],
    [
      "a wrong password",
      () => ({ ...base, bind: { ...bindAs(server), password: "wrong" }, url: [plain(), plain()] }),
      /bind as cn=sync.*invalidCredentials \(49\)/,
    ],
  ])("refuses %s and says what to do", async (_title, options, words) => {
    await expect(connectWith(options())).rejects.toMatchObject({
      code: "SOURCE_UNAVAILABLE",
      message: expect.stringMatching(words),
    });
  });

  it("tries several URLs in order, and the one of the last cursor first", async () => {
    const dead = `ldap://127.0.0.1:${await freePort()}`;
    expect(await connectWith({ ...base, url: [dead, plain()] })).toBe(plain());
    const other = `ldap://localhost:${server.port}`;
    expect(await connectWith({ ...base, url: [plain(), other] }, other)).toBe(other);
    await expect(connectWith({ ...base, url: [dead, dead] })).rejects.toMatchObject({
      message: expect.stringMatching(/none of 2 servers can be used.*ECONNREFUSED/),
    });
  });

  it("finds domain controllers by SRV records, in the order of their priorities", async () => {
    const settings = ldapSettings({
      ...base,
      domain: "ad.example.test",
      tls: { ca: tls.ca, startTls: true },
    });
    const asked: string[] = [];
    const { session, url } = await connectLdap(settings, null, signal, async (name) => {
      asked.push(name);
      return [
        { name: "127.0.0.1", port: 1, priority: 20, weight: 0 },
        { name: "localhost", port: server.port, priority: 10, weight: 100 },
      ];
    });
    session.close();
    expect({ asked, url }).toEqual({
      asked: ["_ldap._tcp.dc._msdcs.ad.example.test"],
      url: `ldap://localhost:${server.port}`,
    });
  });

  it("refuses a filter that can't be parsed", () => {
    expect(() => ldapSettings({ ...base, users: { baseDn: "", filter: "(uid=a" } })).toThrow(
      /sources\.corp\.users\.filter.*not an LDAP filter/,
    );
  });

  it("check shows converted people and how changes are found", async () => {
    const findings = await checkLdap(ldapSettings({ ...base, url: [plain()] }), signal);
    const said = findings.map(({ level, message }) => `${level}: ${message}`);
    expect(said).toEqual([
      expect.stringMatching(/^warning: the bind password crosses the network/),
      expect.stringMatching(/^ok: .*connected and bound as cn=sync/),
      expect.stringMatching(/^ok: Anna: userName anna, e-mail anna@example\.org, active, id [0-9a-f-]{36}$/),
      "ok: groups: eng (1 direct members)",
      expect.stringMatching(/^warning: changes are found by entryCSN; deletions only by full polls/),
    ]);
  });

  it.each([
    [
      "a wrong e-mail attribute",
      { email: "rfc822Address" },
      /error: users\.email: rfc822Address: 1 of 1 people have no e-mail address/,
    ],
    ["a wrong id attribute", { id: "objectGUID" }, /error: users\.id: 1 of 1 entries show no objectGUID/],
    ["a filter that finds nobody", { filter: "(uid=nobody)" }, /error: users: nobody found/],
    ["a base that does not exist", { baseDn: `ou=nowhere,${suffix}` }, /error: .*noSuchObject \(32\).*check baseDn/],
  ])("check tells %s", async (_title, users, words) => {
    const findings = await checkLdap(
      ldapSettings({ ...base, url: [plain()], users: { ...base.users, ...users } }),
      signal,
    );
    expect(findings.map(({ level, message }) => `${level}: ${message}`).join("\n")).toMatch(words);
  });
});

describe.skipIf(no389 !== null)(no389 ?? "connecting to 389 Directory Server", () => {
  let server: DirectoryServer;
  beforeAll(async () => {
    server = await start389();
  });
  afterAll(() => server.stop());

  it("over ldaps and StartTLS; a locked account is named as such", async () => {
    const base: LdapTestOptions = {
      preset: "389ds",
      bind: bindAs(server),
      users: { baseDn: suffix },
    };
    const ca = readFileSync(server.ca, "utf8");
    await connectWith({ ...base, url: [`ldaps://localhost:${server.tlsPort}`], tls: { ca } });
    await connectWith({ ...base, url: [`ldap://localhost:${server.port}`], tls: { ca, startTls: true } });
    modify(server, `dn: ${server.bindDn}\nchangetype: modify\nadd: nsAccountLock\nnsAccountLock: true\n`);
    await expect(connectWith({ ...base, url: [`ldap://localhost:${server.port}`] })).rejects.toThrow(
      /unwillingToPerform \(53\).*inactivated/,
    );
  });
});
