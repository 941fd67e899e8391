import type { LdapSettings, SyncSettings, Warn } from "./read.ts";

/** Placeholder of what data.json does not hold. */
const unknownBase = "dc=example,dc=com";

/** A polled source, with the searches that Directory Connector made (libs/services/directory-services/ldap-directory.service.ts). */
export function ldapSourceOf(ldap: LdapSettings, sync: SyncSettings, preset: string | null, warn: Warn): object {
  const isAd = ldap.ad ?? true;
  const kind = preset ?? (isAd ? "activedirectory" : "openldap");
  if (!isAd && preset === null)
    warn(
      "ldap",
      "does not say which server it is: openldap is assumed; --preset 389ds or --preset freeipa chooses another",
    );
  if (sync.users === false) warn("sync.users", "was off; people are always read here, or nobody could be in a group");
  return {
    type: "ldap",
    preset: kind,
    ...connectionOf(ldap, warn),
    ...(sync.interval !== null && sync.interval > 0 && { every: `${Math.min(10_080, Math.max(5, sync.interval))}m` }),
    users: usersOf(ldap, sync, isAd, warn),
    ...(sync.groups === true && { groups: groupsOf(ldap, sync, isAd, warn) }),
  };
}

function connectionOf(ldap: LdapSettings, warn: Warn): object {
  if (ldap.hostname === null) warn("ldap.hostname", "is missing: put the server in sources.directory.url");
  if (ldap.currentUser === true)
    warn("ldap.currentUser", "has no equivalent: bind with an account of its own, in bindDn");
  const isTls = ldap.ssl === true;
  const isStartTls = isTls && ldap.startTls === true;
  if (!isTls)
    warn(
      "ldap.ssl",
      `${ldap.startTls === true ? "was off, so StartTLS was not used either" : "was off"}: the password crosses the network in clear text. Use ldaps:// or tls.startTls`,
    );
  const scheme = isTls && !isStartTls ? "ldaps" : "ldap";
  const port = ldap.port ?? (scheme === "ldaps" ? 636 : 389);
  const caFile = isStartTls ? ldap.tlsCaPath : ldap.sslCaPath;
  const hasOther = !isStartTls && isTls;
  if (ldap.sslAllowUnauthorized === true && isTls)
    warn(
      "ldap.sslAllowUnauthorized",
      "was on: any server was believed. It is carried over as tls.rejectUnauthorized: false; better name the authority in tls.caFile",
    );
  const tls = {
    ...(isStartTls && { startTls: true }),
    ...(isTls && caFile !== null && { caFile }),
    ...(hasOther && ldap.sslCertPath !== null && { certFile: ldap.sslCertPath }),
    ...(hasOther && ldap.sslKeyPath !== null && { keyFile: ldap.sslKeyPath }),
    ...(isTls && ldap.sslAllowUnauthorized === true && { rejectUnauthorized: false }),
  };
  if (ldap.username === null) warn("ldap.username", "is missing: put the account to bind with in bindDn");
  return {
    url: `${scheme}://${ldap.hostname ?? "ldap.example.com"}:${port}`,
    bindDn: ldap.username ?? "cn=rollcall,dc=example,dc=com",
    bindPassword: "${LDAP_BIND_PASSWORD}",
    ...(Object.keys(tls).length > 0 && { tls }),
  };
}

function usersOf(ldap: LdapSettings, sync: SyncSettings, isAd: boolean, warn: Warn): object {
  const objectClass = sync.userObjectClass ?? "person";
  const own = subFilter("sync.userFilter", sync.userFilter, warn);
  // In Active Directory computers are persons as well; contacts are as good as nobody here.
  const classes =
    isAd && objectClass.toLowerCase() === "person"
      ? "(objectCategory=person)(objectClass=user)"
      : `(objectClass=${objectClass})`;
  const isPreset = isAd && own === "" && objectClass.toLowerCase() === "person";
  const isFallback =
    sync.useEmailPrefixSuffix === true && sync.emailPrefixAttribute !== null && sync.emailSuffix !== null;
  if (sync.revisionDateAttribute !== null && sync.revisionDateAttribute !== "whenChanged")
    warn("sync.revisionDateAttribute", "is not needed: how changes are found follows from the preset (delta: auto)");
  return {
    baseDn: searchBase("sync.userPath", sync.userPath, ldap, warn),
    ...(!isPreset && { filter: own === "" && !classes.includes(")(") ? classes : `(&${classes}${own})` }),
    ...(sync.userEmailAttribute !== null &&
      (sync.userEmailAttribute !== "mail" || isFallback) && { email: sync.userEmailAttribute }),
    ...(isFallback && sync.userEmailAttribute === null && { email: "mail" }),
    ...(isFallback && {
      emailPrefix: sync.emailPrefixAttribute,
      emailSuffix: sync.emailSuffix?.startsWith("@") ? sync.emailSuffix : `@${sync.emailSuffix}`,
    }),
  };
}

function groupsOf(ldap: LdapSettings, sync: SyncSettings, isAd: boolean, warn: Warn): object {
  const objectClass = sync.groupObjectClass ?? (isAd ? "group" : "groupOfNames");
  const own = subFilter("sync.groupFilter", sync.groupFilter, warn);
  const members = sync.memberAttribute ?? "member";
  if (own !== "")
    warn(
      "sync.groupFilter",
      "names the groups that are pushed; who belongs to Bitwarden is still said by users.filter alone",
    );
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
  warn(setting, `"${filter}" is no LDAP filter, parentheses were added: check it`);
  return `(${filter})`;
}

/** The path before the naming context; without a dc= in the root path Directory Connector used the path alone. */
function searchBase(setting: string, path: string | null, { rootPath }: LdapSettings, warn: Warn): string {
  const start = rootPath?.toLowerCase().indexOf("dc=") ?? -1;
  const root = start === -1 ? null : (rootPath?.slice(start) ?? null);
  const base = [path, root].filter((part) => part !== null).join(",");
  if (base.includes("=")) return base;
  warn(setting, `and ldap.rootPath name no place to search below: put it in place of ${unknownBase}`);
  return unknownBase;
}
