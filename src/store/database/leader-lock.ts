import { RollcallError } from "../../domain/model/errors.ts";
import type { Notice, ReconcileLock } from "../../domain/ports/directory-store.ts";
import { everyone, type Sql } from "./driver.ts";
import { assertUsable, openSession, type PostgresPlace, placeOf, type Session } from "./postgres-session.ts";
import { alreadyLocked } from "./sqlite.ts";

/** The first key of our advisory locks: "Rolc". The second key is the schema. */
const lockSpace = 0x526f6c63;
const reconcileSpace = lockSpace + 1;
/** The schema that holds the tables. Several Rollcalls in one database do not hinder each other. */
const schemaOid = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())";
/** Lets one process write at a time, until the end of the transaction. */
export const writeLock = `pg_advisory_xact_lock(${lockSpace}, ${schemaOid}::int)`;

/** Time between two checks that the leader still has the lock, and maximum time of the answer. */
const pingEveryMs = 1000;
const pingWithinMs = 3000;
/** Pings between two checks for unannounced commits: a process can be killed between its commit and its notice. */
const pingsPerScan = 30;

/** Maximum size of a notice. The server passes on less than 8,000 bytes. */
const maxNoticeBytes = 7000;
const announceAgainMs = 1000;

/** The lock of the process that reconciles on a PostgreSQL database, as one process sees it. */
export interface LeaderLock {
  /** Throws `STORE_LOCKED` when another process has the lock, or `STORE_UNAVAILABLE`. */
  lock(): Promise<ReconcileLock>;
  /** For the leader's transactions. Throws `STORE_LOCKED` when this process has lost the lock. */
  assertHeld(sql: Sql): Promise<void>;
  /** Notifies the process that has the lock, unless that is this one. */
  announce(read: Sql, notice: Notice): void;
}

export function createLeaderLock(url: string): LeaderLock {
  const place = placeOf(url);
  let held: { readonly pid: number; readonly lost: AbortSignal } | null = null;
  let isRepeating = false;

  const announce = (read: Sql, notice: Notice): void => {
    if (held !== null && !held.lost.aborted) return;
    const text = JSON.stringify(notice);
    const whole: Notice = { kind: "changed", refs: [everyone] };
    const payload = Buffer.byteLength(text) > maxNoticeBytes ? JSON.stringify(whole) : text;
    read.run(`SELECT pg_notify('rollcall_' || ${schemaOid}, ?)`, [payload]).catch(() => {
      if (isRepeating) return;
      isRepeating = true;
      setTimeout(() => {
        isRepeating = false;
        announce(read, whole);
      }, announceAgainMs).unref();
    });
  };

  return {
    announce,
    async lock() {
      const session = await openSession(place, { query_timeout: pingWithinMs });
      try {
        const pid = await take(session, place);
        held = { pid, lost: session.lost };
        return lockOn(session);
      } catch (error) {
        await session.end().catch(() => undefined);
        throw error;
      }
    },
    async assertHeld(sql) {
      if (held === null) return;
      const row = await sql.get(
        `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = ${reconcileSpace} AND granted AND pid = ?`,
        [held.pid],
      );
      if (row === undefined)
        throw new RollcallError("STORE_LOCKED", `this process does not reconcile on ${place.name} any more`);
    },
  };
}

/** Returns the process id of the session at the server. */
async function take(session: Session, place: PostgresPlace): Promise<number> {
  await assertUsable(session, place);
  // The server drops a leader whose machine is gone after 25 s. By then the leader has given up itself.
  await session.query("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3");
  const text = `SELECT pg_try_advisory_lock(${reconcileSpace}, oid::int) AS got, pg_backend_pid() AS pid, oid::bigint AS schema FROM ${schemaOid} AS s (oid)`;
  const [row] = (await session.query(text)).rows;
  if (row?.["got"] !== 1) throw alreadyLocked(place.name);
  await session.query(`LISTEN rollcall_${row["schema"]}`);
  return Number(row["pid"]);
}

function lockOn(session: Session): ReconcileLock {
  const listeners: ((notice: Notice) => void)[] = [];
  const tell = (notice: Notice): void => {
    for (const listener of listeners) listener(notice);
  };
  session.onNotification((payload) => {
    // Another Rollcall of the same schema wrote it.
    const notice: Notice = JSON.parse(payload);
    tell(notice);
  });
  let pings = 0;
  let seen: unknown = null;
  const ping = async (): Promise<void> => {
    const { rows } = await session.query("SELECT pg_current_snapshot()::text AS at");
    pings += 1;
    if (pings % pingsPerScan !== 0 || rows[0]?.["at"] === seen) return;
    seen = rows[0]?.["at"];
    tell({ kind: "changed", refs: [everyone] });
  };
  const timer = setInterval(() => void ping().catch(() => undefined), pingEveryMs);
  session.lost.addEventListener("abort", () => clearInterval(timer), { once: true });
  return {
    lost: session.lost,
    listen: (listener) => void listeners.push(listener),
    release: () => session.end().catch(() => undefined),
  };
}
