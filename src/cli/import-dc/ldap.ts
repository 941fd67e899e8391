import type { LdapSettings, SyncSettings, Warn } from "./read.ts";

/** Stands for a base DN that data.json does not have. */
const unknownBase = "dc=example,dc=com";

/** A polled source that searches like Directory Connector (libs/services/directory-services/ldap-directory.service.ts). */
export function ldapSourceOf(ldap: LdapSettings, sync: SyncSettings, preset: string | null, warn: Warn): object {
  const isAd = ldap.ad ?? true;
  if (!isAd && preset === null)
    warn(
      "ldap",
      "does not name the kind of server. openldap is assumed; --preset 389ds or --preset freeipa changes that",
    );
  if (sync.users === false) warn("sync.users", "was off. Rollcall always reads users, because groups need members");
  return {
    type: "ldap",
    preset: preset ?? (isAd ? "activedirectory" : "openldap"),
    ...connectionOf(ldap, warn),
    ...(sync.interval !== null && sync.interval > 0 && { every: `${Math.min(10_080, Math.max(5, sync.interval))}m` }),
    users: usersOf(ldap, sync, isAd, warn),
    ...(sync.groups === true && { groups: groupsOf(ldap, sync, isAd, warn) }),
  };
}

function connectionOf(ldap: LdapSettings, warn: Warn): object {
  const isTls = ldap.ssl === true;
  const isStartTls = isTls && ldap.startTls === true;
  const isLdaps = isTls && !isStartTls;
  const isUnverified = isTls && ldap.sslAllowUnauthorized === true;
  if (ldap.hostname === null) warn("ldap.hostname", "is missing: put the server in sources.directory.url");
  if (ldap.currentUser === true) warn("ldap.currentUser", "has no equivalent: put an account of its own in bindDn");
  if (!isTls)
    warn(
      "ldap.ssl",
      `${ldap.startTls === true ? "was off, so StartTLS was not used either" : "was off"}: the password crosses the network in clear text. Use ldaps:// or tls.startTls`,
    );
  if (isUnverified)
    warn(
      "ldap.sslAllowUnauthorized",
      "was on: every server was accepted. It becomes tls.rejectUnauthorized: false; better name the authority in tls.caFile",
    );
  if (ldap.username === null) warn("ldap.username", "is missing: put the account in bindDn");
  const caFile = isStartTls ? ldap.tlsCaPath : ldap.sslCaPath;
  const tls = {
    ...(isStartTls && { startTls: true }),
    ...(isTls && caFile !== null && { caFile }),
    ...(isLdaps && ldap.sslCertPath !== null && { certFile: ldap.sslCertPath }),
    ...(isLdaps && ldap.sslKeyPath !== null && { keyFile: ldap.sslKeyPath }),
    ...(isUnverified && { rejectUnauthorized: false }),
  };
  return {
    url: `${isLdaps ? "ldaps" : "ldap"}://${ldap.hostname ?? "ldap.example.com"}:${ldap.port ?? (isLdaps ? 636 : 389)}`,
    bindDn: ldap.username ?? "cn=rollcall,dc=example,dc=com",
    bindPassword: "${LDAP_BIND_PASSWORD}",
    ...(Object.keys(tls).length > 0 && { tls }),
  };
}

function usersOf(ldap: LdapSettings, sync: SyncSettings, isAd: boolean, warn: Warn): object {
  const objectClass = sync.userObjectClass ?? "person";
  const own = subFilter("sync.userFilter", sync.userFilter, warn);
  // In Active Directory, computers have the class person too.
  const isAdPerson = isAd && objectClass.toLowerCase() === "person";
  const classes = isAdPerson ? "(objectCategory=person)(objectClass=user)" : `(objectClass=${objectClass})`;
  const { userEmailAttribute: email, emailPrefixAttribute: emailPrefix, emailSuffix } = sync;
  const hasPrefix = sync.useEmailPrefixSuffix === true && emailPrefix !== null && emailSuffix !== null;
  if (sync.revisionDateAttribute !== null && sync.revisionDateAttribute !== "whenChanged")
    warn("sync.revisionDateAttribute", "is not needed: the preset decides how changes are found (delta: auto)");
  return {
    baseDn: searchBase("sync.userPath", sync.userPath, ldap, warn),
    // Without a filter of its own, the preset of Active Directory reads the same users.
    ...((!isAdPerson || own !== "") && { filter: own === "" ? classes : `(&${classes}${own})` }),
    ...(hasPrefix
      ? { email: email ?? "mail", emailPrefix, emailSuffix: emailSuffix.replace(/^@?/, "@") }
      : email !== null && email !== "mail" && { email }),
  };
}

function groupsOf(ldap: LdapSettings, sync: SyncSettings, isAd: boolean, warn: Warn): object {
  const objectClass = sync.groupObjectClass ?? (isAd ? "group" : "groupOfNames");
  const own = subFilter("sync.groupFilter", sync.groupFilter, warn);
  const members = sync.memberAttribute ?? "member";
  if (own !== "")
    warn("sync.groupFilter", "selects the groups that are pushed. users.filter alone selects the members of Bitwarden");
  return {
    baseDn: searchBase("sync.groupPath", sync.groupPath, ldap, warn),
    filter: own === "" ? `(objectClass=${objectClass})` : `(&(objectClass=${objectClass})${own})`,
    name: sync.groupNameAttribute ?? (isAd ? "name" : "cn"),
    members,
    ...(members.toLowerCase() === "memberuid" && { membersAre: "uid" }),
  };
}

function subFilter(setting: string, filter: string | null, warn: Warn): string {
  if (filter === null || filter.startsWith("(")) return filter ?? "";
  warn(setting, `"${filter}" is not an LDAP filter. Parentheses were added: check it`);
  return `(${filter})`;
}

/** The path, then the naming context. Directory Connector used the path alone if the root path has no dc=. */
function searchBase(setting: string, path: string | null, { rootPath }: LdapSettings, warn: Warn): string {
  const root = /dc=.*/is.exec(rootPath ?? "")?.[0] ?? null;
  const base = [path, root].filter((part) => part !== null).join(",");
  if (base.includes("=")) return base;
  warn(setting, `and ldap.rootPath have no base DN: replace ${unknownBase}`);
  return unknownBase;
}
