import { changeSuite } from "../support/ldap/change-suite.ts";
import { activeDirectoryDialect, ds389Dialect } from "../support/ldap/dialect.ts";
import { no389, start389 } from "../support/ldap/ds389.ts";
import { noSamba, startSamba } from "../support/ldap/samba.ts";
import type { DirectoryServer } from "../support/ldap/server.ts";

changeSuite({
  name: "389 Directory Server",
  missing: no389,
  start: start389,
  dialect: ds389Dialect,
  listsDeletions: true,
  keepsReferences: false,
});

changeSuite({
  name: "Samba AD",
  missing: noSamba,
  start: asAdministrator,
  dialect: activeDirectoryDialect,
  listsDeletions: true,
  keepsReferences: true,
});

changeSuite({
  name: "Samba AD, an account that can't see deleted objects",
  missing: noSamba,
  start: startSamba,
  dialect: activeDirectoryDialect,
  listsDeletions: false,
  keepsReferences: true,
});

async function asAdministrator(): Promise<DirectoryServer> {
  const server = await startSamba();
  return { ...server, bindDn: server.adminDn, bindPassword: server.adminPassword };
}
