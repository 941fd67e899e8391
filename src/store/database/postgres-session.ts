import { Client, type ClientConfig, type CustomTypesConfig, DatabaseError, type QueryResult } from "pg";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";
import type { Row, SqlValue } from "./driver.ts";

/** The oldest server that has all functions that we need: `pg_current_snapshot`. */
const oldestServer = 13;

/** A database on a server. */
export interface PostgresPlace {
  /** For messages: `postgres://host/database`, without user and password. */
  readonly name: string;
  readonly config: ClientConfig;
}

/** Maximum time that a write waits for another process. The commit of a large directory takes seconds. */
const lockTimeoutMs = 15_000;
/** Maximum time of a statement; ours take less than a second. The client waits 5 s more, then drops the connection. */
const statementTimeoutMs = 30_000;

const limits = {
  application_name: "rollcall",
  connectionTimeoutMillis: 5000,
  statement_timeout: statementTimeoutMs,
  lock_timeout: lockTimeoutMs,
  query_timeout: statementTimeoutMs + 5000,
  // Maximum time that a stopped process (SIGSTOP, a frozen machine) blocks the writes of others.
  idle_in_transaction_session_timeout: 60_000,
  keepAlive: true,
} satisfies ClientConfig;

const [bool, int8, int2, int4, numeric] = [16, 20, 21, 23, 1700] as const;

/** Values as in `Row`: whole numbers as numbers (ours are below 2^53), conditions as 0 and 1, everything else as text. */
const types: CustomTypesConfig = {
  getTypeParser: (oid: number) => (text: string | Buffer) => {
    if (oid === bool) return text === "t" ? 1 : 0;
    return oid === int8 || oid === int2 || oid === int4 || oid === numeric ? Number(text) : String(text);
  },
};

/**
 * The database of a URL. Every `sslmode` except `disable` and `no-verify` verifies certificate and name, as in `pg`. This
 * is stricter than libpq, where `require` verifies nothing.
 */
export function placeOf(url: string): PostgresPlace {
  const parsed = new URL(url);
  const mode = parsed.searchParams.get("sslmode");
  if (mode !== null && mode !== "disable" && mode !== "no-verify") parsed.searchParams.set("sslmode", "verify-full");
  const host = parsed.searchParams.get("host") ?? parsed.host;
  return { name: `postgres://${host}${parsed.pathname}`, config: { ...limits, types, connectionString: parsed.href } };
}

/** One connection. */
export interface Session {
  /** Parameters are `$1`, `$2`, …. Throws `STORE_UNAVAILABLE`. */
  query(text: string, params?: readonly SqlValue[], name?: string): Promise<QueryResult<Row>>;
  /** Calls the listener with the payload of each notification (`LISTEN`). */
  onNotification(listener: (payload: string) => void): void;
  /** Aborted when either side has ended the connection. */
  readonly lost: AbortSignal;
  end(): Promise<void>;
}

/** Throws `STORE_UNAVAILABLE` with the reason. The message never contains the password. */
export async function openSession(place: PostgresPlace, more: ClientConfig = {}): Promise<Session> {
  const client = await connected(place, more);
  const lost = new AbortController();
  client.once("end", () => lost.abort());
  client.on("error", () => lost.abort());
  const end = async (): Promise<void> => {
    lost.abort();
    await client.end();
  };
  return {
    lost: lost.signal,
    end,
    onNotification: (listener) => void client.on("notification", ({ payload = "" }) => listener(payload)),
    async query(text, params = [], name) {
      try {
        return await client.query<Row>({ text, values: [...params], ...(name !== undefined && { name }) });
      } catch (error) {
        // Not awaited: a dead connection never confirms its end.
        if (isLoss(error)) end().catch(() => undefined);
        throw unavailable(error, place);
      }
    },
  };
}

async function connected(place: PostgresPlace, more: ClientConfig): Promise<Client> {
  try {
    // Files that the URL names (sslrootcert) are read here.
    const client = new Client({ ...place.config, ...more });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  } catch (error) {
    throw unavailable(error, place);
  }
}

/**
 * True if the connection is lost, false if only the statement failed. The server ends a connection with 57P0x, 25P03 and
 * 08xxx. With 0A000 it refuses prepared statements that are older than the schema: a new connection has none.
 */
export const isLoss = (error: unknown): boolean =>
  !(error instanceof DatabaseError) || /^(57P0|25P03|08|0A000)/.test(error.code ?? "");

/** Advice for error codes of the server (PostgreSQL documentation, appendix A). */
const advice: Readonly<Record<string, string>> = {
  "3D000": "create it first: CREATE DATABASE … OWNER …",
  "42501": "let the user own the schema, or GRANT USAGE, CREATE ON SCHEMA … TO …",
  "53300": "each process of Rollcall takes up to 6 connections",
  "55P03": `another process has been writing for ${lockTimeoutMs / 1000} s`,
};

/** Errors that a text causes at each try: too long for an index, NUL, NUL within JSON. */
const textRefused = ["54000", "22021", "22P05"];

/** Converts an error of PostgreSQL: `TEXT_REFUSED` for a text that it can't store, `STORE_UNAVAILABLE` for others. */
export function unavailable(error: unknown, { name }: PostgresPlace): RollcallError {
  if (error instanceof RollcallError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (textRefused.includes(code))
    return new RollcallError(
      "TEXT_REFUSED",
      "a name, address or id holds a NUL, or is longer than the 2,600 bytes that PostgreSQL indexes",
      { isPermanent: true },
    );
  // A host with several addresses gives one error for each.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const what = messageOf(first) || code || "no connection";
  const todo = advice[code] === undefined ? "" : `; ${advice[code]}`;
  // Without the error as the cause: its details quote rows.
  return new RollcallError("STORE_UNAVAILABLE", `database ${name}: ${what}${todo}`);
}

/** Facts about a server. */
export interface ServerFacts {
  /** As in 15.4. */
  readonly version: string;
  readonly hasFsync: boolean;
  readonly isEncrypted: boolean;
}

const aboutServer = `SELECT current_setting('server_version_num')::int / 10000 AS major, split_part(current_setting('server_version'), ' ', 1) AS version,
  current_setting('server_encoding') AS encoding, current_setting('synchronous_commit') AS synchronous, current_setting('fsync') AS fsync,
  pg_is_in_recovery() AS is_standby, current_schema() AS schema,
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted`;

/**
 * Makes sure that commits of this session are durable and that text comes back unchanged.
 * Throws `STORE_UNAVAILABLE` where that is impossible.
 */
export async function assertUsable(session: Session, { name }: PostgresPlace): Promise<ServerFacts> {
  const [row = {}] = (await session.query(aboutServer)).rows;
  const refused = (what: string): RollcallError => new RollcallError("STORE_UNAVAILABLE", `database ${name}: ${what}`);
  if (Number(row["major"]) < oldestServer)
    throw refused(`is PostgreSQL ${row["version"]}; Rollcall needs ${oldestServer} or newer`);
  if (row["encoding"] !== "UTF8")
    throw refused(`has the encoding ${row["encoding"]}; create it with ENCODING 'UTF8' TEMPLATE template0`);
  if (row["is_standby"] === 1) throw refused("is a standby, which takes no writes; name the primary");
  if (row["schema"] === null) throw refused("search_path leads to no schema that this user may use; create one");
  // Overrides the setting of the server or the role, unless it is stronger.
  if (row["synchronous"] !== "remote_apply") await session.query("SET synchronous_commit = on");
  return {
    version: String(row["version"]),
    hasFsync: row["fsync"] === "on",
    isEncrypted: row["is_encrypted"] === 1,
  };
}
