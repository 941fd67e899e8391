import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../listen.ts";
import { golden, isListening, run, stopChild, whyNot, workFolder } from "../server-process.ts";
import { untilTrue } from "../until.ts";
import { certificates } from "./certificates.ts";
import type { DirectoryServer } from "./server.ts";

export const noSamba = whyNot(
  "Samba AD",
  [
    "/usr/sbin/samba",
    "/usr/bin/samba-tool",
    "/usr/bin/python3",
    "/usr/bin/unshare",
    "/usr/share/samba/setup/provision.ldif",
  ],
  true,
  () =>
    spawnSync("/usr/bin/unshare", ["-n", "true"]).status === 0
      ? null
      : "can't make a network namespace (CAP_SYS_ADMIN is missing)",
);

const suffix = "DC=ad,DC=example,DC=test";

/** A domain controller. Its LDAP ports are fixed, so it runs in its own network namespace behind a forwarder. */
export async function startSamba(): Promise<DirectoryServer> {
  const tls = await certificates();
  const source = await golden("samba-2", prepare);
  const parent = workFolder();
  const folder = join(parent, "dc");
  run("cp", ["-a", source, folder]);
  for (const part of ["run", "ncalrpc", "log"]) mkdirSync(join(folder, part), { recursive: true });
  const conf = join(folder, "etc/smb.conf");
  const made = readFileSync(join(folder, "made-in"), "utf8");
  writeFileSync(conf, readFileSync(conf, "utf8").replaceAll(made, folder));
  const [port, tlsPort] = [await freePort(), await freePort()];
  const options = [
    "server services=ldap",
    "ldap server require strong auth=no",
    `tls keyfile=${tls}/server.key`,
    `tls certfile=${tls}/server.pem`,
    `tls cafile=${tls}/ca.pem`,
    "tls verify peer=no_check",
    `pid directory=${folder}/run`,
    `ncalrpc dir=${folder}/ncalrpc`,
    `log file=${folder}/log/log.%m`,
    "panic action=",
    `winbindd socket directory=${folder}/run/winbindd`,
    `ntp signd socket directory=${folder}/run/ntp`,
  ].map((option) => `--option=${option}`);
  const pidFile = join(folder, "child.pid");
  const script = 'ip link set lo up; echo $$ >"$0"; exec /usr/sbin/samba -i -M single --no-process-group "$@"';
  const child = spawn("/usr/bin/unshare", ["-n", "sh", "-c", script, pidFile, "-s", conf, ...options], {
    stdio: "ignore",
  });
  await untilTrue(
    () =>
      existsSync(pidFile) && readFileSync(pidFile, "utf8").trim() !== "" && existsSync(join(folder, "private/ldapi")),
    "Samba starts",
    60_000,
  );
  const forwarder = spawn(
    "/usr/bin/python3",
    ["-c", forward, readFileSync(pidFile, "utf8").trim(), `${port}:389`, `${tlsPort}:636`],
    { stdio: "ignore" },
  );
  await untilTrue(() => isListening(port), "the forwarder listens");
  await untilTrue(() => answers(port), "Samba answers");
  return {
    port,
    tlsPort,
    suffix,
    bindDn: "reader@ad.example.test",
    bindPassword: "R3ader.Passw0rd",
    adminDn: "Administrator@ad.example.test",
    adminPassword: "Passw0rd.Adm1n",
    ca: join(tls, "ca.pem"),
    interrupt: () => Promise.reject(new Error("not needed")),
    restart: () => Promise.reject(new Error("not needed")),
    stop: async () => {
      await Promise.all([stopChild(forwarder, "SIGKILL"), stopChild(child, "SIGKILL")]);
      rmSync(parent, { recursive: true, force: true });
    },
  };
}

function answers(port: number): boolean {
  try {
    run("ldapsearch", ["-x", "-H", `ldap://127.0.0.1:${port}`, "-s", "base", "-b", "", "defaultNamingContext"]);
    return true;
  } catch {
    return false;
  }
}

async function prepare(folder: string): Promise<void> {
  run("samba-tool", [
    "domain",
    "provision",
    `--targetdir=${folder}`,
    "--realm=AD.EXAMPLE.TEST",
    "--domain=ADTEST",
    "--server-role=dc",
    "--dns-backend=NONE",
    "--adminpass=Passw0rd.Adm1n",
    "--host-name=dc1",
    "--host-ip=127.0.0.1",
    "--option=interfaces=lo",
    "--option=bind interfaces only=yes",
    "--option=ldb:nosync=yes",
    "--option=server services=ldap",
    "--option=ldap server require strong auth=no",
  ]);
  run("/usr/bin/python3", ["-c", fill, join(folder, "etc/smb.conf")]);
  writeFileSync(join(folder, "made-in"), folder);
}

const fill = `
import sys
from samba.samdb import SamDB
from samba.param import LoadParm
from samba.auth import system_session
lp = LoadParm(); lp.load(sys.argv[1])
db = SamDB(lp=lp, session_info=system_session(), url=lp.private_path('sam.ldb'))
B = str(db.domain_dn()); db.transaction_start()
for ou in ("people", "groups"): db.add({"dn": f"OU={ou},{B}", "objectClass": "organizationalUnit"})
db.newuser("reader", "R3ader.Passw0rd")
db.transaction_commit()
`;

const forward = `
import asyncio, ctypes, os, socket, sys
ls = []
for a in sys.argv[2:]:
    l, t = map(int, a.split(':')); ls.append((socket.create_server(('127.0.0.1', l), backlog=128), t))
fd = os.open(f'/proc/{sys.argv[1]}/ns/net', os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
if libc.setns(fd, 0x40000000): raise OSError(ctypes.get_errno(), 'setns')
async def pump(r, w):
    try:
        while d := await r.read(65536): w.write(d); await w.drain()
    except OSError: pass
    finally: w.close()
def handler(port):
    async def h(r, w):
        try: r2, w2 = await asyncio.open_connection('127.0.0.1', port)
        except OSError: w.close(); return
        await asyncio.gather(pump(r, w2), pump(r2, w))
    return h
async def main():
    ss = [await asyncio.start_server(handler(t), sock=s) for s, t in ls]
    await asyncio.gather(*(s.serve_forever() for s in ss))
asyncio.run(main())
`;
