import { once } from "node:events";
import type { Request, Response } from "express";
import type { ActivityQuery, ConsoleStore } from "../../domain/ports/console-store.ts";
import { visitorOf } from "../access/role.ts";
import { row } from "./documents.ts";

export interface StreamParts {
  readonly reader: Pick<ConsoleStore, "activityAfter" | "newestSeq">;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly now: () => number;
  /** Ends all streams when the server stops. */
  readonly stopping: AbortSignal;
}

const lookEveryMs = 1000;
const heartbeatMs = 15_000;
/** Then the client connects anew, and its token is looked at again. */
const lifeMs = 15 * 60_000;
const stuckMs = 30_000;
const rowsPerLook = 200;

/**
 * New audit rows as server-sent events (HTML Living Standard §9.2), each with its `seq` as id: a client that comes back
 * with `Last-Event-ID` misses none. Ends when the client goes, reads nothing for half a minute, its session is over, or the
 * server stops.
 */
export async function streamActivity(
  { reader, sleep, now, stopping }: StreamParts,
  query: ActivityQuery,
  request: Request,
  response: Response,
): Promise<void> {
  const { isStillIn } = visitorOf(response);
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const end = AbortSignal.any([gone.signal, stopping]);
  const given = request.get("last-event-id") ?? "";
  let after = /^\d{1,15}$/.test(given) ? Number(given) : await reader.newestSeq();
  response.status(200).set({
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    // Else a proxy gathers events until there is a buffer of them.
    "X-Accel-Buffering": "no",
  });
  response.flushHeaders();
  const send = async (text: string): Promise<void> => {
    if (response.write(text)) return;
    try {
      await once(response, "drain", { signal: AbortSignal.any([end, AbortSignal.timeout(stuckMs)]) });
    } catch {
      gone.abort();
    }
  };
  const startedMs = now();
  let spokenMs = startedMs;
  await send(`retry: 2000\n\n`);
  while (!end.aborted && isStillIn() && now() - startedMs < lifeMs) {
    const { rows, lookedAtSeq } = await reader.activityAfter({ ...query, limit: rowsPerLook }, after);
    after = lookedAtSeq;
    if (rows.length > 0) {
      await send(
        rows.map((each) => `id: ${each.seq}\nevent: activity\ndata: ${JSON.stringify(row(each))}\n\n`).join(""),
      );
      spokenMs = now();
    } else if (now() - spokenMs >= heartbeatMs) {
      // With an id, so that a filtered stream does not look at the same rows again.
      await send(`id: ${after}\n: nothing new\n\n`);
      spokenMs = now();
    }
    if (rows.length < rowsPerLook) await sleep(lookEveryMs, end);
  }
  if (gone.signal.aborted) response.destroy();
  else response.end();
}
