import type { LdapBind } from "../../../src/domain/model/ldap-source.ts";
import { type LdapOptions, type LdapSettings, resolveLdapOptions } from "../../../src/sources/ldap/servers/options.ts";
import type { DirectoryServer } from "./server.ts";

/** An LDAP source; a missing key has the default of the configuration. */
export type LdapTestOptions = Pick<LdapOptions, "preset" | "users"> & Partial<LdapOptions>;

export const ldapSettings = (options: LdapTestOptions): LdapSettings =>
  resolveLdapOptions({
    name: "corp",
    url: [],
    domain: null,
    bind: { kind: "anonymous" },
    tls: {},
    connectTimeoutMs: 10_000,
    timeoutMs: 60_000,
    everyMs: 300_000,
    fullEveryMs: 86_400_000,
    pageSize: 1000,
    delta: "auto",
    minKeptPercent: 80,
    ...options,
  });

/** A simple bind as the reader of a test server. */
export const bindAs = ({ bindDn, bindPassword }: DirectoryServer): Extract<LdapBind<string>, { kind: "simple" }> => ({
  kind: "simple",
  dn: bindDn,
  password: bindPassword,
});

/** People, groups, URL and bind for a test server. `port`: of a proxy before it. */
export const optionsFor = (
  preset: LdapOptions["preset"],
  server: DirectoryServer,
  port = server.port,
): LdapTestOptions => ({
  preset,
  url: [`ldap://127.0.0.1:${port}`],
  bind: bindAs(server),
  users: { baseDn: `ou=people,${server.suffix}` },
  groups: { baseDn: `ou=groups,${server.suffix}` },
});
