import type { Request, Response } from "express";
import type { AuditRow } from "../../domain/model/audit.ts";
import type { ActivityQuery, ConsoleStore } from "../../domain/ports/console-store.ts";
import { writeThrough } from "./write-through.ts";

export interface StreamParts {
  readonly reader: Pick<ConsoleStore, "activityAfter" | "newestSeq">;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly now: () => number;
  /** Ends all streams when the server stops. */
  readonly stopping: AbortSignal;
  /** True while the client is still signed in: a stream must not outlive its session. */
  readonly isStillIn: () => boolean;
  /** The lines of one event, without its id. */
  readonly eventOf: (row: AuditRow) => string;
}

const pollEveryMs = 1000;
/** Often enough for every proxy to keep the connection. */
const heartbeatMs = 15_000;
/** Maximum life of a stream. The client connects again, and its token is checked again. */
const lifeMs = 15 * 60_000;
const rowsPerPoll = 200;

/**
 * Sends new audit rows as server-sent events (HTML Living Standard §9.2), each with its `seq` as id: a client that
 * reconnects with `Last-Event-ID` misses none. Ends when the client goes or stops reading, when its session is over, and
 * when the server stops.
 */
export async function streamActivity(
  { reader, sleep, now, stopping, isStillIn, eventOf }: StreamParts,
  query: ActivityQuery,
  request: Request,
  response: Response,
): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const end = AbortSignal.any([gone.signal, stopping]);
  const given = String(request.get("last-event-id") ?? request.query["after"] ?? "");
  let after = /^\d{1,15}$/.test(given) ? Number(given) : await reader.newestSeq();
  response.status(200).set({
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    // Without it a proxy collects events until its buffer is full.
    "X-Accel-Buffering": "no",
  });
  response.flushHeaders();
  const startedMs = now();
  let sentMs = startedMs;
  let isOpen = await writeThrough(response, "retry: 2000\n\n");
  while (isOpen && !end.aborted && isStillIn() && now() - startedMs < lifeMs) {
    const { rows, lookedAtSeq } = await reader.activityAfter({ ...query, limit: rowsPerPoll }, after);
    after = lookedAtSeq;
    // The heartbeat has an id: after a reconnect, a filtered stream does not read the same rows again.
    const heartbeat = now() - sentMs < heartbeatMs ? "" : `id: ${after}\n: nothing new\n\n`;
    const text = rows.map((row) => `id: ${row.seq}\n${eventOf(row)}\n\n`).join("") || heartbeat;
    if (text !== "") {
      isOpen = await writeThrough(response, text);
      sentMs = now();
    }
    if (rows.length < rowsPerPoll) await sleep(pollEveryMs, end);
  }
  response.end();
}
