import { type ChildProcess, execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, DatabaseError } from "pg";
import { freePort } from "./listen.ts";
import { startServer, stopChild, whyNot } from "./server-process.ts";

/** Where Debian puts them, a folder for each version; the newest. */
const versions = "/usr/lib/postgresql";
const newest = existsSync(versions)
  ? readdirSync(versions)
      .sort((a, b) => Number(b) - Number(a))
      .at(0)
  : undefined;
const binary = (name: string): string => join(versions, newest ?? "15", "bin", name);

export const noPostgres = whyNot("PostgreSQL", [binary("postgres"), binary("initdb")], false);

export interface PostgresServer {
  readonly port: number;
  /** Of a user without any special right, who owns this new database. */
  makeDatabase(): Promise<string>;
  /** The same as a schema of one database, for which much less is to be done. */
  makeSchema(): Promise<string>;
  /** As the server's administrator, in that database; gives the rows of the last statement. */
  administer(url: string, ...statements: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Every connection and the server's memory are gone, as after a power cut; what was flushed is there. */
  crash(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface PostgresOptions {
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[];
  /** A folder with server.pem and server.key; TLS is offered then. */
  readonly tls?: string;
}

export const password = "p-%/@:? secret of the database";

/** A server of its own on loopback, which compares text as English does unless it is told otherwise. It never runs as root. */
export async function startPostgres({ settings = [], tls }: PostgresOptions = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-postgres-"));
  const data = join(folder, "data");
  const isRoot = process.getuid?.() === 0;
  const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  const asOther = isRoot ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];
  mkdirSync(data, { mode: 0o700 });
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, password);
  if (isRoot) for (const path of [folder, data, passwordFile]) chownSync(path, id("-u"), id("-g"));
  const command = (name: string, args: readonly string[]): readonly [string, ...string[]] => {
    const [first = "", ...rest] = [...asOther, binary(name), ...args];
    return [first, ...rest];
  };
  const [initdb, ...how] = command("initdb", [
    ...["-D", data, "-U", "admin", "-A", "scram-sha-256", "--pwfile", passwordFile, "--no-sync", "-E", "UTF8"],
    ...["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"],
  ]);
  execFileSync(initdb, how, { stdio: ["ignore", "ignore", "pipe"], cwd: folder });
  const port = await freePort();
  for (const name of tls === undefined ? [] : ["server.pem", "server.key"]) {
    copyFileSync(join(tls ?? "", name), join(data, name));
    chmodSync(join(data, name), 0o600);
    if (isRoot) chownSync(join(data, name), id("-u"), id("-g"));
  }
  writeFileSync(
    join(data, "postgresql.auto.conf"),
    [
      "listen_addresses = '127.0.0.1'",
      `port = ${port}`,
      `unix_socket_directories = '${folder}'`,
      "max_connections = 60",
      "shared_buffers = 32MB",
      ...(tls === undefined ? [] : ["ssl = on", "ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'"]),
      ...settings,
    ].join("\n"),
  );
  let server: ChildProcess | null = null;
  const urlOf = (user: string, database: string): string =>
    `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  const administer: PostgresServer["administer"] = async (url, ...statements) => {
    const client = new Client({ connectionString: urlOf("admin", new URL(url).pathname.slice(1)) });
    await client.connect();
    try {
      let rows: Awaited<ReturnType<PostgresServer["administer"]>> = [];
      for (const statement of statements) rows = (await client.query(statement)).rows;
      return rows;
    } finally {
      await client.end();
    }
  };
  const start = async (): Promise<void> => {
    const [postgres, ...args] = command("postgres", ["-D", data]);
    server = await startServer(postgres, args, port, join(tmpdir(), `${folder.split("/").at(-1)}.log`));
    // It listens before it has made good a crash.
    for (;;) {
      try {
        await administer(urlOf("admin", "postgres"), "SELECT 1");
        return;
      } catch (error) {
        if (!(error instanceof DatabaseError) || error.code !== "57P03") throw error;
      }
    }
  };
  await start();
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (server !== null) await stopChild(server, signal);
    server = null;
  };
  let databases = 0;
  let shared: Promise<string> | null = null;
  const admin = urlOf("admin", "postgres");
  await administer(admin, `CREATE ROLE rollcall LOGIN PASSWORD '${password}'`);
  const makeDatabase = async (): Promise<string> => {
    databases += 1;
    const name = `test${databases}`;
    await administer(admin, `CREATE DATABASE ${name} OWNER rollcall`);
    return urlOf("rollcall", name);
  };
  return {
    port,
    administer,
    start,
    // What `pg_ctl stop -m immediate` sends.
    crash: () => stop("SIGQUIT"),
    makeDatabase,
    async makeSchema() {
      shared ??= makeDatabase();
      const database = await shared;
      databases += 1;
      const name = `test${databases}`;
      await administer(database, `CREATE SCHEMA ${name} AUTHORIZATION rollcall`);
      return `${database}?options=${encodeURIComponent(`-c search_path=${name}`)}`;
    },
    async close() {
      await stop("SIGINT");
      rmSync(folder, { recursive: true, force: true });
      rmSync(join(tmpdir(), `${folder.split("/").at(-1)}.log`), { force: true });
    },
  };
}
