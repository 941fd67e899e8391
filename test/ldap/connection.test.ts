import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { checkLdap } from "../../src/sources/ldap/check.ts";
import { connectLdap } from "../../src/sources/ldap/protocol/connection.ts";
import { certificates } from "../support/ldap/certificates.ts";
import { openldapDialect } from "../support/ldap/dialect.ts";
import { no389, start389 } from "../support/ldap/ds389.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import { type DirectoryServer, modify } from "../support/ldap/server.ts";
import { bindAs, type LdapTestOptions, ldapSettings, optionsFor } from "../support/ldap/settings.ts";
import { freePort } from "../support/listen.ts";

const dialect = openldapDialect();
const signal = AbortSignal.timeout(60_000);
/** Connects, and returns the URL that answered. */
const connectWith = async (options: LdapTestOptions, preferred: string | null = null): Promise<string> => {
  const { session, url } = await connectLdap(ldapSettings(options), preferred, signal);
  session.close();
  return url;
};
const checked = async (options: LdapTestOptions): Promise<readonly string[]> =>
  (await checkLdap(ldapSettings(options), signal)).map(({ level, message }) => `${level}: ${message}`);

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "a connection", () => {
  let server: DirectoryServer;
  let base: LdapTestOptions;
  let plain: string;
  let byName: string;
  let secure: string;
  let tls: { readonly ca: string; readonly cert: string; readonly key: string };

  beforeAll(async () => {
    const folder = await certificates();
    const read = (file: string): string => readFileSync(join(folder, file), "utf8");
    tls = { ca: read("ca.pem"), cert: read("client.pem"), key: read("client.key") };
    server = await startOpenldap({ ldif: dialect.person("anna") + dialect.group("eng", ["anna"], []) });
    base = optionsFor("openldap", server);
    plain = `ldap://127.0.0.1:${server.port}`;
    byName = `ldap://localhost:${server.port}`;
    secure = `ldaps://localhost:${server.tlsPort}`;
  });
  afterAll(() => server.stop());

  const external = { kind: "external" } as const;
  it.each<{ readonly how: string; readonly options: () => Partial<LdapTestOptions> & { url: readonly [string] } }>([
    { how: "by ldaps and name", options: () => ({ url: [secure], tls: { ca: tls.ca } }) },
    {
      how: "by ldaps and address",
      options: () => ({ url: [`ldaps://127.0.0.1:${server.tlsPort}`], tls: { ca: tls.ca } }),
    },
    { how: "by StartTLS and name", options: () => ({ url: [byName], tls: { ca: tls.ca, startTls: true } }) },
    { how: "by StartTLS and address", options: () => ({ url: [plain], tls: { ca: tls.ca, startTls: true } }) },
    { how: "by SASL EXTERNAL over ldaps", options: () => ({ bind: external, url: [secure], tls }) },
    {
      how: "by SASL EXTERNAL over StartTLS",
      options: () => ({ bind: external, url: [plain], tls: { ...tls, startTls: true } }),
    },
    { how: "anonymously", options: () => ({ bind: { kind: "anonymous" }, url: [plain] }) },
    { how: "by a simple bind", options: () => ({ url: [plain] }) },
  ])("is made $how", async ({ options }) => {
    expect(await connectWith({ ...base, ...options() })).toBe(options().url[0]);
  });

  it.each<{ readonly what: string; readonly options: () => Partial<LdapTestOptions>; readonly message: RegExp }>([
    { what: "an unknown authority", options: () => ({ url: [secure] }), message: /tls\.caFile/ },
    {
      what: "an unknown authority behind StartTLS",
      options: () => ({ url: [plain], tls: { startTls: true } }),
      message: /tls\.caFile/,
    },
    {
      what: "a certificate for another name",
      options: () => ({ url: [secure], tls: { ca: tls.ca, servername: "dc1.example.com" } }),
      message: /tls\.servername/,
    },
    {
      what: "EXTERNAL without a certificate",
      options: () => ({ bind: external, url: [secure], tls: { ca: tls.ca } }),
      message: /authMethodNotSupported \(7\)/,
    },
    {
      // Exactly one bind: a second server would count a second bad password.
      what: "a wrong password",
      options: () => ({ bind: { ...bindAs(server), password: "wrong" }, url: [plain, plain] }),
      message: /^ldap:[^;]*bind as cn=sync.*invalidCredentials \(49\)/,
    },
  ])("is refused with advice for $what", async ({ options, message }) => {
    await expect(connectWith({ ...base, ...options() })).rejects.toMatchObject({
      code: "SOURCE_UNAVAILABLE",
      message: expect.stringMatching(message),
    });
  });

  it("tries several URLs in order, and the URL of the last cursor first", async () => {
    const dead = `ldap://127.0.0.1:${await freePort()}`;
    expect(await connectWith({ ...base, url: [dead, plain] })).toBe(plain);
    expect(await connectWith({ ...base, url: [plain, byName] }, byName)).toBe(byName);
    await expect(connectWith({ ...base, url: [dead, dead] })).rejects.toMatchObject({
      message: expect.stringMatching(/none of 2 servers can be used.*ECONNREFUSED/),
    });
  });

  it("finds domain controllers by SRV records, in the order of their priorities", async () => {
    const settings = ldapSettings({ ...base, domain: "ad.example.test", tls: { ca: tls.ca, startTls: true } });
    const names: string[] = [];
    const { session, url } = await connectLdap(settings, null, signal, async (name) => {
      names.push(name);
      return [
        { name: "127.0.0.1", port: 1, priority: 20, weight: 0 },
        { name: "localhost", port: server.port, priority: 10, weight: 100 },
      ];
    });
    session.close();
    expect({ names, url }).toEqual({ names: ["_ldap._tcp.dc._msdcs.ad.example.test"], url: byName });
  });

  it("is not made for a filter that can't be parsed", () => {
    expect(() => ldapSettings({ ...base, users: { baseDn: "", filter: "(uid=a" } })).toThrow(
      /sources\.corp\.users\.filter.*not an LDAP filter/,
    );
  });

  it("is checked: three people, the groups, and how changes are found", async () => {
    expect(await checked(base)).toEqual([
      expect.stringMatching(/^warning: the bind password crosses the network/),
      expect.stringMatching(/^ok: .*connected and bound as cn=sync/),
      expect.stringMatching(/^ok: anna: userName anna, e-mail anna@example\.org, active, id [0-9a-f-]{36}$/),
      "ok: groups: eng (1 direct members)",
      expect.stringMatching(/^warning: changes are found by entryCSN; deletions only by full polls/),
    ]);
  });

  it.each([
    {
      what: "a wrong e-mail attribute",
      users: { email: "rfc822Address" },
      message: /error: users\.email: rfc822Address: 1 of 1 people have no e-mail address/,
    },
    {
      what: "a wrong id attribute",
      users: { id: "objectGUID" },
      message: /error: users\.id: 1 of 1 entries show no objectGUID/,
    },
    { what: "a filter that matches nobody", users: { filter: "(uid=nobody)" }, message: /error: users: nobody found/ },
    {
      what: "a base that does not exist",
      users: { baseDn: "ou=nowhere,dc=example,dc=org" },
      message: /error: .*noSuchObject \(32\).*check baseDn/,
    },
  ])("check reports $what", async ({ users, message }) => {
    expect((await checked({ ...base, users: { ...base.users, ...users } })).join("\n")).toMatch(message);
  });
});

describe.skipIf(no389 !== null)(no389 ?? "a connection to 389 Directory Server", () => {
  it("is made by ldaps and by StartTLS, and a locked account is reported", async () => {
    const server = await start389();
    onTestFinished(() => server.stop());
    const base = optionsFor("389ds", server);
    const ca = readFileSync(server.ca, "utf8");
    const byName = [`ldap://localhost:${server.port}`];
    await connectWith({ ...base, url: [`ldaps://localhost:${server.tlsPort}`], tls: { ca } });
    await connectWith({ ...base, url: byName, tls: { ca, startTls: true } });
    modify(server, `dn: ${server.bindDn}\nchangetype: modify\nadd: nsAccountLock\nnsAccountLock: true\n`);
    await expect(connectWith({ ...base, url: byName })).rejects.toThrow(/unwillingToPerform \(53\).*inactivated/);
  });
});
