import { spawnSync } from "node:child_process";

/** A directory server for tests, on loopback. */
export interface DirectoryServer {
  readonly port: number;
  readonly tlsPort: number;
  readonly suffix: string;
  readonly bindDn: string;
  readonly bindPassword: string;
  readonly adminDn: string;
  readonly adminPassword: string;
  /** PEM file of the authority that signed the server's certificate. */
  readonly ca: string;
  /** Ends the server and keeps its files. `restart` starts it again. */
  interrupt(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Applies LDIF changes as the administrator. Entries without a changetype are added. */
export function modify(
  { port, adminDn, adminPassword }: Pick<DirectoryServer, "port" | "adminDn" | "adminPassword">,
  ldif: string,
): void {
  const { status, stderr } = spawnSync(
    "ldapmodify",
    ["-x", "-a", "-H", `ldap://127.0.0.1:${port}`, "-D", adminDn, "-w", adminPassword],
    { input: ldif, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`ldapmodify: ${stderr}\n${ldif}`);
}
