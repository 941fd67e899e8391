import { changeSuite } from "../support/ldap/change-suite.ts";
import { openldapDialect } from "../support/ldap/dialect.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";

changeSuite({
  name: "OpenLDAP",
  missing: noOpenldap,
  start: () => startOpenldap({}),
  dialect: openldapDialect,
  listsDeletions: false,
  keepsReferences: false,
});

changeSuite({
  name: "OpenLDAP with syncprov",
  missing: noOpenldap,
  start: () => startOpenldap({ syncprov: true }),
  dialect: openldapDialect,
  listsDeletions: true,
  keepsReferences: false,
});

changeSuite({
  name: "OpenLDAP with syncprov and memberof",
  missing: noOpenldap,
  start: () => startOpenldap({ syncprov: true, memberof: true }),
  dialect: openldapDialect,
  listsDeletions: true,
  keepsReferences: true,
});
