import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../listen.ts";
import { run, startServer, stopChild, whyNot, workFolder } from "../server-process.ts";
import { certificates } from "./certificates.ts";
import type { DirectoryServer } from "./server.ts";

export const noOpenldap = whyNot("OpenLDAP", ["/usr/sbin/slapd", "/usr/bin/ldapmodify"], false);

export interface OpenldapOptions {
  readonly syncprov?: boolean;
  readonly memberof?: boolean;
  /** LDIF that is loaded before the start. */
  readonly ldif?: string;
  /** Lines of slapd.conf for the database. */
  readonly more?: readonly string[];
}

const suffix = "dc=example,dc=org";

/** slapd with people, groups and services below dc=example,dc=org. `cn=sync,ou=services` may read all of it. */
export async function startOpenldap({
  syncprov = false,
  memberof = false,
  ldif = "",
  more = [],
}: OpenldapOptions): Promise<DirectoryServer> {
  const tls = await certificates();
  const folder = workFolder();
  const [port, tlsPort] = [await freePort(), await freePort()];
  mkdirSync(join(folder, "db"));
  const conf = join(folder, "slapd.conf");
  writeFileSync(
    conf,
    [
      ...["core", "cosine", "nis", "inetorgperson"].map((name) => `include /etc/ldap/schema/${name}.schema`),
      "modulepath /usr/lib/ldap",
      "moduleload back_mdb",
      "moduleload memberof",
      "moduleload syncprov",
      "moduleload ppolicy",
      `TLSCACertificateFile ${tls}/ca.pem`,
      `TLSCertificateFile ${tls}/server.pem`,
      `TLSCertificateKeyFile ${tls}/server.key`,
      "TLSVerifyClient try",
      'authz-regexp "^cn=([^,]+)$" "cn=$1,ou=services,dc=example,dc=org"',
      "sizelimit unlimited",
      "database mdb",
      "maxsize 1073741824",
      `suffix ${suffix}`,
      `rootdn cn=admin,${suffix}`,
      "rootpw admin",
      `directory ${join(folder, "db")}`,
      "dbnosync",
      "index objectClass,entryUUID,entryCSN,uid,cn,member,memberUid eq",
      'limits dn.exact="cn=small,ou=services,dc=example,dc=org" size.soft=5 size.hard=5 size.pr=20 size.prtotal=5',
      "access to attrs=userPassword by anonymous auth by * none",
      "access to dn.subtree=ou=services,dc=example,dc=org by anonymous auth by users read",
      "access to * by users read by anonymous search",
      ...more,
      ...(memberof ? ["overlay memberof", "memberof-refint TRUE"] : []),
      "overlay ppolicy",
      ...(syncprov ? ["overlay syncprov", "syncprov-sessionlog 1000"] : []),
      "",
    ].join("\n"),
  );
  const base = join(folder, "base.ldif");
  writeFileSync(base, `${tree}\n${ldif}`);
  run("/usr/sbin/slapadd", ["-q", "-f", conf, "-l", base]);
  const start = () =>
    startServer(
      "/usr/sbin/slapd",
      ["-f", conf, "-h", `ldap://127.0.0.1:${port} ldaps://127.0.0.1:${tlsPort}`, "-d", "0"],
      port,
      join(folder, "log"),
    );
  let child = await start();
  return {
    port,
    tlsPort,
    suffix,
    bindDn: `cn=sync,ou=services,${suffix}`,
    bindPassword: "sync-password",
    adminDn: `cn=admin,${suffix}`,
    adminPassword: "admin",
    ca: join(tls, "ca.pem"),
    interrupt: () => stopChild(child, "SIGINT"),
    restart: async () => {
      await stopChild(child, "SIGINT");
      child = await start();
    },
    stop: async () => {
      await stopChild(child, "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const service = (name: string): string =>
  `dn: cn=${name},ou=services,${suffix}\nobjectClass: person\ncn: ${name}\nsn: ${name}\nuserPassword: ${name}-password\n`;

const tree = [
  `dn: ${suffix}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n`,
  ...["people", "groups", "services"].map(
    (ou) => `dn: ou=${ou},${suffix}\nobjectClass: organizationalUnit\nou: ${ou}\n`,
  ),
  service("sync"),
  service("small"),
].join("\n");
