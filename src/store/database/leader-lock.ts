import { RollcallError } from "../../domain/model/errors.ts";
import type { Notice, ReconcileLock } from "../../domain/ports/directory-store.ts";
import { everybody } from "../directory/groups.ts";
import type { Sql } from "./driver.ts";
import { assertUsable, openSession, type PostgresPlace, placeOf, type Session } from "./postgres-session.ts";

/** In every lock of ours, beside the schema: "Rolc". */
const lockSpace = 0x526f6c63;
const reconcileSpace = lockSpace + 1;
/** The schema that holds the tables: several Rollcalls in one database do not hinder each other. */
const schemaOid = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())";
/** One process writes at a time: held until the end of the transaction. */
export const writeLock = `pg_advisory_xact_lock(${lockSpace}, ${schemaOid}::int)`;

/** How often the holder of the lock makes sure that it has it, and how long the answer may take. */
const pingEveryMs = 1000;
const pingWithinMs = 3000;
/** A process can be killed between its commit and what it tells of it: so often it is looked whether there was a commit. */
const pingsPerLook = 30;

/** The server passes on less than 8,000 bytes. */
const bytesAtMost = 7000;
const announceAgainMs = 1000;

/** Who reconciles on a database, as one process sees it. */
export interface Seat {
  /** @throws `STORE_LOCKED` when another process has it, `STORE_UNAVAILABLE` */
  lock(): Promise<ReconcileLock>;
  /** Within a transaction of somebody who reconciles. @throws `STORE_LOCKED` when this process has lost the lock */
  assertHeld(sql: Sql): Promise<void>;
  /** Tells the process that holds the lock, where that is another one. */
  announce(read: Sql, notice: Notice): void;
}

/** Nobody has the lock here until `lock`. */
export function createLeaderLock(url: string): Seat {
  const place = placeOf(url);
  let held: { readonly pid: number; readonly lost: AbortSignal } | null = null;
  let isRepeating = false;

  const announce = (read: Sql, notice: Notice): void => {
    if (held !== null && !held.lost.aborted) return;
    const text = JSON.stringify(notice);
    const whole: Notice = { kind: "changed", refs: [everybody] };
    const payload = Buffer.byteLength(text) > bytesAtMost ? JSON.stringify(whole) : text;
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

/** @returns the process id of the session at the server. */
async function take(session: Session, place: PostgresPlace): Promise<number> {
  await assertUsable(session, place);
  // A holder whose machine is gone is taken for dead after 25 s; by then it has given up itself.
  await session.query("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3");
  const text = `SELECT pg_try_advisory_lock(${reconcileSpace}, oid::int) AS got, pg_backend_pid() AS pid, oid::bigint AS schema FROM ${schemaOid} AS s (oid)`;
  const [row] = (await session.query(text)).rows;
  if (row?.["got"] !== 1)
    throw new RollcallError(
      "STORE_LOCKED",
      `another "rollcall serve" or "rollcall sync" already works on ${place.name}; only one may. Stop it, or give this one another "store" in its configuration`,
    );
  await session.query(`LISTEN rollcall_${row["schema"]}`);
  return Number(row["pid"]);
}

function lockOn(session: Session): ReconcileLock {
  const listeners: ((notice: Notice) => void)[] = [];
  const tell = (notice: Notice): void => {
    for (const listener of listeners) listener(notice);
  };
  session.onNotification((payload) => tell(JSON.parse(payload) as Notice));
  let pings = 0;
  let seen: unknown = null;
  const ping = async (): Promise<void> => {
    const { rows } = await session.query("SELECT pg_current_snapshot()::text AS at");
    pings += 1;
    if (pings % pingsPerLook !== 0 || rows[0]?.["at"] === seen) return;
    seen = rows[0]?.["at"];
    tell({ kind: "changed", refs: [everybody] });
  };
  const timer = setInterval(() => void ping().catch(() => undefined), pingEveryMs);
  session.lost.addEventListener("abort", () => clearInterval(timer), { once: true });
  return {
    lost: session.lost,
    listen: (listener) => void listeners.push(listener),
    release: () => session.end().catch(() => undefined),
  };
}
