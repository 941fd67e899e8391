import { z } from "zod";
import { across, duration, type Report, secret } from "./fields.ts";

const attribute = z.string().regex(/^[A-Za-z][A-Za-z0-9;.-]*$/, "must be the name of an LDAP attribute");
const distinguishedName = z.string().min(1).includes("=", "must be a DN, such as ou=people,dc=example,dc=com");
const filter = z
  .string()
  .regex(/^\s*\(.*\)\s*$/s, "must be an LDAP filter in parentheses, such as (objectClass=person)");
const ldapUrl = z
  .string()
  .regex(
    /^ldaps?:\/\/[^/?#@\s]+\/?$/i,
    "must be ldap://host[:port] or ldaps://host[:port], without path, user and query",
  );

/** Every key of a preset may be left out. Exact keys: `undefined` never stands for a value. */
const users = z.strictObject({
  baseDn: distinguishedName.describe("Below which people are looked for."),
  filter: filter.optional().describe("Default: by the preset."),
  id: attribute.optional().describe("Attribute that never changes: entryUUID, nsUniqueId, ipaUniqueID, objectGUID."),
  email: attribute.optional().describe("Default mail. proxyAddresses takes the value with the upper-case SMTP:."),
  emailPrefix: attribute
    .optional()
    .describe(
      "In place of email: this attribute's value with emailSuffix behind it. With email set too: for who has none.",
    ),
  emailSuffix: z
    .string()
    .regex(/^@[^@\s]+$/, "must look like @example.com")
    .optional(),
  userName: attribute.optional().describe("Default: by the preset."),
  name: attribute.optional().describe("Name to be shown. Default: by the preset."),
  memberOf: attribute
    .optional()
    .describe("Attribute in which a person names their groups, read in place of the groups' members."),
  disabledBy: z
    .array(z.enum(["userAccountControl", "accountExpires", "nsAccountLock", "pwdAccountLockedTime"]))
    .optional()
    .describe("Markers of a disabled account. Default: by the preset."),
  inactiveWhen: filter.optional().describe("Whoever matches is inactive too."),
});

const groups = z.strictObject({
  baseDn: distinguishedName.describe("Below which groups are looked for."),
  filter: filter.optional().describe("Default: by the preset."),
  id: attribute.optional().describe("Default: by the preset."),
  name: attribute.optional().describe("Default cn."),
  members: attribute.optional().describe("Default member."),
  membersAre: z.enum(["dn", "uid"]).optional().describe("How members are named; uid for memberUid. Default dn."),
  nested: z.boolean().optional().describe("Members of a group's groups belong to it too. Default true."),
});

const tls = z.strictObject({
  startTls: z.boolean().optional().describe("Upgrades an ldap:// connection before anything is sent. Default false."),
  caFile: z.string().min(1).optional().describe("PEM file of the private certificate authority."),
  certFile: z.string().min(1).optional().describe("PEM file of the client certificate."),
  keyFile: z.string().min(1).optional().describe("PEM file of its key."),
  servername: z
    .string()
    .min(1)
    .optional()
    .describe("Name to look for in the server's certificate. Default: the URL's host."),
  rejectUnauthorized: z.boolean().optional().describe("Refuses certificates that can't be verified. Default true."),
});

/** A directory that is polled. */
export const ldapSource = z
  .strictObject({
    type: z.literal("ldap"),
    preset: z.enum(["openldap", "389ds", "freeipa", "activedirectory"]).describe("Defaults for this kind of server."),
    url: z
      .union([ldapUrl, z.array(ldapUrl).min(1)])
      .optional()
      .describe("One URL, or a list tried in order."),
    domain: z
      .string()
      .min(1)
      .optional()
      .describe("In place of url: a DNS domain whose controllers are found by SRV records."),
    bind: z
      .enum(["simple", "external", "anonymous"])
      .optional()
      .describe("Default: simple with a bindDn, else anonymous."),
    bindDn: z.string().min(1).optional(),
    bindPassword: secret.optional().describe("Write it as ${ENV} or file:PATH."),
    tls: tls.optional(),
    connectTimeout: duration("100ms", "5m").prefault("10s").describe("Default 10s."),
    timeout: duration("1s", "1h").prefault("60s").describe("For one page. Default 60s."),
    every: duration("1s", "7d").prefault("5m").describe("How often the directory is polled. Default 5m."),
    fullEvery: duration("1s", "30d")
      .prefault("24h")
      .describe("How often all of it is read; in between what changed. Default 24h."),
    pageSize: z.int().min(1).max(1000).default(1000).describe("Entries a page, 1 to 1000. Default 1000."),
    delta: z
      .enum(["auto", "sync", "stamp", "usn", "off"])
      .default("auto")
      .describe("How changes are found. Default auto."),
    changeStamp: attribute.optional().describe("For delta: stamp. Default: by the preset."),
    users,
    groups: groups.optional().describe("Default: no groups."),
    minKeptPercent: z
      .number()
      .min(0)
      .max(100)
      .default(80)
      .describe("A complete picture with a smaller share of the people of the last one is refused. Default 80."),
  })
  .check(across(checkLdap))
  .transform(({ url, bindPassword, connectTimeout, timeout, every, fullEvery, ...rest }) => ({
    ...rest,
    url: url === undefined ? null : [url].flat(),
    bindPassword: bindPassword ?? null,
    connectTimeoutMs: connectTimeout,
    timeoutMs: timeout,
    everyMs: every,
    fullEveryMs: fullEvery,
  }));

function checkLdap(
  { url, domain, bindDn, bindPassword, bind }: Readonly<Record<string, unknown>>,
  report: Report,
): void {
  if (url === undefined && domain === undefined) report(["url"], "is missing: ldaps://host, or domain instead");
  if (url !== undefined && domain !== undefined) report(["domain"], "cannot stand beside url: keep one or the other");
  const isSimple = bind === "simple" || (bind === undefined && bindDn !== undefined);
  if (isSimple && bindDn === undefined) report(["bindDn"], "is missing: a simple bind needs it");
  if (isSimple && bindPassword === undefined)
    report(["bindPassword"], "is missing: without it the server takes the connection for an anonymous one");
}
