import { z } from "zod";
import { deltaModes, disabledMarkers, type LdapBind, ldapPresets } from "../domain/model/ldap-source.ts";
import { across, duration, type Report, secret } from "./fields.ts";
import type { Secret } from "./secret.ts";

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

const optional = <Schema extends z.ZodType>(schema: Schema, description: string) =>
  schema.exactOptional().describe(description);

const users = z
  .strictObject({
    baseDn: distinguishedName.describe("Users are searched below this DN."),
    filter: optional(filter, "Default: by the preset."),
    id: optional(attribute, "Attribute that never changes: entryUUID, nsUniqueId, ipaUniqueID, objectGUID."),
    email: optional(attribute, "Default mail. proxyAddresses takes the value with the upper-case SMTP:."),
    emailPrefix: optional(
      attribute,
      "The address is this attribute's value, then emailSuffix. With email set too: only for users without one.",
    ),
    emailSuffix: z
      .string()
      .regex(/^@[^@\s]+$/, "must look like @example.com")
      .exactOptional(),
    userName: optional(attribute, "Default: by the preset."),
    name: optional(attribute, "Display name. Default: by the preset."),
    memberOf: optional(attribute, "Attribute with the groups of a user. It replaces the members that groups list."),
    disabledBy: optional(
      z.array(z.enum(disabledMarkers)),
      "Attributes that mark a disabled account. Default: by the preset.",
    ),
    inactiveWhen: optional(filter, "Users who match this filter are inactive too."),
  })
  .check(
    across(({ emailPrefix, emailSuffix }, report) => {
      if ((emailPrefix === undefined) !== (emailSuffix === undefined))
        report(["emailPrefix"], "emailPrefix and emailSuffix go together");
    }),
  );

const groups = z.strictObject({
  baseDn: distinguishedName.describe("Groups are searched below this DN."),
  filter: optional(filter, "Default: by the preset."),
  id: optional(attribute, "Default: by the preset."),
  name: optional(attribute, "Default cn."),
  members: optional(attribute, "Default member."),
  membersAre: optional(z.enum(["dn", "uid"]), "Values of the member attribute; uid for memberUid. Default dn."),
  nested: optional(z.boolean(), "Members of nested groups also belong to the outer group. Default true."),
});

const path = z.string().min(1);
const tls = z.strictObject({
  startTls: optional(z.boolean(), "Upgrades an ldap:// connection to TLS before the bind. Default false."),
  caFile: optional(path, "PEM file of the private certificate authority."),
  certFile: optional(path, "PEM file of the client certificate."),
  keyFile: optional(path, "PEM file of its key."),
  servername: optional(z.string().min(1), "Name to expect in the server's certificate. Default: the URL's host."),
  rejectUnauthorized: optional(z.boolean(), "Refuses certificates that can't be verified. Default true."),
});

/** A polled LDAP directory. Each optional key without a default takes the value of the preset. */
export const ldapSource = z
  .strictObject({
    type: z.literal("ldap"),
    preset: z.enum(ldapPresets).describe("Defaults for this kind of server."),
    url: z
      .union([ldapUrl, z.array(ldapUrl).min(1)])
      .optional()
      .describe("One URL, or a list tried in order."),
    domain: z
      .string()
      .min(1)
      .optional()
      .describe("DNS domain whose SRV records name the domain controllers. It replaces url."),
    bind: z
      .enum(["simple", "external", "anonymous"])
      .optional()
      .describe("Default: simple with a bindDn, else anonymous."),
    bindDn: z.string().min(1).optional(),
    bindPassword: secret.optional().describe("Write it as ${ENV} or file:PATH."),
    tls: tls.default({}),
    connectTimeout: duration("100ms", "5m").prefault("10s").describe("Default 10s."),
    timeout: duration("1s", "1h").prefault("60s").describe("Maximum time for one page. Default 60s."),
    every: duration("1s", "7d").prefault("5m").describe("Time between two polls. Default 5m."),
    fullEvery: duration("1s", "30d")
      .prefault("24h")
      .describe("Maximum time between two full polls. Other polls read only changes. Default 24h."),
    pageSize: z.int().min(1).max(1000).default(1000).describe("Entries per page, 1 to 1000. Default 1000."),
    delta: z.enum(deltaModes).default("auto").describe("How changes are found. Default auto."),
    changeStamp: optional(attribute, "For delta: stamp. Default: by the preset."),
    users,
    groups: optional(groups, "Default: no groups."),
    minKeptPercent: z
      .number()
      .min(0)
      .max(100)
      .default(80)
      .describe("A full poll is refused if it keeps a smaller share of the known people or groups. Default 80."),
  })
  .check(across(checkLdap))
  .transform(({ url, domain, bind, bindDn, bindPassword, connectTimeout, timeout, every, fullEvery, ...rest }) => ({
    ...rest,
    url: [url ?? []].flat(),
    domain: domain ?? null,
    bind: bindOf(bind, bindDn, bindPassword),
    connectTimeoutMs: connectTimeout,
    timeoutMs: timeout,
    everyMs: every,
    fullEveryMs: fullEvery,
  }));

function bindOf(
  kind: LdapBind<Secret>["kind"] | undefined,
  dn: string | undefined,
  password: Secret | undefined,
): LdapBind<Secret> {
  if (kind === "external" || kind === "anonymous") return { kind };
  return dn === undefined || password === undefined ? { kind: "anonymous" } : { kind: "simple", dn, password };
}

function checkLdap(
  { url, domain, bindDn, bindPassword, bind }: Readonly<Record<string, unknown>>,
  report: Report,
): void {
  if (url === undefined && domain === undefined) report(["url"], "is missing: ldaps://host, or domain instead");
  if (url !== undefined && domain !== undefined) report(["domain"], "conflicts with url: keep one of the two");
  const isSimple = bind === "simple" || (bind === undefined && bindDn !== undefined);
  if (isSimple && bindDn === undefined) report(["bindDn"], "is missing: a simple bind needs it");
  // A DN with an empty password is an unauthenticated bind: it succeeds and reads as anonymous (RFC 4513 §5.1.2).
  if (isSimple && bindPassword === undefined)
    report(["bindPassword"], "is missing: without it the server treats the connection as anonymous");
}
