import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../listen.ts";
import { golden, run, startServer, stopChild, whyNot, workFolder } from "../server-process.ts";
import { untilTrue } from "../until.ts";
import { type DirectoryServer, modify } from "./server.ts";

export const no389 = whyNot("389 Directory Server", ["/usr/sbin/ns-slapd", "/usr/sbin/dscreate"], true);

const suffix = "dc=example,dc=org";
const adminDn = "cn=Directory Manager";
const adminPassword = "Passw0rd123";
const name = "t";

/** 389 DS with content synchronization, retro changelog and memberOf. */
export async function start389(): Promise<DirectoryServer> {
  const source = await golden("ds389-1", prepare);
  const parent = workFolder();
  const folder = join(parent, "ds");
  const [port, tlsPort] = [await freePort(), await freePort()];
  cpSync(source, folder, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  const dse = join(configOf(folder), "dse.ldif");
  const made = readFileSync(join(folder, "made-in"), "utf8");
  writeFileSync(
    dse,
    readFileSync(dse, "utf8")
      .replaceAll(made, folder)
      .replace(/^nsslapd-port: .*$/m, `nsslapd-port: ${port}`)
      .replace(/^nsslapd-secureport: .*$/im, `nsslapd-secureport: ${tlsPort}`),
  );
  let child = await start(folder, port);
  return {
    port,
    tlsPort,
    suffix,
    adminDn,
    adminPassword,
    bindDn: `cn=sync,ou=services,${suffix}`,
    bindPassword: "sync-password",
    ca: join(configOf(folder), "ca.crt"),
    interrupt: () => stopChild(child, "SIGKILL"),
    restart: async () => {
      await stopChild(child, "SIGKILL");
      child = await start(folder, port);
    },
    stop: async () => {
      await stopChild(child, "SIGKILL");
      rmSync(parent, { recursive: true, force: true });
    },
  };
}

const configOf = (folder: string): string => join(folder, "etc/dirsrv", `slapd-${name}`);

async function start(folder: string, port: number) {
  // Locks of a killed or copied instance would prevent the start.
  for (const stale of ["run/dirsrv", "run/lock/dirsrv"]) rmSync(join(folder, stale), { recursive: true, force: true });
  mkdirSync(join(folder, "run/dirsrv"), { recursive: true });
  mkdirSync(join(folder, "run/lock/dirsrv", `slapd-${name}`), { recursive: true });
  return startServer(
    "/usr/sbin/ns-slapd",
    ["-D", configOf(folder), "-i", join(folder, "run/dirsrv/pid"), "-d", "0"],
    port,
    join(folder, "stdout"),
    { ...process.env, PREFIX: folder },
  );
}

async function prepare(folder: string): Promise<void> {
  const env = { ...process.env, PREFIX: folder };
  const [port, tlsPort] = [await freePort(), await freePort()];
  for (const part of ["share/dirsrv/inf", "etc/default", "tmp", "run/dirsrv", "run/lock/dirsrv", "var", "inst"])
    mkdirSync(join(folder, part), { recursive: true });
  cpSync("/etc/dirsrv", join(folder, "etc/dirsrv"), { recursive: true });
  // lib389 reads $PREFIX/share/dirsrv/inf/defaults.inf. Here it is Debian's file with paths below the folder.
  const defaults = readFileSync("/usr/share/dirsrv/inf/defaults.inf", "utf8")
    .replace(/= \/(etc|var|run)/g, `= ${folder}/$1`)
    .replace(/= \/dev\/shm/g, `= ${folder}/shm`)
    .replace(/= \/tmp$/gm, `= ${folder}/tmp`)
    .replace(/^with_systemd = .*$/m, "with_systemd = 0")
    .replace(/^(user|group) = .*$/gm, "$1 = root")
    .replace(/^inst_dir = .*$/m, `inst_dir = ${folder}/inst/slapd-{instance_name}`);
  writeFileSync(join(folder, "share/dirsrv/inf/defaults.inf"), defaults);
  const inf = join(folder, "i.inf");
  writeFileSync(
    inf,
    [
      "[general]",
      "config_version = 2",
      "full_machine_name = localhost",
      "strict_host_checking = False",
      "selinux = False",
      "systemd = False",
      "start = True",
      "[slapd]",
      `instance_name = ${name}`,
      `port = ${port}`,
      `secure_port = ${tlsPort}`,
      `root_password = ${adminPassword}`,
      "self_sign_cert = True",
      "user = root",
      "group = root",
      "db_lib = bdb",
      "[backend-userroot]",
      `suffix = ${suffix}`,
      "create_suffix_entry = True",
      "",
    ].join("\n"),
  );
  run("/usr/sbin/dscreate", ["-v", "from-file", inf], env);
  modify({ port, adminDn, adminPassword }, [...plugins, tree].join("\n"));
  const pid = Number(readFileSync(join(folder, "run/dirsrv", `slapd-${name}.pid`), "utf8"));
  process.kill(pid, "SIGTERM");
  await untilTrue(() => !isRunning(pid), "389 DS has stopped");
  writeFileSync(join(folder, "made-in"), folder);
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const plugin = (cn: string, ...more: readonly string[]): string =>
  [
    `dn: cn=${cn},cn=plugins,cn=config`,
    "changetype: modify",
    "replace: nsslapd-pluginEnabled",
    "nsslapd-pluginEnabled: on",
    ...more,
    "",
    "",
  ].join("\n");

const plugins = [
  plugin("Retro Changelog Plugin", "-", "add: nsslapd-attribute", "nsslapd-attribute: nsuniqueid:targetUniqueId"),
  plugin("Content Synchronization"),
  plugin("MemberOf Plugin", "-", "replace: memberofgroupattr", "memberofgroupattr: member"),
];

const tree = [
  ...["people", "groups", "services"].map(
    (ou) => `dn: ou=${ou},${suffix}\nobjectClass: organizationalUnit\nou: ${ou}\n`,
  ),
  `dn: cn=sync,ou=services,${suffix}\nobjectClass: person\ncn: sync\nsn: sync\nuserPassword: sync-password\n`,
  `dn: ${suffix}\nchangetype: modify\nadd: aci\naci: (targetattr="*")(version 3.0; acl "sync"; allow (read,search,compare) userdn="ldap:///all";)\n`,
].join("\n");
